#include "frame/segmentation.hpp"

#include <algorithm>
#include <cstring>

#include "frame/checksum.hpp"
#include "frame/ethernet.hpp"
#include "frame/offload.hpp"

namespace etherloom {
namespace {

constexpr std::uint32_t ipLimit = 65535;  // bytes in an IP packet
constexpr std::uint8_t tcpFin = 0x01, tcpPsh = 0x08;

}  // namespace

bool Segmenter::start(const Frame& superFrame) noexcept {
  const Offload& offload = superFrame.offload;
  segments_ = next_ = 0;
  whole_ = &superFrame;
  segmentSize_ = offload.gsoSize;
  const auto transport = findTransport(superFrame.data, superFrame.length);
  if (segmentSize_ == 0 || !transport) return false;
  if ((offload.gsoType & ~gsoEcn) != static_cast<int>(gsoTypeOf(*transport))) return false;
  if ((offload.flags & needsChecksum) && offload.csumStart != transport->at) return false;

  const std::uint32_t payload = superFrame.length - transport->payload;
  if (transport->payload - transport->ip + std::min(segmentSize_, payload) > ipLimit) return false;
  transport_ = *transport;
  segments_ = std::max(1U, (payload + segmentSize_ - 1) / segmentSize_);
  return true;
}

std::uint32_t Segmenter::payloadOf(std::uint32_t first, std::uint32_t count) const noexcept {
  return std::min(count * segmentSize_, whole_->length - transport_.payload - first * segmentSize_);
}

Frame* Segmenter::cut(FramePool& pool, std::uint32_t first, std::uint32_t count) const noexcept {
  const std::uint32_t headers = transport_.payload;
  const std::uint32_t payload = payloadOf(first, count);
  Frame* frame = pool.acquire(FramePool::classFor(headers + payload));
  if (!frame) return nullptr;
  frame->length = headers + payload;
  frame->hops = whole_->hops;
  frame->segment = static_cast<std::uint16_t>(whole_->segment + first);
  frame->arrival = whole_->arrival;
  frame->from = whole_->from;
  frame->number = whole_->number;
  std::memcpy(frame->data, whole_->data, headers);
  std::memcpy(frame->data + headers, whole_->data + headers + first * segmentSize_, payload);
  finishIp(*frame, first);
  finishTransport(*frame, first, first + count == segments_);
  finishOffload(*frame, first, count);
  return frame;
}

/// Its length; in IPv4 an identification that counts up and the header checksum.
void Segmenter::finishIp(Frame& frame, std::uint32_t first) const noexcept {
  std::uint8_t* ip = frame.data + transport_.ip;
  const std::uint32_t length = frame.length - transport_.ip;
  if (transport_.ip6) return writeBig16(ip + 4, static_cast<std::uint16_t>(length - ip6HeaderLength));
  writeBig16(ip + 2, static_cast<std::uint16_t>(length));
  writeBig16(ip + 4, static_cast<std::uint16_t>(readBig16(ip + 4) + first));
  writeBig16(ip + 10, 0);
  writeBig16(ip + 10, checksumOf(onesComplementSum(ip, transport_.at - transport_.ip)));
}

/// TCP: its sequence number; FIN and PSH belong to the last segment, CWR (RFC 3168) to the first. UDP: its
/// length.
void Segmenter::finishTransport(Frame& frame, std::uint32_t first, bool last) const noexcept {
  std::uint8_t* transport = frame.data + transport_.at;
  if (!transport_.isTcp())
    return writeBig16(transport + 4, static_cast<std::uint16_t>(frame.length - transport_.at));
  writeBig32(transport + 4, readBig32(transport + 4) + first * segmentSize_);
  if (!last) transport[13] &= static_cast<std::uint8_t>(~(tcpFin | tcpPsh));
  if (first != 0) transport[13] &= static_cast<std::uint8_t>(~tcpCwr);
}

/// The checksum over the pseudo-header, the header and the payload of a wire frame; of a run the part that is
/// the sender's, and what is left to be done.
void Segmenter::finishOffload(Frame& frame, std::uint32_t first, std::uint32_t count) const noexcept {
  const std::uint32_t length = frame.length - transport_.at;
  std::uint8_t* transport = frame.data + transport_.at;
  std::uint8_t* checksum = transport + transport_.checksumOffset();
  const std::uint16_t pseudo = pseudoHeaderSum(frame.data, transport_, length);
  if (count == 1) {
    writeBig16(checksum, 0);
    return writeBig16(checksum, checksumOf(std::uint32_t{pseudo} + onesComplementSum(transport, length)));
  }
  writeBig16(checksum, pseudo);
  const std::uint8_t type = whole_->offload.gsoType;
  frame.offload = {.flags = needsChecksum,
                   .gsoType = first == 0 ? type : static_cast<std::uint8_t>(type & ~gsoEcn),
                   .headerLength = static_cast<std::uint16_t>(transport_.payload),
                   .gsoSize = static_cast<std::uint16_t>(segmentSize_),
                   .csumStart = static_cast<std::uint16_t>(transport_.at),
                   .csumOffset = static_cast<std::uint16_t>(transport_.checksumOffset()),
                   .segments = static_cast<std::uint16_t>(count)};
  writeVirtioHeader(frame);
}

}  // namespace etherloom
