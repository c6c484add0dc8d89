// Ports whose frames go to many others, in a whole engine: what a turn does not take of them waits, and is
// not lost. How much a turn takes, pipeline_test.cpp and innocent_test.cpp say.
#include <doctest/doctest.h>
#include <sys/socket.h>

#include <algorithm>
#include <numeric>

#include "engine_fixtures.hpp"
#include "os/socket_pair.hpp"
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
  bench.lookUntil([&] {
    return std::any_of(bench.events.begin(), bench.events.end(),
                       [](const Event& event) { return event.kind == EventKind::PortDown; });
  });
  bench.look();
  CHECK(to.tags == upTo(few));
}
