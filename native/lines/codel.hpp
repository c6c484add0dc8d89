// CoDel, controlled delay. Made through its kind, and directly by tests.
//
// Theory of operation. RFC 8289, section 5, describes one call that takes frames from the queue until one may
// pass. Here the line takes them and asks of each in turn; `after` is where that call would stand in its
// code. Every frame taken at one instant meets the fate, and leaves the state, that the call would give it.
// The wait is above target for good when every frame of an interval waited that long. Then one frame is
// dropped, the next after interval / sqrt(2), interval / sqrt(3) and so on, until a frame waited less. A mark
// counts as a drop, after which the frame passes (as in Linux).
#pragma once

#include <cstdint>

#include "lines/discipline.hpp"

namespace etherloom {

/// Decided as a frame's service begins.
struct CodelSettings {
  Duration target{5'000'000};      ///< the wait that is accepted for good
  Duration interval{100'000'000};  ///< how long more than that is accepted
  bool ecn = false;                ///< mark instead, where the frame is capable
};

class Codel final : public Discipline {
 public:
  explicit Codel(const CodelSettings& settings) : settings_(settings) {}

  [[nodiscard]] ClassMark mark() const noexcept override { return markOf<Codel>(); }
  void start(DisciplineMemory& memory) const noexcept override { memory.start<Memory>(); }
  QueueVerdict onService(DisciplineMemory& memory, const Held& held, std::uint64_t backlog,
                         Instant now) const noexcept override;
  void ranEmpty(DisciplineMemory& memory) const noexcept override;

 private:
  /// Which question of the same call comes before this one.
  enum class After : std::uint8_t {
    Pass,       ///< none: this is the first
    FirstDrop,  ///< the one that began dropping; whatever follows it passes
    Drop,       ///< one while dropping
  };

  /// What a line remembers for it.
  struct Memory {
    bool dropping = false;
    bool above = false;  // the wait is above target ...
    Instant goodUntil;   // ... and may be until then
    After after = After::Pass;
    std::uint32_t count = 0;      // drops since dropping began
    std::uint32_t lastCount = 0;  // count where it began last
    Instant dropNext;
    std::uint32_t largest = 0;  // bytes of the longest frame so far: less backlog than that is no queue
  };

  [[nodiscard]] bool waitedTooLong(Memory& memory, const Held& held, std::uint64_t backlog,
                                   Instant now) const noexcept;
  void startDropping(Memory& memory, Instant now) const noexcept;
  [[nodiscard]] Instant afterNext(const Memory& memory, Instant from) const noexcept;

  CodelSettings settings_;
};

}  // namespace etherloom
