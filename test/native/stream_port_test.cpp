// A port of a stream socket: how much of what its peer sends it reads at a time.
#include <doctest/doctest.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <vector>

#include "os/socket_pair.hpp"
#include "port_fixtures.hpp"
#include "ports/stream_port.hpp"

using namespace etherloom;
using namespace std::chrono_literals;

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

TEST_CASE("stream port: a TCP peer that answers and does not read is kept, also if little is sent to it") {
  const auto bound = *BoundSocket::open(*SocketAddress::inet("127.0.0.1", 0), SocketType::Stream, 0);
  Fd own = std::move(connectSocket(bound.address(), SocketType::Stream)->fd);
  pollfd waiting{bound.fd(), POLLIN, 0};
  REQUIRE(::poll(&waiting, 1, 10'000) == 1);
  const Fd peer = *std::move(*bound.accept());
  const auto allowed = [&own] {
    unsigned value = 0;
    socklen_t length = sizeof value;
    REQUIRE(getsockopt(own.get(), IPPROTO_TCP, TCP_USER_TIMEOUT, &value, &length) == 0);
    return std::chrono::milliseconds(value);
  };
  const auto now = [] {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now().time_since_epoch());
  };
  CHECK(allowed() == PeerPatience::usual);

  // Until the peer's window is closed; the socket itself has room for more.
  const std::vector<std::uint8_t> bytes(4096);
  tcp_info info{};
  while (info.tcpi_notsent_bytes == 0 || info.tcpi_unacked != 0) {
    REQUIRE(send(own.get(), bytes.data(), bytes.size(), MSG_DONTWAIT) == bytes.size());
    ::poll(nullptr, 0, 5);
    socklen_t length = sizeof info;
    REQUIRE(getsockopt(own.get(), IPPROTO_TCP, TCP_INFO, &info, &length) == 0);
  }
  PeerPatience patience(1s);
  for (const auto end = now() + 4s; now() < end; ::poll(nullptr, 0, 200)) {
    patience.renew(own, now());
    REQUIRE(send(own.get(), bytes.data(), 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1);
  }
  CHECK(allowed() > 4s);

  // As soon as it reads, the limit holds again.
  std::vector<std::uint8_t> read(1 << 20);
  waiting = {peer.get(), POLLIN, 0};
  while (::poll(&waiting, 1, 100) == 1 && recv(peer.get(), read.data(), read.size(), MSG_DONTWAIT) > 0) {
  }
  patience.renew(own, now());
  CHECK(allowed() == 1s);
}
