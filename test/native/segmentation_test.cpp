// Super-frames cut into wire frames, judged by an independent reading of the result.
#include "frame/segmentation.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <random>

#include "super_frame_fixtures.hpp"

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

namespace {

/// All shapes of headers, with and without ECN, and payloads that end anywhere in their last segment.
template <typename Each>
void forEachShape(Each&& each) {
  for (const bool ip6 : {false, true}) {
    for (const bool tcp : {false, true}) {
      for (const std::size_t options : {std::size_t{0}, std::size_t{8}}) {
        for (const std::vector<std::uint16_t>& tags :
             {std::vector<std::uint16_t>{}, std::vector<std::uint16_t>{100},
              std::vector<std::uint16_t>{7, 9}}) {
          for (const std::size_t payload : {4001, 4097, 5000, 8191}) {
            for (const std::uint8_t flags : {std::uint8_t{0x10}, std::uint8_t{0xff}}) {
              CAPTURE(ip6);
              CAPTURE(tcp);
              CAPTURE(options);
              CAPTURE(tags.size());
              CAPTURE(payload);
              CAPTURE(flags);
              each(IpFrame{.ip6 = ip6,
                           .tcp = tcp,
                           .tags = tags,
                           .ipOptions = options,
                           .payload = payload,
                           .tcpFlags = flags});
            }
          }
        }
      }
    }
  }
}

std::vector<Bytes> cutWhole(FramePool& pool, const Frame& superFrame) {
  Segmenter segmenter;
  REQUIRE(segmenter.start(superFrame));
  REQUIRE(segmenter.segments() == superFrame.offload.segments);
  std::vector<Bytes> wires;
  while (!segmenter.done()) {
    Frame* wire = segmenter.next(pool);
    REQUIRE(wire);
    CHECK(isPlain(*wire));
    CHECK(headerAgrees(*wire));
    CHECK(wire->segment == superFrame.segment + wires.size());
    wires.push_back(bytesOf(*wire));
    pool.release(wire);
  }
  return wires;
}

}  // namespace

TEST_CASE("segmentation: byte for byte what an independent sender would have sent one by one") {
  const auto pool = *FramePool::create(8 << 20);
  forEachShape([&](const IpFrame& shape) {
    Frame* superFrame = superFrameOf(*pool, shape, 1000);
    CHECK(cutWhole(*pool, *superFrame) == wireFramesOf(shape, 1000));
    pool->release(superFrame);
  });
  CHECK(pool->outstanding() == 0);
}

TEST_CASE(
    "segmentation: any run is a super-frame that a sender could have made, and cuts to the same bytes") {
  const auto pool = *FramePool::create(8 << 20);
  forEachShape([&](const IpFrame& shape) {
    constexpr std::size_t size = 500;
    Frame* superFrame = superFrameOf(*pool, shape, size);
    superFrame->number = 77;
    const auto wires = wireFramesOf(shape, size);
    Segmenter segmenter;
    REQUIRE(segmenter.start(*superFrame));
    const std::uint32_t segments = segmenter.segments();
    for (std::uint32_t first = 0; first < segments; first += 2) {
      for (std::uint32_t count = 2; count <= segments - first; count += 3) {
        CAPTURE(first);
        CAPTURE(count);
        Frame* train = segmenter.cut(*pool, first, count);
        REQUIRE(train);
        CHECK(train->number == 77);
        CHECK(train->segment == first);
        CHECK(train->offload.segments == count);
        CHECK(headerAgrees(*train));
        const Bytes bytes = bytesOf(*train);
        VirtioHeader claims = headerBefore(*train);
        CHECK((train->offload.gsoType & gsoEcn) ==
              (shape.tcp && shape.tcpFlags & 0x80 && first == 0 ? gsoEcn : 0));

        // As a sender would have made it: lengths, IP checksum, the pseudo-header in the checksum's field.
        CHECK(acceptOffload(*train, claims));
        CHECK(bytesOf(*train) == bytes);
        const auto payload = bytes.size() - shape.headerLength();
        const IpFrame alike{.ip6 = shape.ip6,
                            .tcp = shape.tcp,
                            .tags = shape.tags,
                            .ipOptions = shape.ipOptions,
                            .payload = payload};
        CHECK(get16(bytes, shape.checksumAt()) == get16(alike.build(), shape.checksumAt()));
        Bytes done = bytes;
        put16(done, shape.checksumAt(), ~naiveSum(std::span(done).subspan(shape.transportAt())) & 0xffff);
        CHECK(shape.valid(done));

        const auto recut = cutWhole(*pool, *train);
        const auto from = wires.begin() + static_cast<std::ptrdiff_t>(first);
        CHECK(recut == std::vector<Bytes>(from, from + static_cast<std::ptrdiff_t>(count)));
        pool->release(train);
      }
    }
    Frame* all = segmenter.cut(*pool, 0, segments);
    REQUIRE(all);
    CHECK(bytesOf(*all) == bytesOf(*superFrame));
    pool->release(all);
    pool->release(superFrame);
  });
  CHECK(pool->outstanding() == 0);
}

TEST_CASE("segmentation: the shortest segments that there are make thousands of frames, each right") {
  const auto pool = *FramePool::create(8 << 20);
  const IpFrame shape{.tcpOptions = 0, .payload = 65'535 - 40, .tcpFlags = 0x19};
  Frame* superFrame = superFrameOf(*pool, shape, 8);
  CHECK(superFrame->offload.segments == 8'187);
  CHECK(wireBytes(*superFrame) == 65'495u + 8'187u * 54);
  Segmenter segmenter;
  REQUIRE(segmenter.start(*superFrame));
  std::uint32_t right = 0;
  while (!segmenter.done()) {
    Frame* wire = segmenter.next(*pool);
    REQUIRE(wire);
    const Bytes bytes = bytesOf(*wire);
    if (shape.valid(bytes) && get32(bytes, shape.transportAt() + 4) == shape.sequence + right * 8) ++right;
    pool->release(wire);
  }
  CHECK(right == 8'187);
  pool->release(superFrame);
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
