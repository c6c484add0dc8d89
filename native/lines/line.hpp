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
// The queue's discipline is asked as a frame is queued (RED) or as its service begins (CoDel). Slots hold
// back who is through, at the head of the line: those behind keep waiting, and count for the limit, while
// their service times run on.
//
// The time that waiting frames will take is kept as a sum of their service times in units of 2^-32 ns, each
// rounded down; it decides only whether a limit in time is reached.
//
// A frame that is served by a trace has no rate. Its service ends when the trace has allowed for its bits
// after those of the frame before it: work_ counts them, exactly (trace.hpp). Between two frames of one run
// of a trace it is passed on as it is; a frame after anything else begins at a whole nanosecond.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>

#include "frame/drop.hpp"
#include "impairments/impairment.hpp"
#include "lines/codel.hpp"
#include "lines/discipline.hpp"
#include "lines/held.hpp"
#include "lines/red.hpp"
#include "lines/slots.hpp"

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
  QueueDiscipline discipline{};
  SlotSettings slots{};

  bool operator==(const LineSettings&) const = default;
};

/// The bits that a frame of this many bytes occupies the line with.
[[nodiscard]] std::uint32_t lineBits(std::uint32_t length, const LineSettings& settings) noexcept;

class Line {
 public:
  /// Draws from the path's streams for Discipline and Slot.
  explicit Line(StageStates& stages) noexcept : stages_(stages) {}
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  /// From now on burst, discipline and slots are these, for the frames that wait, too. What a discipline
  /// remembers stays as long as its settings.
  void adopt(const LineSettings& settings) noexcept;

  /// Takes a frame, or says why the caller has to drop it: more than the burst (oversize), dropped by the
  /// discipline (aqm), or too much waits (queue). The caller has moved out what was due at `at` or before.
  /// The frame keeps the rate of these settings, or the trace that its `run` has been set to, whatever
  /// follows.
  [[nodiscard]] std::optional<DropReason> offer(Held* held, const LineSettings& settings,
                                                Instant at) noexcept;

  /// When the frame in service leaves; never if there is none.
  [[nodiscard]] Instant due() const noexcept { return inService_ ? inService_->due : Instant::never(); }
  /// Gives up the frame in service, which there must be, and begins with the next that the discipline lets
  /// pass.
  [[nodiscard]] Held* finish() noexcept;
  /// Gives up, as a list in order, what the discipline dropped in finish() since the last call.
  [[nodiscard]] Held* takeDropped() noexcept;

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
  [[nodiscard]] bool full(const Held& held, const LineSettings& settings, Instant at) noexcept;
  [[nodiscard]] bool waitsLonger(const Held& held, Duration limit, Instant at) noexcept;
  [[nodiscard]] QueueVerdict judgeArrival(const RedSettings& red, const Held& held, Instant at) noexcept;
  [[nodiscard]] Held* takeFirst() noexcept;
  void serve(Held* held, Instant now) noexcept;
  void serveByRate(const Held& held) noexcept;
  void serveByTrace(const Held& held) noexcept;
  void changeRate(std::uint64_t rate) noexcept;
  void fillBucket(Instant at) noexcept;
  [[nodiscard]] Instant finishedAt() const noexcept { return finish_ + Duration{remainder_ > 0 ? 1 : 0}; }
  [[nodiscard]] Random& random(Stage stage) noexcept {
    return stages_[static_cast<std::size_t>(stage)].random;
  }

  StageStates& stages_;
  std::uint64_t burst_ = 0;
  QueueDiscipline discipline_;
  SlotSettings slotSettings_;
  Codel codel_;
  Red red_;
  Slots slots_;

  Held* inService_ = nullptr;
  Instant idleSince_;
  /// When the bucket is empty, which without a burst is when the service begun last ends: rounded down ...
  Instant finish_{std::numeric_limits<std::int64_t>::min()};
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

  Held* firstDropped_ = nullptr;
  Held* lastDropped_ = nullptr;
};

}  // namespace etherloom
