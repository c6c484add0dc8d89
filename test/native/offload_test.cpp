// What headers claim about frames: what is taken, in which form, and what is refused.
#include "frame/offload.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <random>

#include "fuzz/target.hpp"
#include "super_frame_fixtures.hpp"

using namespace etherloom;

namespace {

struct OffloadBench {
  ~OffloadBench() { CHECK(pool->outstanding() == 0); }

  /// Whether the claims are taken. What is refused must be as it was.
  bool accepts(const Bytes& bytes, const VirtioHeader& claims) {
    Frame* frame = frameOf(*pool, bytes);
    const bool accepted = acceptOffload(*frame, claims);
    if (!accepted) CHECK(bytesOf(*frame) == bytes);
    if (!accepted) CHECK(isPlain(*frame));
    if (accepted) CHECK(headerAgrees(*frame));
    pool->release(frame);
    return accepted;
  }

  std::unique_ptr<FramePool> pool = *FramePool::create(8 << 20);
};

}  // namespace

TEST_CASE("offload: a super-frame is taken with its real header length, segments and checksum") {
  OffloadBench bench;
  for (const bool ip6 : {false, true}) {
    for (const bool tcp : {false, true}) {
      for (const std::vector<std::uint16_t>& tags :
           {std::vector<std::uint16_t>{}, std::vector<std::uint16_t>{5, 6}}) {
        for (const bool undone : {false, true}) {
          const IpFrame shape{.ip6 = ip6, .tcp = tcp, .tags = tags, .ipOptions = 8, .payload = 10'001};
          Bytes bytes = shape.build();
          const Bytes right = bytes;
          VirtioHeader claims = claimsOf(shape, 1000);
          claims.headerLength = 7;  // a hint, and a wrong one
          if (!undone) {
            claims.flags = 0;
            claims.csumStart = claims.csumOffset = 0;
            put16(bytes, shape.checksumAt(), 0x1234);
          }
          Frame* frame = frameOf(*bench.pool, bytes);
          REQUIRE(acceptOffload(*frame, claims));
          CHECK(frame->offload.segments == 11);
          CHECK(frame->offload.gsoType == static_cast<std::uint8_t>(typeOf(shape)));
          CHECK(frame->offload.headerLength == shape.headerLength());
          CHECK(frame->offload.flags == needsChecksum);
          CHECK(frame->offload.csumStart == shape.transportAt());
          CHECK(frame->offload.csumOffset == shape.checksumAt() - shape.transportAt());
          CHECK(bytesOf(*frame) == right);
          CHECK(headerAgrees(*frame));
          CHECK(wireLength(*frame) == shape.headerLength() + 1000);
          std::size_t all = 0;
          for (const Bytes& wire : wireFramesOf(shape, 1000)) all += wire.size();
          CHECK(wireBytes(*frame) == all);
          bench.pool->release(frame);
        }
      }
    }
  }
}

TEST_CASE("offload: a plain frame is plain, whatever else its header says") {
  OffloadBench bench;
  const IpFrame shape{.payload = 100};
  Frame* frame = frameOf(*bench.pool, shape.build());
  const VirtioHeader claims{.flags = 2,  // the checksum was verified
                            .gsoType = 0,
                            .headerLength = 66,
                            .gsoSize = 9,
                            .csumStart = 1,
                            .csumOffset = 2};
  std::fill(frame->data - virtioHeaderLength, frame->data, std::uint8_t{0xaa});
  REQUIRE(acceptOffload(*frame, claims));
  CHECK(isPlain(*frame));
  CHECK(headerAgrees(*frame));
  CHECK(wireLength(*frame) == frame->length);
  CHECK(wireBytes(*frame) == frame->length);
  bench.pool->release(frame);
}

TEST_CASE("offload: what fits into one segment is a wire frame with its checksum undone") {
  OffloadBench bench;
  for (const std::size_t payload : {std::size_t{0}, std::size_t{100}, std::size_t{1000}}) {
    const IpFrame shape{.payload = payload, .tcpFlags = 0x98};
    Frame* frame = superFrameOf(*bench.pool, shape, 1000);
    CHECK_FALSE(isSuperFrame(*frame));
    CHECK(frame->offload.segments == 1);
    CHECK(frame->offload.flags == needsChecksum);
    REQUIRE(completeChecksum(*frame));
    CHECK(shape.valid(bytesOf(*frame)));
    CHECK(headerAgrees(*frame));
    bench.pool->release(frame);
  }
}

TEST_CASE("offload: an undone checksum belongs to TCP or UDP, or to what a tunnel carries") {
  OffloadBench bench;
  const IpFrame tcp{.tags = {9}, .payload = 200};
  const IpFrame udp{.tcp = false, .payload = 200};
  const auto with = [](VirtioHeader claims, std::size_t start, std::size_t offset) {
    claims.csumStart = static_cast<std::uint16_t>(start);
    claims.csumOffset = static_cast<std::uint16_t>(offset);
    return claims;
  };
  for (const IpFrame& shape : {tcp, udp}) {
    const Bytes bytes = shape.build();
    const VirtioHeader claims = claimsOf(shape, 0);
    const std::size_t at = shape.transportAt();
    CHECK(bench.accepts(bytes, claims));
    CHECK_FALSE(bench.accepts(bytes, with(claims, at, 22 - claims.csumOffset)));  // the other's field
    CHECK_FALSE(bench.accepts(bytes, with(claims, at, 8)));
    CHECK_FALSE(bench.accepts(bytes, with(claims, at - 4, claims.csumOffset)));
    CHECK(bench.accepts(bytes, with(claims, at + 100, 6)));  // in VXLAN, for instance
    CHECK(bench.accepts(bytes, with(claims, bytes.size() - 18, 16)));
    CHECK_FALSE(bench.accepts(bytes, with(claims, bytes.size() - 17, 16)));
    CHECK_FALSE(bench.accepts(bytes, with(claims, 0xffff, 16)));
    CHECK_FALSE(bench.accepts(bytes, with(claims, 0, 16)));
  }
  Bytes arp(60);
  put16(arp, 12, 0x0806);
  CHECK_FALSE(bench.accepts(arp, with(claimsOf(tcp, 0), 20, 16)));
}

TEST_CASE("offload: claims that contradict the frame are refused") {
  OffloadBench bench;
  const IpFrame tcp4{.payload = 3000};
  const IpFrame tcp6{.ip6 = true, .ipOptions = 8, .payload = 3000};
  const IpFrame udp4{.tcp = false, .payload = 3000};
  const auto refused = [&bench](const IpFrame& shape, auto change) {
    Bytes bytes = shape.build();
    VirtioHeader claims = claimsOf(shape, 1000);
    REQUIRE(bench.accepts(bytes, claims));
    change(bytes, claims);
    return !bench.accepts(bytes, claims);
  };
  const auto withType = [](int type) {
    return [type](Bytes&, VirtioHeader& claims) { claims.gsoType = static_cast<std::uint8_t>(type); };
  };
  const auto withByte = [](std::size_t at, std::uint8_t value) {
    return [at, value](Bytes& bytes, VirtioHeader&) { bytes[at] = value; };
  };
  for (const int type : {2, 3, 4, 5, 6, 0x21, 0x41, 0x7f, 0x80}) CHECK(refused(tcp4, withType(type)));
  for (const int type : {1, 3, 5}) CHECK(refused(tcp6, withType(type)));
  for (const int type : {1, 3, 4, 0x85}) CHECK(refused(udp4, withType(type)));
  for (const IpFrame& shape : {tcp4, tcp6, udp4}) {
    CHECK(refused(shape, [](Bytes&, VirtioHeader& claims) { claims.gsoSize = 0; }));
    CHECK(refused(shape, [](Bytes&, VirtioHeader& claims) { claims.csumStart++; }));
    CHECK(refused(shape, [](Bytes&, VirtioHeader& claims) { claims.csumOffset += 2; }));
    CHECK(refused(shape, [](Bytes& bytes, VirtioHeader&) { bytes.pop_back(); }));    // cut off
    CHECK(refused(shape, [](Bytes& bytes, VirtioHeader&) { bytes.push_back(0); }));  // padded
  }
  CHECK(refused(tcp4, withByte(tcp4.ipAt() + 6, 0x20)));  // a fragment
  CHECK(refused(tcp6, withByte(tcp6.ipAt() + 40, 43)));   // a routing header
  const IpFrame tagged{.tags = {1, 2, 3}, .payload = 3000};
  CHECK_FALSE(bench.accepts(tagged.build(), claimsOf(tagged, 1000)));
  const IpFrame huge{.payload = 65'535};
  CHECK_FALSE(bench.accepts(huge.build(), claimsOf(huge, 1000)));
}

TEST_CASE("offload: segments are no shorter, and of UDP no more, than Linux makes them") {
  OffloadBench bench;
  const auto accepts = [&bench](bool ip6, bool tcp, std::size_t payload, std::size_t gsoSize) {
    const IpFrame shape{.ip6 = ip6, .tcp = tcp, .payload = payload};
    return bench.accepts(shape.build(), claimsOf(shape, gsoSize));
  };
  for (const bool ip6 : {false, true}) {
    CHECK(accepts(ip6, true, 3000, 8));
    CHECK_FALSE(accepts(ip6, true, 3000, 7));
    CHECK_FALSE(accepts(ip6, true, 7, 7));  // whatever the number of segments
    CHECK(accepts(ip6, false, 128 * 100, 100));
    CHECK_FALSE(accepts(ip6, false, 128 * 100 + 1, 100));
    CHECK(accepts(ip6, false, 128, 1));
    CHECK_FALSE(accepts(ip6, false, 129, 1));
  }
}

TEST_CASE("offload: CWR makes a super-frame one for ports that know ECN, whatever its header says") {
  OffloadBench bench;
  for (const bool cwr : {false, true}) {
    const IpFrame shape{.payload = 3000, .tcpFlags = static_cast<std::uint8_t>(cwr ? 0x90 : 0x10)};
    VirtioHeader claims = claimsOf(shape, 1000);
    claims.gsoType ^= gsoEcn;
    Frame* frame = frameOf(*bench.pool, shape.build());
    REQUIRE(acceptOffload(*frame, claims));
    CHECK((frame->offload.gsoType & gsoEcn) == (cwr ? gsoEcn : 0));
    CHECK(takes(Offloads::Checksum | Offloads::Tso4, *frame) == !cwr);
    CHECK(takes(Offloads::Checksum | Offloads::Tso4 | Offloads::Ecn, *frame));
    bench.pool->release(frame);
  }
}

TEST_CASE("offload: a port takes what all the bits it needs are there for") {
  OffloadBench bench;
  const auto needs = [&bench](const IpFrame& shape, std::size_t gsoSize) {
    Frame* frame = superFrameOf(*bench.pool, shape, gsoSize);
    const Offloads needed = offloadsOf(*frame);
    CHECK(takes(needed, *frame));
    CHECK(takes(Offloads::All, *frame));
    CHECK_FALSE(takes(Offloads::None, *frame));
    bench.pool->release(frame);
    return needed;
  };
  CHECK(needs({.payload = 3000}, 1000) == (Offloads::Checksum | Offloads::Tso4));
  CHECK(needs({.ip6 = true, .payload = 3000}, 1000) == (Offloads::Checksum | Offloads::Tso6));
  CHECK(needs({.tcp = false, .payload = 3000}, 1000) == (Offloads::Checksum | Offloads::Uso));
  CHECK(needs({.payload = 300}, 0) == Offloads::Checksum);
  Frame* plain = bench.pool->acquire(BufferClass::Small);
  plain->length = 60;
  CHECK(takes(Offloads::None, *plain));
  bench.pool->release(plain);
}

TEST_CASE("offload: a copy has the header, too") {
  OffloadBench bench;
  Frame* frame = superFrameOf(*bench.pool, {.payload = 3000}, 1000);
  Frame* copy = bench.pool->copy(*frame);
  REQUIRE(copy);
  CHECK(copy->offload.segments == 3);
  CHECK(headerAgrees(*copy));
  CHECK(bytesOf(*copy) == bytesOf(*frame));
  bench.pool->release(copy);
  bench.pool->release(frame);
}

TEST_CASE("offload: whatever header stands before whatever frame, nothing leaves its bounds") {
  std::mt19937 random(11);
  const auto randomByte = [&random] { return static_cast<std::uint8_t>(random()); };
  std::size_t taken = 0;
  OffloadBench bench;
  for (int round = 0; round < 60'000; ++round) {
    const IpFrame shape{.ip6 = random() % 2 == 0,
                        .tcp = random() % 2 == 0,
                        .tags = std::vector<std::uint16_t>(random() % 4, 7),
                        .ipOptions = random() % 3 * 8,
                        .payload = random() % 600};
    Bytes bytes = shape.build();
    VirtioHeader claims = claimsOf(shape, random() % 4 == 0 ? 0 : 1 + random() % 400);
    Bytes header(sizeof claims);
    std::memcpy(header.data(), &claims, sizeof claims);
    for (auto change = random() % 4; change > 0; --change) {
      switch (random() % 4) {
        case 0:
          header[random() % header.size()] = randomByte();
          break;
        case 1:
          bytes[12 + random() % (shape.headerLength() - 12)] = randomByte();
          break;
        case 2:
          bytes.resize(14 + random() % bytes.size(), randomByte());
          break;
        default:
          std::generate(header.begin(), header.end(), randomByte);
      }
      if (bytes.size() < shape.headerLength()) break;
    }
    std::memcpy(&claims, header.data(), sizeof claims);
    Frame* frame = frameOf(*bench.pool, bytes);
    taken += acceptOffload(*frame, claims);
    bench.pool->release(frame);
    header.insert(header.end(), bytes.begin(), bytes.end());
    fuzz::targets().at("segmentation")(header);
  }
  CHECK(taken > 10'000);
  CHECK(taken < 50'000);
}
