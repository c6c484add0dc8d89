// A framing of streams that nothing in native/ knows of: made through the same seam as the one there, and
// spoken by a port of it in both directions.
#include <doctest/doctest.h>
#include <sys/socket.h>

#include "os/socket_pair.hpp"
#include "port_fixtures.hpp"
#include "ports/stream_port.hpp"

using namespace etherloom;

namespace {

constexpr std::uint32_t toyLongest = 300;

/// A tilde, and the length in two bytes, the lower one first.
const StreamFraming tilde(
    "tilde", 3, toyLongest,
    [](const std::uint8_t* prefix) {
      return prefix[0] == '~' ? static_cast<std::uint32_t>(prefix[1] | prefix[2] << 8) : toyLongest + 1;
    },
    [](std::uint8_t* prefix, std::uint32_t length) {
      prefix[0] = '~';
      prefix[1] = static_cast<std::uint8_t>(length);
      prefix[2] = static_cast<std::uint8_t>(length >> 8);
    });

Bytes frameOf(std::size_t length) {
  Bytes frame(length, 0x2e);
  std::copy(testSource.begin(), testSource.end(), frame.begin() + 6);
  return frame;
}

/// The frames as they stand in the stream.
Bytes stream(const std::vector<Bytes>& frames) {
  Bytes bytes;
  for (const Bytes& frame : frames) {
    for (const std::size_t byte : {std::size_t{'~'}, frame.size() & 0xff, frame.size() >> 8})
      bytes.push_back(static_cast<std::uint8_t>(byte));
    bytes.insert(bytes.end(), frame.begin(), frame.end());
  }
  return bytes;
}

}  // namespace

TEST_CASE("toy framing: is found by its name, beside the one that was there") {
  CHECK(StreamFraming::find("tilde") == &tilde);
  REQUIRE(StreamFraming::find("stream"));
  CHECK(StreamFraming::find("stream") != &tilde);
  CHECK(StreamFraming::find("tild") == nullptr);
}

TEST_CASE("toy framing: a port takes frames out of its stream and puts them in, up to what it can state") {
  auto [own, peer] = *socketPair(SOCK_STREAM);
  PortBench bench;
  StreamPort port(std::move(own), *StreamFraming::find("tilde"), 1518);
  CHECK(port.limit() == toyLongest);
  bench.open(port);

  const std::vector<Bytes> frames{frameOf(60), frameOf(257), frameOf(toyLongest)};
  const Bytes sent = stream(frames);
  REQUIRE(send(peer.get(), sent.data(), 1, 0) == 1);  // so that a prefix comes in two pieces
  REQUIRE(bench.receive(port, 0).empty());
  REQUIRE(send(peer.get(), sent.data() + 1, sent.size() - 1, 0) == static_cast<ssize_t>(sent.size() - 1));
  CHECK(bench.receive(port, frames.size()) == frames);

  bench.transmit(port, {frames[0], frameOf(toyLongest + 1), frames[1], frames[2]});
  Bytes got(sent.size() + 1);
  const ssize_t count = recv(peer.get(), got.data(), got.size(), MSG_DONTWAIT);
  REQUIRE(count == static_cast<ssize_t>(sent.size()));
  got.pop_back();
  CHECK(got == sent);
  CHECK(bench.delivered() == 3);
  CHECK(bench.dropped(DropReason::Oversize) == 1);

  const Bytes foreign(8);
  REQUIRE(send(peer.get(), foreign.data(), foreign.size(), 0) == static_cast<ssize_t>(foreign.size()));
  RxBurst burst(*bench.pool, bench.counters.dropped);
  CHECK(port.receive(burst) == RxState::Failed);
  CHECK(port.failure() == EPROTO);
  port.close(*bench.io);
}
