// ECN: which frames may be marked, and that a marked frame is as valid as it was.
#include "frame/ecn.hpp"

#include <doctest/doctest.h>

#include <memory>

#include "frame_fixtures.hpp"
#include "super_frame_fixtures.hpp"

using namespace etherloom;

namespace {

constexpr unsigned notCapable = 0, ect1 = 1, ect0 = 2, ce = 3;

/// The bytes as a frame in memory of exactly their size, so that a sanitizer sees every step beyond.
struct Exact : Frame {
  explicit Exact(const Bytes& bytes) : memory(std::make_unique<std::uint8_t[]>(bytes.size())) {
    std::copy(bytes.begin(), bytes.end(), memory.get());
    data = memory.get();
    length = static_cast<std::uint32_t>(bytes.size());
  }
  std::unique_ptr<std::uint8_t[]> memory;
};

void setEcn(const IpFrame& shape, Bytes& bytes, unsigned ecn) {
  const std::size_t ip = shape.ipAt();
  if (shape.ip6) {
    bytes[ip + 1] = static_cast<std::uint8_t>((bytes[ip + 1] & 0xcf) | ecn << 4);
    return;
  }
  bytes[ip + 1] = static_cast<std::uint8_t>((bytes[ip + 1] & 0xfc) | ecn);
  put16(bytes, ip + 10, 0);
  put16(bytes, ip + 10, ~naiveSum(std::span(bytes).subspan(ip, 20 + shape.ipOptions)) & 0xffff);
}

unsigned ecnOf(const IpFrame& shape, const Bytes& bytes) {
  const std::uint8_t byte = bytes[shape.ipAt() + 1];
  return shape.ip6 ? byte >> 4 & 3 : byte & 3;
}

}  // namespace

TEST_CASE("ecn: a capable frame is marked and differs in nothing else; any other stays as it is") {
  for (const bool ip6 : {false, true}) {
    for (const std::size_t tags : {0, 1, 2, 3}) {
      for (const std::size_t options : {0, 8}) {
        for (const unsigned ecn : {notCapable, ect1, ect0, ce}) {
          CAPTURE(ip6);
          CAPTURE(tags);
          CAPTURE(ecn);
          const IpFrame shape{
              .ip6 = ip6, .tags = std::vector<std::uint16_t>(tags, 7), .ipOptions = options, .payload = 30};
          Bytes bytes = shape.build();
          bytes[shape.ipAt() + 1] |= ip6 ? 0xc0 : 0xb8;  // other bits of the same byte
          setEcn(shape, bytes, ecn);
          Exact frame(bytes);
          CHECK(isEcnCapable(frame) == (ecn != notCapable));
          CHECK(markCongestion(frame) == (ecn != notCapable));
          if (ecn != notCapable) setEcn(shape, bytes, ce);  // computes the whole checksum
          CHECK(bytesOf(frame) == bytes);
          if (ecn != notCapable) CHECK(ecnOf(shape, bytesOf(frame)) == ce);
        }
      }
    }
  }
}

TEST_CASE("ecn: the checksum is the one that a full computation gives, for every one there can be") {
  const IpFrame shape{};
  for (const unsigned ecn : {ect1, ect0}) {
    Bytes bytes = shape.build();
    std::size_t wrong = 0;
    for (unsigned identification = 0; identification < 0x10000; ++identification) {
      put16(bytes, shape.ipAt() + 4, identification);
      setEcn(shape, bytes, ecn);
      Exact frame(bytes);
      if (!markCongestion(frame)) ++wrong;
      Bytes expected = bytes;
      setEcn(shape, expected, ce);
      if (bytesOf(frame) != expected) ++wrong;
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("ecn: a wrong checksum stays wrong, so that the receiver still sees it") {
  const IpFrame shape{};
  Bytes bytes = shape.build();
  setEcn(shape, bytes, ect0);
  bytes[shape.ipAt() + 10] ^= 0x55;
  Exact frame(bytes);
  CHECK(markCongestion(frame));
  CHECK(naiveSum(std::span(frame.data + shape.ipAt(), 20)) != 0xffff);
}

TEST_CASE("ecn: fragments are marked each for itself") {
  const IpFrame shape{.payload = 40};
  Bytes bytes = shape.build();
  put16(bytes, shape.ipAt() + 6, 0x2005);  // more fragments, and not the first
  setEcn(shape, bytes, ect0);
  Exact frame(bytes);
  CHECK(markCongestion(frame));
  CHECK(naiveSum(std::span(frame.data + shape.ipAt(), 20)) == 0xffff);
}

TEST_CASE("ecn: a frame cut anywhere within its IP header is not capable, and nothing beyond it is read") {
  for (const bool ip6 : {false, true}) {
    for (const std::size_t tags : {0, 2}) {
      const IpFrame shape{
          .ip6 = ip6, .tags = std::vector<std::uint16_t>(tags, 7), .ipOptions = ip6 ? 0u : 8u};
      Bytes whole = shape.build();
      setEcn(shape, whole, ect0);
      const std::size_t header = shape.ipAt() + (ip6 ? 40 : 28);
      for (std::size_t length = 14; length <= whole.size(); ++length) {
        CAPTURE(length);
        const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
        Exact frame(cut);
        CHECK(markCongestion(frame) == (length >= header));
        if (length < header) CHECK(bytesOf(frame) == cut);
      }
    }
  }
}

TEST_CASE("ecn: what is no IP, or contradicts itself, is not capable") {
  const IpFrame shape{};
  Bytes bytes = shape.build();
  setEcn(shape, bytes, ect0);
  const auto refuses = [&bytes](std::size_t at, std::uint8_t value) {
    Bytes changed = bytes;
    changed[at] = value;
    Exact frame(changed);
    return !markCongestion(frame) && bytesOf(frame) == changed;
  };
  CHECK(refuses(13, 0x06));  // ARP
  CHECK(refuses(14, 0x65));  // version 6 in a frame of IPv4
  CHECK(refuses(14, 0x44));  // a header of 16 bytes
  CHECK(refuses(14, 0x4f));  // a header of 60 bytes, of which 52 are there
}

TEST_CASE("ecn: one mark in a super-frame marks all of its segments") {
  auto pool = FramePool::create(1u << 20);
  REQUIRE(pool);
  for (const bool ip6 : {false, true}) {
    const IpFrame shape{.ip6 = ip6, .payload = 3500};
    Frame* frame = superFrameOf(**pool, shape, 1000);
    frame->data[shape.ipAt() + 1] |= ip6 ? ect0 << 4 : ect0;
    CHECK(markCongestion(*frame));
    const auto wires = wiresIn(**pool, *frame);
    CHECK(wires.size() == 4);
    for (std::size_t at = 0; at < wires.size(); ++at) {
      IpFrame part = shape;
      part.payload = at < 3 ? 1000 : 500;
      CHECK(part.valid(wires[at]));
      CHECK(ecnOf(part, wires[at]) == ce);
    }
    (*pool)->release(frame);
  }
}
