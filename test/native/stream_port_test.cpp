// A port of a stream socket: how much of what its peer sends it reads at a time.
#include <doctest/doctest.h>
#include <sys/socket.h>

#include <vector>

#include "os/socket_pair.hpp"
#include "port_fixtures.hpp"
#include "ports/stream_port.hpp"

using namespace etherloom;

namespace {

/// Writes bytes to the port's peer until it takes no more.
std::size_t fill(int peer, std::span<const std::uint8_t> bytes) {
  std::size_t written = 0;
  for (;;) {
    const ssize_t got = send(peer, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (got < 0) return written;
    written += static_cast<std::size_t>(got);
  }
}

}  // namespace

TEST_CASE("stream port: records that are no frames use up a turn as frames do") {
  auto [own, peer] = *socketPair(SOCK_STREAM);
  PortBench bench;
  StreamPort port(std::move(own), *StreamFraming::find("stream"), 1518);
  bench.open(port);
  const std::vector<std::uint8_t> empty(4096);
  const std::size_t records = fill(peer.get(), empty) / StreamFraming::find("stream")->prefix;
  REQUIRE(records > 10 * burstSize);
  std::uint64_t before = 0;
  for (std::size_t left = records; left >= burstSize; left -= burstSize) {
    RxBurst burst(*bench.pool, bench.counters.dropped);
    REQUIRE(port.receive(burst) == RxState::More);
    REQUIRE(burst.count() == 0);
    const std::uint64_t runts = bench.counters.dropped.get(static_cast<std::size_t>(DropReason::Runt));
    REQUIRE(runts - before == burstSize);
    before = runts;
  }
  port.close(*bench.io);
}

TEST_CASE("stream port: long frames use up a turn by their bytes") {
  auto [own, peer] = *socketPair(SOCK_STREAM);
  const int room = 8 << 20;  // more than calls of one turn bring; needs CAP_NET_ADMIN
  if (setsockopt(peer.get(), SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room) != 0) {
    MESSAGE("skipped: needs CAP_NET_ADMIN");
    return;
  }
  PortBench bench;
  StreamPort port(std::move(own), *StreamFraming::find("stream"), streamFrameLimit);
  bench.open(port);
  constexpr std::uint32_t length = 60'000;
  std::vector<std::uint8_t> record(StreamFraming::find("stream")->prefix + length);
  writeBig16(record.data() + 2, length);
  REQUIRE(fill(peer.get(), record) > burstSize * record.size());
  unsigned turns = 0;
  for (RxState state = RxState::More; state == RxState::More; ++turns) {
    const std::uint64_t before = bench.current.calls;
    RxBurst burst(*bench.pool, bench.counters.dropped);
    state = port.receive(burst);
    // What was read before, what is read in the turn, and the read that reaches its end.
    REQUIRE(burst.count() * length <= StreamPort::bytesPerTurn + 2 * StreamDecoder::size);
    burst.remove(allFrames(burst.count()));
    REQUIRE(bench.current.calls - before <= StreamPort::readsPerTurn);
  }
  CHECK(turns > 3);
  port.close(*bench.io);
}
