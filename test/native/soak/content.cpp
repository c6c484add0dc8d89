#include "content.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "impairments/random.hpp"

namespace etherloom::soak {
namespace {

constexpr std::uint16_t generatorType = 0x88b5;
constexpr std::uint16_t numberedType = 0x88b6;
constexpr std::size_t patternPeriod = 4096;

/// Bytes that differ from place to place, again and again: any part of it up to 64 KiB is in one piece.
const std::vector<std::uint8_t>& pattern() {
  static const std::vector<std::uint8_t> bytes = [] {
    std::vector<std::uint8_t> made(patternPeriod + (64 << 10));
    for (std::size_t at = 0; at < made.size(); ++at)
      made[at] = static_cast<std::uint8_t>(mixBits(at % patternPeriod));
    return made;
  }();
  return bytes;
}
const std::uint8_t* patternOf(std::uint64_t number) { return pattern().data() + number % patternPeriod; }

/// The sum of RFC 1071, a word of 32 bits at a time.
unsigned sumOf(std::span<const std::uint8_t> bytes, std::uint64_t sum = 0) {
  std::size_t at = 0;
  for (; at + 4 <= bytes.size(); at += 4) {
    std::uint32_t word;
    std::memcpy(&word, bytes.data() + at, sizeof word);
    sum += __builtin_bswap32(word);
  }
  for (; at < bytes.size(); ++at)
    sum += at % 2 == 0 ? static_cast<unsigned>(bytes[at]) << 8 : static_cast<unsigned>(bytes[at]);
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<unsigned>(sum);
}
static_assert(std::endian::native == std::endian::little);

const char* faultOfNumbered(std::span<const std::uint8_t> addresses, std::span<const std::uint8_t> body) {
  std::uint32_t length;
  std::uint64_t number;
  if (body.size() < Numbered::shortest - 14) return "a numbered frame lacks its beginning";
  std::memcpy(&length, body.data(), sizeof length);
  std::memcpy(&number, body.data() + 4, sizeof number);
  if (length != body.size() + 14) return "a numbered frame is not as long as it was";
  if (std::memcmp(body.data() + 12, addresses.data(), 12) != 0)
    return "a numbered frame has other addresses than it had";
  const auto rest = body.subspan(24);
  if (!rest.empty() && std::memcmp(rest.data(), patternOf(number), rest.size()) != 0)
    return "a numbered frame has other bytes than it had";
  return nullptr;
}

const char* faultOfGenerated(std::span<const std::uint8_t> body) {
  const auto zero = [](std::uint8_t byte) { return byte == 0; };
  return body.size() >= 8 && std::all_of(body.begin() + 8, body.end(), zero)
             ? nullptr
             : "a generator's frame has bytes that it had not";
}

const char* faultOfIp(std::span<const std::uint8_t> packet, bool ip6, bool complete) {
  const std::size_t header = ip6 ? 40 : 20;
  if (packet.size() < header + 8) return "an IP packet lacks its beginning";
  if (ip6 ? get16(packet, 4) + header != packet.size() : get16(packet, 2) != packet.size())
    return "an IP packet is not as long as it says";
  if (!ip6 && sumOf(packet.first(header)) != 0xffff) return "an IP header's checksum is wrong";
  const std::uint8_t protocol = packet[ip6 ? 6 : 9];
  const auto segment = packet.subspan(header);
  if (complete) {
    const auto addresses = ip6 ? packet.subspan(8, 32) : packet.subspan(12, 8);
    if (sumOf(segment, std::uint64_t{sumOf(addresses)} + segment.size() + protocol) != 0xffff)
      return "a TCP or UDP checksum is wrong";
  }
  if (protocol != 6) return nullptr;
  const std::size_t payloadAt = segment.size() < 20 ? segment.size() : std::size_t{segment[12]} / 16 * 4;
  if (payloadAt > segment.size()) return "a TCP header is longer than its segment";
  const auto payload = segment.subspan(payloadAt);
  if (!payload.empty() && std::memcmp(payload.data(), patternOf(get32(segment, 4)), payload.size()) != 0)
    return "a TCP segment has other bytes than its sequence number says";
  return nullptr;
}

}  // namespace

std::uint32_t write(const Numbered& frame, std::uint8_t* into) {
  std::uint8_t* at = std::copy(frame.to.begin(), frame.to.end(), into);
  at = std::copy(frame.from.begin(), frame.from.end(), at);
  const auto put = [&at](unsigned word) {
    *at++ = static_cast<std::uint8_t>(word >> 8);
    *at++ = static_cast<std::uint8_t>(word);
  };
  if (frame.tag) put(0x8100), put(*frame.tag);
  put(numberedType);
  std::memcpy(at, &frame.length, sizeof frame.length);
  std::memcpy(at + 4, &frame.number, sizeof frame.number);
  std::memcpy(at + 12, into, 12);
  std::memcpy(at + 24, patternOf(frame.number), frame.length - Numbered::shortest);
  return frame.length + (frame.tag ? 4 : 0);
}

Bytes build(const IpFrame& shape) {
  Bytes bytes = shape.build();
  if (shape.tcp) std::memcpy(bytes.data() + shape.headerLength(), patternOf(shape.sequence), shape.payload);
  return bytes;
}

const char* faultOf(std::span<const std::uint8_t> bytes, bool complete) noexcept {
  if (bytes.size() < 14) return "a frame is shorter than an Ethernet header";
  std::size_t at = 12;
  while (bytes.size() >= at + 6 && get16(bytes, at) == 0x8100) at += 4;
  const auto body = bytes.subspan(at + 2);
  switch (get16(bytes, at)) {
    case numberedType:
      return faultOfNumbered(bytes.first(12), body);
    case generatorType:
      return faultOfGenerated(body);
    case 0x0800:
      return faultOfIp(body, false, complete);
    case 0x86dd:
      return faultOfIp(body, true, complete);
    default:
      return nullptr;
  }
}

}  // namespace etherloom::soak
