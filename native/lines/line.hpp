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
  std::uint64_t rate = 0;      ///< bit/s, 1 to 10^12; 0 takes no time
  std::uint32_t overhead = 0;  ///< bytes added to each frame, 0 to 1000 (24: Ethernet, preamble to gap)
  Limit limit;

  bool operator==(const LineSettings&) const = default;
};

class Line {
 public:
  /// Takes a frame, or leaves it to the caller to drop (false: too much waits). The caller has moved out what
  /// was due at `at` or before. The frame keeps the rate of these settings whatever follows.
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
  [[nodiscard]] bool full(const Held& held, const Limit& limit, Instant at) const noexcept;
  [[nodiscard]] bool waitsLonger(Duration limit, Instant at) const noexcept;
  void serve(Held* held) noexcept;

  Held* inService_ = nullptr;
  Instant finish_;               // of the service begun last, rounded down ...
  std::uint64_t remainder_ = 0;  // ... and what is missing, in 1 / rate_ ns
  std::uint64_t rate_ = 1;

  Held* first_ = nullptr;  // waiting
  Held* last_ = nullptr;
  std::uint64_t waitingFrames_ = 0;
  std::uint64_t waitingBytes_ = 0;
  FineTime waitingTime_ = 0;
};

}  // namespace etherloom
