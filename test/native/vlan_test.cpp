// VLAN tags in frames, and what the pipeline makes of them: offloads that move along, one copy for all ports
// that want it, none where nobody gets the frame as it came, and every frame back in the pool.
#include "frame/vlan_tag.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>

#include "fabrics/hub.hpp"
#include "pipeline/pipeline.hpp"
#include "pipeline_fixtures.hpp"
#include "super_frame_fixtures.hpp"

using namespace etherloom;

namespace {

/// Bytes with a tag behind the addresses.
Bytes tagged(const Bytes& bytes, unsigned control) {
  Bytes with(bytes.size() + vlanTagLength);
  std::copy_n(bytes.begin(), 12, with.begin());
  std::copy(bytes.begin() + 12, bytes.end(), with.begin() + 12 + vlanTagLength);
  put16(with, 12, customerTag);
  put16(with, 14, control);
  return with;
}

struct VlanBench : SeatBench, PipelineSink {
  explicit VlanBench(std::size_t memory = 8u << 20) : SeatBench(memory) {
    version.fabric = &fabric;
    fabricSeat.version.store(&version);
  }

  Attachment& join(std::uint16_t untagged, std::vector<std::uint16_t> with = {}) {
    Attachment& joined = seat(std::make_unique<KeepingPort>(65535));
    joined.fabric = &fabricSeat;
    version.ports.push_back(&joined);
    version.vlans.push_back(std::make_shared<const PortVlans>(untagged, with));
    version.rows.push_back(nullptr);
    pipeline.reserve(version.ports.size());
    return joined;
  }
  void pass(Attachment& from, std::initializer_list<Frame*> frames) {
    RxBurst burst(*pool, from.counters.dropped);
    for (Frame* each : frames) burst.add(each);
    pipeline.pass(from, burst);
  }
  void handOver(std::span<const Crossing> crossings, PathOffer&) noexcept override {
    for (const Crossing& crossing : crossings) got[crossing.to].push_back(crossing.frame);
    most = std::max(most, pool->outstanding());
  }
  void learned(EngineFabric&, std::span<const Learned>) noexcept override {}
  void stormBegins(const Attachment&, Traffic, Instant) noexcept override {}
  /// What a port got, as the bytes on a wire.
  std::vector<Bytes> wiresAt(Attachment& to) {
    std::vector<Bytes> all;
    for (Frame* frame : got[&to]) {
      CHECK(headerAgrees(*frame));
      for (Bytes& wire : wiresIn(*pool, *frame)) all.push_back(std::move(wire));
    }
    return all;
  }
  ~VlanBench() {
    for (auto& [to, frames] : got) {
      for (Frame* frame : frames) pool->release(frame);
    }
  }

  Hub fabric;
  FabricVersion version;
  EngineFabric fabricSeat;
  Pipeline pipeline{*this};
  std::map<Attachment*, std::vector<Frame*>> got;
  std::size_t most = 0;
};

std::vector<IpFrame> shapes() {
  std::vector<IpFrame> all;
  for (const bool ip6 : {false, true}) {
    for (const bool tcp : {false, true}) {
      IpFrame shape;
      shape.ip6 = ip6;
      shape.tcp = tcp;
      shape.payload = 9000;
      all.push_back(shape);
    }
  }
  return all;
}

}  // namespace

TEST_CASE("VLAN tag: put in and taken out, with offload and header moved along") {
  auto pool = *FramePool::create(8u << 20);
  for (const IpFrame& shape : shapes()) {
    for (const std::size_t gsoSize : {std::size_t{0}, std::size_t{1400}}) {
      Frame* frame = superFrameOf(*pool, shape, gsoSize);
      const Offload before = frame->offload;
      const Bytes bytes = bytesOf(*frame);
      std::vector<Bytes> wires = wiresIn(*pool, *frame);

      REQUIRE(pushTag(*frame, 0xa00a));
      CHECK(bytesOf(*frame) == tagged(bytes, 0xa00a));
      CHECK(headerAgrees(*frame));
      CHECK(frame->offload.csumStart == before.csumStart + 4);
      CHECK(frame->offload.headerLength == (gsoSize == 0 ? 0 : before.headerLength + 4));
      for (Bytes& wire : wires) wire = tagged(wire, 0xa00a);
      CHECK(wiresIn(*pool, *frame) == wires);

      popTag(*frame);
      CHECK(bytesOf(*frame) == bytes);
      CHECK(headerAgrees(*frame));
      CHECK(frame->offload.csumStart == before.csumStart);
      pool->release(frame);
    }
  }
  CHECK(pool->outstanding() == 0);
}

TEST_CASE("VLAN tag: without headroom nothing is written before the buffer") {
  auto pool = *FramePool::create(8u << 20);
  Frame* frame = frameOf(*pool, IpFrame{}.build());
  unsigned pushed = 0;
  while (pushTag(*frame, 10)) ++pushed;
  CHECK(pushed == (FramePool::headroom - virtioHeaderLength) / vlanTagLength);
  const Bytes bytes = bytesOf(*frame);
  CHECK_FALSE(pushTag(*frame, 10));
  CHECK(bytesOf(*frame) == bytes);
  CHECK(frame->pool == pool.get());
  pool->release(frame);
}

TEST_CASE("VLANs: a super-frame meets ports with and without tags, whole, in one copy") {
  for (const IpFrame& shape : shapes()) {
    VlanBench bench;
    Attachment& from = bench.join(10);
    Attachment& access = bench.join(10);
    Attachment& trunk = bench.join(0, {10});
    Attachment& second = bench.join(1, {10, 20});
    Attachment& other = bench.join(20);
    Frame* frame = superFrameOf(*bench.pool, shape, 1400);
    const std::vector<Bytes> wires = wiresIn(*bench.pool, *frame);
    bench.pass(from, {frame});
    CHECK(bench.wiresAt(access) == wires);
    std::vector<Bytes> with;
    for (const Bytes& wire : wires) with.push_back(tagged(wire, 10));
    CHECK(bench.wiresAt(trunk) == with);
    CHECK(bench.wiresAt(second) == with);
    CHECK(bench.got[&other].empty());
    CHECK(bench.got[&access].front() == frame);
    CHECK(bench.got[&trunk].front() == bench.got[&second].front());
    CHECK(bench.most == 2);
  }
}

TEST_CASE("VLANs: where nobody gets the frame as it came, it is changed in place") {
  VlanBench bench;
  Attachment& access = bench.join(10);
  Attachment& trunk = bench.join(0, {10, 20});
  Frame* frame = frameOf(*bench.pool, IpFrame{}.build());
  const Bytes bytes = bytesOf(*frame);
  bench.pass(access, {frame});
  REQUIRE(bench.got[&trunk].size() == 1);
  CHECK(bench.got[&trunk].front() == frame);
  CHECK(bytesOf(*frame) == tagged(bytes, 10));

  Frame* back = frameOf(*bench.pool, tagged(bytes, 10));
  Frame* refused = frameOf(*bench.pool, tagged(bytes, 30));
  Frame* nobody = frameOf(*bench.pool, tagged(bytes, 20));
  bench.pass(trunk, {refused, back, nobody});
  REQUIRE(bench.got[&access].size() == 1);
  CHECK(bench.got[&access].front() == back);
  CHECK(bytesOf(*back) == bytes);
  CHECK(bench.most == 2);
  CHECK(countOf(trunk.counters.dropped, DropReason::Vlan) == 1);
  CHECK(countOf(trunk.counters.dropped, DropReason::Unreachable) == 1);
}

TEST_CASE("VLANs: a filter judges a frame as it leaves, once for all ports that get it so") {
  VlanBench bench;
  Attachment& from = bench.join(10);
  std::vector<Attachment*> others;
  for (unsigned port = 0; port < 3; ++port) others.push_back(&bench.join(10));
  for (unsigned port = 0; port < 3; ++port) others.push_back(&bench.join(0, {10}));
  const FilterInstruction isTaggedProgram[] = {
      {0x28, 0, 0, 12},           // ldh [12]
      {0x15, 0, 1, customerTag},  // jeq
      {0x06, 0, 0, 65535},        // ret #65535
      {0x06, 0, 0, 0},            // ret #0
  };
  auto program = FilterProgram::verify(isTaggedProgram);
  REQUIRE(program);
  Policy policy;
  policy.filter.require(std::move(*program));
  std::vector<std::unique_ptr<Path>> paths;
  auto row = std::make_shared<Row>();
  for (Attachment* to : others) {
    paths.push_back(std::make_unique<Path>(*to, 1));
    row->entries.push_back({to, paths.back().get(), &policy, 1, {}});
  }
  bench.version.rows[0] = row;
  bench.pass(from, {frameOf(*bench.pool, IpFrame{}.build()), frameOf(*bench.pool, IpFrame{}.build())});
  for (unsigned port = 0; port < 6; ++port) {
    CHECK(bench.got[others[port]].size() == (port < 3 ? 0 : 2));
    CHECK(paths[port]->account.offer.offered.get() == 2);
    CHECK(paths[port]->account.offer.refused.get() == (port < 3 ? 2 : 0));
  }
}

TEST_CASE("VLANs: what there is no buffer for is lost to those who wanted it changed, and to nobody else") {
  VlanBench bench(1u << 20);
  Attachment& from = bench.join(10);
  Attachment& access = bench.join(10);
  Attachment& trunk = bench.join(0, {10});
  std::vector<Frame*> taken;
  Frame* first = frameOf(*bench.pool, IpFrame{}.build());
  Frame* second = frameOf(*bench.pool, IpFrame{}.build());
  while (Frame* frame = bench.pool->acquire(BufferClass::Small)) taken.push_back(frame);
  bench.pool->release(taken.back());
  taken.pop_back();
  bench.pass(from, {first, second});
  CHECK(bench.got[&access].size() == 2);
  CHECK(bench.got[&trunk].size() == 1);
  const PathOffer& offer = from.defaults[0].offer;
  CHECK(offer.offered.get() == 4);
  CHECK(offer.lostOnTheWay.get() == 1);
  for (Frame* frame : taken) bench.pool->release(frame);
}

TEST_CASE("VLANs: a burst of several is told apart, and the next one begins anew") {
  VlanBench bench;
  Attachment& trunk = bench.join(1, {10, 20});
  Attachment& red = bench.join(10);
  Attachment& blue = bench.join(20);
  Attachment& far = bench.join(20, {1, 10});
  const Bytes bytes = IpFrame{}.build();
  for (unsigned burst = 1; burst <= 2; ++burst) {
    bench.pass(trunk, {frameOf(*bench.pool, tagged(bytes, 10)), frameOf(*bench.pool, bytes),
                       frameOf(*bench.pool, tagged(bytes, 20)), frameOf(*bench.pool, tagged(bytes, 1)),
                       frameOf(*bench.pool, tagged(bytes, 0xe000))});
    CHECK(bench.got[&red].size() == burst);
    CHECK(bench.got[&blue].size() == burst);
    CHECK(bench.got[&far].size() == burst * 5);
  }
  CHECK(bytesOf(*bench.got[&red].front()) == bytes);
  CHECK(bytesOf(*bench.got[&blue].front()) == bytes);
  std::vector<Bytes> sent{tagged(bytes, 10), tagged(bytes, 1), bytes, tagged(bytes, 1),
                          tagged(bytes, 0xe001)};
  std::vector<Bytes> came;
  for (unsigned index = 0; index < 5; ++index) came.push_back(bytesOf(*bench.got[&far][index]));
  std::sort(sent.begin(), sent.end());
  std::sort(came.begin(), came.end());
  CHECK(came == sent);
}

TEST_CASE("VLANs: only the ports of a frame's VLAN count as its receivers in a turn") {
  VlanBench bench;
  constexpr unsigned many = 99;
  Attachment& from = bench.join(10, {20});
  bench.join(10);
  for (unsigned index = 0; index < many; ++index)
    index % 2 == 0 ? bench.join(20) : bench.join(30, {20});  // some with a tag, some without
  const auto confined = [&](const Bytes& bytes) {
    RxBurst burst(*bench.pool, from.counters.dropped);
    while (burst.room() > 0) {
      Frame* frame = bench.frame(0, 0, static_cast<std::uint32_t>(bytes.size()));
      std::copy(bytes.begin(), bytes.end(), frame->data);
      burst.add(frame);
    }
    bench.pipeline.confine(from, burst);
    const unsigned count = burst.count();
    for (const Frame* frame : burst.frames()) CHECK(bytesOf(*frame) == bytes);  // as they came
    burst.remove(allFrames(count));
    while (Frame* frame = from.postponed.pop()) bench.pool->release(frame);
    return count;
  };
  const Bytes untagged(60, 0xff);
  CHECK(confined(untagged) == burstSize);
  CHECK(confined(tagged(untagged, 10)) == burstSize);
  CHECK(confined(tagged(untagged, 20)) == burstWireFrames / many);
  CHECK(confined(tagged(untagged, 40)) == burstSize);  // of no VLAN of the port's
}
