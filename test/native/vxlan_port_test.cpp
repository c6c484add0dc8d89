// VxlanPort and its socket without an engine: what a burst costs when peers refuse, and what comes in.
#include "ports/vxlan_port.hpp"

#include <doctest/doctest.h>

#include "port_fixtures.hpp"

using namespace etherloom;

namespace {

/// Two ends of a tunnel on loopback, each with a socket to receive by.
struct TunnelEnd {
  explicit TunnelEnd(const char* ip, std::uint16_t udpPort)
      : receiver(*openTunnelReceiver(*SocketAddress::inet(ip, udpPort))),
        at(SocketAddress::boundTo(receiver)) {}

  Fd receiver;
  SocketAddress at;
};

std::vector<std::pair<std::string, SocketAddress>> peers(std::uint16_t udpPort,
                                                         const std::vector<std::string>& ips) {
  std::vector<std::pair<std::string, SocketAddress>> all;
  for (const std::string& ip : ips) all.emplace_back(ip, *SocketAddress::inet(ip, udpPort));
  return all;
}

std::uint16_t portOf(const SocketAddress& address) {
  const std::string text = address.text();
  return static_cast<std::uint16_t>(std::stoi(text.substr(text.rfind(':') + 1)));
}

constexpr VxlanPort::Settings settings{42, 65'499, 64, Duration{300'000'000'000}};

std::unique_ptr<VxlanPort> portAt(const std::shared_ptr<VxlanSocket>& socket,
                                  const std::vector<std::pair<std::string, SocketAddress>>& wanted) {
  return std::make_unique<VxlanPort>(socket,
                                     *openTunnelSender(*SocketAddress::inet("127.0.0.1", 49'152), false),
                                     settings, VxlanPeers().changed(wanted));
}

}  // namespace

TEST_CASE("vxlan: a peer that cannot be reached costs a call, not one for each frame") {
  PortBench bench;
  TunnelEnd here("127.0.0.1", 0), there("127.0.0.1", 0);
  const std::uint16_t udpPort = portOf(there.at);
  const auto socket = std::make_shared<VxlanSocket>(std::move(here.receiver));
  // No way leads from an address of loopback to the first.
  const auto port = portAt(socket, peers(udpPort, {"203.0.113.1", "127.0.0.1"}));
  bench.open(*port);
  constexpr std::size_t frames = burstSize;
  const std::uint64_t before = bench.current.calls;
  bench.transmit(*port, plainFrames(frames));
  CHECK(bench.delivered() == frames);
  CHECK(bench.current.calls - before <= 6);  // two batches of messages: each refused once, and sent once
  const VxlanPeer &lost = *port->peers().all()[0], &reached = *port->peers().all()[1];
  CHECK(lost.unreachable.get() == frames);
  CHECK(reached.sentFrames.get() == frames);
  for (std::size_t index = 0; index < frames; ++index) {
    std::array<std::uint8_t, 128> bytes;
    REQUIRE(recv(there.receiver.get(), bytes.data(), bytes.size(), 0) == 68);
    CHECK(bytes[0] == vniIsValid);
    CHECK(bytes[6] == 42);
    const Bytes expected = plainFrame(static_cast<std::uint8_t>(index));
    CHECK(std::equal(expected.begin(), expected.end(), bytes.begin() + 8));
  }
  port->close(*bench.io);
  CHECK(bench.leaked() == 0);
}

TEST_CASE("vxlan: of a burst, what is too long for the way is left out, and shorter frames go") {
  PortBench bench;
  TunnelEnd here("127.0.0.1", 0), there("127.0.0.1", 0);
  const auto socket = std::make_shared<VxlanSocket>(std::move(here.receiver));
  const auto port = portAt(socket, peers(portOf(there.at), {"127.0.0.1"}));
  bench.open(*port);
  // Loopback has an MTU of 65,536: 65,499 bytes of frame fit into a datagram exactly, so nothing is refused
  // ...
  bench.transmit(*port, {plainFrame(1, 65'499), plainFrame(2)});
  CHECK(bench.delivered() == 2);
  // ... and one more is over the limit of the port.
  bench.transmit(*port, {plainFrame(3, 65'500), plainFrame(4)});
  CHECK(bench.delivered() == 3);
  CHECK(bench.dropped(DropReason::Oversize) == 1);
  port->close(*bench.io);
  CHECK(bench.leaked() == 0);
}

TEST_CASE("vxlan: lists of peers keep the places and counts of those that stay") {
  const auto first = VxlanPeers().changed(peers(4789, {"10.0.0.1", "10.0.0.2", "fd00::3"}));
  REQUIRE(first->all().size() == 3);
  first->all()[1]->sentFrames.add(7);
  const auto second = first->changed(peers(4789, {"10.0.0.9", "10.0.0.2"}));
  REQUIRE(second->all().size() == 2);
  const std::size_t slot = second->find(second->all()[1]->key);
  CHECK(slot == 1);
  CHECK(second->at(1)->sentFrames.get() == 7);
  CHECK(second->at(0)->ip == "10.0.0.9");
  CHECK(second->find(first->all()[2]->key) == VxlanPeers::limit);
}
