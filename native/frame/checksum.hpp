// The Internet checksum (RFC 1071) and its completion in frames whose sender left it to the device.
// Called by ports and by segmentation, on the frame's worker.
#pragma once

#include <cstddef>
#include <cstdint>

#include "frame/frame.hpp"

namespace etherloom {

/// The ones' complement sum of big-endian 16-bit words, folded to 16 bits. An odd last byte counts as a
/// word's high half.
[[nodiscard]] std::uint16_t onesComplementSum(const std::uint8_t* bytes, std::size_t length) noexcept;

/// A sum of a few onesComplementSum()s and plain 16-bit numbers, folded to 16 bits.
[[nodiscard]] constexpr std::uint16_t foldSum(std::uint32_t sum) noexcept {
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>((sum & 0xffff) + (sum >> 16));
}

/// The checksum field's value for such a sum.
/// Never 0, which UDP (RFC 768) takes for "no checksum"; to everybody else 0xffff is the same number.
[[nodiscard]] constexpr std::uint16_t checksumOf(std::uint32_t sum) noexcept {
  const std::uint16_t folded = foldSum(sum);
  return folded == 0xffff ? folded : static_cast<std::uint16_t>(~folded);
}

/// Computes the checksum that the offload of a wire frame still asks for, over everything from csumStart on
/// and the part that its sender left in the field. The frame is plain then, its virtio-net header zero.
/// False, with the frame unchanged, where that does not lie within the frame.
[[nodiscard]] bool completeChecksum(Frame& frame) noexcept;

}  // namespace etherloom
