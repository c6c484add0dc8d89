// The pipeline by itself: screening, verdicts, rows, filters, and the references of what it hands over.
#include "pipeline/pipeline.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "fabrics/hub.hpp"
#include "pipeline_fixtures.hpp"
#include "super_frame_fixtures.hpp"

using namespace etherloom;

namespace {

/// A fabric that gives each frame the verdict written in its first byte.
class Obedient final : public Fabric {
 public:
  static constexpr std::uint8_t flood = 0xff, reserved = 0xfe;

  void decide(Seat, std::span<Frame* const> frames, std::span<const std::uint16_t>, Instant now,
              std::span<Verdict> verdicts, LearnLog& log) const noexcept override {
    for (std::size_t index = 0; index < frames.size(); ++index) {
      const std::uint8_t wish = frames[index]->data[0];
      verdicts[index] = wish == flood      ? Verdict::flood()
                        : wish == reserved ? Verdict::drop(DropReason::Reserved)
                                           : Verdict::to(Seat{wish});
      log.add({AddressKey{wish}, Seat{0}, now});
    }
  }
};

/// A port that writes back to the host of this address.
class HostPort final : public Port {
 public:
  explicit HostPort(std::uint64_t host) : Port(1518) { writeBackTo(host); }

  Result<void> open(Io&, PortKey) override { return {}; }
  RxState receive(RxBurst&) noexcept override { return RxState::Drained; }
  void transmit(std::span<const TxItem>) noexcept override {}
  void close(Io&) noexcept override {}
};

struct PipelineBench : SeatBench, PipelineSink {
  explicit PipelineBench(std::size_t memory = 4u << 20) : SeatBench(memory) { version.fabric = &fabric; }

  /// Adds a seat to the fabric.
  Attachment& join(std::uint32_t limit = 1518) { return join(std::make_unique<KeepingPort>(limit)); }
  Attachment& join(std::unique_ptr<Port> port) {
    Attachment& joined = seat(std::move(port));
    joined.fabric = &fabricSeat;
    version.ports.push_back(&joined);
    version.rows.push_back(nullptr);
    pipeline.reserve(version.ports.size());
    return joined;
  }
  std::shared_ptr<Policy> allow(Attachment& from, Attachment& to, bool allowed = true) {
    auto policy = std::make_shared<Policy>();
    policy->allowed = allowed;
    paths.push_back(std::make_unique<Path>(to, 1));
    auto& slot = version.rows[static_cast<std::size_t>(from.seat)];
    auto row = slot ? std::make_shared<Row>(*slot) : std::make_shared<Row>();
    row->entries.push_back({&to, paths.back().get(), policy.get(), 1, {}});
    row->policies.push_back(policy);
    slot = row;
    return policy;
  }
  /// Passes frames to everybody, with numbers from 0 in their last header byte, for filters to read.
  void floodNumbered(Attachment& from, std::uint8_t count) {
    fabricSeat.version.store(&version);
    RxBurst burst(*pool, from.counters.dropped);
    for (std::uint8_t number = 0; number < count; ++number) {
      Frame* made = frame();
      std::memset(made->data, 0, 14);
      made->data[0] = Obedient::flood;
      made->data[13] = number;
      burst.add(made);
    }
    burst.at = {77};
    pipeline.pass(from, burst);
  }
  /// Passes one frame for each wish, with numbers from 0.
  void pass(Attachment& from, std::initializer_list<std::uint8_t> wishes, std::uint32_t length = 60) {
    fabricSeat.version.store(&version);
    RxBurst burst(*pool, from.counters.dropped);
    for (const std::uint8_t wish : wishes) {
      Frame* made = frame(0, 0, length);
      std::memset(made->data, 0, 14);
      made->data[0] = wish;
      burst.add(made);
    }
    burst.at = {77};
    pipeline.pass(from, burst);
  }

  /// Passes these frames as one burst, all of them flooded.
  void pass(Attachment& from, std::initializer_list<Frame*> frames) {
    fabricSeat.version.store(&version);
    RxBurst burst(*pool, from.counters.dropped);
    for (Frame* each : frames) {
      each->data[0] = Obedient::flood;
      burst.add(each);
    }
    burst.at = {77};
    pipeline.pass(from, burst);
  }

  void handOver(std::span<const Crossing> crossings, PathOffer&) noexcept override {
    for (const Crossing& crossing : crossings) {
      CHECK(crossing.frame->arrival == Instant{77});
      got[crossing.to->id].push_back(crossing.frame->number);
      places[crossing.to->id].push_back(crossing.frame->segment);
      stands[crossing.to->id].push_back(crossing.frame->offload.segments);
      pool->release(crossing.frame);
    }
  }
  void learned(EngineFabric&, std::span<const Learned> entries) noexcept override {
    lessons += entries.size();
  }
  void stormBegins(const Attachment&, Traffic traffic, Instant at) noexcept override {
    storms.emplace_back(traffic, at);
  }

  const std::vector<std::uint32_t>& at(const Attachment& to) { return got[to.id]; }
  std::uint64_t dropped(const Attachment& from, DropReason reason) {
    return countOf(from.counters.dropped, reason);
  }

  Obedient fabric;
  FabricVersion version;
  EngineFabric fabricSeat;
  std::vector<std::pair<Traffic, Instant>> storms;
  Pipeline pipeline{*this};
  std::vector<std::unique_ptr<Path>> paths;
  std::map<PortId, std::vector<std::uint32_t>> got, places, stands;  // numbers, segments, how many
  std::size_t lessons = 0;
};

/// A burst from its first seat of a fabric with many, and what of it is left for later turns.
struct WideBench : PipelineBench {
  static constexpr unsigned ports = 100;
  static constexpr unsigned inTurn = burstWireFrames / (ports - 1);  // frames to all others

  WideBench() {
    for (unsigned index = 0; index < ports; ++index) join();
    fabricSeat.version.store(&version);
  }
  ~WideBench() {
    while (Frame* frame = from().postponed.pop()) pool->release(frame);
  }
  Attachment& from() { return *seats.front(); }
  /// How many frames of a full burst stay in it: `floods` of these go to everybody, the others to one.
  unsigned confined(unsigned floods, std::uint32_t length = 60) {
    RxBurst burst(*pool, from().counters.dropped);
    while (burst.room() > 0) {
      Frame* made = frame(0, burst.count(), length);
      std::memset(made->data, 0, 14);
      made->data[0] = burst.count() < floods ? Obedient::flood : std::uint8_t{1};
      burst.add(made);
    }
    pipeline.confine(from(), burst);
    const unsigned count = burst.count();
    for (unsigned index = 0; index < count; ++index) CHECK(burst[index]->number == index);
    burst.remove(allFrames(count));
    return count;
  }
};

using Numbers = std::vector<std::uint32_t>;
constexpr std::uint8_t flood = Obedient::flood;

}  // namespace

TEST_CASE("pipeline: floods go to all others, verdicts to their port, in the order of the burst") {
  PipelineBench bench;
  Attachment& a = bench.join();
  Attachment& b = bench.join();
  Attachment& c = bench.join();
  bench.pass(a, {flood, 1, 2, flood, 1});
  CHECK(bench.at(a) == Numbers{});
  CHECK(bench.at(b).size() == 4);
  std::vector<std::uint32_t> sorted = bench.at(b);
  std::sort(sorted.begin(), sorted.end());
  CHECK(sorted == Numbers{0, 1, 3, 4});
  sorted = bench.at(c);
  std::sort(sorted.begin(), sorted.end());
  CHECK(sorted == Numbers{0, 2, 3});
  CHECK(a.defaults[0].offer.offered.get() == 7);
  CHECK(bench.lessons == 5);
}

TEST_CASE("pipeline: a burst is as many frames as a turn has copies for, and the rest waits in its order") {
  WideBench bench;
  CHECK(bench.confined(burstSize) == WideBench::inTurn);
  Chain<Frame>& postponed = bench.from().postponed;
  Numbers waiting;
  postponed.each([&](const Frame& frame) { waiting.push_back(frame.number); });
  REQUIRE(waiting.size() == burstSize - WideBench::inTurn);
  CHECK(waiting.front() == WideBench::inTurn);
  CHECK(std::is_sorted(waiting.begin(), waiting.end()));

  // What is put off again comes before what was behind it.
  RxBurst burst(*bench.pool, bench.from().counters.dropped, 3);
  while (burst.room() > 0) burst.add(postponed.pop());
  burst.postpone(1, postponed);
  CHECK(postponed.front()->number == WideBench::inTurn + 1);
  burst.remove(allFrames(1));
  CHECK(bench.lessons == 0);  // nothing of it has come in yet
  CHECK(bench.from().counters.receivedFrames.get() == 0);
}

TEST_CASE("pipeline: a burst is whole if its frames go to few, however many ports there are") {
  WideBench bench;
  SUBCASE("by their addresses") { CHECK(bench.confined(0) == burstSize); }
  SUBCASE("most of them") { CHECK(bench.confined(burstSize / 2) == burstSize); }
  SUBCASE("by their paths") {
    for (unsigned index = 2; index < WideBench::ports; ++index)
      bench.allow(bench.from(), *bench.seats[index], false);
    CHECK(bench.confined(burstSize) == burstSize);
  }
  SUBCASE("where nothing goes without a path") {
    bench.version.forwarding = false;
    bench.allow(bench.from(), *bench.seats[1]);
    CHECK(bench.confined(burstSize) == burstSize);
  }
  SUBCASE("because they are no frames") { CHECK(bench.confined(burstSize, 13) == burstSize); }
  SUBCASE("because the port has left") {
    bench.version.ports[0] = nullptr;
    CHECK(bench.confined(burstSize) == burstSize);
  }
}

TEST_CASE("pipeline: explicit pairs are counted as others are") {
  WideBench bench;
  bench.version.forwarding = false;
  for (unsigned index = 1; index < WideBench::ports; ++index) bench.allow(bench.from(), *bench.seats[index]);
  CHECK(bench.confined(burstSize) == WideBench::inTurn);
}

TEST_CASE("pipeline: frames are numbered on their port and stamped with the burst's arrival") {
  PipelineBench bench;
  Attachment& a = bench.join();
  Attachment& b = bench.join();
  bench.pass(a, {flood, flood});
  bench.pass(a, {flood});
  CHECK(bench.at(b) == Numbers{0, 1, 2});
  CHECK(a.counters.receivedFrames.get() == 3);
  CHECK(a.counters.receivedBytes.get() == 180);
}

TEST_CASE("pipeline: runts and oversize end at receive, and take a number all the same") {
  PipelineBench bench;
  Attachment& a = bench.join(100);
  Attachment& b = bench.join(100);
  bench.pass(a, {flood}, 13);
  bench.pass(a, {flood}, 14);
  bench.pass(a, {flood}, 100);
  bench.pass(a, {flood}, 101);
  CHECK(bench.at(b) == Numbers{1, 2});
  CHECK(bench.dropped(a, DropReason::Runt) == 1);
  CHECK(bench.dropped(a, DropReason::Oversize) == 1);
  CHECK(a.counters.receivedFrames.get() == 2);
}

TEST_CASE("pipeline: a fabric's drops are counted by their reason, and not as unreachable") {
  PipelineBench bench;
  Attachment& a = bench.join();
  bench.join();
  bench.pass(a, {Obedient::reserved, Obedient::reserved});
  CHECK(bench.dropped(a, DropReason::Reserved) == 2);
  CHECK(bench.dropped(a, DropReason::Unreachable) == 0);
}

TEST_CASE("pipeline: a denying fabric asks its rows, an allowing one all but its rows") {
  for (const bool forwarding : {false, true}) {
    PipelineBench bench;
    bench.version.forwarding = forwarding;
    Attachment& a = bench.join();
    Attachment& b = bench.join();
    Attachment& c = bench.join();
    Attachment& d = bench.join();
    bench.allow(a, b);
    bench.allow(a, c, false);
    bench.pass(a, {flood, 1, 2, 3});
    CHECK(bench.at(b) == Numbers{0, 1});
    CHECK(bench.at(c) == Numbers{});
    CHECK(bench.at(d) == (forwarding ? Numbers{0, 3} : Numbers{}));
    CHECK(bench.dropped(a, DropReason::Unreachable) == (forwarding ? 1 : 2));
    CHECK(bench.paths[0]->account.offer.offered.get() == 2);
    CHECK(bench.paths[1]->account.offer.offered.get() == 0);
  }
}

TEST_CASE("pipeline: writeback returns what is for the host or a group, and the rest goes where it went") {
  PipelineBench bench;
  Attachment& host = bench.join(std::make_unique<HostPort>(0x060000000000));
  Attachment& b = bench.join();
  Attachment& c = bench.join();
  bench.pass(host, {flood, 6, 2, 4});
  CHECK(bench.at(host) == Numbers{0, 1});
  CHECK(bench.at(b) == Numbers{0});
  CHECK(bench.at(c) == Numbers{0, 2});
  CHECK(bench.dropped(host, DropReason::NotForUs) == 1);
  CHECK(bench.dropped(host, DropReason::Unreachable) == 0);
  CHECK(host.defaults[0].offer.offered.get() == 5);
}

TEST_CASE(
    "pipeline: writeback counts no drop of the fabric for what it returns, nor returns the host's own") {
  PipelineBench bench;
  Attachment& host = bench.join(std::make_unique<HostPort>(0xfe0000000000));
  bench.pass(host, {Obedient::reserved});
  CHECK(bench.at(host) == Numbers{0});
  CHECK(bench.dropped(host, DropReason::Reserved) == 0);

  Frame* own = bench.frame();
  std::memset(own->data, 0, 14);
  own->data[6] = 0xfe;
  bench.pass(host, {own});
  CHECK(bench.at(host) == Numbers{0});
  CHECK(bench.dropped(host, DropReason::NotForUs) == 1);
}

TEST_CASE("pipeline: a verdict for a seat that nobody sits in any more is unreachable") {
  PipelineBench bench;
  Attachment& a = bench.join();
  bench.join();
  bench.version.ports[1] = nullptr;
  bench.pass(a, {1, 9, flood});
  CHECK(bench.dropped(a, DropReason::Unreachable) == 3);
}

TEST_CASE("pipeline: a port that the version does not know any more reaches nobody") {
  PipelineBench bench;
  Attachment& a = bench.join();
  Attachment& b = bench.join();
  bench.version.ports[0] = nullptr;
  bench.pass(a, {flood});
  CHECK(bench.at(b) == Numbers{});
  CHECK(bench.dropped(a, DropReason::Unreachable) == 1);
}

TEST_CASE("pipeline: what a filter refuses is counted on its path only") {
  PipelineBench bench;
  Attachment& a = bench.join();
  Attachment& b = bench.join();
  Attachment& c = bench.join();
  const FilterInstruction oddNumbers[] = {
      {0x30, 0, 0, 13},  // ldb [13]
      {0x54, 0, 0, 1},   // and #1
      {0x16, 0, 0, 0},   // ret a
  };
  auto program = FilterProgram::verify(oddNumbers);
  REQUIRE(program);
  bench.allow(a, b)->filter.require(std::move(*program));
  bench.allow(a, c);
  bench.floodNumbered(a, 64);
  CHECK(bench.at(b).size() == 32);
  CHECK(std::all_of(bench.at(b).begin(), bench.at(b).end(), [](auto number) { return number % 2 == 1; }));
  CHECK(bench.at(c).size() == 64);
  CHECK(bench.paths[0]->account.offer.offered.get() == 64);
  CHECK(bench.paths[0]->account.offer.refused.get() == 32);
  CHECK(bench.paths[1]->account.offer.refused.get() == 0);
}

TEST_CASE("pipeline: more different filters than it remembers are still judged right") {
  PipelineBench bench;
  Attachment& a = bench.join();
  std::vector<Attachment*> others;
  for (std::uint8_t index = 0; index < 20; ++index) {
    others.push_back(&bench.join());
    const FilterInstruction onlyThis[] = {
        {0x30, 0, 0, 13},                         // ldb [13]
        {0x15, 0, 1, std::uint32_t{index} % 12},  // jeq
        {0x06, 0, 0, 0xffffffff},                 // ret everything
        {0x06, 0, 0, 0},                          // ret nothing
    };
    auto program = FilterProgram::verify(onlyThis);
    REQUIRE(program);
    bench.allow(a, *others.back())->filter.require(std::move(*program));
  }
  bench.floodNumbered(a, 12);
  for (std::uint32_t index = 0; index < 20; ++index) CHECK(bench.at(*others[index]) == Numbers{index % 12});
}

TEST_CASE(
    "pipeline: a filter of several programs; what cannot be judged is not accepted, and so not dropped") {
  PipelineBench bench;
  Attachment& a = bench.join();
  Attachment& b = bench.join();
  const auto returning = [](std::initializer_list<FilterInstruction> code) {
    auto program = FilterProgram::verify(std::span(code.begin(), code.size()));
    REQUIRE(program);
    return *std::move(program);
  };
  PathFilter& filter = bench.allow(a, b)->filter;
  filter.require(returning({{0x30, 0, 0, 13}, {0x54, 0, 0, 1}, {0x16, 0, 0, 0}}));  // odd numbers
  filter.drop(returning({{0x30, 0, 0, 13}, {0x54, 0, 0, 4}, {0x16, 0, 0, 0}}));     // 4 to 7, 12 to 15
  filter.drop(returning({{0x30, 0, 0, 13}, {0x54, 0, 0, 8}, {0x16, 0, 0, 0}}));     // 8 to 15
  filter.drop(returning({{0x20, 0, 0, 60000}, {0x06, 0, 0, 1}}));                   // reads beyond the end
  bench.floodNumbered(a, 16);
  CHECK(bench.at(b) == Numbers{1, 3});
  CHECK(bench.paths[0]->account.offer.refused.get() == 14);
}

namespace {

FilterProgram verified(std::span<const FilterInstruction> instructions) {
  auto program = FilterProgram::verify(instructions);
  REQUIRE(program);
  CHECK(program->readsBeyondHeaders());
  return *std::move(program);
}

/// Accepts IPv4 with an odd identification: every other segment.
constexpr FilterInstruction oddIdentification[] = {
    {0x30, 0, 0, 19},  // ldb [19]
    {0x54, 0, 0, 1},   // and #1
    {0x16, 0, 0, 0},   // ret a
};

}  // namespace

TEST_CASE("pipeline: a super-frame is as long as the longest of its wire frames, and counts as all of them") {
  PipelineBench bench;
  Attachment& a = bench.join(1118);
  Attachment& b = bench.join(1118);
  const IpFrame shape{.payload = 10'000};  // behind 66 bytes of headers
  bench.pass(a, {superFrameOf(*bench.pool, shape, 1052), superFrameOf(*bench.pool, shape, 1053)});
  CHECK(bench.at(b) == Numbers{0});
  CHECK(bench.stands[b.id] == Numbers{10});
  CHECK(a.counters.receivedFrames.get() == 10);
  CHECK(a.counters.receivedBytes.get() == 10'000 + 10 * 66);
  CHECK(bench.dropped(a, DropReason::Oversize) == 10);
  CHECK(a.defaults[0].offer.offered.get() == 10);
}

TEST_CASE("pipeline: a fabric's drop of a super-frame counts as many frames") {
  PipelineBench bench;
  Attachment& a = bench.join();
  bench.join();
  bench.fabricSeat.version.store(&bench.version);
  RxBurst burst(*bench.pool, a.counters.dropped);
  Frame* frame = superFrameOf(*bench.pool, {.payload = 5000}, 1000);
  frame->data[0] = Obedient::reserved;
  burst.add(frame);
  bench.pipeline.pass(a, burst);
  CHECK(bench.dropped(a, DropReason::Reserved) == 5);
}

TEST_CASE(
    "pipeline: where a filter reads beyond the headers a super-frame is judged as wire frames, in place") {
  PipelineBench bench;
  Attachment& a = bench.join();
  Attachment& b = bench.join();
  Attachment& c = bench.join();
  Attachment& d = bench.join();
  for (Attachment* to : {&b, &d}) bench.allow(a, *to)->filter.require(verified(oddIdentification));
  const IpFrame odd{.payload = 100, .identification = 1};
  const IpFrame even{.payload = 100, .identification = 2};
  bench.pass(a, {superFrameOf(*bench.pool, odd, 0),
                 superFrameOf(*bench.pool, {.payload = 5000, .identification = 8}, 1000),
                 superFrameOf(*bench.pool, even, 0),
                 superFrameOf(*bench.pool, {.payload = 200'000 / 4, .identification = 0}, 250),
                 superFrameOf(*bench.pool, odd, 0)});
  Numbers numbers{0, 1, 1}, places{0, 1, 3};
  for (std::uint32_t segment = 1; segment < 200; segment += 2) {
    numbers.push_back(3);
    places.push_back(segment);
  }
  numbers.push_back(4);
  places.push_back(0);
  for (const Attachment* to : {&b, &d}) {
    CHECK(bench.at(*to) == numbers);
    CHECK(bench.places[to->id] == places);
    CHECK(bench.stands[to->id] == Numbers(numbers.size(), 1));
  }
  CHECK(bench.at(c) == Numbers{0, 1, 2, 3, 4});
  CHECK(bench.stands[c.id] == Numbers{1, 5, 1, 200, 1});
  for (const auto& path : bench.paths) {
    CHECK(path->account.offer.offered.get() == 208);
    CHECK(path->account.offer.refused.get() == 3 + 1 + 100);
    CHECK(path->account.offer.lostOnTheWay.get() == 0);
  }
}

TEST_CASE("pipeline: segments that there is no buffer for are lost on their path only") {
  PipelineBench bench(1u << 20);
  Attachment& a = bench.join();
  Attachment& b = bench.join();
  Attachment& c = bench.join();
  bench.allow(a, b)->filter.require(verified(oddIdentification));
  Frame* superFrame = superFrameOf(*bench.pool, {.payload = 5000}, 1000);
  std::vector<Frame*> taken;
  while (Frame* frame = bench.pool->acquire(BufferClass::Small)) taken.push_back(frame);
  bench.pass(a, {superFrame});
  CHECK(bench.at(b) == Numbers{});
  CHECK(bench.at(c) == Numbers{0});
  CHECK(bench.paths[0]->account.offer.lostOnTheWay.get() == 5);
  CHECK(bench.paths[0]->account.offer.refused.get() == 0);
  for (Frame* frame : taken) bench.pool->release(frame);
}

TEST_CASE("pipeline: a filter that reads checksums meets them complete") {
  PipelineBench bench;
  Attachment& a = bench.join();
  Attachment& b = bench.join();
  const IpFrame shape{.payload = 3000};
  const Bytes second = wireFramesOf(shape, 1000)[1];
  const IpFrame shorter{.payload = 100};
  const Bytes complete = wireFramesOf(shorter, 0).front();
  const FilterInstruction eitherChecksum[] = {
      {0x28, 0, 0, 50},  // ldh [50]
      {0x15, 1, 0, get16(second, 50)},
      {0x15, 0, 1, get16(complete, 50)},
      {0x06, 0, 0, 0xffffffff},
      {0x06, 0, 0, 0},
  };
  bench.allow(a, b)->filter.require(verified(eitherChecksum));
  bench.pass(a, {superFrameOf(*bench.pool, shape, 1000), superFrameOf(*bench.pool, shorter, 0)});
  CHECK(bench.at(b) == Numbers{0, 1});
  CHECK(bench.places[b.id] == Numbers{1, 0});
}

TEST_CASE("a storm guard drops what is to be flooded, at the port, and lets what has a target pass") {
  PipelineBench bench;
  Attachment& from = bench.join();
  Attachment& to = bench.join();
  StormGuard guard;
  guard.set({{std::nullopt, std::nullopt, 20}});
  from.guard.store(&guard);
  // A wish to flood is a group address in the first byte: one bit of it away from a station's.
  bench.pass(from, {Obedient::flood, 1, Obedient::flood});
  CHECK(bench.at(to).size() == 3);

  guard.set({{std::nullopt, 20, std::nullopt}});
  bench.pass(from, {Obedient::flood, 1, Obedient::flood, Obedient::flood, 1, Obedient::reserved});
  CHECK(bench.at(to).size() == 3 + 4);
  CHECK(bench.dropped(from, DropReason::Storm) == 1);
  CHECK(bench.dropped(from, DropReason::Unreachable) == 0);
  CHECK(bench.dropped(from, DropReason::Reserved) == 1);
  REQUIRE(bench.storms.size() == 1);
  CHECK(bench.storms[0] == std::pair(Traffic::Multicast, Instant{77}));
  bench.pass(from, {Obedient::flood});
  CHECK(bench.storms.size() == 1);
  CHECK(bench.dropped(from, DropReason::Storm) == 2);
}
