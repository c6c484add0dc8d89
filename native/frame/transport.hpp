// Where TCP or UDP begins in a frame: what checksums, segmentation and the checks of offload headers rest on.
// Called by offload.cpp and segmentation.cpp, on the frame's worker.
#pragma once

#include <cstdint>
#include <optional>

#include "frame/virtio_header.hpp"

namespace etherloom {

inline constexpr std::uint32_t ip4HeaderLength = 20;  // without options
inline constexpr std::uint32_t ip6HeaderLength = 40;
inline constexpr std::uint8_t tcpCwr = 0x80;

/// The headers of TCP (RFC 9293) or UDP over IPv4 or IPv6. Offsets count from the frame's first byte.
struct Transport {
  static constexpr std::uint8_t tcp = 6;
  static constexpr std::uint8_t udp = 17;

  std::uint8_t protocol = 0;  ///< tcp or udp
  bool ip6 = false;
  std::uint32_t ip = 0;       ///< where the IP header begins
  std::uint32_t at = 0;       ///< where the TCP or UDP header begins
  std::uint32_t payload = 0;  ///< where that header ends

  [[nodiscard]] bool isTcp() const { return protocol == tcp; }
  /// Where the checksum stands, from `at`.
  [[nodiscard]] std::uint32_t checksumOffset() const { return isTcp() ? 16 : 6; }
};

/// Reads the headers of a frame that is no fragment, under at most two VLAN tags. Nothing where they are
/// other headers, do not lie within the frame or contradict each other; lengths are not compared.
[[nodiscard]] std::optional<Transport> findTransport(const std::uint8_t* bytes,
                                                     std::uint32_t length) noexcept;

/// What super-frames of it are called.
[[nodiscard]] inline GsoType gsoTypeOf(const Transport& transport) {
  if (!transport.isTcp()) return GsoType::Udp;
  return transport.ip6 ? GsoType::Tcp6 : GsoType::Tcp4;
}

/// The sum of the pseudo-header (RFC 9293, section 3.1; RFC 8200, section 8.1) of `length` bytes of TCP or
/// UDP, header included, folded to 16 bits. The field holds it while its checksum is undone.
[[nodiscard]] std::uint16_t pseudoHeaderSum(const std::uint8_t* bytes, const Transport& transport,
                                            std::uint32_t length) noexcept;

}  // namespace etherloom
