// CoDel, controlled delay, and what a line remembers for it. Made through its kind, and directly by tests.
//
// Theory of operation. RFC 8289, section 5, describes one call that takes frames from the queue until one may
// pass. Here the line takes them and asks of each in turn; `after_` is where that call would stand in its
// code. Every frame taken at one instant meets the fate, and leaves the state, that the call would give it.
// The wait is above target for good when every frame of an interval waited that long. Then one frame is
// dropped, the next after interval / sqrt(2), interval / sqrt(3) and so on, until a frame waited less. A mark
// counts as a drop, after which the frame passes (as in Linux).
#pragma once

#include <cstdint>

#include "lines/discipline.hpp"
#include "lines/held.hpp"

namespace etherloom {

/// Decided as a frame's service begins.
struct CodelSettings {
  Duration target{5'000'000};      ///< the wait that is accepted for good
  Duration interval{100'000'000};  ///< how long more than that is accepted
  bool ecn = false;                ///< mark instead, where the frame is capable
};

[[nodiscard]] std::shared_ptr<const Discipline> makeCodel(const CodelSettings& settings);

class Codel {
 public:
  /// A frame was taken from the queue at `now`, and `backlog` bytes still wait. The line passes it on, or
  /// drops it and takes the next.
  [[nodiscard]] QueueVerdict decide(const CodelSettings& settings, const Held& held, std::uint64_t backlog,
                                    Instant now) noexcept;
  /// The line wanted a frame and there was none.
  void ranEmpty() noexcept;

 private:
  /// Which question of the same call comes before this one.
  enum class After : std::uint8_t {
    Pass,       ///< none: this is the first
    FirstDrop,  ///< the one that began dropping; whatever follows it passes
    Drop,       ///< one while dropping
  };

  [[nodiscard]] bool waitedTooLong(const CodelSettings& settings, const Held& held, std::uint64_t backlog,
                                   Instant now) noexcept;
  void startDropping(const CodelSettings& settings, Instant now) noexcept;
  [[nodiscard]] Instant afterNext(const CodelSettings& settings, Instant from) const noexcept;

  bool dropping_ = false;
  bool above_ = false;  // the wait is above target ...
  Instant goodUntil_;   // ... and may be until then
  After after_ = After::Pass;
  std::uint32_t count_ = 0;      // drops since dropping began
  std::uint32_t lastCount_ = 0;  // count_ where it began last
  Instant dropNext_;
  std::uint32_t largest_ = 0;  // bytes of the longest frame so far: less backlog than that is no queue
};

}  // namespace etherloom
