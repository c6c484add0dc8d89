#include "frame/segmentation.hpp"

#include <algorithm>
#include <cstring>

#include "frame/checksum.hpp"
#include "frame/ethernet.hpp"

namespace etherloom {
namespace {

constexpr std::uint8_t protocolTcp = 6;
constexpr std::uint8_t protocolUdp = 17;
constexpr std::uint32_t ipLimit = 65535;  // bytes in an IP packet
constexpr std::uint32_t ip4HeaderLength = 20;
constexpr std::uint32_t ip6HeaderLength = 40;
constexpr std::uint32_t tcpHeaderLength = 20;
constexpr std::uint32_t udpHeaderLength = 8;
constexpr std::uint8_t tcpFin = 0x01, tcpPsh = 0x08, tcpCwr = 0x80;

/// The extension headers of IPv6 (RFC 8200) that may stand before a whole segment: hop-by-hop and destination
/// options. A routing header, behind which the checksum covers another address than the one in front, is
/// never segmented.
bool isExtension(std::uint8_t header) { return header == 0 || header == 60; }

}  // namespace

bool Segmenter::start(const Frame& superFrame) noexcept {
  const Offload& offload = superFrame.offload;
  segment_ = segments_ = 0;
  bytes_ = superFrame.data;
  length_ = superFrame.length;
  type_ = static_cast<GsoType>(offload.gsoType & ~gsoEcn);
  segmentSize_ = offload.gsoSize;
  if (segmentSize_ == 0 || !findTransport()) return false;
  if ((offload.flags & needsChecksum) && offload.csumStart != transport_) return false;

  const std::uint32_t payload = length_ - headerLength_;
  if (headerLength_ - ip_ + std::min(segmentSize_, payload) > ipLimit) return false;
  segments_ = std::max(1U, (payload + segmentSize_ - 1) / segmentSize_);
  return true;
}

/// Where the headers are, as far as they lie within the frame and agree with the type.
bool Segmenter::findTransport() noexcept {
  if (type_ != GsoType::Tcp4 && type_ != GsoType::Tcp6 && type_ != GsoType::Udp) return false;
  const auto holds = [this](std::uint32_t end) { return end <= length_; };

  std::uint32_t typeAt = 12;
  while (holds(typeAt + vlanTagLength + 2) && isVlanTag(readBig16(bytes_ + typeAt))) typeAt += vlanTagLength;
  ip_ = typeAt + 2;
  if (!holds(ip_ + ip4HeaderLength)) return false;
  const std::uint16_t etherType = readBig16(bytes_ + typeAt);
  ip6_ = etherType == 0x86dd;

  std::uint8_t protocol;
  if (ip6_) {
    if (type_ == GsoType::Tcp4 || !holds(ip_ + ip6HeaderLength)) return false;
    protocol = bytes_[ip_ + 6];
    transport_ = ip_ + ip6HeaderLength;
    while (isExtension(protocol)) {
      if (!holds(transport_ + 2)) return false;
      protocol = bytes_[transport_];
      transport_ += (bytes_[transport_ + 1] + 1U) * 8;
    }
  } else {
    const std::uint32_t ipLength = (bytes_[ip_] & 0x0fU) * 4;
    const bool fragment = readBig16(bytes_ + ip_ + 6) & 0x3fff;
    if (etherType != 0x0800 || type_ == GsoType::Tcp6 || ipLength < ip4HeaderLength || fragment) return false;
    protocol = bytes_[ip_ + 9];
    transport_ = ip_ + ipLength;
  }
  if (bytes_[ip_] >> 4 != (ip6_ ? 6 : 4)) return false;

  if (!isTcp()) {
    headerLength_ = transport_ + udpHeaderLength;
    return protocol == protocolUdp && holds(headerLength_);
  }
  if (protocol != protocolTcp || !holds(transport_ + tcpHeaderLength)) return false;
  const std::uint32_t tcpLength = (bytes_[transport_ + 12] >> 4) * 4U;
  headerLength_ = transport_ + tcpLength;
  return tcpLength >= tcpHeaderLength && holds(headerLength_);
}

Frame* Segmenter::next(FramePool& pool) noexcept {
  const std::uint32_t at = headerLength_ + segment_ * segmentSize_;
  const std::uint32_t payload = std::min(segmentSize_, length_ - at);
  Frame* frame = pool.acquire(headerLength_ + payload <= FramePool::smallCapacity ? BufferClass::Small
                                                                                  : BufferClass::Large);
  if (frame) {
    frame->length = headerLength_ + payload;
    std::memcpy(frame->data, bytes_, headerLength_);
    std::memcpy(frame->data + headerLength_, bytes_ + at, payload);
    finishIp(*frame);
    finishTransport(*frame);
  }
  ++segment_;
  return frame;
}

/// Its length; in IPv4 an identification that counts up and the header checksum.
void Segmenter::finishIp(Frame& frame) const noexcept {
  std::uint8_t* ip = frame.data + ip_;
  if (ip6_) return writeBig16(ip + 4, static_cast<std::uint16_t>(frame.length - ip_ - ip6HeaderLength));
  writeBig16(ip + 2, static_cast<std::uint16_t>(frame.length - ip_));
  writeBig16(ip + 4, static_cast<std::uint16_t>(readBig16(ip + 4) + segment_));
  writeBig16(ip + 10, 0);
  writeBig16(ip + 10, checksumOf(onesComplementSum(ip, transport_ - ip_)));
}

/// TCP: its sequence number; FIN and PSH belong to the last segment, CWR (RFC 3168) to the first. UDP: its
/// length. Both: the checksum over the pseudo-header, the header and the payload.
void Segmenter::finishTransport(Frame& frame) const noexcept {
  std::uint8_t* transport = frame.data + transport_;
  const std::uint32_t length = frame.length - transport_;
  if (isTcp()) {
    writeBig32(transport + 4, readBig32(transport + 4) + segment_ * segmentSize_);
    if (segment_ + 1 != segments_) transport[13] &= static_cast<std::uint8_t>(~(tcpFin | tcpPsh));
    if (segment_ != 0) transport[13] &= static_cast<std::uint8_t>(~tcpCwr);
  } else {
    writeBig16(transport + 4, static_cast<std::uint16_t>(length));
  }
  const std::uint8_t* addresses = frame.data + ip_ + (ip6_ ? 8 : 12);
  std::uint8_t* checksum = transport + (isTcp() ? 16 : 6);
  writeBig16(checksum, 0);
  writeBig16(checksum,
             checksumOf(onesComplementSum(addresses, ip6_ ? 32 : 8) + length +
                        (isTcp() ? protocolTcp : protocolUdp) + onesComplementSum(transport, length)));
}

}  // namespace etherloom
