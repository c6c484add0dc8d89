#include "frame/ecn.hpp"

#include "frame/checksum.hpp"
#include "frame/ethernet.hpp"
#include "frame/transport.hpp"

namespace etherloom {
namespace {

/// The ECN bits within the first 16-bit word of the IP header: the low bits of IPv4's second byte; of IPv6's
/// traffic class, which begins in the middle of the first byte, they lie in the middle of the second.
constexpr std::uint16_t ecn4 = 0x0003;
constexpr std::uint16_t ecn6 = 0x0030;

struct IpHeader {
  std::uint32_t at = 0;  ///< from the frame's first byte; 0: there is none
  std::uint16_t ecn = 0;
};

IpHeader findIp(const Frame& frame) noexcept {
  std::uint32_t at = ethernetHeaderLength;
  while (at <= frame.length && isVlanTag(readBig16(frame.data + at - 2))) at += vlanTagLength;
  if (at >= frame.length) return {};
  const std::uint16_t type = readBig16(frame.data + at - 2);
  const std::uint8_t first = frame.data[at];
  const std::uint32_t room = frame.length - at;
  if (type == 0x0800) {
    const std::uint32_t header = (first & 0x0fU) * 4;
    if (first >> 4 == 4 && header >= ip4HeaderLength && header <= room) return {at, ecn4};
  } else if (type == 0x86dd) {
    if (first >> 4 == 6 && room >= ip6HeaderLength) return {at, ecn6};
  }
  return {};
}

bool isCapable(const Frame& frame, const IpHeader& ip) noexcept {
  return ip.at != 0 && (readBig16(frame.data + ip.at) & ip.ecn) != 0;
}

}  // namespace

bool isEcnCapable(const Frame& frame) noexcept { return isCapable(frame, findIp(frame)); }

bool markCongestion(Frame& frame) noexcept {
  const IpHeader ip = findIp(frame);
  if (!isCapable(frame, ip)) return false;
  std::uint8_t* header = frame.data + ip.at;
  const std::uint16_t before = readBig16(header);
  const auto after = static_cast<std::uint16_t>(before | ip.ecn);
  writeBig16(header, after);
  if (ip.ecn == ecn4) {  // RFC 1624, equation 3
    const auto inverse = [](std::uint16_t word) { return static_cast<std::uint16_t>(~word); };
    const std::uint32_t sum = std::uint32_t{inverse(readBig16(header + 10))} + inverse(before) + after;
    writeBig16(header + 10, inverse(foldSum(sum)));
  }
  return true;
}

}  // namespace etherloom
