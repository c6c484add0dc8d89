// What is under way for long: writes that end when their sender is gone, and frames that wait in many places
// at a time. With engines, whose numbers have to add up and whose frames have to come back.
#include <doctest/doctest.h>

#include <atomic>
#include <numeric>
#include <utility>
#include <vector>

#include "engine_fixtures.hpp"
#include "pipeline_fixtures.hpp"
#include "ports/sink_port.hpp"

using namespace etherloom;

namespace {

/// Writes to it end when the test says so.
class SlowIo final : public NoIo {
 public:
  void write(Completions& port, int, TxItem item, std::uint16_t) noexcept override {
    port_ = &port;
    items_.push_back(item);
    ++pending;
  }
  /// On the worker of the port. Every other one fails.
  void endAll() {
    for (const TxItem& item : std::exchange(items_, {}))
      --pending % 2 == 0 ? port_->written({&item, 1}) : port_->failed(item, EAGAIN);
  }
  std::atomic<unsigned> pending{0};

 private:
  Completions* port_ = nullptr;
  std::vector<TxItem> items_;
};

class SlowPort final : public Port {
 public:
  explicit SlowPort(SlowIo& io) : Port(1518), io_(io) {}
  Result<void> open(Io&, PortKey) override { return {}; }
  RxState receive(RxBurst&) noexcept override { return RxState::Drained; }
  void transmit(std::span<const TxItem> items) noexcept override {
    for (const TxItem& item : items) write(io_, -1, item, 0);
  }
  void close(Io&) noexcept override {}

 private:
  DropReason refusal(int) noexcept override { return DropReason::PortFull; }
  SlowIo& io_;
};

EngineOptions optionsOf(Clock::Kind clock, unsigned workers) {
  EngineOptions options;
  options.clock = clock;
  options.workers = workers;
  return options;
}

PathSnapshot sumOf(const Engine& engine, PortId from, const std::vector<PortId>& ports) {
  PathSnapshot sum;
  for (const PortId to : ports) {
    const auto path = engine.pathSnapshot(from, to);
    REQUIRE(path);
    CHECK(balances(*path));
    sum.delivered += path->delivered;
    for (std::size_t reason = 0; reason < dropReasonCount; ++reason)
      sum.dropped[reason] += path->dropped[reason];
  }
  return sum;
}

}  // namespace

TEST_CASE("a write that ends when sender, path and fabric are gone is counted, and its frame comes back") {
  SlowIo io;
  EngineBench bench(optionsOf(Clock::Kind::Real, 2));
  bool withPolicy = false;
  SUBCASE("paid by a path") { withPolicy = true; }
  SUBCASE("paid by the sender's seat") { withPolicy = false; }
  const FabricId hub = bench.hub();
  auto& sender = bench.join(hub);
  const auto slow = bench.engine->attach(hub, "slow", std::make_unique<SlowPort>(io));
  REQUIRE(slow);
  bench.settle(bench.engine->latest());
  if (withPolicy) {
    const PathChange change{sender.id, *slow, makePolicy(), {}};
    bench.settle(bench.engine->apply(hub, {&change, 1}, false)->ticket);
  }
  for (std::uint32_t tag = 0; tag < 10; ++tag) REQUIRE(bench.send(sender, tag));
  bench.commit();
  bench.lookUntil([&] { return io.pending == 10; });

  bench.leave(sender);  // does not wait for the writes
  CHECK(io.pending == 10);
  const Ticket leaving = bench.engine->detach(*slow);
  const Result<Ticket> removing = bench.engine->removeFabric(hub);
  REQUIRE(removing);
  CHECK_FALSE(bench.engine->knows(hub));
  for (int look = 0; look < 20; ++look) bench.look();
  CHECK_FALSE(bench.engine->settled(leaving));  // its device is not done with them
  CHECK_FALSE(bench.engine->settled(*removing));
  bench.engine->order(bench.engine->workerOf(*slow), [&](Worker&) { io.endAll(); });
  bench.settle(*removing);
  CHECK(bench.engine->settled(leaving));
  CHECK(io.pending == 0);

  // What they paid with is destroyed, and others are as they were.
  const FabricId other = bench.hub();
  auto& left = bench.join(other);
  auto& right = bench.join(other);
  REQUIRE(bench.send(left, 1));
  bench.commit();
  bench.lookUntil([&] { return right.frames == 1; });
}

TEST_CASE("200 broadcasts to 200 ports with a delay are 200 buffers, and all of them arrive") {
  EngineBench bench(optionsOf(Clock::Kind::Virtual, 1));
  constexpr std::uint32_t broadcasts = 200, ports = 200;
  const FabricId hub = bench.hub();
  auto& sender = bench.join(hub);
  std::vector<PortId> receivers;
  for (std::uint32_t port = 0; port < ports; ++port) {
    const auto id = bench.engine->attach(hub, "sink" + std::to_string(port), std::make_unique<SinkPort>());
    REQUIRE(id);
    receivers.push_back(*id);
  }
  const auto policy = makePolicy();
  std::vector<PathChange> changes;
  SUBCASE("on the paths") { policy->travel.delay = {1'000'000}; }
  SUBCASE("of the ports") {
    for (const PortId receiver : receivers) {
      PortSettings settings;
      settings.delay = {1'000'000};
      bench.engine->configure(receiver, settings);
    }
  }
  for (const PortId receiver : receivers) changes.push_back({sender.id, receiver, policy, {}});
  bench.engine->apply(hub, changes, false);

  for (std::uint32_t tag = 0; tag < broadcasts; ++tag) REQUIRE(bench.send(sender, tag));
  bench.commit();
  bench.engine->advance({500'000});
  CHECK(sumOf(*bench.engine, sender.id, receivers).delivered == 0);
  bench.engine->advance({500'000});
  const PathSnapshot sum = sumOf(*bench.engine, sender.id, receivers);
  CHECK(sum.delivered == broadcasts * ports);
  CHECK(droppedIn(sum.dropped) == 0);
}
