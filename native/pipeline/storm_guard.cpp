#include "pipeline/storm_guard.hpp"

#include "frame/ethernet.hpp"

namespace etherloom {
namespace {

constexpr std::uint64_t broadcast = 0xffffffffffff;

Traffic trafficOf(std::uint64_t destination) {
  if (!isGroup(destination)) return Traffic::Unknown;
  return destination == broadcast ? Traffic::Broadcast : Traffic::Multicast;
}

}  // namespace

void StormGuard::set(const StormLimits& limits) noexcept {
  for (std::size_t index = 0; index < trafficKinds; ++index) {
    Kind& kind = kinds_[index];
    const auto& asked = limits.perSecond[index];
    const Duration interval = asked ? Pace::perSecond(*asked, atOnce).interval : unlimited;
    if (kind.interval.exchange(interval) != interval) kind.left.store({});
  }
}

StormGuard::Judgement StormGuard::judge(const RxBurst& burst, FrameMask flooded) noexcept {
  std::array<FrameMask, trafficKinds> masks{};
  forEachFrame(flooded, [&](unsigned index) {
    masks[static_cast<std::size_t>(trafficOf(destinationOf(*burst[index])))] |= FrameMask{1} << index;
  });
  Judgement judgement;
  for (std::size_t index = 0; index < trafficKinds; ++index) {
    Kind& kind = kinds_[index];
    const Pace pace{kind.interval.load(std::memory_order_relaxed), atOnce};
    if (masks[index] == 0 || pace.interval == unlimited) continue;
    FrameMask refused = 0;
    std::uint64_t seen = 0, dropped = 0;
    Allowance before = kind.left.load(std::memory_order_relaxed), left;
    do {
      left = before;
      refused = seen = dropped = 0;
      forEachFrame(masks[index], [&](unsigned frame) {
        const std::uint32_t segments = burst[frame]->offload.segments;
        seen += segments;
        if (left.take(pace, burst.at, segments)) return;
        dropped += segments;
        refused |= FrameMask{1} << frame;
      });
    } while (!kind.left.compare_exchange_weak(before, left, std::memory_order_relaxed));
    judgement.refused |= refused;
    judgement.dropped += dropped;
    judgement.begins[index] = kind.storm.note(burst.at, dropped, seen);
  }
  return judgement;
}

}  // namespace etherloom
