#include "pipeline/burst_vlans.hpp"

#include <algorithm>

#include "frame/ethernet.hpp"
#include "frame/vlan_tag.hpp"

namespace etherloom {
namespace {

struct Tagging {
  std::uint16_t vlan;  ///< 0 for none
  bool tagged;
};

/// The VLAN that a frame from this port belongs to (IEEE 802.1Q, 6.9.1 and 8.6.2): its tag's, or its port's
/// where it has none or one of priority alone. One that no port has where the tag is not whole.
std::uint16_t vlanFrom(const PortVlans& port, const Frame& frame) noexcept {
  if (!isTagged(frame)) return port.untagged();
  if (frame.length < ethernetHeaderLength + vlanTagLength) return vlanIdMask;
  const std::uint16_t asked = tagOf(frame) & vlanIdMask;
  return asked != 0 ? asked : port.untagged();
}

/// What has a needless tag, that of the port's own VLAN without a priority, loses it, so that frames of one
/// VLAN and priority leave in their order.
Tagging taggingOf(Frame& frame, const PortVlans& port) noexcept {
  const std::uint16_t vlan = vlanFrom(port, frame);
  if (!isTagged(frame)) return {vlan, false};
  if (vlan != port.untagged() || vlan == 0) return {vlan, true};
  const unsigned priority = tagOf(frame) & ~unsigned{vlanIdMask};
  priority != 0 ? setTag(frame, static_cast<std::uint16_t>(priority | vlan)) : popTag(frame);
  return {vlan, priority != 0};
}

}  // namespace

std::uint64_t BurstVlans::classify(const PortVlans& port, RxBurst& burst) noexcept {
  FrameMask refused = 0;
  std::uint64_t wires = 0;
  unsigned kept = 0;
  count_ = 0;
  tagged_ = 0;
  for (unsigned index = 0; index < burst.count(); ++index) {
    Frame& frame = *burst[index];
    const auto [vlan, tagged] = taggingOf(frame, port);
    if (vlan == 0 || !port.has(vlan)) {
      refused |= FrameMask{1} << index;
      wires += frame.offload.segments;
      continue;
    }
    if (tagged) tagged_ |= FrameMask{1} << kept;
    put(kept++, vlan);
  }
  if (refused != 0) burst.remove(refused);
  return wires;
}

void BurstVlans::look(const PortVlans& port, std::span<Frame* const> frames) noexcept {
  count_ = 0;
  tagged_ = 0;
  for (unsigned index = 0; index < frames.size(); ++index) {
    const std::uint16_t vlan = vlanFrom(port, *frames[index]);
    if (vlan != 0 && port.has(vlan)) {
      put(index, vlan);
    } else {
      ofFrame_[index] = 0;
    }
  }
}

void BurstVlans::put(unsigned index, std::uint16_t vlan) noexcept {
  ofFrame_[index] = vlan;
  const auto end = parts_.begin() + count_;
  const auto part = std::find_if(parts_.begin(), end, [vlan](const Part& each) { return each.vlan == vlan; });
  if (part == end) parts_[count_++] = {vlan, 0};
  part->mask |= FrameMask{1} << index;
}

BurstVlans::Share BurstVlans::shareOf(const PortVlans& port, FrameMask mask) const noexcept {
  Share share;
  for (const auto& part : std::span(parts_).first(count_)) {
    if (!port.has(part.vlan)) continue;
    const FrameMask differing = part.vlan == port.untagged() ? tagged_ : ~tagged_;
    share.same |= mask & part.mask & ~differing;
    share.changed |= mask & part.mask & differing;
  }
  return share;
}

FrameMask BurstVlans::retag(const RxBurst& burst, FrameMask changed, FrameMask same) noexcept {
  FrameMask lost = 0;
  moved_ = changed & ~same;
  forEachFrame(changed, [&](unsigned index) {
    const FrameMask bit = FrameMask{1} << index;
    const bool inPlace = moved_ & bit;
    Frame* frame = inPlace ? burst[index] : burst.pool.copy(*burst[index]);
    retagged_[index] = frame;
    if (frame && (tagged_ & bit)) return popTag(*frame);
    if (frame && pushTag(*frame, ofFrame_[index])) return;
    if (frame && !inPlace) burst.pool.release(frame);
    lost |= bit;
  });
  changed_ = changed & ~lost;
  moved_ &= ~lost;
  return lost;
}

}  // namespace etherloom
