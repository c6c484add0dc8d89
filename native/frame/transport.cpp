#include "frame/transport.hpp"

#include "frame/checksum.hpp"
#include "frame/ethernet.hpp"

namespace etherloom {
namespace {

constexpr std::uint32_t tagLimit = 2;  // one of 802.1Q in one of 802.1ad; filters know no more either
constexpr std::uint32_t tcpHeaderLength = 20;
constexpr std::uint32_t udpHeaderLength = 8;

/// The extension headers of IPv6 (RFC 8200) that may stand before a whole segment: hop-by-hop and destination
/// options. A routing header, behind which the checksum covers another address than the one in front, is
/// never segmented.
bool isExtension(std::uint8_t header) { return header == 0 || header == 60; }

}  // namespace

std::optional<Transport> findTransport(const std::uint8_t* bytes, std::uint32_t length) noexcept {
  const auto holds = [length](std::uint32_t end) { return end <= length; };
  Transport found;

  std::uint32_t typeAt = 12;
  for (std::uint32_t tags = 0; tags < tagLimit && holds(typeAt + vlanTagLength + 2); ++tags) {
    if (!isVlanTag(readBig16(bytes + typeAt))) break;
    typeAt += vlanTagLength;
  }
  found.ip = typeAt + 2;
  if (!holds(found.ip + ip4HeaderLength)) return std::nullopt;
  const std::uint8_t* ip = bytes + found.ip;
  const std::uint16_t etherType = readBig16(bytes + typeAt);
  found.ip6 = etherType == 0x86dd;

  if (found.ip6) {
    if (ip[0] >> 4 != 6 || !holds(found.ip + ip6HeaderLength)) return std::nullopt;
    found.protocol = ip[6];
    found.at = found.ip + ip6HeaderLength;
    while (isExtension(found.protocol)) {
      if (!holds(found.at + 2)) return std::nullopt;
      found.protocol = bytes[found.at];
      found.at += (bytes[found.at + 1] + 1U) * 8;
    }
  } else {
    const std::uint32_t ipLength = (ip[0] & 0x0fU) * 4;
    const bool fragment = readBig16(ip + 6) & 0x3fff;
    if (etherType != 0x0800 || ip[0] >> 4 != 4 || ipLength < ip4HeaderLength || fragment) return std::nullopt;
    found.protocol = ip[9];
    found.at = found.ip + ipLength;
  }

  if (found.protocol == Transport::udp) {
    found.payload = found.at + udpHeaderLength;
  } else {
    if (found.protocol != Transport::tcp || !holds(found.at + tcpHeaderLength)) return std::nullopt;
    const std::uint32_t tcpLength = (bytes[found.at + 12] >> 4) * 4U;
    if (tcpLength < tcpHeaderLength) return std::nullopt;
    found.payload = found.at + tcpLength;
  }
  if (!holds(found.payload)) return std::nullopt;
  return found;
}

std::uint16_t pseudoHeaderSum(const std::uint8_t* bytes, const Transport& transport,
                              std::uint32_t length) noexcept {
  const std::uint8_t* addresses = bytes + transport.ip + (transport.ip6 ? 8 : 12);
  return foldSum(onesComplementSum(addresses, transport.ip6 ? 32 : 8) + length + transport.protocol);
}

}  // namespace etherloom
