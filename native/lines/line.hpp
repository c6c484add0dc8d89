// The line of a path: it serialises frames at a rate and is the only thing that makes them queue.
// Called by the pipeline on the worker of the path's to-port.
//
// Theory of operation. One frame is in service, the others wait in order. A frame occupies the line from the
// end of the frame before it (or from its queueing, if the line was idle) for bits / rate. That time is
// charged when service begins, so a queue discipline that decides at dequeue has only serve() to change. The
// end of service is kept as a rational number, finish_ + remainder_ / rate_ nanoseconds, and passed on whole:
// no sum of frames ever loses a fraction. What the clock sees of it is rounded up, so nothing is early.
//
// The time that waiting frames will take is kept as a sum of their service times in units of 2^-32 ns, each
// rounded down; it decides only whether a limit in time is reached.
//
// A frame that is served by a trace has no rate. Its service ends when the trace has allowed for its bits
// after those of the frame before it: work_ counts them, exactly (trace.hpp). Between two frames of one run
// of a trace it is passed on as it is; a frame after anything else begins at a whole nanosecond.
#pragma once

#include <cstdint>

#include "lines/held.hpp"

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

struct LineSettings {
  std::uint64_t rate = 0;     ///< bit/s, 1 to 10^12; 0 takes no time
  std::int32_t overhead = 0;  ///< bytes added to each frame, -14 to 1000 (24: Ethernet, preamble to gap)
  Limit limit;

  bool operator==(const LineSettings&) const = default;
};

class Line {
 public:
  /// Takes a frame, or leaves it to the caller to drop (false: too much waits). The caller has moved out what
  /// was due at `at` or before. The frame keeps the rate of these settings, or the trace that its `run` has
  /// been set to, whatever follows.
  [[nodiscard]] bool offer(Held* held, const LineSettings& settings, Instant at) noexcept;

  /// When the frame in service is through; never if there is none.
  [[nodiscard]] Instant due() const noexcept { return inService_ ? inService_->due : Instant::never(); }
  /// Gives up the frame in service, which there must be, and begins with the next.
  [[nodiscard]] Held* finish() noexcept;

  /// Gives up the waiting frames as a list in order; the one in service stays.
  [[nodiscard]] Held* flush() noexcept;

  /// The frame in service; nullptr if there is none.
  [[nodiscard]] const Held* inService() const noexcept { return inService_; }
  [[nodiscard]] bool empty() const noexcept { return !inService_; }
  /// Frames whose service has not begun.
  [[nodiscard]] std::uint64_t waiting() const noexcept { return waitingFrames_; }

 private:
  using FineTime = unsigned __int128;  // 2^-32 ns

  [[nodiscard]] static FineTime fineTime(std::uint64_t bitNanoseconds, std::uint64_t rate) noexcept;
  [[nodiscard]] static FineTime serviceTime(const Held& held) noexcept;
  [[nodiscard]] static Trace::Work workOf(const Held& held) noexcept;
  [[nodiscard]] bool full(const Held& held, const Limit& limit, Instant at) noexcept;
  [[nodiscard]] bool waitsLonger(const Held& held, Duration limit, Instant at) noexcept;
  void serve(Held* held) noexcept;
  void serveByTrace(Held* held) noexcept;

  Held* inService_ = nullptr;
  Instant finish_;               // of the service begun last, rounded down ...
  std::uint64_t remainder_ = 0;  // ... and what is missing, in 1 / rate_ ns
  std::uint64_t rate_ = 1;
  TraceRun run_;          // what serves now, if that is a trace ...
  Trace::Work work_ = 0;  // ... and how much of it the services begun so far take
  Trace::Cursor cursor_;  // where services end
  Trace::Cursor ahead_;   // where those of new frames would begin

  Held* first_ = nullptr;  // waiting
  Held* last_ = nullptr;
  std::uint64_t waitingFrames_ = 0;
  std::uint64_t waitingBytes_ = 0;
  FineTime waitingTime_ = 0;
  Trace::Work waitingWork_ = 0;  // of those that a trace serves
};

}  // namespace etherloom
