// The VLANs of a burst: to which each frame belongs, and the frames with their tag put in or taken out for
// the ports that have their VLAN the other way. Part of the pipeline, on its worker.
//
// Theory of operation. In a fabric with VLANs a burst is first classified: each frame belongs to the VLAN of
// its tag, or to that which its port has untagged. Frames stay as they came, and a port that has their VLAN
// the other way, tagged instead of untagged or the reverse, gets them retagged: in place if everybody does,
// else in one copy that all such ports share. So between access ports no byte is moved, and a flood costs one
// copy at most. A path sees its frames as they leave its to-port.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "fabrics/port_vlans.hpp"
#include "frame/batch.hpp"

namespace etherloom {

class BurstVlans {
 public:
  /// Says to which VLAN each frame belongs, and removes those of VLANs that their port is not in. Returns how
  /// many wire frames these were.
  [[nodiscard]] std::uint64_t classify(const PortVlans& port, RxBurst& burst) noexcept;
  /// Classifies too, but removes nothing: frames of VLANs that their port is not in belong to no VLAN, so
  /// that no port gets them.
  void look(const PortVlans& port, std::span<Frame* const> frames) noexcept;
  /// The VLAN of each frame of the burst.
  [[nodiscard]] std::span<const std::uint16_t> ofFrames(unsigned count) const noexcept {
    return std::span(ofFrame_).first(count);
  }

  /// Which frames a port gets: as they came, and retagged.
  struct Share {
    FrameMask same = 0, changed = 0;
    [[nodiscard]] FrameMask all() const noexcept { return same | changed; }
  };
  [[nodiscard]] Share shareOf(const PortVlans& port, FrameMask mask) const noexcept;

  /// Retags the frames of `changed`, which some port gets that way. Those that are also in `same` go to
  /// others as they came, so these are copied first. Returns those that there was no buffer for.
  [[nodiscard]] FrameMask retag(const RxBurst& burst, FrameMask changed, FrameMask same) noexcept;
  /// The retagged frames, by their place in the burst.
  [[nodiscard]] Frame* const* retagged() const noexcept { return retagged_.data(); }
  /// Which places of retagged() hold a frame, and which of these are no copies: frames of the burst, changed
  /// in place.
  [[nodiscard]] FrameMask changed() const noexcept { return changed_; }
  [[nodiscard]] FrameMask moved() const noexcept { return moved_; }
  void forgetRetagged() noexcept { changed_ = moved_ = 0; }

 private:
  struct Part {
    std::uint16_t vlan;
    FrameMask mask;
  };

  void put(unsigned index, std::uint16_t vlan) noexcept;

  std::array<std::uint16_t, burstSize> ofFrame_;
  std::array<Part, burstSize> parts_;
  unsigned count_ = 0;    // how many parts there are
  FrameMask tagged_ = 0;  // which frames came with a tag
  std::array<Frame*, burstSize> retagged_;
  FrameMask changed_ = 0;
  FrameMask moved_ = 0;
};

}  // namespace etherloom
