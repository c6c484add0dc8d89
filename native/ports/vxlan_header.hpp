// The header that VXLAN puts before a frame (RFC 7348, section 5): read and written. Any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace etherloom {

inline constexpr std::uint32_t vxlanHeaderLength = 8;
/// VXLAN network identifiers have 24 bits.
inline constexpr std::uint32_t mostVni = (1U << 24) - 1;

using VxlanHeader = std::array<std::uint8_t, vxlanHeaderLength>;

/// The bit that says that the header has an identifier; every other bit of its word is reserved.
inline constexpr std::uint8_t vniIsValid = 0x08;

/// What stands before every frame of a network.
constexpr VxlanHeader vxlanHeader(std::uint32_t vni) {
  return {vniIsValid,
          0,
          0,
          0,
          static_cast<std::uint8_t>(vni >> 16),
          static_cast<std::uint8_t>(vni >> 8),
          static_cast<std::uint8_t>(vni),
          0};
}

/// What a datagram is: a frame of a network, or not for one.
struct VxlanPacket {
  enum class Kind : std::uint8_t { Frame, TooShort, WithoutVni };

  Kind kind = Kind::TooShort;
  std::uint32_t vni = 0;
  std::span<const std::uint8_t> frame;
};

/// Reserved bits are ignored, as the RFC says; the flag must be there.
constexpr VxlanPacket readVxlan(std::span<const std::uint8_t> datagram) {
  if (datagram.size() < vxlanHeaderLength) return {};
  if (!(datagram[0] & vniIsValid)) return {VxlanPacket::Kind::WithoutVni, 0, {}};
  const std::uint32_t vni =
      std::uint32_t{datagram[4]} << 16 | std::uint32_t{datagram[5]} << 8 | std::uint32_t{datagram[6]};
  return {VxlanPacket::Kind::Frame, vni, datagram.subspan(vxlanHeaderLength)};
}

}  // namespace etherloom
