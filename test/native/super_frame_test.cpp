// Super-frames between receive and transmit: on a path, before a filter, and for ports that take none of
// them. The measure is always the same stream as wire frames.
#include <doctest/doctest.h>

#include <random>

#include "impairment_fixtures.hpp"
#include "pipeline/wire_frames.hpp"
#include "pipeline_fixtures.hpp"
#include "super_frame_fixtures.hpp"

using namespace etherloom;

namespace {

std::shared_ptr<Policy> makePolicy() {
  static std::vector<std::shared_ptr<Policy>> all;  // so that no two have one address
  return all.emplace_back(std::make_shared<Policy>());
}

std::shared_ptr<Policy> impairing(double duplicate, double loss, double corrupt, std::int64_t delay = 0) {
  auto policy = makePolicy();
  if (duplicate > 0) policy->impairments.push_back(makeDuplicate(duplicate));
  if (loss > 0) policy->impairments.push_back(makeLoss(loss));
  if (corrupt > 0) policy->impairments.push_back(makeCorrupt(corrupt));
  policy->travel.delay = {delay};
  return policy;
}

/// One path, and what left it.
struct PathBench : SeatBench {
  struct Wire {
    std::int64_t at;
    Bytes bytes;
    bool operator==(const Wire&) const = default;
  };

  explicit PathBench(std::size_t memory = 16u << 20) : SeatBench(memory) {
    host.stage = stage;
    host.worker = this;
  }
  ~PathBench() {
    path.flush();
    check();
    CHECK(held.outstanding() == 0);
  }

  void admit(Frame* frame, const Policy& policy, std::int64_t at) {
    run(at);
    now = at;
    frame->arrival = {at};
    frame->number = number++;
    given.admit(frame, policy);
    check();
  }
  void admitEach(const std::vector<Bytes>& each, const Policy& policy, std::int64_t at) {
    for (const Bytes& wire : each) admit(frameOf(*pool, wire), policy, at);
  }
  void run(std::int64_t until) {
    while (path.due() <= Instant{until}) {
      now = path.due().nanoseconds;
      path.step();
      check();
    }
  }
  void check() const { REQUIRE(balances(path.account)); }
  static void stage(void* self, Attachment& to, TxItem item, Instant) noexcept {
    auto& bench = *static_cast<PathBench*>(self);
    for (const Bytes& wire : wiresIn(*bench.pool, *item.frame)) bench.wires.push_back({bench.now, wire});
    bench.left.push_back(item.frame);
    bench.segments.push_back(item.frame->offload.segments);
    to.port->transmit({&item, 1});
  }
  /// Every counter of the path.
  [[nodiscard]] std::vector<std::uint64_t> counters() const {
    const PathAccount& of = path.account;
    std::vector<std::uint64_t> all{of.admitted.get(),       of.duplicated.get(), of.delivered.get(),
                                   of.deliveredBytes.get(), of.waiting.get(),    of.travelling.get(),
                                   of.staged.get()};
    for (std::size_t reason = 0; reason < dropReasonCount; ++reason) all.push_back(of.dropped.get(reason));
    return all;
  }

  Attachment& to = seat();
  GivenPath given{to};
  Path& path = given.path;
  std::int64_t now = 0;
  std::uint32_t number = 0;
  std::vector<Wire> wires;
  std::vector<const Frame*> left;
  std::vector<std::uint32_t> segments;  // of each frame that left
};

constexpr std::int64_t interval = 1000;

/// Super-frames of all kinds, and wire frames whose checksum is undone.
std::vector<std::pair<IpFrame, std::size_t>> mixedStream() {
  std::vector<std::pair<IpFrame, std::size_t>> stream;
  std::mt19937 random(3);
  for (unsigned index = 0; index < 60; ++index) {
    IpFrame shape{.ip6 = random() % 2 == 0, .tcp = random() % 3 != 0, .payload = 1 + random() % 20'000};
    if (random() % 4 == 0) shape.payload = 1 + random() % 1400;
    shape.tcpFlags = static_cast<std::uint8_t>(0x10 | (random() & 0x89));
    shape.identification = static_cast<std::uint16_t>(random());
    stream.emplace_back(shape, shape.payload <= 1400 ? 0 : 100 + random() % 1400);
  }
  return stream;
}

/// The same stream twice, whole and as wire frames: the same frames leave at the same times, and every
/// counter is the same, also on the way.
void sameFates(const Policy& policy, const Policy* before = nullptr, std::int64_t interval_ = interval) {
  PathBench whole, apart;
  if (before) {
    const Bytes first = wireFramesOf(IpFrame{.payload = 1000}, 0).front();
    for (PathBench* bench : {&whole, &apart})
      for (int count = 0; count < 3; ++count) bench->admit(frameOf(*bench->pool, first), *before, 0);
  }
  std::int64_t at = 0;
  for (const auto& [shape, gsoSize] : mixedStream()) {
    whole.admit(superFrameOf(*whole.pool, shape, gsoSize), policy, at);
    apart.admitEach(wireFramesOf(shape, gsoSize), policy, at);
    REQUIRE(whole.counters() == apart.counters());
    at += interval_;
  }
  whole.run(INT64_MAX - 1);
  apart.run(INT64_MAX - 1);
  CHECK(whole.counters() == apart.counters());
  CHECK(whole.path.account.delivered.get() > 0);
  CHECK(whole.wires == apart.wires);
}

}  // namespace

TEST_CASE("super-frame: constant delay or nothing leaves it the very frame it was") {
  for (const std::int64_t delay : {0, 5000}) {
    PathBench bench;
    Frame* frame = superFrameOf(*bench.pool, {.payload = 10'000}, 1000);
    bench.admit(frame, *impairing(0, 0, 0, delay), 0);
    if (delay != 0) CHECK(bench.path.account.travelling.get() == 10);
    bench.run(delay);
    CHECK(bench.left == std::vector<const Frame*>{frame});
    CHECK(bench.path.account.delivered.get() == 10);
    CHECK(bench.path.account.deliveredBytes.get() == 10'000 + 10 * 66);
  }
}

TEST_CASE("super-frame: the fates of its segments are those of the wire frames it stands for") {
  SUBCASE("nothing") { sameFates(*impairing(0, 0, 0)); }
  SUBCASE("delay") { sameFates(*impairing(0, 0, 0, 12'345)); }
  SUBCASE("loss") { sameFates(*impairing(0, 0.1, 0)); }
  SUBCASE("duplicate") { sameFates(*impairing(0.1, 0, 0)); }
  SUBCASE("corrupt") { sameFates(*impairing(0, 0, 0.1)); }
  SUBCASE("everything at once, delayed") { sameFates(*impairing(0.2, 0.2, 0.2, 12'345)); }
  SUBCASE("always") { sameFates(*impairing(1, 0, 1, 12'345)); }
  SUBCASE("jitter") {
    auto policy = impairing(0, 0.1, 0.1, 10'000);
    policy->travel.jitter = {8000};
    sameFates(*policy);
  }
  SUBCASE("reorder") {
    auto policy = impairing(0.1, 0.1, 0.1, 10'000);
    policy->travel.reorder = 0.2;
    sameFates(*policy);
  }
  SUBCASE("line with a short queue") {
    auto policy = impairing(0.1, 0.1, 0.1, 5000);
    policy->line = LineSettings{100'000'000'000, 24, {Limit::Unit::Frames, 5}};
    sameFates(*policy);
  }
  SUBCASE("line with a queue in bytes") {
    auto policy = makePolicy();
    policy->line = LineSettings{100'000'000'000, 0, {Limit::Unit::Bytes, 9000}};
    sameFates(*policy);
  }
  SUBCASE("line that takes no time") {
    auto policy = impairing(0, 0.1, 0);
    policy->line = LineSettings{0, 0, {Limit::Unit::Frames, 1}};
    sameFates(*policy);
  }
  SUBCASE("netem") {
    constexpr std::uint32_t tenth = 429'496'730;
    auto policy = makePolicy();
    NetemSettings& netem = policy->netem.emplace();
    netem.seed = 7;
    netem.limit = 60;
    netem.delay = {20'000};
    netem.jitter = 15'000;
    netem.lossProbability = netem.duplicate = netem.corrupt = netem.reorder = tenth;
    netem.gap = 1;
    netem.rate = 1'000'000'000;
    sameFates(*policy);
    auto slotted = makePolicy();
    slotted->netem = netem;
    slotted->netem->slot.least = slotted->netem->slot.most = {3000};
    slotted->netem->slot.packets = 2;
    sameFates(*slotted, policy.get());
  }
  SUBCASE("behind frames on the line of an older policy") {
    auto older = makePolicy();
    older->line = LineSettings{1'000'000'000, 0, {}};
    sameFates(*impairing(0.1, 0.1, 0.1, 100), older.get());
  }
}

TEST_CASE("super-frame: what lies between two holes is one train") {
  PathBench bench;
  const auto policy = impairing(0.02, 0.05, 0.02, 100);
  const IpFrame shape{.payload = 40'000};
  std::uint32_t trains = 0, whole = 0, longest = 0;
  for (int round = 0; round < 40; ++round) {
    bench.segments.clear();
    bench.admit(superFrameOf(*bench.pool, shape, round % 2 == 0 ? 1000 : 20'000), *policy, round * interval);
    bench.run(round * interval + 100);
    for (const std::uint32_t segments : bench.segments) {
      trains += segments > 1 && segments < 40;
      whole += segments == 40;
      longest = std::max(longest, segments);
    }
  }
  CHECK(trains > 20);
  CHECK(longest > 10);
  // No more frames than holes make: each hole, edit or duplicate ends one train.
  const PathAccount& account = bench.path.account;
  const std::uint64_t events = countOf(account.dropped, DropReason::Loss) + account.duplicated.get() * 3 + 60;
  CHECK(bench.left.size() <= 40 + 2 * events);
  CHECK(bench.left.size() < account.delivered.get() / 3);
}

TEST_CASE("super-frame: a shared one is never written to") {
  PathBench bench;
  Frame* frame = superFrameOf(*bench.pool, {.payload = 10'000}, 1000);
  const Bytes before = bytesOf(*frame);
  frame->references = 2;
  bench.admit(frame, *impairing(0, 0, 1), 0);
  CHECK(bytesOf(*frame) == before);
  CHECK(frame->references == 1);
  CHECK(bench.left.size() == 10);
  bench.pool->release(frame);
}

TEST_CASE("super-frame: corrupt meets a complete checksum, and breaks it") {
  PathBench bench;
  const IpFrame shape{.payload = 100};
  Frame* frame = superFrameOf(*bench.pool, shape, 0);
  const Bytes before = bytesOf(*frame);
  frame->references = 2;
  bench.admit(frame, *impairing(0, 0, 1), 0);
  CHECK(bytesOf(*frame) == before);
  CHECK(frame->offload.flags == needsChecksum);
  bench.pool->release(frame);
  REQUIRE(bench.wires.size() == 1);
  const Bytes right = wireFramesOf(shape, 0).front();
  int bits = 0;
  for (std::size_t at = 0; at < right.size(); ++at)
    bits += std::popcount(static_cast<unsigned>(right[at] ^ bench.wires[0].bytes[at]));
  CHECK(bits == 1);
}

TEST_CASE("super-frame: the shortest segments that there are, are bounded work, and add up") {
  for (const bool held : {false, true}) {
    PathBench bench;
    auto policy = impairing(0.01, 0.3, 0.01, held ? 1000 : 0);
    const IpFrame shape{.tcpOptions = 0, .payload = 60'000};
    bench.admit(superFrameOf(*bench.pool, shape, 8), *policy, 0);
    CHECK(bench.path.account.admitted.get() == 7'500);
    CHECK(countOf(bench.path.account.dropped, DropReason::Loss) > 2'000);
    bench.run(2000);
    if (!held) CHECK(countOf(bench.path.account.dropped, DropReason::NoBuffer) == 0);
  }
}

TEST_CASE("super-frame: when no large buffer may be held any more, small ones take its wire frames") {
  PathBench bench(4u << 20);  // 14 large frames
  const auto policy = impairing(0, 0, 0, 1000);
  const IpFrame shape{.payload = 10'000};
  for (int count = 0; count < 30; ++count) bench.admit(superFrameOf(*bench.pool, shape, 1000), *policy, 0);
  CHECK(bench.path.account.travelling.get() == 300);
  bench.run(1000);
  CHECK(totalOf(bench.path.account.dropped) == 0);
  CHECK(bench.segments.front() == 10);
  CHECK(bench.segments.back() == 1);
  std::vector<PathBench::Wire> expected;
  for (int count = 0; count < 30; ++count)
    for (const Bytes& wire : wireFramesOf(shape, 1000)) expected.push_back({1000, wire});
  CHECK(bench.wires == expected);
}

TEST_CASE("super-frame: without any buffer its segments are dropped, counted and nothing else happens") {
  PathBench bench(1u << 20);
  std::vector<Frame*> taken;
  Frame* superFrame = superFrameOf(*bench.pool, {.payload = 10'000}, 1000);
  for (const BufferClass bufferClass : {BufferClass::Small, BufferClass::Large})
    while (Frame* frame = bench.pool->acquire(bufferClass)) taken.push_back(frame);
  auto policy = makePolicy();
  policy->line = LineSettings{1'000'000, 0, {}};
  bench.admit(superFrame, *policy, 0);
  CHECK(countOf(bench.path.account.dropped, DropReason::NoBuffer) == 10);
  for (Frame* frame : taken) bench.pool->release(frame);
}

TEST_CASE("super-frame: a short frame that is held leaves its large buffer") {
  PathBench bench;
  const auto policy = impairing(0, 0, 0, 1000);
  Frame* frame = bench.pool->acquire(BufferClass::Large);
  const Bytes bytes = IpFrame{.payload = 500}.build();
  std::copy(bytes.begin(), bytes.end(), frame->data);
  frame->length = static_cast<std::uint32_t>(bytes.size());
  REQUIRE(acceptOffload(*frame, claimsOf(IpFrame{.payload = 500}, 0)));
  bench.admit(frame, *policy, 0);
  Frame* next = bench.pool->acquire(BufferClass::Large);
  CHECK(next == frame);  // it is free again
  bench.pool->release(next);
  bench.run(1000);
  REQUIRE(bench.left.size() == 1);
  CHECK(BufferClass{bench.left[0]->bufferClass} == BufferClass::Small);
  CHECK(bench.wires[0].bytes == wireFramesOf(IpFrame{.payload = 500}, 0).front());
}

TEST_CASE("super-frame: a flush drops as many frames as it stands for") {
  PathBench bench;
  bench.admit(superFrameOf(*bench.pool, {.payload = 10'000}, 1000), *impairing(0, 0, 0, 1000), 0);
  bench.path.flush();
  CHECK(countOf(bench.path.account.dropped, DropReason::Flush) == 10);
  CHECK(bench.path.account.travelling.get() == 0);
}

namespace {

/// A port behind the stage that cuts, and what it was given.
struct StageBench : SeatBench {
  void stage(Frame* frame) {
    account.staged.add(frame->offload.segments);
    toWireFrames(*pool, *to.port, {frame, &account}, [this](TxItem item) {
      CHECK(isPlain(*item.frame));
      CHECK(headerAgrees(*item.frame));
      given.push_back(bytesOf(*item.frame));
      to.port->transmit({&item, 1});
    });
    CHECK(account.staged.get() == 0);
  }
  std::vector<Frame*> takeAll(BufferClass bufferClass) {
    std::vector<Frame*> taken;
    while (Frame* frame = pool->acquire(bufferClass)) taken.push_back(frame);
    return taken;
  }

  explicit StageBench(std::size_t memory = 4u << 20) : SeatBench(memory) {}
  Attachment& to = seat();
  PathAccount account;
  std::vector<Bytes> given;
};

}  // namespace

TEST_CASE("wire frames: a port that takes none gets what the super-frame stands for") {
  StageBench bench;
  const IpFrame shape{.ip6 = true, .tags = {3}, .payload = 20'001};
  bench.stage(superFrameOf(*bench.pool, shape, 1000));
  CHECK(bench.given == wireFramesOf(shape, 1000));
  CHECK(bench.account.delivered.get() == 21);
  CHECK(bench.to.counters.transmittedFrames.get() == 21);
  std::size_t bytes = 0;
  for (const Bytes& wire : bench.given) bytes += wire.size();
  CHECK(bench.account.deliveredBytes.get() == bytes);
}

TEST_CASE("wire frames: an undone checksum is completed in place, or in a copy where others have the frame") {
  for (const bool shared : {false, true}) {
    StageBench bench;
    const IpFrame shape{.tcp = false, .payload = 300};
    Frame* frame = superFrameOf(*bench.pool, shape, 0);
    const Bytes before = bytesOf(*frame);
    if (shared) frame->references = 2;
    bench.stage(frame);
    CHECK(bench.given == wireFramesOf(shape, 0));
    if (!shared) continue;
    CHECK(bytesOf(*frame) == before);
    CHECK(headerAgrees(*frame));
    CHECK(frame->references == 1);
    bench.pool->release(frame);
  }
}

TEST_CASE("wire frames: what there is no buffer for is counted on port and path, segment by segment") {
  StageBench bench(1u << 20);
  Frame* superFrame = superFrameOf(*bench.pool, {.payload = 5000}, 1000);
  Frame* shared = superFrameOf(*bench.pool, {.payload = 300}, 0);
  shared->references = 2;
  const std::vector<Frame*> taken = bench.takeAll(BufferClass::Small);
  bench.stage(superFrame);
  CHECK(countOf(bench.account.dropped, DropReason::NoBuffer) == 5);
  bench.stage(shared);
  CHECK(countOf(bench.account.dropped, DropReason::NoBuffer) == 6);
  CHECK(countOf(bench.to.counters.dropped, DropReason::NoBuffer) == 6);
  bench.pool->release(shared);
  for (Frame* frame : taken) bench.pool->release(frame);
}
