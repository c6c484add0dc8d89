#include "frame/checksum.hpp"

#include <bit>
#include <cstring>

#include "frame/ethernet.hpp"
#include "frame/virtio_header.hpp"

namespace etherloom {

// Theory of operation. The sum is the same, up to the order of its two bytes, in whichever byte order the
// words are added (RFC 1071, section 2 (B)), and words of 32 bits fold into the same sum as words of 16. So
// the bytes are added eight at a time as the machine reads them, as two halves: 2^32 of those fit into 64
// bits without a carry.
std::uint16_t onesComplementSum(const std::uint8_t* bytes, std::size_t length) noexcept {
  std::uint64_t sum = 0;
  for (; length >= 8; bytes += 8, length -= 8) {
    std::uint64_t word;
    std::memcpy(&word, bytes, 8);
    sum += (word & 0xffffffff) + (word >> 32);
  }
  if (length != 0) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes, length);
    sum += (word & 0xffffffff) + (word >> 32);
  }
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  const auto folded = static_cast<std::uint16_t>(sum);
  if constexpr (std::endian::native == std::endian::big) return folded;
  return static_cast<std::uint16_t>(folded << 8 | folded >> 8);
}

bool completeChecksum(Frame& frame) noexcept {
  Offload& offload = frame.offload;
  if (!(offload.flags & needsChecksum)) return true;
  const std::uint32_t field = std::uint32_t{offload.csumStart} + offload.csumOffset;
  if (field + 2 > frame.length) return false;
  const std::uint16_t sum =
      onesComplementSum(frame.data + offload.csumStart, frame.length - offload.csumStart);
  writeBig16(frame.data + field, checksumOf(sum));
  offload.flags = 0;
  offload.csumStart = 0;
  offload.csumOffset = 0;
  // SAFETY: there are always 12 bytes before the frame's first.
  std::memset(frame.data - virtioHeaderLength, 0, virtioHeaderLength);
  return true;
}

}  // namespace etherloom
