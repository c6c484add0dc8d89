// Ports whose frames go to many others, in a whole engine: what a turn does not take of them waits, and is
// not lost. How much a turn takes, pipeline_test.cpp and innocent_test.cpp say.
#include <doctest/doctest.h>
#include <sys/socket.h>

#include <algorithm>
#include <numeric>

#include "engine_fixtures.hpp"
#include "os/socket_pair.hpp"
#include "ports/generator_port.hpp"
#include "ports/sink_port.hpp"
#include "ports/stream_port.hpp"

using namespace etherloom;

namespace {

constexpr std::uint32_t frames = 5 * burstSize;

EngineOptions options() {
  EngineOptions options;
  options.memory = 16u << 20;
  return options;
}

void sinks(EngineBench& bench, FabricId fabric) {
  for (unsigned index = 0; index < 1000; ++index)
    REQUIRE(bench.engine->attach(fabric, "sink" + std::to_string(index), std::make_unique<SinkPort>(), 0));
}

/// Finds its device gone while it writes, and has more to read.
class Leaving final : public Port {
 public:
  explicit Leaving(std::uint32_t count) : Port(1518), count_(count) {}

  Result<void> open(Io&, PortKey key) override {
    announce(key);
    return {};
  }
  RxState receive(RxBurst& burst) noexcept override {
    fail(EPIPE);
    for (; burst.room() != 0 && sent_ != count_; ++sent_) {
      std::array<std::uint8_t, 60> bytes{};
      std::fill_n(bytes.begin(), 6, std::uint8_t{0xff});
      std::memcpy(bytes.data() + 14, &sent_, sizeof sent_);
      burst.copyIn(bytes);
    }
    return sent_ == count_ ? RxState::Failed : RxState::More;
  }
  void transmit(std::span<const TxItem> items) noexcept override { refuse(items, DropReason::PortDown); }
  void close(Io&) noexcept override {}

 private:
  const std::uint32_t count_;
  std::uint32_t sent_ = 0;
};

bool hasGoneDown(const EngineBench& bench) {
  return std::any_of(bench.events.begin(), bench.events.end(),
                     [](const Event& event) { return event.kind == EventKind::PortDown; });
}

std::vector<std::uint32_t> upTo(std::uint32_t count) {
  std::vector<std::uint32_t> numbers(count);
  std::iota(numbers.begin(), numbers.end(), 0U);
  return numbers;
}

}  // namespace

TEST_CASE("fan-out: what goes to 1,000 ports arrives whole and in order") {
  EngineBench bench(options());
  const FabricId hub = bench.hub();
  const auto &from = bench.join(hub), &to = bench.join(hub);
  sinks(bench, hub);
  bench.settle(bench.engine->latest());
  for (std::uint32_t tag = 0; tag < frames; ++tag) REQUIRE(bench.send(from, tag));
  bench.commit();
  bench.lookUntil([&] { return to.frames == frames; });
  CHECK(to.tags == upTo(frames));
}

TEST_CASE(
    "fan-out: the last frames of a socket whose peer has closed are passed on before its port is down") {
  EngineBench bench(options());
  const FabricId hub = bench.hub();
  const auto& to = bench.join(hub);
  sinks(bench, hub);
  auto [own, peer] = *socketPair(SOCK_STREAM);
  constexpr std::uint32_t length = 60, few = burstSize / 2;  // so its end is seen with them
  for (std::uint32_t tag = 0; tag < few; ++tag) {
    std::array<std::uint8_t, 4 + length> record{};
    writeBig32(record.data(), length);
    std::fill_n(record.begin() + 4, 6, std::uint8_t{0xff});
    std::memcpy(record.data() + 4 + 14, &tag, sizeof tag);
    REQUIRE(send(peer.get(), record.data(), record.size(), 0) == record.size());
  }
  peer.reset();
  const auto port = bench.engine->attach(
      hub, "stream", std::make_unique<StreamPort>(std::move(own), *StreamFraming::find("stream"), 1518u), 0);
  REQUIRE(port);
  bench.lookUntil([&] { return hasGoneDown(bench) && to.frames == few; });
  CHECK(to.tags == upTo(few));
}

TEST_CASE("fan-out: what a device gives after it has failed is passed on, in few ports and in many") {
  for (const bool many : {false, true}) {
    EngineBench bench(options());
    const FabricId hub = bench.hub();
    const auto& to = bench.join(hub);
    if (many) sinks(bench, hub);
    REQUIRE(bench.engine->attach(hub, "leaving", std::make_unique<Leaving>(frames), 0));
    bench.lookUntil([&] { return hasGoneDown(bench) && to.frames == frames; });
    CHECK(to.tags == upTo(frames));
  }
}

TEST_CASE("fan-out: floods that are put off leave buffers for others") {
  EngineOptions small = options();
  small.memory = 2u << 20;
  EngineBench bench(small);
  const FabricId busy = bench.hub(), quiet = bench.hub();
  std::vector<GeneratorPort*> floods;
  for (unsigned index = 0; index < 200; ++index) {
    auto made = std::make_unique<GeneratorPort>(
        GeneratorPort::Settings{.length = 60, .destination = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}});
    floods.push_back(made.get());
    REQUIRE(bench.engine->attach(busy, "flood" + std::to_string(index), std::move(made), 0));
  }
  const auto &from = bench.join(quiet), &to = bench.join(quiet);
  const Result<PortId> watched = bench.engine->attach(busy, "watched", std::make_unique<SinkPort>(), 0);
  bench.engine->order(0, [&](Worker&) {
    for (GeneratorPort* flood : floods) flood->run(true);
  });
  bench.lookUntil([&] { return bench.engine->portSnapshot(*watched).transmittedFrames > 100'000; });
  for (std::uint32_t tag = 0; tag < frames; ++tag) REQUIRE(bench.send(from, tag));
  bench.commit();
  bench.lookUntil([&] { return to.frames == frames; });
  CHECK(to.tags == upTo(frames));
}
