// Generator and sink: what frames carry, when there are none, and what a null device counts.
#include "ports/generator_port.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "pipeline_fixtures.hpp"
#include "ports/sink_port.hpp"

using namespace etherloom;

namespace {

using Contents = std::vector<std::uint8_t>;

struct GeneratorBench : SeatBench {
  explicit GeneratorBench(const GeneratorPort::Settings& settings, std::size_t memory = 4u << 20)
      : SeatBench(memory), made(seat(std::make_unique<GeneratorPort>(settings))) {
    REQUIRE(made.port->open(io, made.key));
  }
  GeneratorPort& port() { return static_cast<GeneratorPort&>(*made.port); }

  /// The frames of one burst, released.
  std::vector<Contents> receive(RxState expected) {
    RxBurst burst(*pool, made.counters.dropped);
    CHECK(port().receive(burst) == expected);
    std::vector<Contents> frames;
    for (Frame* frame : burst.frames()) {
      frames.emplace_back(frame->data, frame->data + frame->length);
      // What a later frame in this buffer must not carry on.
      std::fill_n(frame->data, FramePool::smallCapacity, std::uint8_t{0xaa});
      pool->release(frame);
    }
    return frames;
  }

  NoIo io;
  Attachment& made;
};

constexpr GeneratorPort::Settings settings(std::uint32_t length, std::uint64_t count) {
  return {.length = length,
          .count = count,
          .source = {0x02, 0, 0, 0, 0, 7},
          .destination = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
}

std::uint64_t numberOf(const Contents& frame) {
  return std::uint64_t{readBig32(frame.data() + 14)} << 32 | readBig32(frame.data() + 18);
}

}  // namespace

TEST_CASE("generator: sends nothing until it is told to, and asks to be received from when it is") {
  GeneratorBench bench(settings(60, 10));
  CHECK(bench.receive(RxState::Drained).empty());
  CHECK(bench.reported.empty());
  bench.port().run(true);
  CHECK(bench.reported == std::vector<PortKey>{bench.made.key});
  CHECK(bench.receive(RxState::Drained).size() == 10);
}

TEST_CASE("generator: a frame is header, number and zeros, whatever its buffer held before") {
  for (const std::uint32_t length : {22u, 60u, 64u, 65u, 1514u}) {
    CAPTURE(length);
    GeneratorBench bench(settings(length, 300));
    bench.port().run(true);
    std::uint64_t number = 0;
    while (number < 300) {
      const bool last = number + burstSize >= 300;
      for (const Contents& frame : bench.receive(last ? RxState::Drained : RxState::More)) {
        Contents expected(length);
        std::fill_n(expected.begin(), 6, std::uint8_t{0xff});
        expected[6] = 0x02;
        expected[11] = 7;
        writeBig16(&expected[12], 0x88b5);
        writeBig64(&expected[14], number);
        CHECK(frame == expected);
        ++number;
      }
    }
    CHECK(number == 300);
    CHECK(bench.receive(RxState::Drained).empty());
  }
}

TEST_CASE("generator: numbers take all eight bytes, most significant first") {
  std::array<std::uint8_t, 8> bytes{};
  writeBig64(bytes.data(), 0x0102030405060708);
  CHECK(bytes == std::array<std::uint8_t, 8>{1, 2, 3, 4, 5, 6, 7, 8});
}

TEST_CASE("generator: goes on where it stopped") {
  GeneratorBench bench(settings(60, 200));
  bench.port().run(true);
  CHECK(bench.receive(RxState::More).size() == burstSize);
  bench.port().run(false);
  CHECK(bench.receive(RxState::Drained).empty());
  bench.port().run(true);
  const auto frames = bench.receive(RxState::More);
  REQUIRE(frames.size() == burstSize);
  CHECK(numberOf(frames.front()) == burstSize);
}

TEST_CASE(
    "generator: makes fewer frames while the pool is used up, leaves no number out, and counts nothing") {
  GeneratorBench bench(settings(60, 1000), 1u << 20);
  std::vector<Frame*> taken;
  while (Frame* frame = bench.pool->acquire(BufferClass::Small)) taken.push_back(frame);
  const auto giveBack = [&](std::size_t frames) {
    for (; frames > 0; --frames, taken.pop_back()) bench.pool->release(taken.back());
  };
  bench.port().run(true);
  CHECK(bench.receive(RxState::More).empty());
  giveBack(10);
  CHECK(bench.receive(RxState::More).size() == 10);
  giveBack(taken.size());
  const auto frames = bench.receive(RxState::More);
  REQUIRE(frames.size() == burstSize);
  CHECK(numberOf(frames.front()) == 10);
  CHECK(totalOf(bench.made.counters.dropped) == 0);
}

TEST_CASE("generator and sink: take what they are sent, each path's frames on its own account") {
  SeatBench bench;
  for (Attachment* seat : {&bench.seat(std::make_unique<SinkPort>()),
                           &bench.seat(std::make_unique<GeneratorPort>(settings(60, 1)))}) {
    std::array<PathAccount, 2> accounts;
    std::vector<TxItem> items;
    // Runs of 2, 1, 3 and 1 frames.
    for (const std::size_t account : {0, 0, 1, 0, 0, 0, 1}) {
      items.push_back({bench.frame(0, 0, 100), &accounts[account]});
      accounts[account].staged.add(1);
    }
    items[3].frame->offload.segments = 5;
    accounts[0].staged.add(4);
    items[2].frame->references = 2;  // somebody else has it, too
    seat->port->transmit(items);
    CHECK(seat->counters.transmittedFrames.get() == 11);
    CHECK(seat->counters.transmittedBytes.get() == 700);
    CHECK(accounts[0].delivered.get() == 9);
    CHECK(accounts[0].deliveredBytes.get() == 500);
    CHECK(accounts[1].delivered.get() == 2);
    CHECK(accounts[1].deliveredBytes.get() == 200);
    CHECK(accounts[0].staged.get() + accounts[1].staged.get() == 0);
    CHECK(bench.pool->outstanding() == 1);
    bench.pool->release(items[2].frame);
    seat->port->transmit({});
    CHECK(seat->counters.transmittedFrames.get() == 11);
  }
}

TEST_CASE("sink: takes frames of any length and never has one") {
  SeatBench bench;
  Attachment& seat = bench.seat(std::make_unique<SinkPort>());
  CHECK(seat.port->limit() == FramePool::largeCapacity);
  RxBurst burst(*bench.pool, seat.counters.dropped);
  CHECK(seat.port->receive(burst) == RxState::Drained);
  CHECK(burst.count() == 0);
}
