// The engine with its threads, on the real clock, without Node: frames over any number of workers, every
// change under traffic, and the end with frames under way. What ThreadSanitizer is to see happens here.
#include "runtime/engine.hpp"

#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <new>
#include <thread>

#include "engine_fixtures.hpp"
#include "fabrics/switch.hpp"
#include "impairment_fixtures.hpp"
#include "os/fd.hpp"
#include "os_fixtures.hpp"
#include "ports/generator_port.hpp"
#include "ports/patch_port.hpp"

using namespace etherloom;

namespace {

std::atomic<std::uint64_t> allocations{0};

EngineOptions with(unsigned workers) {
  EngineOptions options;
  options.workers = workers;
  options.seed = 7;
  options.memory = 16u << 20;
  return options;
}

/// A device of the outside world: an eventfd that says when a frame is there.
class Outside final : public Port {
 public:
  explicit Outside(int fd) : Port(1518), fd_(fd) {}

  Result<void> open(Io& io, PortKey key) override { return io.watch(key, fd_); }
  RxState receive(RxBurst& burst) noexcept override {
    std::uint64_t frames = 0;
    if (::read(fd_, &frames, sizeof frames) < 0) return RxState::Drained;
    if (frames >= broken) {
      fail(ENODEV);
      return RxState::Failed;
    }
    while (frames-- > 0 && burst.room() > 0) {
      Frame* frame = pool().acquire(BufferClass::Small);
      if (!frame) break;
      std::memset(frame->data, 0xff, 60);
      frame->length = 60;
      burst.add(frame);
    }
    return RxState::Drained;
  }
  void transmit(std::span<const TxItem> items) noexcept override {
    for (const TxItem& item : items) sent(item);
  }
  void close(Io& io) noexcept override { io.forget(fd_); }

  /// What the test writes into the eventfd to break the device.
  static constexpr std::uint64_t broken = 1000;

 private:
  int fd_;
};

/// A device that fails when something is sent to it the second time.
class Brittle final : public Port {
 public:
  Brittle() : Port(1518) {}

  Result<void> open(Io&, PortKey) override { return {}; }
  RxState receive(RxBurst&) noexcept override { return RxState::Drained; }
  void transmit(std::span<const TxItem> items) noexcept override {
    if (!std::exchange(worn_, true)) {
      for (const TxItem& item : items) sent(item);
    } else {
      refuse(items, DropReason::PortDown);
      fail(EIO);
    }
  }
  void close(Io&) noexcept override {}
  bool virtualClock() const noexcept override { return true; }

 private:
  bool worn_ = false;
};

/// A device whose writes do not end before it is closed.
class Hoarder final : public Port {
 public:
  Hoarder() : Port(1518) {}

  Result<void> open(Io&, PortKey) override { return {}; }
  RxState receive(RxBurst&) noexcept override { return RxState::Drained; }
  void transmit(std::span<const TxItem> items) noexcept override {
    hoard_.insert(hoard_.end(), items.begin(), items.end());
  }
  void close(Io&) noexcept override {
    refuse(hoard_, DropReason::PortDown);
    hoard_.clear();
  }
  bool virtualClock() const noexcept override { return true; }
  std::size_t size() const { return hoard_.size(); }

 private:
  std::vector<TxItem> hoard_;
};

/// A device whose worker waits in its close() until the test lets it go on.
class Holding final : public Port {
 public:
  struct Hold {
    std::atomic<bool> begun{false}, released{false};
  };
  explicit Holding(Hold& hold) : Port(1518), hold_(hold) {}

  Result<void> open(Io&, PortKey) override { return {}; }
  RxState receive(RxBurst&) noexcept override { return RxState::Drained; }
  void transmit(std::span<const TxItem> items) noexcept override { sent(items); }
  void close(Io&) noexcept override {
    hold_.begun = true;
    while (!hold_.released) std::this_thread::yield();
  }

 private:
  Hold& hold_;
};

/// Keeps devices from ending until the test lets them.
struct Gate {
  std::mutex mutex;
  std::condition_variable changed;
  unsigned ending = 0, ended = 0;
  bool open = false;

  /// Waits until so many devices are ending at once. False when that does not come about.
  bool waitFor(unsigned devices) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, std::chrono::seconds(20), [&] { return ending == devices; });
  }
  void release() {
    const std::lock_guard lock(mutex);
    open = true;
    changed.notify_all();
  }
  void pass() {
    std::unique_lock lock(mutex);
    ++ending;
    changed.notify_all();
    changed.wait_for(lock, std::chrono::seconds(60), [&] { return open; });
    ++ended;
  }
};

/// A device of which the kernel takes long to let go.
class Lingering final : public Port {
 public:
  explicit Lingering(Gate& gate) : Port(1518), gate_(gate) {}
  ~Lingering() override { gate_.pass(); }

  Result<void> open(Io&, PortKey) override { return {}; }
  RxState receive(RxBurst&) noexcept override { return RxState::Drained; }
  void transmit(std::span<const TxItem> items) noexcept override { sent(items); }
  void close(Io&) noexcept override {}
  bool closesSlowly() const noexcept override { return true; }

 private:
  Gate& gate_;
};

void give(int fd, std::uint64_t value) { REQUIRE(::write(fd, &value, sizeof value) == sizeof value); }

std::vector<std::uint32_t> upTo(std::uint32_t count) {
  std::vector<std::uint32_t> tags(count);
  for (std::uint32_t tag = 0; tag < count; ++tag) tags[tag] = tag;
  return tags;
}

}  // namespace

// Every allocation of the test binary passes here, so that a test can say that there was none.
void* operator new(std::size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return std::malloc(size);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

TEST_CASE("frames reach every other port in order, on any number of workers") {
  for (const unsigned workers : {1u, 2u, 4u}) {
    CAPTURE(workers);
    EngineBench bench(with(workers));
    const FabricId hub = bench.hub();
    auto& from = bench.join(hub);
    std::vector<EngineBench::Station*> others;
    for (int index = 0; index < 4; ++index) others.push_back(&bench.join(hub));

    constexpr std::uint32_t frames = 5000;
    for (std::uint32_t tag = 0; tag < frames; ++tag) {
      REQUIRE(bench.send(from, tag));
      if (tag % 50 != 49) continue;
      // No more under way than the rings between workers hold, so that nothing is lost there.
      bench.commit();
      bench.lookUntil([&] {
        return std::all_of(others.begin(), others.end(),
                           [&](auto* other) { return other->frames == tag + 1; });
      });
    }
    for (const auto* other : others) CHECK(other->tags == upTo(frames));
    CHECK(from.frames == 0);
    const PortSnapshot snapshot = bench.engine->portSnapshot(from.id);
    CHECK(snapshot.receivedFrames == frames);
    CHECK(snapshot.defaults.offered == frames * 4);
    CHECK(snapshot.defaults.delivered == frames * 4);
    CHECK(snapshot.defaults.inFlight == 0);
  }
}

TEST_CASE("no frame leaves a delayed path early") {
  for (const unsigned workers : {1u, 2u}) {
    CAPTURE(workers);
    EngineBench bench(with(workers));
    const FabricId hub = bench.hub(false);
    auto& from = bench.join(hub);
    auto& to = bench.join(hub);
    auto policy = makePolicy();
    policy->travel.delay = {2'000'000};
    const PathChange change{from.id, to.id, policy, {}};
    const Applied applied = *bench.engine->apply(hub, {&change, 1}, false);
    CHECK(applied.up == 1);
    bench.settle(applied.ticket);

    std::vector<Instant> sent;
    for (std::uint32_t tag = 0; tag < 200; ++tag) {
      sent.push_back(bench.engine->now());
      REQUIRE(bench.send(from, tag));
      bench.commit();
    }
    bench.lookUntil([&] { return to.frames == 200; });
    for (std::size_t index = 0; index < sent.size(); ++index) {
      CHECK(to.times[index] - sent[index] >= Duration{2'000'000});
    }
  }
}

TEST_CASE("in steady state no frame costs an allocation") {
  for (const unsigned workers : {1u, 2u}) {
    CAPTURE(workers);
    EngineBench bench(with(workers));
    bench.keepTags = false;
    const FabricId hub = bench.hub();
    std::vector<EngineBench::Station*> ports;
    for (int index = 0; index < 4; ++index) ports.push_back(&bench.join(hub));
    const FabricId bridge =
        bench.engine->addFabric("switch", std::make_unique<Switch>(SwitchSettings{}), true);
    for (int index = 0; index < 2; ++index) ports.push_back(&bench.join(bridge));

    // Every part of a path, without randomness in the number of frames.
    auto policy = makePolicy();
    for (const ImpairmentKind* kind : ImpairmentKind::all()) {
      const double probability = kind->name == "duplicate" || kind->name == "corrupt" ? 1 : 0;
      policy->add(makeWith(*kind, probability));
    }
    policy->line = LineSettings{1'000'000'000, 24, {}};
    policy->travel = {{100'000}, {50'000}, 0.25};
    const PathChange change{ports[0]->id, ports[1]->id, policy, {}};
    bench.settle(bench.engine->apply(hub, {&change, 1}, false)->ticket);

    std::uint64_t rounds = 0;
    const auto round = [&] {
      for (const auto* port : ports) {
        for (std::uint32_t tag = 0; tag < 32; ++tag) (void)bench.send(*port, tag);
      }
      bench.commit();
      ++rounds;
      // Three hub ports hear each hub port, the impaired path carries two copies; the switch ports hear each
      // other.
      bench.lookUntil([&] {
        std::uint64_t frames = 0;
        for (const auto* port : ports) frames += port->frames;
        return frames == rounds * 32 * (4 * 3 + 1 + 2);
      });
    };
    for (int warmUp = 0; warmUp < 50; ++warmUp) round();
    const std::uint64_t before = allocations.load();
    for (int steady = 0; steady < 200; ++steady) round();
    CHECK(allocations.load() - before == 0);
  }
}

TEST_CASE("everything changes under traffic, and the numbers add up all the time") {
  for (const unsigned workers : {1u, 2u, 4u}) {
    CAPTURE(workers);
    EngineBench bench(with(workers));
    bench.keepTags = false;
    Random random(workers);
    std::vector<FabricId> hubs;
    std::vector<std::uint32_t> places;  // numbers of stations, with the hub of each
    std::map<std::uint32_t, FabricId> hubOf;
    for (int index = 0; index < 3; ++index) hubs.push_back(bench.hub(index != 0));
    const auto arrive = [&] {
      const FabricId hub = hubs[random.below(hubs.size())];
      const std::uint32_t number = bench.join(hub).number;
      places.push_back(number);
      hubOf.emplace(number, hub);
    };
    for (int index = 0; index < 9; ++index) arrive();

    std::vector<std::shared_ptr<const Policy>> policies{nullptr};
    for (int index = 0; index < 6; ++index) {
      auto policy = makePolicy();
      policy->allowed = index != 0;
      if (index & 1) policy->impairments.push_back(makeDuplicate(0.3));
      if (index & 2) policy->impairments.push_back(makeLoss(0.2));
      if (index & 4) policy->line = LineSettings{20'000'000, 0, {Limit::Unit::Frames, 20}};
      if (index > 2) policy->travel = {{300'000}, {200'000}, index == 5 ? 0.2 : 0};
      policies.push_back(policy);
    }

    std::uint32_t tag = 0;
    for (int step = 0; step < 400; ++step) {
      for (int frame = 0; frame < 64; ++frame) {
        (void)bench.send(bench.stations.at(places[random.below(places.size())]), tag++);
      }
      bench.commit();
      bench.look();

      const std::uint64_t dice = random.below(10);
      if (dice == 0 && places.size() > 4) {
        const std::size_t at = random.below(places.size());
        bench.leave(bench.stations.at(places[at]));
        hubOf.erase(places[at]);
        places.erase(places.begin() + static_cast<std::ptrdiff_t>(at));
      } else if (dice == 1 && places.size() < 16) {
        arrive();
      } else if (dice < 6) {
        std::vector<PathChange> changes;
        const FabricId hub = hubs[random.below(hubs.size())];
        for (const std::uint32_t from : places) {
          for (const std::uint32_t to : places) {
            if (from == to || hubOf.at(from) != hub || hubOf.at(to) != hub || random.hit(0.5)) continue;
            changes.push_back({bench.stations.at(from).id,
                               bench.stations.at(to).id,
                               policies[random.below(policies.size())],
                               {}});
          }
        }
        const Applied applied = *bench.engine->apply(hub, changes, random.hit(0.5));
        if (random.hit(0.5)) bench.settle(applied.ticket);
      }

      for (const std::uint32_t from : places) {
        REQUIRE(balances(bench.engine->portSnapshot(bench.stations.at(from).id).defaults));
        for (const std::uint32_t to : places) {
          const auto path = bench.engine->pathSnapshot(bench.stations.at(from).id, bench.stations.at(to).id);
          if (path) REQUIRE(balances(*path));
        }
      }
    }
  }
}

TEST_CASE("closing with frames under way leaves none behind") {
  for (const unsigned workers : {1u, 2u, 4u}) {
    CAPTURE(workers);
    EngineBench bench(with(workers));
    const FabricId hub = bench.hub();
    std::vector<EngineBench::Station*> ports;
    for (int index = 0; index < 6; ++index) ports.push_back(&bench.join(hub));
    auto policy = makePolicy();
    policy->travel.delay = {3'600'000'000'000};
    policy->line = LineSettings{1'000'000, 0, {}};
    std::vector<PathChange> changes;
    for (auto* to : ports) {
      if (to != ports[0]) changes.push_back({ports[0]->id, to->id, policy, {}});
    }
    bench.settle(bench.engine->apply(hub, changes, false)->ticket);
    for (std::uint32_t tag = 0; tag < 500; ++tag) {
      for (const auto* port : ports) (void)bench.send(*port, tag);
    }
    bench.commit();
    CHECK(bench.engine->close() == 0);
  }
}

TEST_CASE("an engine closes in order while its only port is being detached") {
  Holding::Hold hold;
  EngineBench bench(with(1));
  const auto port = bench.engine->attach(bench.hub(), "leaving", std::make_unique<Holding>(hold));
  REQUIRE(port);
  bench.settle(bench.engine->latest());
  const Ticket ticket = bench.engine->detach(*port);
  while (!hold.begun) bench.look();
  std::atomic<bool> passed{false};
  bench.engine->order(0, [&](Worker&) { passed = true; });
  hold.released = true;
  while (!passed) std::this_thread::yield();

  // The worker has let go of the port, and the engine, which nobody has looked at since, does not know.
  CHECK_FALSE(bench.engine->settled(ticket));
  CHECK(bench.engine->close() == 0);
}

TEST_CASE("devices that end slowly end together, and nobody else waits for them") {
  constexpr unsigned devices = 20;
  Gate gate;
  for (const unsigned workers : {1u, 2u}) {
    CAPTURE(workers);
    gate.ending = gate.ended = 0;
    gate.open = false;
    EngineBench bench(with(workers));
    const FabricId hub = bench.hub();
    auto& from = bench.join(hub);
    auto& to = bench.join(hub);
    std::vector<Ticket> tickets;
    std::vector<PortId> ports;
    for (unsigned index = 0; index < devices; ++index) {
      const auto port =
          bench.engine->attach(hub, "slow" + std::to_string(index), std::make_unique<Lingering>(gate));
      REQUIRE(port);
      ports.push_back(*port);
    }
    for (const PortId port : ports) tickets.push_back(bench.engine->detach(port));
    bench.lookUntil([&] {
      const std::lock_guard lock(gate.mutex);
      return gate.ending == devices;
    });

    // Others go on meanwhile, orders and frames.
    bench.settle(bench.engine->fence([] {}));
    REQUIRE(bench.send(from, 1));
    bench.commit();
    bench.lookUntil([&] { return to.frames == 1; });
    for (const Ticket ticket : tickets) CHECK_FALSE(bench.engine->settled(ticket));

    gate.release();
    for (const Ticket ticket : tickets) bench.settle(ticket);
    CHECK(gate.ended == devices);
  }
}

TEST_CASE("an engine that closes ends its slow devices together, and waits for them") {
  constexpr unsigned devices = 20;
  Gate gate;
  EngineBench bench(with(2));
  const FabricId hub = bench.hub();
  for (unsigned index = 0; index < devices; ++index)
    REQUIRE(bench.engine->attach(hub, "slow" + std::to_string(index), std::make_unique<Lingering>(gate)));
  bool together = false;
  std::thread other([&] {
    together = gate.waitFor(devices);
    gate.release();
  });
  CHECK(bench.engine->close() == 0);
  CHECK(gate.ended == devices);
  other.join();
  CHECK(together);
}

TEST_CASE("a device that fails takes its port down; a new one brings it back with its paths") {
  for (const unsigned workers : {1u, 2u}) {
    CAPTURE(workers);
    const Fd device(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    const Fd next(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    EngineBench bench(with(workers));
    const FabricId hub = bench.hub(false);
    auto& inside = bench.join(hub);
    const auto outside = bench.engine->attach(hub, "outside", std::make_unique<Outside>(device.get()));
    REQUIRE(outside);
    const std::array changes{PathChange{*outside, inside.id, makePolicy(), {}},
                             PathChange{inside.id, *outside, makePolicy(), {}}};
    bench.settle(bench.engine->apply(hub, changes, false)->ticket);
    give(device.get(), 3);
    bench.lookUntil([&] { return inside.frames == 3; });

    give(device.get(), Outside::broken);
    bench.lookUntil([&] { return !bench.events.empty(); });
    CHECK(bench.events.size() == 1);
    CHECK(bench.events[0].kind == EventKind::PortDown);
    CHECK(bench.events[0].port == *outside);
    CHECK(bench.events[0].error == ENODEV);

    const auto downAfter = [&](std::uint64_t frames) {
      return [&, frames] {
        const auto path = bench.engine->pathSnapshot(inside.id, *outside);
        return path->dropped[static_cast<std::size_t>(DropReason::PortDown)] == frames;
      };
    };
    REQUIRE(bench.send(inside, 1));
    bench.commit();
    bench.settle(
        bench.engine->apply(hub, std::array{PathChange{*outside, inside.id, makePolicy(), {}}}, false)
            ->ticket);
    CHECK(downAfter(1)());

    bench.settle(bench.engine->revive(*outside, std::make_unique<Outside>(next.get())));
    give(next.get(), 2);
    bench.lookUntil([&] { return inside.frames == 5; });
    CHECK(bench.events.size() == 1);
  }
}

// The ring of events has 1,024 places.
TEST_CASE(
    "of ports that all fail in one turn each is told once, in their order, and nothing is allocated for it") {
  for (const bool isVirtual : {true, false}) {
    EngineOptions options = with(1);
    if (isVirtual) options.clock = Clock::Kind::Virtual;
    EngineBench bench(options);
    const FabricId hub = bench.hub();
    auto& sender = bench.join(hub);
    std::vector<PortId> brittle;
    for (std::uint32_t count = 0; count < 1500; ++count) {
      const auto id =
          bench.engine->attach(hub, "brittle" + std::to_string(count), std::make_unique<Brittle>());
      REQUIRE(id);
      brittle.push_back(*id);
    }
    bench.settle(bench.engine->latest());
    bench.events.reserve(2 * brittle.size());
    for (const std::uint32_t tag : {1u, 2u}) {
      REQUIRE(bench.send(sender, tag));
      bench.commit();
      if (tag != 1) continue;
      if (isVirtual) bench.engine->advance(Duration{1});
      const auto sent = [&](PortId port) { return bench.engine->portSnapshot(port).transmittedFrames == 1; };
      while (!std::all_of(brittle.begin(), brittle.end(), sent)) std::this_thread::yield();
    }
    if (isVirtual) {
      const std::uint64_t before = allocations.load();
      bench.engine->advance(Duration{1});
      CHECK(allocations.load() - before == 0);
      bench.look();
      CHECK(bench.events.size() == brittle.size());
    }
    bench.lookUntil([&] { return bench.events.size() >= brittle.size(); });
    std::vector<PortId> told;
    for (const Event& event : bench.events) told.push_back(event.port);
    CHECK((std::is_sorted(told.begin(), told.end()) || std::is_sorted(told.rbegin(), told.rend())));
    std::sort(told.begin(), told.end());
    CHECK(told == brittle);
  }
}

TEST_CASE("a device of two queues is one port: what either receives comes from it, and is counted once") {
  const Fd queues[]{Fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)), Fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC))};
  EngineBench bench(with(3));
  const FabricId bridge = bench.engine->addFabric("switch", std::make_unique<Switch>(SwitchSettings{}), true);
  auto& inside = bench.join(bridge);
  auto& other = bench.join(bridge);
  std::vector<std::unique_ptr<Port>> further;
  further.push_back(std::make_unique<Outside>(queues[1].get()));
  const auto outside = bench.engine->attach(bridge, "outside", std::make_unique<Outside>(queues[0].get()), {},
                                            std::move(further));
  REQUIRE(outside);
  bench.settle(
      bench.engine->apply(bridge, std::array{PathChange{*outside, inside.id, makePolicy(), {}}}, false)
          ->ticket);

  for (std::uint64_t round = 1; round <= 20; ++round) {
    give(queues[0].get(), 2);
    give(queues[1].get(), 3);
    bench.lookUntil([&] { return inside.frames == 5 * round && other.frames == 5 * round; });
  }
  const auto done = [&] {
    const PathSnapshot path = *bench.engine->pathSnapshot(*outside, inside.id);
    const PortSnapshot port = bench.engine->portSnapshot(*outside);
    REQUIRE(balances(path));
    REQUIRE(balances(port.defaults));
    return path.delivered == 100 && port.defaults.delivered == 100;
  };
  bench.lookUntil(done);
  const PortSnapshot port = bench.engine->portSnapshot(*outside);
  CHECK(port.receivedFrames == 100);
  CHECK(port.receivedBytes == 6000);
  CHECK(port.transmittedFrames == 0);  // nothing goes back, not even to the other queue
  CHECK(port.defaults.offered == 100);
  CHECK(bench.engine->pathSnapshot(*outside, inside.id)->offered == 100);
}

TEST_CASE("a queue that fails takes the whole port down, once; a new device brings all of it back") {
  for (const std::size_t failing : {0u, 1u}) {
    for (const bool both : {false, true}) {
      CAPTURE(failing);
      CAPTURE(both);
      Fd queues[4];
      for (Fd& queue : queues) queue = Fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
      const auto device = [&](std::size_t index) { return std::make_unique<Outside>(queues[index].get()); };
      const auto rest = [&](std::size_t index) {
        std::vector<std::unique_ptr<Port>> further;
        further.push_back(device(index));
        return further;
      };
      EngineBench bench(with(2));
      const FabricId hub = bench.hub();
      auto& inside = bench.join(hub);
      const auto outside = bench.engine->attach(hub, "outside", device(0), {}, rest(1));
      REQUIRE(outside);
      bench.settle(bench.engine->latest());
      give(queues[0].get(), 1);
      give(queues[1].get(), 1);
      bench.lookUntil([&] { return inside.frames == 2; });

      give(queues[failing].get(), Outside::broken);
      if (both) give(queues[1 - failing].get(), Outside::broken);
      bench.lookUntil([&] { return !bench.events.empty(); });
      bench.settle(bench.engine->fence([] {}));
      CHECK(bench.events.size() == 1);
      CHECK(bench.events[0].port == *outside);
      CHECK(bench.events[0].error == ENODEV);
      give(queues[1 - failing].get(), 1);  // nobody listens
      bench.settle(bench.engine->fence([] {}));
      CHECK(inside.frames == 2);

      bench.settle(bench.engine->revive(*outside, device(2), rest(3)));
      give(queues[2].get(), 1);
      give(queues[3].get(), 1);
      bench.lookUntil([&] { return inside.frames == 4; });
      CHECK(bench.events.size() == 1);
      CHECK(bench.engine->portSnapshot(*outside).receivedFrames == 4);

      give(queues[3].get(), Outside::broken);
      bench.lookUntil([&] { return bench.events.size() == 2; });
      CHECK(bench.events[1].port == *outside);
    }
  }
}

TEST_CASE("a device of more queues than there are workers is refused, and nothing has changed") {
  EngineBench bench(with(1));
  const FabricId hub = bench.hub();
  std::vector<std::unique_ptr<Port>> further;
  further.push_back(std::make_unique<Outside>(-1));
  const auto refused =
      bench.engine->attach(hub, "outside", std::make_unique<Outside>(-1), {}, std::move(further));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("2 queues") != std::string::npos);
  auto& left = bench.join(hub);
  auto& right = bench.join(hub);
  REQUIRE(bench.send(left, 1));
  bench.commit();
  bench.lookUntil([&] { return right.frames == 1; });
}

TEST_CASE("a virtual clock refuses ports of the outside world") {
  EngineOptions options = with(1);
  options.clock = Clock::Kind::Virtual;
  EngineBench bench(options);
  const auto refused = bench.engine->attach(bench.hub(), "outside", std::make_unique<Outside>(-1));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("virtual clock") != std::string::npos);
}

TEST_CASE("a virtual clock leaves the instant at which a generator finds no memory, and it goes on later") {
  for (const unsigned workers : {1u, 2u}) {
    CAPTURE(workers);
    EngineOptions options = with(workers);
    options.clock = Clock::Kind::Virtual;
    EngineBench bench(options);
    const FabricId hub = bench.hub();
    constexpr std::uint64_t count = 50'000;
    const auto generator = bench.engine->attach(
        hub, "generator", std::make_unique<GeneratorPort>(GeneratorPort::Settings{.count = count}));
    const auto hoarder = bench.engine->attach(hub, "hoarder", std::make_unique<Hoarder>());
    REQUIRE(generator);
    REQUIRE(hoarder);
    const auto made = [&] { return bench.engine->portSnapshot(*generator).receivedFrames; };
    static_cast<GeneratorPort&>(bench.engine->port(*generator)).run(true);

    for (int again = 0; again < 2; ++again) {
      bench.engine->advance({1'000'000});
      CHECK(made() < count);
      CHECK(made() == static_cast<Hoarder&>(bench.engine->port(*hoarder)).size());
    }
    CHECK(bench.engine->now() == Instant{2'000'000});
    bench.settle(bench.engine->detach(*hoarder));
    bench.engine->advance({});
    CHECK(made() == count);
  }
}

TEST_CASE("fabrics patched in a loop carry a frame sixteen times around and drop it then") {
  EngineBench bench(with(2));
  std::vector<FabricId> hubs;
  for (int index = 0; index < 3; ++index) hubs.push_back(bench.hub());
  auto& from = bench.join(hubs[0]);
  std::vector<PortId> ends;
  for (std::size_t index = 0; index < hubs.size(); ++index) {
    auto left = std::make_unique<PatchPort>(1518u);
    auto right = std::make_unique<PatchPort>(1518u);
    PatchPort* pair[] = {left.get(), right.get()};
    const auto first = bench.engine->attach(hubs[index], "left", std::move(left));
    REQUIRE(first);
    const std::uint16_t worker = bench.engine->workerOf(*first);
    const auto second = bench.engine->attach(hubs[(index + 1) % 3], "right", std::move(right), worker);
    REQUIRE(second);
    bench.engine->order(worker, [pair](Worker&) { PatchPort::join(*pair[0], *pair[1]); });
    ends.push_back(*first);
    ends.push_back(*second);
  }
  bench.settle(bench.engine->latest());

  constexpr std::uint32_t frames = 100;
  std::uint64_t ended = 0;
  for (std::uint32_t tag = 0; tag < frames; ++tag) {
    REQUIRE(bench.send(from, tag));
    bench.commit();
    // Both ways around: after sixteen cables each copy is dropped at the next.
    bench.lookUntil([&] {
      ended = 0;
      for (const PortId end : ends) {
        ended += bench.engine->portSnapshot(end).dropped[static_cast<std::size_t>(DropReason::HopLimit)];
      }
      // Each way, the copy comes by at the first hub after 3, 6, 9, 12 and 15 cables.
      return ended == 2 * (tag + 1) && from.frames >= 2 * 5 * (tag + 1);
    });
  }
  CHECK(from.frames == frames * 2 * 5);
}

TEST_CASE("addresses learned on one worker are known on all") {
  EngineBench bench(with(4));
  const FabricId bridge = bench.engine->addFabric("switch", std::make_unique<Switch>(SwitchSettings{}), true);
  std::vector<EngineBench::Station*> ports;
  for (int index = 0; index < 8; ++index) ports.push_back(&bench.join(bridge));
  for (const auto* port : ports) REQUIRE(bench.send(*port, 1));
  bench.commit();
  bench.lookUntil([&] {
    return bench.engine->addresses(bridge).size() == ports.size() &&
           std::all_of(ports.begin(), ports.end(), [](auto* port) { return port->frames == 7; });
  });
  for (const LearnedAddress& known : bench.engine->addresses(bridge)) {
    CHECK(known.port == ports[known.address.value & 0xff]->id);
  }
}

TEST_CASE("engine: where io_uring is refused the best there is is epoll, and asking for io_uring fails") {
  bool refused = false;
  std::string best;
  std::optional<Error> found;
  std::thread([&] {
    refused = refuseCall(SYS_io_uring_setup, EPERM);
    if (!refused) return;
    if (auto made = Engine::create(with(2), [] {})) best = (*made)->ioName();
    EngineOptions options = with(2);
    options.io = IoKind::Uring;
    const auto made = Engine::create(options, [] {});
    if (!made) found = made.error();
  }).join();
  if (!refused) {
    MESSAGE("skipped: seccomp is not available");
    return;
  }
  CHECK(best == "epoll");
  REQUIRE(found);
  CHECK(found->number == EPERM);
  CHECK(found->message.find("refuses io_uring") != std::string::npos);
}
