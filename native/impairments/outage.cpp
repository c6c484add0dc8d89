// A path that is dead at times, by the clock: periodically, from offset + k · every for `down`, for every
// whole k; or at random, for `down` on average, then up for every - down on average, both times exponential.
//
// Theory of operation. When a frame arrived decides, not when others did. Periodic outages need no memory:
// the arrival's place in its period tells. Random ones are a Markov chain in continuous time, up for 1/a and
// down for 1/b on average. Looked at only when frames arrive, it is a chain again: t after it was found down
// it is down with probability d + (1 - d) e^(-(a+b) t), after it was found up with d (1 - e^(-(a+b) t)),
// where d is the share of time that it is down, and the probability for the first frame. So one draw tells
// the state after any time, however long nothing came.
#include <algorithm>
#include <cmath>

#include "impairments/impairment.hpp"

namespace etherloom {
namespace {

extern const ImpairmentKind registeredOutage;

/// `every` is above 0, `down` at most `every`, `offset` in [0, every); nanoseconds.
class PeriodicOutage final : public Impairment {
 public:
  PeriodicOutage(double every, double down, double offset)
      : Impairment(registeredOutage),
        every_(static_cast<std::int64_t>(every)),
        down_(static_cast<std::int64_t>(down)),
        offset_(static_cast<std::int64_t>(offset)) {}

  [[nodiscard]] ClassMark mark() const noexcept override { return markOf<PeriodicOutage>(); }
  void apply(Passage& passage, StageState&) const noexcept override {
    std::int64_t place = (passage.arrival().nanoseconds - offset_) % every_;
    if (place < 0) place += every_;
    if (place < down_) passage.drop(DropReason::Loss);
  }

 private:
  std::int64_t every_, down_, offset_;
};

class RandomOutage final : public Impairment {
 public:
  RandomOutage(double every, double down)
      : Impairment(registeredOutage),
        share_(down / every),
        forgetting_(1 / (every * share_ * (1 - share_))) {}

  // The memory is 0 before the first frame, then 1 + the last arrival, twice, and whether the path was down.
  [[nodiscard]] ClassMark mark() const noexcept override { return markOf<RandomOutage>(); }
  void apply(Passage& passage, StageState& state) const noexcept override {
    const auto now = static_cast<std::uint64_t>(passage.arrival().nanoseconds) + 1;
    const std::uint64_t before = state.memory >> 1;
    double probability = share_;
    if (before != 0 && share_ < 1) {
      const double passed = static_cast<double>(now - std::min(now, before));
      const double forgotten = -std::expm1(-passed * forgetting_);
      probability = (state.memory & 1) != 0 ? 1 - (1 - share_) * forgotten : share_ * forgotten;
    }
    const bool down = state.random.hit(probability);
    state.memory = std::max(now, before) << 1 | (down ? 1 : 0);
    if (down) passage.drop(DropReason::Loss);
  }

 private:
  double share_;       // of the time that the path is down
  double forgetting_;  // 1/up + 1/down, per nanosecond
};

// Whether it is random, and in nanoseconds: every, down, offset.
const ImpairmentKind registeredOutage(
    "outage", "outage", 20, [](std::span<const double> settings) -> std::unique_ptr<const Impairment> {
      if (settings[0] != 0) return std::make_unique<RandomOutage>(settings[1], settings[2]);
      return std::make_unique<PeriodicOutage>(settings[1], settings[2], settings[3]);
    });

}  // namespace
}  // namespace etherloom
