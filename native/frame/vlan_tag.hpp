// VLAN tags in frames (IEEE 802.1Q, clause 9): read, put in and taken out in place. Called by the pipeline,
// on the frame's worker.
#pragma once

#include <cstdint>

#include "frame/ethernet.hpp"
#include "frame/frame.hpp"

namespace etherloom {

/// The type of a customer VLAN tag. A switch with VLANs knows no other: behind 802.1ad's a frame is payload.
inline constexpr std::uint16_t customerTag = 0x8100;

/// The tag control information: priority (3 bits), drop eligible (1 bit), VLAN identifier (12 bits).
inline constexpr std::uint16_t vlanIdMask = 0x0fff;

/// Identifiers are below this; 0 stands for "no VLAN" in the tag of a frame that has only a priority, and
/// 4095 is nobody's.
inline constexpr std::uint16_t vlanIds = 4096;

inline bool isTagged(const Frame& frame) { return readBig16(frame.data + 12) == customerTag; }

/// The tag control information of a tagged frame of at least 18 bytes.
inline std::uint16_t tagOf(const Frame& frame) { return readBig16(frame.data + 14); }
inline void setTag(Frame& frame, std::uint16_t control) { writeBig16(frame.data + 14, control); }

/// Puts a tag behind the addresses. Takes four bytes of headroom; what the frame's offload says about
/// positions moves along, and so does the virtio-net header. False, with the frame as it was, where there is
/// no headroom. The frame must be the caller's alone.
[[nodiscard]] bool pushTag(Frame& frame, std::uint16_t control) noexcept;

/// The reverse, for a tagged frame of at least 18 bytes.
void popTag(Frame& frame) noexcept;

}  // namespace etherloom
