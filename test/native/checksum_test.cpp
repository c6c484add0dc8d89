// The Internet checksum against its definition, and its completion in frames.
#include "frame/checksum.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "frame/virtio_header.hpp"
#include "frame_fixtures.hpp"

using namespace etherloom;

namespace {

/// A frame with the bytes' content behind a virtio-net header, written back to them in the end.
struct View : Frame {
  explicit View(Bytes& content) : bytes(content), memory(virtioHeaderLength + content.size(), 0xaa) {
    std::copy(content.begin(), content.end(), memory.begin() + virtioHeaderLength);
    data = memory.data() + virtioHeaderLength;
    length = static_cast<std::uint32_t>(content.size());
  }
  bool complete() {
    const bool done = completeChecksum(*this);
    std::copy(memory.begin() + virtioHeaderLength, memory.end(), bytes.begin());
    return done;
  }
  bool headerIsZero() const {
    return std::all_of(memory.begin(), memory.begin() + virtioHeaderLength,
                       [](auto byte) { return byte == 0; });
  }

  Bytes& bytes;
  Bytes memory;
};

Offload undone(std::size_t start, std::size_t offset) {
  return {.flags = needsChecksum,
          .csumStart = static_cast<std::uint16_t>(start),
          .csumOffset = static_cast<std::uint16_t>(offset)};
}

}  // namespace

TEST_CASE("checksum: the example of RFC 1071, section 3") {
  const Bytes bytes{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
  CHECK(onesComplementSum(bytes.data(), bytes.size()) == 0xddf2);
  CHECK(checksumOf(0xddf2) == 0x220d);
}

TEST_CASE("checksum: agrees with the definition at every length and alignment") {
  std::mt19937 random(1);
  Bytes bytes(300);
  std::generate(bytes.begin(), bytes.end(), [&random] { return static_cast<std::uint8_t>(random()); });
  for (std::size_t start = 0; start < 8; ++start) {
    for (std::size_t length = 0; length + start <= bytes.size(); ++length) {
      const unsigned expected = naiveSum(std::span(bytes).subspan(start, length));
      REQUIRE(onesComplementSum(bytes.data() + start, length) == expected);
    }
  }
}

TEST_CASE("checksum: 64 KiB of ones lose no carry") {
  const Bytes bytes(65536, 0xff);
  CHECK(onesComplementSum(bytes.data(), bytes.size()) == 0xffff);
  CHECK(checksumOf(3 * 0xffff) == 0xffff);
}

TEST_CASE("checksum: completed over IPv4 and IPv6, TCP and UDP, even and odd lengths") {
  for (const bool ip6 : {false, true}) {
    for (const bool tcp : {false, true}) {
      for (const std::size_t payload : {std::size_t{0}, std::size_t{1}, std::size_t{999}}) {
        CAPTURE(ip6);
        CAPTURE(tcp);
        CAPTURE(payload);
        const IpFrame shape{.ip6 = ip6, .tcp = tcp, .payload = payload};
        Bytes bytes = shape.build();
        View frame(bytes);
        frame.offload = undone(shape.transportAt(), shape.checksumAt() - shape.transportAt());
        CHECK_FALSE(shape.valid(bytes));
        REQUIRE(frame.complete());
        CHECK(shape.valid(bytes));
        CHECK(frame.offload.flags == 0);
        CHECK(frame.headerIsZero());
      }
    }
  }
}

TEST_CASE("checksum: a sum of zero is written as 0xffff, for UDP's zero means none") {
  Bytes bytes(60);
  bytes[20] = bytes[21] = 0xff;
  View frame(bytes);
  frame.offload = undone(20, 6);
  REQUIRE(frame.complete());
  CHECK(get16(bytes, 26) == 0xffff);
}

TEST_CASE("checksum: what does not lie within the frame is refused and changes nothing") {
  struct Case {
    std::size_t start, offset;
    bool within;
  };
  for (const auto& [start, offset, within] :
       {Case{20, 38, true}, Case{20, 39, false}, Case{58, 0, true}, Case{59, 0, false}, Case{60, 0, false},
        Case{0, 0xffff, false}, Case{0xffff, 0xffff, false}, Case{0xffff, 0, false}}) {
    CAPTURE(start);
    CAPTURE(offset);
    Bytes bytes(60, 0x11);
    const Bytes before = bytes;
    View frame(bytes);
    frame.offload = undone(start, offset);
    CHECK(frame.complete() == within);
    CHECK((bytes == before) != within);
  }
}

TEST_CASE("checksum: a frame that asks for nothing stays as it is") {
  Bytes bytes(60, 0x11);
  const Bytes before = bytes;
  View frame(bytes);
  frame.offload = undone(20, 6);
  frame.offload.flags = 0;
  CHECK(frame.complete());
  CHECK(bytes == before);
}
