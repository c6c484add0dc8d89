// The line of a path: it serialises frames at a rate and is the only thing that makes them queue.
// Called by the pipeline on the worker of the path's to-port.
//
// Theory of operation. One frame is in service, the others wait in order. A frame occupies the line from the
// end of the frame before it (or from its queueing, if the line was idle) for bits / rate. That time is
// charged when service begins, in serve(). The end of service is kept as a rational number, finish_ +
// remainder_ / rate_ nanoseconds, and passed on whole: no sum of frames ever loses a fraction. What the clock
// sees of it is rounded up, so nothing is early.
//
// A burst makes the line a token bucket, filled at the rate (tc-tbf(8)). Nothing counts tokens: finish_ is
// when the bucket was, or will be, empty, and it is never more than the time of a full bucket behind. A frame
// moves it by its own time; where that stays in the past, the tokens were there and the frame leaves at once,
// else it leaves when finish_ is reached. Without a burst the bucket holds nothing, and that is a plain line.
//
// The queue's discipline is asked as a frame is queued, and as its service begins. Slots hold
// back who is through, at the head of the line: those behind keep waiting, and count for the limit, while
// their service times run on.
//
// Under a trace there is no rate. A service ends when the trace has allowed for its bits after those of the
// frame before it: work_ counts them, exactly (trace.hpp). Between two frames that follow each other it is
// passed on as it is; a frame that finds the line at rest begins at a whole nanosecond.
//
// Settings hold for all that waits, and for what is left of the frame in service, from the instant at which
// they come: what the line has still to do, or may do at once, is a number of bits whatever the rate, owed().
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>

#include "frame/drop.hpp"
#include "impairments/random.hpp"
#include "lines/discipline.hpp"
#include "lines/held.hpp"
#include "lines/slots.hpp"
#include "lines/trace.hpp"

namespace etherloom {

/// How much may wait for a line. The frame in service does not count: its wait is over.
struct Limit {
  enum class Unit : std::uint8_t {
    Default,      ///< full when both 1000 frames wait and a new one would wait more than 100 ms
    Frames,       ///< frames that may wait
    Bytes,        ///< bytes of frames that may wait, without overhead
    Nanoseconds,  ///< how long a frame may wait until its service begins
  };
  Unit unit = Unit::Default;
  std::uint64_t amount = 0;  ///< in that unit; up to 2^62 for times

  bool operator==(const Limit&) const = default;
};

/// Frames cross the line in cells of `size` bytes, the last one padded, each with `overhead` bytes more.
struct Cells {
  std::uint32_t size = 0;      ///< 0 to 65,535; 0: no cells
  std::uint32_t overhead = 0;  ///< 0 to 1000

  bool operator==(const Cells&) const = default;
};

struct LineSettings {
  std::uint64_t rate = 0;     ///< bit/s, 1 to 10^12; 0 takes no time
  std::int32_t overhead = 0;  ///< bytes added to each frame, -1000 to 1000 (24: Ethernet, preamble to gap)
  Limit limit{};
  std::uint64_t burst = 0;  ///< bytes of the token bucket, up to 2^30
  Cells cells{};
  std::shared_ptr<const Discipline> discipline{};  ///< nullptr: nothing but the limit
  SlotSettings slots{};

  bool operator==(const LineSettings&) const = default;
};

/// The bits that a frame of this many bytes occupies the line with.
[[nodiscard]] std::uint32_t lineBits(std::uint32_t length, const LineSettings& settings) noexcept;

class Line {
 public:
  /// Draws for discipline and slots, from the path's seed.
  explicit Line(std::uint64_t pathSeed) { reseed(pathSeed); }
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  /// Starts both streams anew.
  void reseed(std::uint64_t pathSeed) noexcept;
  /// Gives the line other settings from this instant on, also for the frames that it has. A trace takes the
  /// place of the rate. The caller has taken what was due by then. A discipline that stays the same keeps its
  /// memory.
  void adopt(const LineSettings& settings, const TraceRun& run, Instant at) noexcept;

  /// Takes a frame, or says why the caller has to drop it: more than the burst (oversize), dropped by the
  /// discipline (aqm), or too much waits (queue). The caller has moved out what was due at `at` or before.
  [[nodiscard]] std::optional<DropReason> offer(Held* held, Instant at) noexcept;

  /// When the frame in service leaves; never if there is none.
  [[nodiscard]] Instant due() const noexcept { return inService_ ? inService_->due : Instant::never(); }
  /// Hands back the frame in service (there must be one) and begins with the next that the discipline lets
  /// pass. Those that it does not let pass go into `dropped`, due now.
  [[nodiscard]] Held* finish(Chain<Held>& dropped) noexcept;

  /// Hands back the frame that has waited longest; nullptr if none waits. The one in service stays.
  [[nodiscard]] Held* takeWaiting() noexcept;

  /// The frame in service; nullptr if there is none.
  [[nodiscard]] const Held* inService() const noexcept { return inService_; }
  [[nodiscard]] bool empty() const noexcept { return !inService_; }
  /// Frames whose service has not begun.
  [[nodiscard]] std::uint64_t waiting() const noexcept { return waitingFrames_; }

 private:
  /// The unit is a bit times the nanoseconds of a second, as in traces (trace.hpp).
  using SignedWork = __int128;

  [[nodiscard]] SignedWork owed(Instant at) const noexcept;
  void resume(SignedWork owed, Instant at) noexcept;
  void countWaitingBits() noexcept;
  [[nodiscard]] bool full(const Held& held, Instant at) noexcept;
  [[nodiscard]] bool waitsLonger(Duration limit, Instant at) noexcept;
  [[nodiscard]] Discipline::Queue queueAt(Instant at) const noexcept;
  void serve(Held* held, Instant now) noexcept;
  void serveByRate(const Held& held) noexcept;
  void serveByTrace(const Held& held) noexcept;
  void fillBucket(Instant at) noexcept;
  [[nodiscard]] Trace::Work workOf(std::uint64_t bits) const noexcept {
    return Trace::Work{bits} * Trace::workPerBit;
  }
  [[nodiscard]] std::uint64_t bitsOf(const Held& held) const noexcept {
    return lineBits(held.frame->length, settings_);
  }
  [[nodiscard]] Instant finishedAt() const noexcept { return finish_ + Duration{remainder_ > 0 ? 1 : 0}; }

  LineSettings settings_;
  Random disciplineDraws_;
  Random slotDraws_;
  DisciplineMemory discipline_;  // what the discipline of the settings remembers
  Slots slots_;

  Held* inService_ = nullptr;
  Instant idleSince_;
  /// When the bucket is empty, which without a burst is when the service begun last ends: rounded down ...
  Instant finish_ = Instant::longAgo();
  std::uint64_t remainder_ = 0;  // ... and what is missing, in 1 / rate ns
  TraceRun run_;                 // the trace that serves, if one does ...
  Trace::Work work_ = 0;         // ... and how much of it the services begun so far take
  Trace::Cursor cursor_;         // where services end
  Trace::Cursor ahead_;          // where those of new frames would begin

  Chain<Held> waiting_;
  std::uint64_t waitingFrames_ = 0;
  std::uint64_t waitingBytes_ = 0;
  std::uint64_t waitingBits_ = 0;
};

}  // namespace etherloom
