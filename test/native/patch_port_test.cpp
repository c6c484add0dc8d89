// Patch ports: what goes out of one end lies in the inbox of the other, counted and bounded.
#include "ports/patch_port.hpp"

#include <doctest/doctest.h>

#include <cstring>

#include "pipeline_fixtures.hpp"
#include "super_frame_fixtures.hpp"

using namespace etherloom;

namespace {

/// A cable with both ends open.
struct PatchBench : SeatBench {
  explicit PatchBench(std::size_t memory = 16u << 20) : SeatBench(memory) {
    PatchPort::join(left, right);
    for (Attachment* each : {&leftSeat, &rightSeat}) REQUIRE(each->port->open(io, each->key));
  }
  ~PatchBench() {
    left.close(io);
    right.close(io);
  }
  static PatchPort& portOf(Attachment& seat) { return static_cast<PatchPort&>(*seat.port); }

  void transmit(PatchPort& port, Frame* made) {
    account.staged.add(made->offload.segments);
    const TxItem item{made, &account};
    port.transmit({&item, 1});
  }
  std::vector<std::uint32_t> receive(PatchPort& port) {
    std::vector<std::uint32_t> hops;
    RxState state = RxState::More;
    while (state == RxState::More) {
      RxBurst burst(*pool, port.counters().dropped);
      state = port.receive(burst);
      for (Frame* frame : burst.frames()) {
        hops.push_back(frame->hops);
        pool->release(frame);
      }
    }
    return hops;
  }
  std::uint64_t dropped(Attachment& seat, DropReason reason) {
    return countOf(seat.counters.dropped, reason);
  }

  NoIo io;
  PathAccount account;
  Attachment& leftSeat = seat(std::make_unique<PatchPort>(1000u));
  Attachment& rightSeat = seat(std::make_unique<PatchPort>(1000u));
  PatchPort& left = portOf(leftSeat);
  PatchPort& right = portOf(rightSeat);
};

}  // namespace

TEST_CASE(
    "patch port: the other end gets a frame of its own, one hop further, and asks to be received from") {
  PatchBench bench;
  Frame* sent = bench.frame();
  std::memset(sent->data, 0x5a, 60);
  sent->references = 2;  // somebody else has it, too
  bench.transmit(bench.left, sent);
  CHECK(bench.reported == std::vector<PortKey>{bench.rightSeat.key});
  RxBurst burst(*bench.pool, bench.rightSeat.counters.dropped);
  CHECK(bench.right.receive(burst) == RxState::Drained);
  REQUIRE(burst.count() == 1);
  CHECK(burst[0] != sent);
  CHECK(+burst[0]->hops == 1);
  CHECK(+sent->hops == 0);
  CHECK(std::memcmp(burst[0]->data, sent->data, 60) == 0);
  bench.pool->release(burst[0]);
  bench.pool->release(sent);
  CHECK(bench.account.delivered.get() == 1);
  CHECK(bench.leftSeat.counters.transmittedFrames.get() == 1);
}

TEST_CASE("patch port: drops at the hop limit, over its length limit, and when the inbox is full") {
  PatchBench bench;
  Frame* travelled = bench.frame();
  travelled->hops = PatchPort::hopLimit;
  bench.transmit(bench.left, travelled);
  CHECK(bench.dropped(bench.leftSeat, DropReason::HopLimit) == 1);
  bench.transmit(bench.left, bench.frame(0, 0, 1001));
  CHECK(bench.dropped(bench.leftSeat, DropReason::Oversize) == 1);
  for (unsigned count = 0; count < PatchPort::inboxSize + 7; ++count)
    bench.transmit(bench.left, bench.frame());
  CHECK(bench.dropped(bench.leftSeat, DropReason::PortFull) == 7);
  CHECK(bench.receive(bench.right).size() == PatchPort::inboxSize);
  CHECK(totalOf(bench.account.dropped) == 9);
  CHECK(bench.account.staged.get() == 0);
}

TEST_CASE("patch port: an inbox leaves as many buffers as it keeps") {
  PatchBench bench(1u << 20);
  const std::size_t all = bench.pool->unused(BufferClass::Small);
  for (std::size_t count = 0; count < all; ++count) bench.transmit(bench.left, bench.frame());
  CHECK(bench.pool->unused(BufferClass::Small) == all / 2);
  CHECK(bench.dropped(bench.leftSeat, DropReason::NoBuffer) == all - all / 2);
  CHECK(bench.receive(bench.right).size() == all / 2);
  CHECK(bench.pool->outstanding() == 0);
}

TEST_CASE("patch port: without a peer it drops as port-down, and forgets what the peer had in its inbox") {
  PatchBench bench;
  bench.transmit(bench.left, bench.frame());
  bench.right.close(bench.io);
  CHECK(bench.pool->outstanding() == 0);
  bench.transmit(bench.left, bench.frame());
  CHECK(bench.dropped(bench.leftSeat, DropReason::PortDown) == 1);
}

TEST_CASE("patch port: a super-frame passes whole, without a copy where nobody else has it") {
  PatchBench bench;
  const IpFrame shape{.payload = 10'000};
  for (const bool shared : {false, true}) {
    Frame* sent = superFrameOf(*bench.pool, shape, 900);
    CHECK(takes(bench.left.offloads(), *sent));
    const Bytes bytes = bytesOf(*sent);
    if (shared) sent->references = 2;
    bench.transmit(bench.left, sent);
    RxBurst burst(*bench.pool, bench.rightSeat.counters.dropped);
    CHECK(bench.right.receive(burst) == RxState::Drained);
    REQUIRE(burst.count() == 1);
    CHECK((burst[0] == sent) == !shared);
    CHECK(burst[0]->references == 1);
    CHECK(+burst[0]->hops == 1);
    CHECK(bytesOf(*burst[0]) == bytes);
    CHECK(headerAgrees(*burst[0]));
    bench.pool->release(burst[0]);
    if (shared) bench.pool->release(sent);
  }
  CHECK(bench.account.delivered.get() == 24);
  CHECK(bench.account.deliveredBytes.get() == 2 * 10'000 + 24 * 66);
  CHECK(bench.account.staged.get() == 0);

  // The limit, 1000 bytes here, is for wire frames.
  bench.transmit(bench.left, superFrameOf(*bench.pool, shape, 935));
  CHECK(bench.dropped(bench.leftSeat, DropReason::Oversize) == 11);
}
