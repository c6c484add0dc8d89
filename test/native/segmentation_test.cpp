// Super-frames cut into wire frames, judged by an independent reading of the result.
#include "frame/segmentation.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <random>

#include "frame_fixtures.hpp"

using namespace etherloom;

namespace {

struct Bench {
  std::unique_ptr<FramePool> pool = *FramePool::create(4 << 20);
  Segmenter segmenter;
  Frame superFrame;
  Bytes bytes;

  /// Begins with a copy of `content` that ends where its memory ends, so that a sanitizer sees what reads
  /// beyond.
  bool start(const Bytes& content, Offload offload) {
    bytes = Bytes(content);
    bytes.shrink_to_fit();
    superFrame.data = bytes.data();
    superFrame.length = static_cast<std::uint32_t>(bytes.size());
    superFrame.offload = offload;
    return segmenter.start(superFrame);
  }
  std::vector<Bytes> rest() {
    std::vector<Bytes> segments;
    while (!segmenter.done()) {
      Frame* frame = segmenter.next(*pool);
      REQUIRE(frame);
      segments.emplace_back(frame->data, frame->data + frame->length);
      CHECK(frame->offload.gsoType == 0);
      CHECK(frame->offload.flags == 0);
      pool->release(frame);
    }
    return segments;
  }
};

GsoType typeOf(const IpFrame& shape) {
  return !shape.tcp ? GsoType::Udp : shape.ip6 ? GsoType::Tcp6 : GsoType::Tcp4;
}

Offload offloadOf(const IpFrame& shape, std::size_t segmentSize) {
  return {.flags = needsChecksum,
          .gsoType = static_cast<std::uint8_t>(typeOf(shape)),
          .headerLength = static_cast<std::uint16_t>(shape.headerLength()),
          .gsoSize = static_cast<std::uint16_t>(segmentSize),
          .csumStart = static_cast<std::uint16_t>(shape.transportAt()),
          .csumOffset = static_cast<std::uint16_t>(shape.checksumAt() - shape.transportAt())};
}

/// Cuts a frame of the shape and checks everything about the segments that any receiver relies on.
std::vector<Bytes> cutAndCheck(const IpFrame& shape, std::size_t segmentSize) {
  Bench bench;
  const Bytes whole = shape.build();
  REQUIRE(bench.start(whole, offloadOf(shape, segmentSize)));
  std::vector<Bytes> segments = bench.rest();
  CHECK(bench.pool->outstanding() == 0);
  REQUIRE(segments.size() == (shape.payload + segmentSize - 1) / segmentSize);

  Bytes payload;
  for (std::size_t index = 0; index < segments.size(); ++index) {
    CAPTURE(index);
    const Bytes& segment = segments[index];
    CHECK(shape.valid(segment));
    CHECK(std::equal(segment.begin(), segment.begin() + 12, whole.begin()));
    CHECK(get16(segment, shape.ipAt() - 2) == (shape.ip6 ? 0x86dd : 0x0800));
    if (index + 1 < segments.size()) CHECK(segment.size() == shape.headerLength() + segmentSize);
    if (!shape.ip6) CHECK(get16(segment, shape.ipAt() + 4) == ((shape.identification + index) & 0xffff));
    if (shape.tcp) {
      CHECK(get32(segment, shape.transportAt() + 4) ==
            static_cast<std::uint32_t>(shape.sequence + index * segmentSize));
    }
    payload.insert(payload.end(), segment.begin() + static_cast<std::ptrdiff_t>(shape.headerLength()),
                   segment.end());
  }
  CHECK(std::equal(payload.begin(), payload.end(),
                   whole.begin() + static_cast<std::ptrdiff_t>(shape.headerLength()), whole.end()));
  return segments;
}

}  // namespace

TEST_CASE("segmentation: TCP and UDP over IPv4 and IPv6, also tagged and with options") {
  for (const bool ip6 : {false, true}) {
    for (const bool tcp : {false, true}) {
      for (const std::size_t ipOptions : {std::size_t{0}, std::size_t{8}}) {
        for (const std::vector<std::uint16_t>& tags :
             {std::vector<std::uint16_t>{}, std::vector<std::uint16_t>{100, 0xa005}}) {
          CAPTURE(ip6);
          CAPTURE(tcp);
          CAPTURE(ipOptions);
          CAPTURE(tags.size());
          IpFrame shape{.ip6 = ip6, .tcp = tcp, .tags = tags, .ipOptions = ipOptions, .payload = 10'001};
          cutAndCheck(shape, 1400);
          shape.payload = 2800;  // the last segment is full
          cutAndCheck(shape, 1400);
        }
      }
    }
  }
}

TEST_CASE("segmentation: 64 KiB make 45 frames of an ordinary MTU, and 8 of a jumbo one") {
  const IpFrame shape{.payload = 65160};
  CHECK(cutAndCheck(shape, 1448).size() == 45);
  CHECK(cutAndCheck(shape, 8948).size() == 8);
}

TEST_CASE("segmentation: FIN and PSH go with the last segment, CWR with the first, the rest with all") {
  const IpFrame shape{.payload = 3000, .tcpFlags = 0xff};
  const auto segments = cutAndCheck(shape, 1000);
  REQUIRE(segments.size() == 3);
  CHECK(segments[0][shape.transportAt() + 13] == 0xf6);
  CHECK(segments[1][shape.transportAt() + 13] == 0x76);
  CHECK(segments[2][shape.transportAt() + 13] == 0x7f);
}

TEST_CASE("segmentation: what fits into one segment is one whole frame") {
  const IpFrame shape{.payload = 100, .tcpFlags = 0xff};
  const auto segments = cutAndCheck(shape, 1400);
  REQUIRE(segments.size() == 1);
  CHECK(segments[0][shape.transportAt() + 13] == 0xff);

  const IpFrame empty{.payload = 0};
  Bench bench;
  REQUIRE(bench.start(empty.build(), offloadOf(empty, 1400)));
  const auto alone = bench.rest();
  REQUIRE(alone.size() == 1);
  CHECK(empty.valid(alone[0]));
}

TEST_CASE("segmentation: the type's ECN bit and a wrong header length make no difference") {
  const IpFrame shape{.payload = 3000};
  Offload offload = offloadOf(shape, 1000);
  offload.gsoType |= gsoEcn;
  offload.headerLength = 0xffff;
  Bench bench;
  REQUIRE(bench.start(shape.build(), offload));
  for (const Bytes& segment : bench.rest()) CHECK(shape.valid(segment));
}

TEST_CASE("segmentation: goes on where it stood, and over a want of buffers") {
  const IpFrame shape{.payload = 3000};
  Bench bench;
  bench.pool = *FramePool::create(300 << 10);
  REQUIRE(bench.start(shape.build(), offloadOf(shape, 1000)));
  std::vector<Frame*> taken;
  Frame* first = bench.segmenter.next(*bench.pool);
  REQUIRE(first);
  while (Frame* frame = bench.pool->acquire(BufferClass::Small)) taken.push_back(frame);
  CHECK(bench.segmenter.next(*bench.pool) == nullptr);
  CHECK_FALSE(bench.segmenter.done());
  for (Frame* frame : taken) bench.pool->release(frame);

  const auto rest = bench.rest();
  REQUIRE(rest.size() == 1);
  CHECK(get32(rest[0], shape.transportAt() + 4) == static_cast<std::uint32_t>(shape.sequence + 2000));
  bench.pool->release(first);
}

TEST_CASE("segmentation: headers that contradict the offload are refused") {
  const IpFrame tcp4{.payload = 3000};
  const IpFrame tcp6{.ip6 = true, .payload = 3000};
  const IpFrame udp4{.tcp = false, .payload = 3000};
  Bench bench;
  const auto refused = [&bench](const IpFrame& shape, auto change) {
    Bytes bytes = shape.build();
    Offload offload = offloadOf(shape, 1000);
    REQUIRE(bench.start(bytes, offload));
    change(bytes, offload);
    return !bench.start(bytes, offload) && bench.segmenter.done();
  };
  const auto withType = [](int type) {
    return [type](Bytes&, Offload& offload) { offload.gsoType = static_cast<std::uint8_t>(type); };
  };
  const auto withByte = [](std::size_t at, std::uint8_t value) {
    return [at, value](Bytes& bytes, Offload&) { bytes[at] = value; };
  };

  CHECK(refused(tcp4, [](Bytes&, Offload& offload) { offload.gsoSize = 0; }));
  for (const int type : {0, 2, 3, 4, 5, 6, 0x7f}) CHECK(refused(tcp4, withType(type)));
  for (const int type : {0, 1, 3, 5}) CHECK(refused(tcp6, withType(type)));
  for (const int type : {0, 1, 3, 4}) CHECK(refused(udp4, withType(type)));

  CHECK(refused(tcp4, [](Bytes&, Offload& offload) { offload.csumStart++; }));
  CHECK(refused(tcp4, withByte(12, 0x86)));                       // no EtherType of IP
  CHECK(refused(tcp4, withByte(tcp4.ipAt(), 0x65)));              // version 6 behind the EtherType of 4
  CHECK(refused(tcp4, withByte(tcp4.ipAt(), 0x44)));              // IP header of 16 bytes
  CHECK(refused(tcp4, withByte(tcp4.ipAt(), 0x4f)));              // the transport elsewhere
  CHECK(refused(tcp4, withByte(tcp4.ipAt() + 6, 0x20)));          // a fragment, the first
  CHECK(refused(tcp4, withByte(tcp4.ipAt() + 7, 0x01)));          // a fragment, a later one
  CHECK(refused(tcp4, withByte(tcp4.ipAt() + 9, 17)));            // UDP
  CHECK(refused(tcp4, withByte(tcp4.transportAt() + 12, 0x40)));  // TCP header of 16 bytes
  CHECK(refused(tcp6, withByte(tcp6.ipAt() + 6, 43)));            // a routing header
  CHECK(refused(tcp6, withByte(tcp6.ipAt() + 6, 44)));            // a fragment header
  CHECK(refused(udp4, withByte(udp4.ipAt() + 9, 6)));             // TCP

  // A segment that no IP length can express.
  const IpFrame huge{.payload = 65530};
  CHECK_FALSE(bench.start(huge.build(), offloadOf(huge, 65530)));
}

TEST_CASE("segmentation: a frame that ends within its headers is refused") {
  for (const bool ip6 : {false, true}) {
    for (const bool tcp : {false, true}) {
      const IpFrame shape{.ip6 = ip6, .tcp = tcp, .tags = {7}, .ipOptions = 8, .payload = 0};
      const Bytes whole = shape.build();
      Bench bench;
      for (std::size_t length = 0; length < shape.headerLength(); ++length) {
        CAPTURE(length);
        CHECK_FALSE(bench.start(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length)),
                                offloadOf(shape, 1000)));
      }
      CHECK(bench.start(whole, offloadOf(shape, 1000)));
    }
  }
}

TEST_CASE("segmentation: whatever the bytes are, segments end, and are no longer than announced") {
  std::mt19937 random(7);
  Bench bench;
  std::size_t started = 0;
  for (int round = 0; round < 20'000; ++round) {
    const IpFrame shape{.ip6 = random() % 2 == 0, .tcp = random() % 2 == 0, .payload = random() % 300};
    Bytes bytes = shape.build();
    Offload offload = offloadOf(shape, 1 + random() % 400);
    if (random() % 2 == 0) offload.flags = 0;
    for (auto change = random() % 3; change > 0; --change) {
      bytes[12 + random() % (shape.headerLength() - 12)] = static_cast<std::uint8_t>(random());
    }
    const std::size_t missing = random() % (bytes.size() / 4);
    bytes.erase(bytes.end() - static_cast<std::ptrdiff_t>(missing), bytes.end());
    if (!bench.start(bytes, offload)) continue;
    ++started;
    for (const Bytes& segment : bench.rest()) REQUIRE(segment.size() <= bytes.size());
  }
  CHECK(started > 5000);
  CHECK(bench.pool->outstanding() == 0);
}
