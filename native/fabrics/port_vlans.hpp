// Which VLANs pass a port of a switch, and which of them without a tag (IEEE 802.1Q, 8.8.10: its member sets
// and untagged sets, seen from the port). Immutable: made by the control thread, read by any worker.
#pragma once

#include <bitset>
#include <cstdint>
#include <span>

#include "frame/vlan_tag.hpp"

namespace etherloom {

class PortVlans {
 public:
  /// `untagged`: the VLAN of frames without a tag, both ways, 0 for none; it passes in any case. An access
  /// port has no other, a trunk has `tagged` besides.
  explicit PortVlans(std::uint16_t untagged, std::span<const std::uint16_t> tagged = {})
      : untagged_(untagged) {
    for (const std::uint16_t vlan : tagged) vlans_.set(vlan);
    if (untagged != 0) vlans_.set(untagged);
  }

  [[nodiscard]] bool operator==(const PortVlans&) const = default;
  [[nodiscard]] std::uint16_t untagged() const { return untagged_; }
  [[nodiscard]] bool has(std::uint16_t vlan) const { return vlans_[vlan]; }

  /// What a port has that was not told, on a switch where others were: access to VLAN 1, as switches come.
  static const PortVlans& usual() {
    static const PortVlans vlans(1);
    return vlans;
  }

 private:
  std::uint16_t untagged_;
  std::bitset<vlanIds> vlans_;
};

}  // namespace etherloom
