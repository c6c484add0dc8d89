// A trace: how a path's rate, delay and loss change over time. Immutable, shared by any number of paths and
// threads. Built on the JavaScript thread; read by lines and paths on the
// worker of the path's to-port.
//
// Theory of operation. A trace's time begins at 0 and moves in steps; what a step says holds until the next.
// What a line can do is kept as a sum: the work that it has been able to do since time 0, in bits times
// nanoseconds per second, so a rate of r bit/s adds exactly r each nanosecond and no rounding exists. Each
// step knows the sum at its beginning. A delivery opportunity is a jump of the sum. A line keeps the sum up
// to which its frames have used it, an integer; a frame of b bits is through at the first nanosecond at which
// the sum is at least b · 10^9 more. That instant is exact whatever rates the frame has met, rates of 0
// included, and a whole pass of a trace that repeats is one multiplication.
//
// Looking a time up costs O(1) where it is in the step of the time before it or in the next one, which the
// cursor remembers, and a binary search elsewhere.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "os/clock.hpp"

namespace etherloom {

class Trace {
 public:
  using Work = unsigned __int128;  ///< bit · ns / s
  static constexpr std::uint64_t workPerBit = 1'000'000'000;

  /// What holds after the last step.
  enum class End : std::uint8_t {
    Loop,  ///< the trace begins again
    Hold,  ///< the last step, for ever
    Stop,  ///< a rate of 0; delay and loss of the last step
  };

  /// All of one length, or empty where the trace has no such column.
  struct Columns {
    std::vector<std::int64_t> at;     ///< nanoseconds, increasing, the first 0 (for opportunities at least 0)
    std::vector<std::uint64_t> rate;  ///< bit/s, up to 10^12
    std::vector<std::uint64_t> jump;  ///< bits that can pass at that very instant
    std::vector<std::int64_t> delay;  ///< nanoseconds
    std::vector<double> loss;         ///< probability
  };

  /// Where a lookup found its time: the next one begins there. Any value is right for any trace.
  struct Cursor {
    std::size_t step = 0;
    std::uint64_t pass = 0;
  };

  /// `period`: how long one pass lasts, in nanoseconds, above 0 and not before the last step.
  Trace(Columns columns, End end, std::int64_t period);

  /// Whether it says how much can pass, how long frames travel, how often they are lost.
  [[nodiscard]] bool hasRate() const noexcept { return !work_.empty(); }
  [[nodiscard]] bool hasDelay() const noexcept { return !columns_.delay.empty(); }
  [[nodiscard]] bool hasLoss() const noexcept { return !columns_.loss.empty(); }

  /// What could have passed from time 0 to `time`, its own nanosecond's opportunities included.
  [[nodiscard]] Work workAt(Duration time, Cursor& cursor) const noexcept;
  /// The first time at which workAt is at least `work`, which is above 0; the longest duration if it never
  /// is.
  [[nodiscard]] Duration reach(Work work, Cursor& cursor) const noexcept;
  [[nodiscard]] Duration delayAt(Duration time, Cursor& cursor) const noexcept;
  [[nodiscard]] double lossAt(Duration time, Cursor& cursor) const noexcept;

  static constexpr Duration never() { return forever; }

 private:
  struct Place {
    std::uint64_t pass;
    std::int64_t time;  // within the pass
  };
  [[nodiscard]] Place placeOf(Duration time) const noexcept;
  [[nodiscard]] std::size_t stepAt(std::int64_t time, Cursor& cursor) const noexcept;
  [[nodiscard]] std::size_t stepWith(Work work, Cursor& cursor) const noexcept;

  Columns columns_;
  std::vector<Work> work_;  // at the beginning of each step, its jump included
  bool loops_;
  std::int64_t period_;
  Work workOfPass_ = 0;
};

/// A trace that drives a path since `zero`, an instant of the engine's clock. No trace: it does not.
struct TraceRun {
  std::shared_ptr<const Trace> trace;
  Instant zero;

  bool operator==(const TraceRun&) const = default;

  /// The trace's time at an instant; what comes before its beginning is at its beginning.
  [[nodiscard]] Duration timeAt(Instant at) const noexcept { return at < zero ? Duration{} : at - zero; }
  [[nodiscard]] Instant instantOf(Duration time) const noexcept {
    return time == Trace::never() ? Instant::never() : zero + time;
  }
};

}  // namespace etherloom
