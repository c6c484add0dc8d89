#include "frame/offload.hpp"

#include <cstring>

#include "frame/ethernet.hpp"
#include "frame/transport.hpp"

namespace etherloom {
namespace {

constexpr std::uint32_t shortestIp = 20;         // bytes of an IP header
constexpr std::uint32_t shortestUdp = 8;         // bytes of the shorter transport header
constexpr std::uint32_t shortestTcpSegment = 8;  // TCP_MIN_SND_MSS of Linux, 48, less 40 bytes of options
constexpr std::uint32_t mostUdpSegments = 128;   // UDP_MAX_SEGMENTS of Linux

/// Whether the checksum of TCP or UDP can be where the claims put it. Behind the frame's own transport header
/// it belongs to a tunnel's inner one, which is not looked at.
bool saneChecksum(const Frame& frame, const VirtioHeader& claims) noexcept {
  if (claims.csumStart < ethernetHeaderLength + shortestIp) return false;
  if (claims.csumOffset != 6 && claims.csumOffset != 16) return false;
  if (std::uint32_t{claims.csumStart} + shortestUdp > frame.length) return false;
  if (std::uint32_t{claims.csumStart} + claims.csumOffset + 2 > frame.length) return false;
  const auto transport = findTransport(frame.data, frame.length);
  if (!transport || claims.csumStart > transport->at) return true;
  return claims.csumStart == transport->at && claims.csumOffset == transport->checksumOffset();
}

/// Whether a sender may ask for segments of this size: Linux makes no others, and takes none.
bool saneSegments(const Transport& transport, std::uint32_t size, std::uint32_t payload) noexcept {
  return transport.isTcp() ? size >= shortestTcpSegment : size != 0 && payload <= size * mostUdpSegments;
}

/// The IP header's length against the frame's. A super-frame has no padding.
bool fillsFrame(const Frame& frame, const Transport& transport) noexcept {
  const std::uint8_t* ip = frame.data + transport.ip;
  const std::uint32_t length = frame.length - transport.ip;
  return transport.ip6 ? readBig16(ip + 4) + ip6HeaderLength == length : readBig16(ip + 2) == length;
}

}  // namespace

Offloads offloadsOf(const Frame& frame) noexcept {
  if (isPlain(frame)) return Offloads::None;
  const Offloads ecn = frame.offload.gsoType & gsoEcn ? Offloads::Ecn : Offloads::None;
  switch (static_cast<GsoType>(frame.offload.gsoType & ~gsoEcn)) {
    case GsoType::Tcp4:
      return Offloads::Checksum | Offloads::Tso4 | ecn;
    case GsoType::Tcp6:
      return Offloads::Checksum | Offloads::Tso6 | ecn;
    case GsoType::Udp:
      return Offloads::Checksum | Offloads::Uso;
    case GsoType::None:
      break;
  }
  return Offloads::Checksum;
}

bool acceptOffload(Frame& frame, const VirtioHeader& claims) noexcept {
  const bool undone = claims.flags & needsChecksum;
  if (claims.gsoType == static_cast<std::uint8_t>(GsoType::None)) {
    if (undone && !saneChecksum(frame, claims)) return false;
    frame.offload = {};
    if (!undone) {
      std::memset(frame.data - virtioHeaderLength, 0, virtioHeaderLength);
      return true;
    }
    frame.offload.flags = needsChecksum;
    frame.offload.csumStart = claims.csumStart;
    frame.offload.csumOffset = claims.csumOffset;
    writeVirtioHeader(frame);
    return true;
  }

  const auto transport = findTransport(frame.data, frame.length);
  const unsigned type = claims.gsoType & ~unsigned{gsoEcn};
  if (!transport || type != static_cast<unsigned>(gsoTypeOf(*transport)) || !fillsFrame(frame, *transport))
    return false;
  const std::uint32_t payload = frame.length - transport->payload;
  if (!saneSegments(*transport, claims.gsoSize, payload)) return false;
  if (!transport->isTcp() && (claims.gsoType & gsoEcn)) return false;
  if (undone && (claims.csumStart != transport->at || claims.csumOffset != transport->checksumOffset()))
    return false;

  Offload offload;
  offload.flags = needsChecksum;
  offload.csumStart = static_cast<std::uint16_t>(transport->at);
  offload.csumOffset = static_cast<std::uint16_t>(transport->checksumOffset());
  if (payload > claims.gsoSize) {
    const bool cwr = transport->isTcp() && frame.data[transport->at + 13] & tcpCwr;
    offload.gsoType = static_cast<std::uint8_t>(type | (cwr ? gsoEcn : 0U));
    offload.headerLength = static_cast<std::uint16_t>(transport->payload);
    offload.gsoSize = claims.gsoSize;
    offload.segments = static_cast<std::uint16_t>((payload + claims.gsoSize - 1) / claims.gsoSize);
  }
  writeBig16(frame.data + transport->at + transport->checksumOffset(),
             pseudoHeaderSum(frame.data, *transport, frame.length - transport->at));
  frame.offload = offload;
  writeVirtioHeader(frame);
  return true;
}

void writeVirtioHeader(Frame& frame) noexcept {
  const Offload& offload = frame.offload;
  const VirtioHeader header{.flags = offload.flags,
                            .gsoType = offload.gsoType,
                            .headerLength = offload.headerLength,
                            .gsoSize = offload.gsoSize,
                            .csumStart = offload.csumStart,
                            .csumOffset = offload.csumOffset};
  // SAFETY: there are always 12 bytes before the frame's first.
  std::uint8_t* at = frame.data - virtioHeaderLength;
  std::memcpy(at, &header, sizeof header);
  std::memset(at + sizeof header, 0, virtioHeaderLength - sizeof header);
}

}  // namespace etherloom
