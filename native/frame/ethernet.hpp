// The head of an Ethernet frame, read and written (IEEE 802.3 clause 3, IEEE 802.1Q clause 9). Any thread.
#pragma once

#include <cstdint>
#include <cstring>

#include "frame/frame.hpp"

namespace etherloom {

inline std::uint16_t readBig16(const std::uint8_t* at) {
  return static_cast<std::uint16_t>(at[0] << 8 | at[1]);
}
inline void writeBig16(std::uint8_t* at, std::uint16_t value) {
  at[0] = static_cast<std::uint8_t>(value >> 8);
  at[1] = static_cast<std::uint8_t>(value);
}
inline std::uint32_t readBig32(const std::uint8_t* at) {
  return std::uint32_t{readBig16(at)} << 16 | readBig16(at + 2);
}
inline void writeBig32(std::uint8_t* at, std::uint32_t value) {
  writeBig16(at, static_cast<std::uint16_t>(value >> 16));
  writeBig16(at + 2, static_cast<std::uint16_t>(value));
}
inline void writeBig64(std::uint8_t* at, std::uint64_t value) {
  writeBig32(at, static_cast<std::uint32_t>(value >> 32));
  writeBig32(at + 4, static_cast<std::uint32_t>(value));
}

/// An address as a number, first byte most significant.
inline std::uint64_t readMac(const std::uint8_t* at) {
  std::uint64_t value = 0;
  for (int index = 0; index < 6; ++index) value = value << 8 | at[index];
  return value;
}

inline std::uint64_t destinationOf(const Frame& frame) { return readMac(frame.data); }
inline std::uint64_t sourceOf(const Frame& frame) { return readMac(frame.data + 6); }

/// Multicast and broadcast: the I/G bit of the first byte.
inline bool isGroup(std::uint64_t mac) { return mac >> 40 & 1; }

/// 01:80:C2:00:00:00 to :0F, which IEEE 802.1Q, table 8-1, keeps on one link.
inline bool isReserved(std::uint64_t mac) { return (mac & ~std::uint64_t{0xf}) == 0x0180c2000000; }

/// The types of an 802.1Q and of an 802.1ad tag.
inline bool isVlanTag(std::uint16_t type) { return type == 0x8100 || type == 0x88a8; }

/// The VLAN identifier of an 802.1Q or 802.1ad tag, 0 without one.
inline std::uint16_t vlanOf(const Frame& frame) {
  if (frame.length < ethernetHeaderLength + vlanTagLength) return 0;
  return isVlanTag(readBig16(frame.data + 12)) ? readBig16(frame.data + 14) & 0x0fff : 0;
}

}  // namespace etherloom
