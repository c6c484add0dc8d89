// Frames that cross from one worker to another: a flood has its share of the room, and others have theirs.
#include <doctest/doctest.h>

#include "engine_fixtures.hpp"
#include "ports/generator_port.hpp"
#include "ports/sink_port.hpp"

using namespace etherloom;

namespace {

constexpr GeneratorPort::Settings broadcasts(std::uint64_t count) {
  return {.length = 60,
          .count = count,
          .source = {0x02, 0, 0, 0, 0, 7},
          .destination = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
}

/// An engine of two workers: generators on the first, what they send to on the second.
struct TwoWorkers {
  TwoWorkers() : bench(options()) {}

  static EngineOptions options() {
    EngineOptions options;
    options.workers = 2;
    options.memory = 32u << 20;
    return options;
  }
  PortId generator(FabricId fabric, std::uint64_t count) {
    auto made = std::make_unique<GeneratorPort>(broadcasts(count));
    generators.push_back(made.get());
    return *bench.engine->attach(fabric, "generator", std::move(made), 0);
  }
  PortId sink(FabricId fabric) {
    return *bench.engine->attach(fabric, "sink" + std::to_string(sinks++), std::make_unique<SinkPort>(), 1);
  }
  void start() {
    bench.settle(bench.engine->latest());
    bench.engine->order(0, [this](Worker&) {
      for (GeneratorPort* generator : generators) generator->run(true);
    });
  }
  [[nodiscard]] PathSnapshot sentBy(PortId generator) const {
    return bench.engine->portSnapshot(generator).defaults;
  }

  EngineBench bench;
  std::vector<GeneratorPort*> generators;
  int sinks = 0;
};

std::uint64_t lost(const PathSnapshot& path) {
  return path.dropped[static_cast<std::size_t>(DropReason::WorkerFull)];
}

}  // namespace

TEST_CASE("crossing: a flood of one fabric takes no frame of another") {
  constexpr std::uint64_t frames = 20'000;
  TwoWorkers workers;
  const FabricId busy = workers.bench.hub(), calm = workers.bench.hub();
  const PortId flood = workers.generator(busy, frames);
  for (int index = 0; index < 40; ++index) workers.sink(busy);
  const PortId innocent = workers.generator(calm, frames);
  workers.sink(calm);
  workers.start();
  workers.bench.lookUntil([&] {
    const PathSnapshot path = workers.sentBy(innocent);
    return path.delivered + lost(path) == frames;
  });
  CHECK(lost(workers.sentBy(innocent)) == 0);
  // Its first burst was more than its share; then it brings fewer at a time.
  workers.bench.lookUntil([&] {
    const PathSnapshot path = workers.sentBy(flood);
    return path.delivered + lost(path) == 40 * frames;
  });
  CHECK(lost(workers.sentBy(flood)) <= 40 * burstSize - Worker::burstCopies);
}

TEST_CASE("crossing: a port whose frames go to more ports than there is room for loses of its own only") {
  constexpr std::uint64_t frames = 20;
  TwoWorkers workers;
  const FabricId wide = workers.bench.hub(), calm = workers.bench.hub();
  const PortId many = workers.generator(wide, frames);
  for (std::size_t index = 0; index < 2 * Worker::burstCopies; ++index) workers.sink(wide);
  const PortId innocent = workers.generator(calm, 1000);
  workers.sink(calm);
  workers.start();
  workers.bench.lookUntil([&] {
    const PathSnapshot path = workers.sentBy(innocent);
    return path.delivered + lost(path) == 1000;
  });
  CHECK(lost(workers.sentBy(innocent)) == 0);
  workers.bench.lookUntil([&] {
    const PathSnapshot path = workers.sentBy(many);
    return path.delivered + lost(path) == 2 * Worker::burstCopies * frames;
  });
  CHECK(lost(workers.sentBy(many)) != 0);
}
