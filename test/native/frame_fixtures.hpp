// Frames that carry IP, built and checked byte by byte: nothing here uses the code under test.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace etherloom {

using Bytes = std::vector<std::uint8_t>;

/// The source address of every frame that a test builds, which tells them from the kernel's own.
inline constexpr std::array<std::uint8_t, 6> testSource{0x02, 0, 0, 0, 0, 0x98};

inline unsigned get16(std::span<const std::uint8_t> bytes, std::size_t at) {
  return static_cast<unsigned>(bytes[at] << 8 | bytes[at + 1]);
}
inline unsigned get32(std::span<const std::uint8_t> bytes, std::size_t at) {
  return get16(bytes, at) << 16 | get16(bytes, at + 2);
}
inline void put16(Bytes& bytes, std::size_t at, std::size_t value) {
  bytes[at] = static_cast<std::uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<std::uint8_t>(value);
}

/// The sum of RFC 1071, word by word as its definition says.
inline unsigned naiveSum(std::span<const std::uint8_t> bytes, unsigned sum = 0) {
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    sum += at % 2 == 0 ? static_cast<unsigned>(bytes[at]) << 8 : bytes[at];
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return sum;
}

/// What a frame is made of: addresses are fixed, the payload counts up.
struct IpFrame {
  bool ip6 = false;
  bool tcp = true;
  std::vector<std::uint16_t> tags{};  // 802.1Q control words, the outermost first
  std::size_t ipOptions = 0;          // bytes; IPv6: of a hop-by-hop header
  std::size_t tcpOptions = 12;        // bytes
  std::size_t payload = 0;
  std::uint8_t tcpFlags = 0x10;  // ACK
  std::uint16_t identification = 0xfffe;
  std::uint32_t sequence = 0xffffff00;

  [[nodiscard]] std::size_t ipAt() const { return 14 + 4 * tags.size(); }
  [[nodiscard]] std::size_t transportAt() const { return ipAt() + (ip6 ? 40 : 20) + ipOptions; }
  [[nodiscard]] std::size_t headerLength() const { return transportAt() + (tcp ? 20 + tcpOptions : 8); }
  [[nodiscard]] std::size_t checksumAt() const { return transportAt() + (tcp ? 16 : 6); }

  /// With the IP header complete and the sum of the pseudo-header in the checksum field, as a sender with
  /// checksum offload leaves it.
  [[nodiscard]] Bytes build() const {
    Bytes bytes(headerLength() + payload);
    bytes[0] = 0x02, bytes[5] = 0x99;
    for (std::size_t at = 0; at < 6; ++at) bytes[6 + at] = testSource[at];
    for (std::size_t tag = 0; tag < tags.size(); ++tag) {
      put16(bytes, 12 + 4 * tag, 0x8100);
      put16(bytes, 14 + 4 * tag, tags[tag]);
    }
    put16(bytes, ipAt() - 2, ip6 ? 0x86dd : 0x0800);
    const auto protocol = static_cast<std::uint8_t>(tcp ? 6 : 17);
    const std::size_t ip = ipAt(), transport = transportAt();
    const std::size_t transportLength = bytes.size() - transport;
    std::size_t addressesAt, addressesLength;
    if (ip6) {
      bytes[ip] = 0x60;
      put16(bytes, ip + 4, bytes.size() - ip - 40);
      bytes[ip + 6] = protocol;
      bytes[ip + 7] = 64;
      if (ipOptions != 0) {
        bytes[ip + 6] = 0;
        bytes[ip + 40] = protocol;
        bytes[ip + 41] = static_cast<std::uint8_t>(ipOptions / 8 - 1);
        bytes[ip + 42] = 1;  // PadN over the rest
        bytes[ip + 43] = static_cast<std::uint8_t>(ipOptions - 4);
      }
      bytes[ip + 8] = bytes[ip + 24] = 0xfd;
      bytes[ip + 23] = 1, bytes[ip + 39] = 2;
      addressesAt = ip + 8, addressesLength = 32;
    } else {
      bytes[ip] = static_cast<std::uint8_t>(0x40 | (20 + ipOptions) / 4);
      put16(bytes, ip + 2, bytes.size() - ip);
      put16(bytes, ip + 4, identification);
      bytes[ip + 6] = 0x40;  // do not fragment
      bytes[ip + 8] = 64;
      bytes[ip + 9] = protocol;
      bytes[ip + 12] = bytes[ip + 16] = 10;
      bytes[ip + 15] = 1, bytes[ip + 19] = 2;
      for (std::size_t at = 0; at < ipOptions; ++at) bytes[ip + 20 + at] = 1;  // no operation
      put16(bytes, ip + 10, ~naiveSum(std::span(bytes).subspan(ip, 20 + ipOptions)) & 0xffff);
      addressesAt = ip + 12, addressesLength = 8;
    }
    put16(bytes, transport, 4000);
    put16(bytes, transport + 2, 5000);
    if (tcp) {
      put16(bytes, transport + 4, sequence >> 16);
      put16(bytes, transport + 6, sequence & 0xffff);
      bytes[transport + 12] = static_cast<std::uint8_t>((20 + tcpOptions) / 4 << 4);
      bytes[transport + 13] = tcpFlags;
      put16(bytes, transport + 14, 0x2000);
      for (std::size_t at = 0; at < tcpOptions; ++at) bytes[transport + 20 + at] = 1;  // no operation
    } else {
      put16(bytes, transport + 4, transportLength);
    }
    const auto pseudo =
        static_cast<unsigned>((transportLength & 0xffff) + (transportLength >> 16) + protocol);
    put16(bytes, checksumAt(), naiveSum(std::span(bytes).subspan(addressesAt, addressesLength), pseudo));
    for (std::size_t at = 0; at < payload; ++at)
      bytes[headerLength() + at] = static_cast<std::uint8_t>(at * 31 + at / 251);
    return bytes;
  }

  /// Whether a receiver would accept `bytes`, a frame of this shape: lengths and both checksums.
  [[nodiscard]] bool valid(const Bytes& bytes) const {
    if (bytes.size() < headerLength()) return false;
    const std::size_t ip = ipAt(), transport = transportAt();
    const auto all = std::span(bytes);
    const std::size_t transportLength = bytes.size() - transport;
    if (ip6 ? get16(all, ip + 4) != bytes.size() - ip - 40 : get16(all, ip + 2) != bytes.size() - ip)
      return false;
    if (!ip6 && naiveSum(all.subspan(ip, 20 + ipOptions)) != 0xffff) return false;
    if (!tcp && get16(all, transport + 4) != transportLength) return false;
    const auto addresses = ip6 ? all.subspan(ip + 8, 32) : all.subspan(ip + 12, 8);
    const auto pseudo = static_cast<unsigned>(transportLength + (tcp ? 6 : 17));
    return naiveSum(all.subspan(transport), naiveSum(addresses, pseudo)) == 0xffff;
  }
};

}  // namespace etherloom
