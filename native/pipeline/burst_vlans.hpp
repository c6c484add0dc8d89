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
  /// Says the same of frames that stay as they are: those of VLANs that their port is not in belong to none,
  /// and to no port's share.
  void look(const PortVlans& port, std::span<Frame* const> frames) noexcept;
  /// Of each frame of the burst.
  [[nodiscard]] std::span<const std::uint16_t> ofFrames(unsigned count) const noexcept {
    return std::span(ofFrame_).first(count);
  }

  /// Of some frames, those that a port gets: as they came, and the other way.
  struct Share {
    FrameMask same = 0, changed = 0;
    [[nodiscard]] FrameMask all() const noexcept { return same | changed; }
  };
  [[nodiscard]] Share shareOf(const PortVlans& port, FrameMask mask) const noexcept;

  /// Makes frames of the other way, those that somebody wants so; `same` are wanted as they came. Returns
  /// those that there was no buffer for.
  [[nodiscard]] FrameMask retag(const RxBurst& burst, FrameMask changed, FrameMask same) noexcept;
  /// By their place in the burst.
  [[nodiscard]] Frame* const* retagged() const noexcept { return retagged_.data(); }
  /// Which of them there are, and which of these are the burst's own, changed in place.
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
  unsigned count_ = 0;    // of parts
  FrameMask tagged_ = 0;  // of frames that have a tag as they came
  std::array<Frame*, burstSize> retagged_;
  FrameMask changed_ = 0;
  FrameMask moved_ = 0;
};

}  // namespace etherloom
