// Memory ports and their bridge, with the far end on the same thread: delivery, quotas, full rings, who is
// woken when.
#include "ports/memory_port.hpp"

#include <doctest/doctest.h>

#include <cstring>

#include "engine_fixtures.hpp"
#include "pipeline_fixtures.hpp"

using namespace etherloom;

namespace {

/// One bridge with two ports on it, numbers 0 and 1.
struct MemoryBench : SeatBench {
  explicit MemoryBench(std::uint32_t quota = 1000) {
    for (std::uint32_t number = 0; number < 2; ++number) {
      auto port = std::make_unique<MemoryPort>(end.bridge(), number, 1518, quota);
      ports.push_back(port.get());
      Attachment& made = seat(std::move(port));
      REQUIRE(made.port->open(io, made.key));
    }
  }
  ~MemoryBench() {
    for (MemoryPort* port : ports) port->close(io);
  }

  void send(std::uint32_t port, std::uint8_t fill, std::uint32_t length = 60) {
    const std::vector<std::uint8_t> bytes(length, fill);
    REQUIRE(end.write(port, bytes));
    end.commit();
  }
  /// The first byte and length of every frame that the port hands over.
  std::vector<std::pair<std::uint8_t, std::uint32_t>> receive(MemoryPort& port) {
    std::vector<std::pair<std::uint8_t, std::uint32_t>> frames;
    RxState state = RxState::More;
    while (state == RxState::More) {
      RxBurst burst(*pool, port.counters().dropped);
      state = port.receive(burst);
      for (Frame* frame : burst.frames()) {
        frames.emplace_back(frame->data[0], frame->length);
        pool->release(frame);
      }
    }
    return frames;
  }
  void transmit(MemoryPort& port, std::uint8_t fill, std::uint32_t length = 60) {
    Frame* made = frame(0, 0, length);
    std::memset(made->data, fill, length);
    account.staged.add(1);
    const TxItem item{made, &account};
    port.transmit({&item, 1});
  }
  /// The port and first byte of everything at the far end.
  std::vector<std::pair<std::uint32_t, std::uint8_t>> arrived() {
    std::vector<std::pair<std::uint32_t, std::uint8_t>> frames;
    end.drain([&](std::uint32_t port, std::span<const std::uint8_t> bytes, Instant) {
      frames.emplace_back(port, bytes[0]);
    });
    return frames;
  }

  Bell bell;
  FarEnd end{bell};
  NoIo io;
  std::vector<MemoryPort*> ports;
  PathAccount account;
};

}  // namespace

TEST_CASE("memory port: what was committed lies in the inbox of its port, which asks to be received from") {
  MemoryBench bench;
  bench.send(0, 7);
  bench.send(1, 8, 1518);
  bench.send(0, 9, 100);
  CHECK_FALSE(bench.end.bridge().arm());
  bench.end.bridge().poll();
  CHECK(bench.end.bridge().arm());
  CHECK(bench.end.bridge().arm());
  CHECK(bench.reported.size() == 3);
  CHECK(bench.receive(*bench.ports[0]) ==
        std::vector<std::pair<std::uint8_t, std::uint32_t>>{{7, 60}, {9, 100}});
  CHECK(bench.receive(*bench.ports[1]) == std::vector<std::pair<std::uint8_t, std::uint32_t>>{{8, 1518}});
}

TEST_CASE("memory port: frames over the limit, without a buffer, or for nobody are dropped and counted") {
  MemoryBench bench;
  bench.send(0, 1, 1519);
  bench.send(5, 1);
  bench.end.bridge().poll();
  CHECK(bench.receive(*bench.ports[0]).empty());
  CHECK(countOf(bench.ports[0]->counters().dropped, DropReason::Oversize) == 1);

  std::vector<Frame*> all;
  while (Frame* frame = bench.pool->acquire(BufferClass::Small)) all.push_back(frame);
  bench.send(0, 1);
  bench.end.bridge().poll();
  CHECK(countOf(bench.ports[0]->counters().dropped, DropReason::NoBuffer) == 1);
  for (Frame* frame : all) bench.pool->release(frame);
}

TEST_CASE("memory port: a reader that takes nothing costs only its own quota") {
  MemoryBench bench(3);
  for (std::uint8_t fill = 0; fill < 5; ++fill) {
    bench.transmit(*bench.ports[0], fill);
    bench.transmit(*bench.ports[1], fill);
    if (fill == 2) bench.ports[1]->taken(3);
  }
  bench.ports[0]->flush();
  CHECK(countOf(bench.ports[0]->counters().dropped, DropReason::PortFull) == 2);
  CHECK(countOf(bench.ports[1]->counters().dropped, DropReason::PortFull) == 0);
  CHECK(bench.ports[0]->counters().transmittedFrames.get() == 3);
  CHECK(bench.arrived().size() == 8);
  CHECK(bench.account.staged.get() == 0);
  CHECK(bench.account.delivered.get() == 8);

  bench.ports[0]->taken(1);
  bench.transmit(*bench.ports[0], 9);
  bench.transmit(*bench.ports[0], 10);
  bench.ports[0]->flush();
  CHECK(bench.arrived() == std::vector<std::pair<std::uint32_t, std::uint8_t>>{{0, 9}});
}

TEST_CASE("memory port: a full ring drops and says so, and takes again what fits once it was read") {
  MemoryBench bench(1 << 20);
  const std::uint64_t fits = FarEnd::size / ByteRing::recordSize(1500);
  for (std::uint64_t frame = 0; frame < fits + 10; ++frame) bench.transmit(*bench.ports[0], 1, 1500);
  bench.ports[0]->flush();
  const std::uint64_t sent = bench.ports[0]->counters().transmittedFrames.get();
  CHECK(sent == fits);
  CHECK(countOf(bench.ports[0]->counters().dropped, DropReason::PortFull) == 10);
  CHECK(bench.arrived().size() == sent);
  bench.transmit(*bench.ports[0], 2, 1500);
  bench.ports[0]->flush();
  CHECK(bench.arrived().size() == 1);
}

TEST_CASE("memory port: the far end is woken once, until it says that it sleeps again") {
  unsigned wakes = 0;
  struct alignas(16) {
    std::byte bytes[4096];
  } in, out;
  MemoryBridge bridge(in.bytes, out.bytes, [&] { ++wakes; });
  SeatBench bench;
  Frame* frame = bench.frame();
  const auto deliver = [&] {
    CHECK(bridge.write(1, *frame, {}));
    bridge.flush();
  };
  bridge.flush();
  CHECK(wakes == 0);
  deliver();
  deliver();
  CHECK(wakes == 1);
  CHECK_FALSE(bridge.rearm());  // something is there: it must not sleep
  bridge.outbound.consume(bridge.outbound.published());
  CHECK(bridge.rearm());
  deliver();
  CHECK(wakes == 2);
  bench.pool->release(frame);
}

TEST_CASE("memory port: on a virtual clock a full ring is read at once, and loses nothing") {
  struct alignas(16) {
    std::byte bytes[1024];
  } in, out;
  std::uint64_t read = 0;
  MemoryBridge* self = nullptr;
  MemoryBridge bridge(
      in.bytes, out.bytes, [] {},
      [&] {
        read += (self->outbound.published() - self->outbound.consumed()) / ByteRing::recordSize(60);
        self->outbound.consume(self->outbound.published());
      });
  self = &bridge;
  SeatBench bench;
  Frame* frame = bench.frame();
  for (int count = 0; count < 100; ++count) CHECK(bridge.write(1, *frame, {}));
  bridge.flush();
  CHECK(read + (bridge.outbound.published() - bridge.outbound.consumed()) / ByteRing::recordSize(60) >= 100);
  bench.pool->release(frame);
}

TEST_CASE("memory port: a poll takes a bounded number of records and says that more are there") {
  MemoryBench bench;
  for (unsigned record = 0; record < MemoryBridge::pollLimit + 5; ++record) bench.send(0, 1);
  bench.end.bridge().poll();
  CHECK_FALSE(bench.end.bridge().arm());
  CHECK(bench.receive(*bench.ports[0]).size() == MemoryBridge::pollLimit);
  bench.end.bridge().poll();
  CHECK(bench.end.bridge().arm());
  CHECK(bench.receive(*bench.ports[0]).size() == 5);
}

TEST_CASE("memory port: what a worker is behind with stays in the ring and takes no frames from others") {
  MemoryBench bench;
  for (unsigned record = 0; record < MemoryBridge::pollLimit + 5; ++record) bench.send(0, 1);
  bench.end.bridge().poll();
  CHECK_FALSE(bench.end.bridge().arm());
  bench.end.bridge().poll();
  CHECK_FALSE(bench.end.bridge().arm());
  CHECK(bench.pool->outstanding() == MemoryBridge::pollLimit);
  CHECK(bench.receive(*bench.ports[0]).size() == MemoryBridge::pollLimit);
  bench.end.bridge().poll();
  CHECK(bench.end.bridge().arm());
  CHECK(bench.receive(*bench.ports[0]).size() == 5);
}

TEST_CASE("memory port: closing lets go of its inbox") {
  MemoryBench bench;
  bench.send(0, 1);
  bench.end.bridge().poll();
  CHECK(bench.pool->outstanding() == 1);
  bench.ports[0]->close(bench.io);
  CHECK(bench.pool->outstanding() == 0);
  bench.send(0, 1);
  bench.end.bridge().poll();
  CHECK(bench.pool->outstanding() == 0);
}
