#include "impairments/outage.hpp"

#include <algorithm>
#include <cmath>

namespace etherloom {
namespace {

// Whether it is random, and in nanoseconds: every, down, offset.
const ImpairmentKind registered("outage", "outage", 20, [](std::span<const double> settings) {
  const auto duration = [&](std::size_t at) { return Duration{static_cast<std::int64_t>(settings[at])}; };
  return settings[0] != 0 ? makeRandomOutage(duration(1), duration(2))
                          : makeOutage(duration(1), duration(2), duration(3));
});

class PeriodicOutage final : public Impairment {
 public:
  PeriodicOutage(Duration every, Duration down, Duration offset)
      : Impairment(registered),
        every_(every.nanoseconds),
        down_(down.nanoseconds),
        offset_(offset.nanoseconds) {}

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
  RandomOutage(Duration every, Duration down)
      : Impairment(registered),
        share_(static_cast<double>(down.nanoseconds) / static_cast<double>(every.nanoseconds)),
        forgetting_(1 / (static_cast<double>(every.nanoseconds) * share_ * (1 - share_))) {}

  // The memory is 0 before the first frame, then 1 + the last arrival, twice, and whether the path was down.
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

}  // namespace

std::unique_ptr<const Impairment> makeOutage(Duration every, Duration down, Duration offset) {
  return std::make_unique<PeriodicOutage>(every, down, offset);
}

std::unique_ptr<const Impairment> makeRandomOutage(Duration every, Duration down) {
  return std::make_unique<RandomOutage>(every, down);
}

}  // namespace etherloom
