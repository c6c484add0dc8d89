// Super-frames through a whole engine: between workers, through patch ports, on both clocks. The numbers must
// add up, and on a virtual clock the bytes must be the same for any number of workers.
#include <doctest/doctest.h>

#include "engine_fixtures.hpp"
#include "impairment_fixtures.hpp"
#include "ports/patch_port.hpp"
#include "super_frame_fixtures.hpp"

using namespace etherloom;

namespace {

/// A device that hands in super-frames of one kind when it is told to.
class Sender final : public Port {
 public:
  Sender(const IpFrame& shape, std::size_t gsoSize)
      : Port(1518), bytes_(shape.build()), claims_(claimsOf(shape, gsoSize)) {
    bytes_[0] = 0xff;
  }

  Result<void> open(Io&, PortKey key) override {
    key_ = key;
    return {};
  }
  /// On its worker.
  void give(unsigned frames) {
    wanted_ += frames;
    announce(key_);
  }
  RxState receive(RxBurst& burst) noexcept override {
    for (; wanted_ > 0 && burst.room() > 0; --wanted_) {
      Frame* frame = pool().acquire(BufferClass::Large);
      if (!frame) return RxState::More;  // they come back
      std::copy(bytes_.begin(), bytes_.end(), frame->data);
      frame->length = static_cast<std::uint32_t>(bytes_.size());
      if (!acceptOffload(*frame, claims_)) std::abort();
      burst.add(frame);
    }
    return wanted_ > 0 ? RxState::More : RxState::Drained;
  }
  void transmit(std::span<const TxItem> items) noexcept override {
    for (const TxItem& item : items) sent(item);
  }
  void close(Io&) noexcept override {}
  [[nodiscard]] bool virtualClock() const noexcept override { return true; }

 private:
  Bytes bytes_;
  VirtioHeader claims_;
  PortKey key_;
  unsigned wanted_ = 0;
};

constexpr FilterInstruction oddIdentification[] = {
    {0x30, 0, 0, 19},  // ldb [19]
    {0x54, 0, 0, 1},   // and #1
    {0x16, 0, 0, 0},   // ret a
};

/// A sender and three stations on one hub, one more behind a patch: each path does something else.
struct Network {
  static constexpr unsigned segments = 10;
  static constexpr unsigned others = 4;  // the stations and the patch's end

  Network(unsigned workers, Clock::Kind clock) : bench(options(workers, clock)) {
    bench.keepTags = false;
    const FabricId near = bench.hub(), far = bench.hub();
    const IpFrame shape{.payload = 10'000, .identification = 0};
    auto made = std::make_unique<Sender>(shape, 1000);
    device = made.get();
    sender = *bench.engine->attach(near, "sender", std::move(made));
    auto left = std::make_unique<PatchPort>(1518u);
    auto right = std::make_unique<PatchPort>(1518u);
    PatchPort* pair[] = {left.get(), right.get()};
    leftEnd = *bench.engine->attach(near, "left", std::move(left));
    const std::uint16_t worker = bench.engine->workerOf(leftEnd);
    rightEnd = *bench.engine->attach(far, "right", std::move(right), worker);
    bench.engine->order(worker, [pair](Worker&) { PatchPort::join(*pair[0], *pair[1]); });
    for (int index = 0; index < 3; ++index) stations.push_back(&bench.join(near));
    stations.push_back(&bench.join(far));

    auto impairing = makePolicy();
    impairing->impairments.push_back(makeDuplicate(0.05));
    impairing->impairments.push_back(makeLoss(0.05));
    impairing->impairments.push_back(makeCorrupt(0.05));
    impairing->travel.delay = {200'000};
    auto filtering = makePolicy();
    auto program = FilterProgram::verify(oddIdentification);
    REQUIRE(program);
    filtering->filter.require(std::move(*program));
    auto overtaking = makePolicy();
    overtaking->travel = {{100'000}, {90'000}, 0.1};
    const std::array nearly{PathChange{sender, stations[0]->id, impairing, {}},
                            PathChange{sender, stations[1]->id, filtering, {}}};
    const std::array farther{PathChange{rightEnd, stations[3]->id, overtaking, {}}};
    bench.settle(bench.engine->apply(near, nearly, false)->ticket);
    bench.settle(bench.engine->apply(far, farther, false)->ticket);
  }
  static EngineOptions options(unsigned workers, Clock::Kind clock) {
    EngineOptions options;
    options.workers = workers;
    options.seed = 7;
    options.memory = 32u << 20;
    options.clock = clock;
    return options;
  }

  void give(unsigned frames) {
    bench.engine->order(bench.engine->workerOf(sender), [this, frames](Worker&) { device->give(frames); });
  }
  /// The paths with a policy, and what goes by default from either hub's sender.
  [[nodiscard]] std::vector<PathSnapshot> snapshots() const {
    return {*bench.engine->pathSnapshot(sender, stations[0]->id),
            *bench.engine->pathSnapshot(sender, stations[1]->id),
            *bench.engine->pathSnapshot(rightEnd, stations[3]->id),
            bench.engine->portSnapshot(sender).defaults};
  }
  void balanced() const {
    for (const PathSnapshot& path : snapshots()) REQUIRE(balances(path));
  }
  /// After so many super-frames, with nothing on its way any more.
  [[nodiscard]] bool finished(std::uint64_t superFrames) const {
    const std::uint64_t wires = superFrames * segments;
    const std::vector<PathSnapshot> paths = snapshots();
    return paths[0].offered == wires && paths[1].offered == wires && paths[2].offered == wires &&
           paths[3].offered == 2 * wires &&
           std::all_of(paths.begin(), paths.end(),
                       [](const PathSnapshot& path) { return path.waiting + path.inFlight == 0; });
  }
  void check(std::uint64_t superFrames) {
    const std::uint64_t wires = superFrames * segments;
    const std::vector<PathSnapshot> paths = snapshots();
    balanced();
    CHECK(bench.engine->portSnapshot(sender).receivedFrames == wires);
    CHECK(bench.engine->portSnapshot(leftEnd).transmittedFrames == wires);
    CHECK(bench.engine->portSnapshot(rightEnd).receivedFrames == wires);
    CHECK(bench.engine->portSnapshot(rightEnd).receivedBytes == superFrames * (10'000 + 10 * 66));
    for (std::size_t index = 0; index < stations.size(); ++index)
      CHECK(bench.engine->portSnapshot(stations[index]->id).transmittedFrames == stations[index]->frames);
    CHECK(paths[0].duplicated > 0);
    CHECK(paths[0].dropped[static_cast<std::size_t>(DropReason::Loss)] > 0);
    CHECK(paths[0].delivered == stations[0]->frames);
    CHECK(paths[1].dropped[static_cast<std::size_t>(DropReason::Filter)] == wires / 2);
    CHECK(stations[1]->frames == wires / 2);
    CHECK(stations[2]->frames == wires);
    CHECK(stations[3]->frames == wires);
  }

  EngineBench bench;
  Sender* device = nullptr;
  PortId sender{}, leftEnd{}, rightEnd{};
  std::vector<EngineBench::Station*> stations;
};

}  // namespace

TEST_CASE("super-frames cross workers and patches, and every wire frame is accounted for") {
  for (const unsigned workers : {1u, 2u, 4u}) {
    CAPTURE(workers);
    Network network(workers, Clock::Kind::Real);
    unsigned superFrames = 0;
    for (int round = 0; round < 20; ++round) {
      network.give(10);
      superFrames += 10;
      // No more under way than the rings between workers hold.
      network.bench.lookUntil([&] {
        network.balanced();
        return network.finished(superFrames);
      });
    }
    network.bench.look();
    network.check(superFrames);
  }
}

TEST_CASE("super-frames on a virtual clock: the same bytes for any number of workers") {
  std::vector<std::map<std::uint32_t, std::vector<Bytes>>> runs;
  for (const unsigned workers : {1u, 2u, 3u}) {
    CAPTURE(workers);
    Network network(workers, Clock::Kind::Virtual);
    auto& received = runs.emplace_back();
    network.bench.seen = [&](std::uint32_t station, std::span<const std::uint8_t> bytes) {
      received[station].emplace_back(bytes.begin(), bytes.end());
    };
    for (int round = 0; round < 10; ++round) {
      network.give(3);
      network.bench.engine->advance({50'000});
      network.bench.look();
      network.balanced();
    }
    network.bench.engine->advance({1'000'000});
    network.bench.look();
    REQUIRE(network.finished(30));
    network.check(30);
    CHECK(received.size() == 4);
    CHECK(received == runs.front());
  }
}

namespace {

/// Takes everything, and keeps from whom it came.
class Log final : public Port {
 public:
  explicit Log(std::vector<PortId>& senders) : Port(1518), senders_(senders) {}

  Result<void> open(Io&, PortKey) override { return {}; }
  RxState receive(RxBurst&) noexcept override { return RxState::Drained; }
  void transmit(std::span<const TxItem> items) noexcept override {
    for (const TxItem& item : items) {
      senders_.push_back(item.frame->from);
      sent(item);
    }
  }
  void close(Io&) noexcept override {}

 private:
  std::vector<PortId>& senders_;
};

}  // namespace

TEST_CASE("super-frames of the smallest segments wait for the other ports of their worker") {
  constexpr unsigned superFrames = 64, payload = 65'000, segment = 8;
  constexpr std::size_t segments = payload / segment;
  std::vector<PortId> senders;
  senders.reserve(superFrames * segments + 1000);
  EngineBench bench(Network::options(1, Clock::Kind::Real));
  const FabricId hub = bench.hub();
  auto many = std::make_unique<Sender>(IpFrame{.payload = payload}, segment);
  auto few = std::make_unique<Sender>(IpFrame{.payload = 100}, 0);
  Sender *const hostile = many.get(), *const innocent = few.get();
  const PortId from = *bench.engine->attach(hub, "hostile", std::move(many));
  const PortId other = *bench.engine->attach(hub, "innocent", std::move(few));
  const PortId log = *bench.engine->attach(hub, "log", std::make_unique<Log>(senders));
  auto denied = makePolicy();
  denied->allowed = false;
  const std::array deny{PathChange{from, other, denied, {}}, PathChange{other, from, denied, {}}};
  bench.settle(bench.engine->apply(hub, deny, false)->ticket);
  // Both are ready in one turn; the innocent one has three bursts.
  bench.engine->order(0, [=](Worker&) {
    hostile->give(superFrames);
    innocent->give(3 * burstSize);
  });
  bench.lookUntil([&] {
    return bench.engine->portSnapshot(log).transmittedFrames == superFrames * segments + 3 * burstSize;
  });

  std::size_t longest = 0, run = 0, innocents = 0;
  for (const PortId sender : senders) {
    if (sender == other) {
      longest = std::max(longest, std::exchange(run, 0));
      if (++innocents == 3 * burstSize) break;
    } else {
      ++run;
    }
  }
  CHECK(innocents == 3 * burstSize);
  CHECK(longest <= burstWireFrames + segments);
}

TEST_CASE("what a port received and had to put off goes with it") {
  std::vector<PortId> senders;
  EngineBench bench(Network::options(1, Clock::Kind::Real));  // which counts frames at its end
  const FabricId hub = bench.hub();
  auto device = std::make_unique<Sender>(IpFrame{.payload = 65'000}, 8);
  Sender* const sender = device.get();
  const PortId from = *bench.engine->attach(hub, "from", std::move(device));
  const PortId log = *bench.engine->attach(hub, "log", std::make_unique<Log>(senders));
  bench.engine->order(0, [=](Worker&) { sender->give(64); });
  bench.lookUntil([&] { return bench.engine->portSnapshot(log).transmittedFrames != 0; });
  bench.settle(bench.engine->detach(from));
  CHECK(bench.engine->portSnapshot(log).transmittedFrames < 64 * (65'000 / 8));
}
