// A port of a stream socket: how much of what its peer sends it reads at a time.
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
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

TEST_CASE(
    "stream port: a TCP peer that answers and does not read is given time, and no longer once it reads") {
  const auto bound = *BoundSocket::open(*SocketAddress::inet("127.0.0.1", 0), SocketType::Stream, 0);
  Fd own = std::move(connectSocket(bound.address(), SocketType::Stream)->fd);
  pollfd waiting{bound.fd(), POLLIN, 0};
  REQUIRE(::poll(&waiting, 1, 10'000) == 1);
  const Fd peer = *std::move(*bound.accept());
  const int socket = own.get();
  const auto allowed = [socket] {
    unsigned value = 0;
    socklen_t length = sizeof value;
    REQUIRE(getsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &value, &length) == 0);
    return value;
  };
  PortBench bench;
  StreamPort port(std::move(own), *StreamFraming::find("stream"), 1518);
  bench.open(port);
  port.attendPeer(1000s);
  REQUIRE(allowed() == PeerPatience::limit);

  // Until the peer's window is closed, and what was on its way is acknowledged.
  const std::vector<std::uint8_t> bytes(65'536);
  for (int quiet = 0; quiet < 20; ::poll(nullptr, 0, 10)) quiet = fill(socket, bytes) == 0 ? quiet + 1 : 0;
  bench.transmit(port,
                 std::vector<Bytes>(burstSize, Bytes(1500)));  // more than the end of what waits has room for
  port.attendPeer(1005s);
  REQUIRE(allowed() == PeerPatience::limit + 5'000);
  port.attendPeer(1011s);
  REQUIRE(allowed() == PeerPatience::limit + 11'000);

  std::vector<std::uint8_t> read(1 << 20);
  while (recv(peer.get(), read.data(), read.size(), MSG_DONTWAIT) > 0) ::poll(nullptr, 0, 1);
  waiting = {socket, POLLOUT, 0};
  REQUIRE(::poll(&waiting, 1, 10'000) == 1);
  CHECK(bench.receive(port, 0).empty());  // as when the socket says that it takes bytes again
  port.attendPeer(1015s);
  REQUIRE(allowed() == PeerPatience::limit);
  port.close(*bench.io);
}
