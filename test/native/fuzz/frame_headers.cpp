// What stands in front of a payload: any frame, read as Ethernet with VLAN tags, IP, TCP and UDP, and with a
// tag put in and taken out.
//
// The input: a virtio-net header, a tag, then the frame. The oracle reads the headers as the RFCs have them,
// one field after the other; a tag that was put in must read as such, and taken out leave what was before.
#include <memory>
#include <optional>

#include "../frame_fixtures.hpp"
#include "frame/ethernet.hpp"
#include "frame/offload.hpp"
#include "frame/pool.hpp"
#include "frame/transport.hpp"
#include "frame/vlan_tag.hpp"
#include "target.hpp"

using namespace etherloom;
using namespace etherloom::fuzz;

namespace {

struct Headers {
  unsigned protocol;
  bool ip6;
  std::size_t ip, at, payload;
};

/// Walks a frame; whatever is behind its end ends the walk.
std::optional<Headers> headersOf(std::span<const std::uint8_t> frame) {
  struct Short {};
  const auto byte = [&](std::size_t at) -> unsigned {
    if (at >= frame.size()) throw Short{};
    return frame[at];
  };
  const auto word = [&](std::size_t at) { return byte(at) * 256 + byte(at + 1); };
  try {
    std::size_t ip = 14;
    for (int tags = 0; tags < 2 && (word(ip - 2) == 0x8100 || word(ip - 2) == 0x88a8); ++tags) {
      byte(ip + 3);
      ip += 4;
    }
    Headers found{0, word(ip - 2) == 0x86dd, ip, 0, 0};
    if (found.ip6) {
      byte(ip + 39);
      if (byte(ip) >> 4 != 6) return std::nullopt;
      found.protocol = byte(ip + 6);
      found.at = ip + 40;
      while (found.protocol == 0 || found.protocol == 60) {
        found.protocol = byte(found.at);
        found.at += 8 + 8 * std::size_t{byte(found.at + 1)};
      }
    } else {
      byte(ip + 19);
      const unsigned fragment = word(ip + 6);
      const bool more = fragment & 0x2000, offset = fragment & 0x1fff;
      if (word(ip - 2) != 0x0800 || byte(ip) < 0x45 || byte(ip) > 0x4f || more || offset) return std::nullopt;
      found.protocol = byte(ip + 9);
      found.at = ip + 4 * (byte(ip) - 0x40);
    }
    if (found.protocol == 6) {
      byte(found.at + 19);
      if (byte(found.at + 12) < 0x50) return std::nullopt;
      found.payload = found.at + 4 * (byte(found.at + 12) / 16);
    } else if (found.protocol == 17) {
      found.payload = found.at + 8;
    } else {
      return std::nullopt;
    }
    byte(found.payload - 1);
    return found;
  } catch (Short) {
    return std::nullopt;
  }
}

void requireTransport(std::span<const std::uint8_t> bytes) {
  const std::vector<std::uint8_t> frame = exactly(bytes);
  const auto found = findTransport(frame.data(), static_cast<std::uint32_t>(frame.size()));
  const auto expected = headersOf(frame);
  require(found.has_value() == expected.has_value());
  if (!found) return;
  require(found->protocol == expected->protocol && found->ip6 == expected->ip6 && found->ip == expected->ip &&
          found->at == expected->at && found->payload == expected->payload);
  const auto length = static_cast<std::uint32_t>(frame.size() - found->at);
  const auto addresses = std::span(frame).subspan(found->ip + (found->ip6 ? 8 : 12), found->ip6 ? 32 : 8);
  const unsigned sum = naiveSum(addresses, (length & 0xffff) + (length >> 16) + found->protocol);
  // Zero has two names.
  require(pseudoHeaderSum(frame.data(), *found, length) % 0xffffu == sum % 0xffffu);
}

struct State {
  std::vector<std::uint8_t> bytes, header;
  Offload offload;

  explicit State(const Frame& frame)
      : bytes(frame.data, frame.data + frame.length),
        header(frame.data - virtioHeaderLength, frame.data),
        offload(frame.offload) {}
};

bool same(const Offload& left, const Offload& right) {
  return left.flags == right.flags && left.gsoType == right.gsoType &&
         left.headerLength == right.headerLength && left.gsoSize == right.gsoSize &&
         left.csumStart == right.csumStart && left.csumOffset == right.csumOffset &&
         left.segments == right.segments;
}

void requireTags(FramePool& pool, std::span<const std::uint8_t> bytes, const VirtioHeader& claims,
                 std::uint16_t control) {
  Frame* frame = pool.copyIn(bytes);
  require(frame);
  static_cast<void>(acceptOffload(*frame, claims));
  const State before(*frame);
  unsigned pushed = 0;
  while (pushTag(*frame, control)) {
    ++pushed;
    require(isTagged(*frame) && tagOf(*frame) == control && vlanOf(*frame) == (control & vlanIdMask));
    require(frame->length == before.bytes.size() + 4 * pushed &&
            frame->offload.segments == before.offload.segments);
    const auto rest = std::span(frame->data, frame->length).subspan(12 + 4 * pushed);
    require(std::equal(rest.begin(), rest.end(), before.bytes.begin() + 12, before.bytes.end()));
    require(std::equal(before.bytes.begin(), before.bytes.begin() + 12, frame->data));
    if (!isPlain(*frame)) require(frame->offload.csumStart == before.offload.csumStart + 4 * pushed);
    require(wireBytes(*frame) ==
            before.bytes.size() + 4 * pushed + (before.offload.segments - 1u) * frame->offload.headerLength);
  }
  require(pushed > 0);
  for (; pushed > 0; --pushed) popTag(*frame);
  const State after(*frame);
  require(after.bytes == before.bytes && after.header == before.header &&
          same(after.offload, before.offload));
  pool.release(frame);
  require(pool.outstanding() == 0);
}

void run(std::span<const std::uint8_t> bytes) {
  static const std::unique_ptr<FramePool> pool = *FramePool::create(1 << 20);
  Input input(bytes);
  const auto claims = input.take<VirtioHeader>();
  const auto control = input.take<std::uint16_t>();
  if (input.rest().size() < ethernetHeaderLength || input.rest().size() > FramePool::largeCapacity) return;
  requireTransport(input.rest());
  requireTags(*pool, input.rest(), claims, control);
}

const Target target("frame_headers", run);

}  // namespace
