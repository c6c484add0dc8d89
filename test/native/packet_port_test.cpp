// A packet port on one end of a veth pair: directions, VLAN tags, offloads undone, and what its interface
// goes through.
#include "ports/packet_port.hpp"

#include "os/rtnetlink.hpp"
#include "os/tap.hpp"
#include "os_fixtures.hpp"
#include "port_fixtures.hpp"

using namespace etherloom;

namespace {

/// Keeps the kernel's own frames (IPv6 neighbour discovery) away: accepts those whose source is testSource.
const std::vector<sock_filter> fromTestOnly{
    BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 6), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x0200, 0, 3),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 8), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x00000098, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, ~0U),        BPF_STMT(BPF_RET | BPF_K, 0),
};

VirtioHeader undone(const IpFrame& shape, GsoType type = GsoType::None, std::size_t segmentSize = 0) {
  return {.flags = needsChecksum,
          .gsoType = static_cast<std::uint8_t>(type),
          .headerLength = static_cast<std::uint16_t>(shape.headerLength()),
          .gsoSize = static_cast<std::uint16_t>(segmentSize),
          .csumStart = static_cast<std::uint16_t>(shape.transportAt()),
          .csumOffset = static_cast<std::uint16_t>(shape.checksumAt() - shape.transportAt())};
}

/// The veth pair left and right in a namespace of its own, and a port on left.
struct Scene {
  NetworkNamespace home;
  Rtnetlink rtnetlink;
  int left, right;
  PortBench bench;
  std::unique_ptr<PacketPort> port;

  static std::unique_ptr<Scene> create(PacketDirection direction = PacketDirection::In,
                                       std::uint32_t limit = 1518, std::size_t poolBytes = 16 << 20) {
    auto home = makeTestNamespace();
    if (!home) return nullptr;
    auto rtnetlink = runIn(&*home, Rtnetlink::open);
    REQUIRE(rtnetlink);
    if (const auto created = rtnetlink->createVethPair("left", "right"); !created) {
      REQUIRE_MESSAGE(created.error().number == EOPNOTSUPP, created.error().message);
      MESSAGE("skipped: this kernel has no veth");
      return nullptr;
    }
    const int left = rtnetlink->link("left")->index, right = rtnetlink->link("right")->index;
    for (const int index : {left, right}) REQUIRE(rtnetlink->setUp(index, true));
    std::unique_ptr<Scene> scene(
        new Scene{*std::move(home), *std::move(rtnetlink), left, right, PortBench(poolBytes), nullptr});
    scene->port = std::make_unique<PacketPort>(scene->socketOn("left", direction, true), direction, limit);
    scene->bench.open(*scene->port);
    return scene;
  }

  [[nodiscard]] Fd socketOn(const std::string& interface, PacketDirection direction,
                            bool virtioHeader) const {
    PacketSocketOptions options;
    options.interface = interface;
    options.direction = direction;
    options.virtioHeader = virtioHeader;
    options.filter = fromTestOnly;
    options.networkNamespace = &home;
    auto opened = openPacketSocket(options);
    REQUIRE_MESSAGE(opened, opened.error().message);
    return std::move(opened->fd);
  }
  /// Sends out of an interface; with a header where `virtioHeader` says so.
  void sendOn(const std::string& interface, const std::vector<Bytes>& frames,
              bool virtioHeader = false) const {
    const Fd sender = socketOn(interface, PacketDirection::In, virtioHeader);
    for (const Bytes& bytes : frames)
      REQUIRE(write(sender.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }
  /// The test's frames on a descriptor: waits for `expected` of them, then takes what else is there.
  static std::vector<Bytes> framesOn(const Fd& fd, std::size_t expected) {
    std::vector<Bytes> frames;
    Bytes buffer(70'000);
    for (;;) {
      const ssize_t length = read(fd.get(), buffer.data(), buffer.size());
      if (length <= 0 && (frames.size() >= expected || !waitReadable(fd))) return frames;
      Bytes frame(buffer.begin(), buffer.begin() + std::max<ssize_t>(length, 0));
      if (PortBench::fromTest(frame)) frames.push_back(std::move(frame));
    }
  }
};

}  // namespace

TEST_CASE("packet port: what comes in is received, what is transmitted goes out, in order") {
  auto scene = Scene::create();
  if (!scene) return;
  PortBench& bench = scene->bench;
  scene->sendOn("right", plainFrames(150));
  CHECK(bench.receive(*scene->port, 150) == plainFrames(150));

  const Fd observer = scene->socketOn("right", PacketDirection::In, false);
  bench.transmit(*scene->port, plainFrames(150));
  CHECK(Scene::framesOn(observer, 150) == plainFrames(150));
  CHECK(bench.delivered() == 150);
  CHECK(bench.account.staged.get() == 0);
  CHECK(bench.leaked() == 0);
}

TEST_CASE("packet port: a receive hands over no more than a burst") {
  auto scene = Scene::create();
  if (!scene) return;
  scene->sendOn("right", plainFrames(150));
  RxBurst burst(*scene->bench.pool, scene->bench.counters.dropped);
  while (burst.room() != 0) CHECK(scene->port->receive(burst) == RxState::More);
  burst.remove(allFrames(burst.count()));
  CHECK(scene->bench.leaked() == 0);
}

TEST_CASE("packet port: each direction alone, and both, but never its own frames") {
  const Bytes in = plainFrame(1), out = plainFrame(2), own = plainFrame(3);
  const auto seen = [&](PacketDirection direction, std::size_t expected) -> std::vector<Bytes> {
    auto scene = Scene::create(direction);
    if (!scene) return {};
    scene->sendOn("right", {in});
    scene->bench.transmit(*scene->port, {own});
    scene->sendOn("left", {out});
    return scene->bench.receive(*scene->port, expected);
  };
  if (!Scene::create()) return;
  CHECK(seen(PacketDirection::In, 1) == std::vector<Bytes>{in});
  CHECK(seen(PacketDirection::Out, 1) == std::vector<Bytes>{out});
  CHECK(seen(PacketDirection::Both, 2) == std::vector<Bytes>{in, out});
}

TEST_CASE("packet port: an unwanted direction is passed over even if the socket lets it through") {
  auto scene = Scene::create();
  if (!scene) return;
  for (const PacketDirection direction : {PacketDirection::In, PacketDirection::Out}) {
    PortBench bench;
    PacketPort port(scene->socketOn("left", PacketDirection::Both, true), direction, 1518);
    bench.open(port);
    scene->sendOn("right", {plainFrame(1), plainFrame(2)});
    scene->sendOn("left", {plainFrame(3), plainFrame(4)});
    const std::uint8_t first = direction == PacketDirection::In ? 1 : 3;
    CHECK(bench.receive(port, 2) ==
          std::vector<Bytes>{plainFrame(first), plainFrame(static_cast<std::uint8_t>(first + 1))});
  }
}

TEST_CASE("packet port: VLAN tags are where they were, also two of them and an 802.1ad one") {
  auto scene = Scene::create(PacketDirection::Both, 1600);
  if (!scene) return;
  std::vector<Bytes> frames;
  for (const std::uint16_t type : {std::uint16_t{0x8100}, std::uint16_t{0x88a8}}) {
    Bytes tagged = plainFrame(1, 100);
    put16(tagged, 12, type);
    put16(tagged, 14, 0x6064);  // priority 3, identifier 100
    put16(tagged, 16, 0x88b5);
    frames.push_back(tagged);
    put16(tagged, 16, 0x8100);
    put16(tagged, 18, 0x0007);
    put16(tagged, 20, 0x88b5);
    frames.push_back(tagged);
    Bytes priorityOnly = plainFrame(2, 100);
    put16(priorityOnly, 12, type);
    put16(priorityOnly, 14, 0);
    frames.push_back(priorityOnly);
  }
  scene->sendOn("right", frames);
  CHECK(scene->bench.receive(*scene->port, frames.size()) == frames);
}

TEST_CASE("packet port: checksums that a sender left to its device are completed, behind a tag too") {
  auto scene = Scene::create();
  if (!scene) return;
  for (const bool ip6 : {false, true}) {
    for (const bool tcp : {false, true}) {
      for (const bool tagged : {false, true}) {
        CAPTURE(ip6);
        CAPTURE(tcp);
        CAPTURE(tagged);
        IpFrame shape{.ip6 = ip6, .tcp = tcp, .payload = 333};
        if (tagged) shape.tags = {100};
        const Bytes frame = shape.build();
        REQUIRE_FALSE(shape.valid(frame));
        scene->sendOn("right", {behindHeader(undone(shape), frame)}, true);
        const auto received = scene->bench.receive(*scene->port, 1);
        REQUIRE(received.size() == 1);
        CHECK(shape.valid(received[0]));
      }
    }
  }
}

TEST_CASE("packet port: super-frames come out as the wire frames that the kernel makes of them") {
  auto scene = Scene::create();
  if (!scene) return;
  if (access("/dev/net/tun", R_OK | W_OK) != 0) {
    MESSAGE("skipped: /dev/net/tun is not open to this user");
    return;
  }
  // A TAP whose offloads are off: the kernel cuts what is sent out of it.
  TapOptions options;
  options.name = "witness";
  options.networkNamespace = &scene->home;
  auto witness = openTap(options);
  REQUIRE_MESSAGE(witness, witness.error().message);

  struct Case {
    IpFrame shape;
    std::size_t segmentSize;
  };
  for (const auto& [shape, segmentSize] :
       {Case{{.payload = 65160}, 1448}, Case{{.payload = 5000, .tcpFlags = 0xff}, 1000},
        Case{{.tags = {100}, .payload = 40'000}, 300}, Case{{.ip6 = true, .payload = 60'001}, 500},
        Case{{.ipOptions = 8, .tcpOptions = 0, .payload = 10'000}, 1400},
        Case{{.tcp = false, .payload = 9999}, 1000},
        Case{{.ip6 = true, .tcp = false, .payload = 9999}, 1000}}) {
    CAPTURE(shape.ip6);
    CAPTURE(shape.tcp);
    CAPTURE(shape.payload);
    const GsoType type = !shape.tcp ? GsoType::Udp : shape.ip6 ? GsoType::Tcp6 : GsoType::Tcp4;
    const Bytes bytes = behindHeader(undone(shape, type, segmentSize), shape.build());
    const std::size_t segments = (shape.payload + segmentSize - 1) / segmentSize;
    scene->sendOn("right", {bytes}, true);
    scene->sendOn("witness", {bytes}, true);
    const auto received = scene->bench.receive(*scene->port, segments);
    REQUIRE(received.size() == segments);
    CHECK(received == Scene::framesOn(witness->queues[0], segments));
    for (const Bytes& frame : received) CHECK(shape.valid(frame));
  }
  CHECK(scene->bench.leaked() == 0);
}

TEST_CASE("packet port: a burst of super-frames loses nothing, and their order neither") {
  auto scene = Scene::create();
  if (!scene) return;
  std::vector<Bytes> sent;
  IpFrame shape{.sequence = 0};
  for (int index = 0; index < 10; ++index) {
    shape.payload = 60'000;
    sent.push_back(behindHeader(undone(shape, GsoType::Tcp4, 1000), shape.build()));
    shape.sequence += 60'000;
    shape.payload = 10;
    sent.push_back(behindHeader(undone(shape), shape.build()));
    shape.sequence += 10;
  }
  scene->sendOn("right", sent, true);
  const auto received = scene->bench.receive(*scene->port, 610);
  REQUIRE(received.size() == 610);
  std::size_t expected = 0;
  for (const Bytes& frame : received) {
    CHECK(shape.valid(frame));
    CHECK(get32(frame, shape.transportAt() + 4) == expected);
    expected += frame.size() - shape.headerLength();
  }
}

TEST_CASE("packet port: without buffers, every frame that is lost is counted") {
  auto scene = Scene::create(PacketDirection::In, 1518, 300 << 10);
  if (!scene) return;
  PortBench& bench = scene->bench;
  std::vector<Frame*> taken;
  while (Frame* frame = bench.pool->acquire(BufferClass::Small)) taken.push_back(frame);
  const IpFrame shape{.payload = 3000};
  scene->sendOn(
      "right",
      {behindHeader({}, plainFrame(1)), behindHeader(undone(shape, GsoType::Tcp4, 1000), shape.build())},
      true);
  while (bench.portDropped(DropReason::NoBuffer) < 4) {
    bench.turn(PortBench::patience);
    if (bench.reported.empty()) break;
    CHECK(bench.receive(*scene->port, 0).empty());
  }
  CHECK(bench.portDropped(DropReason::NoBuffer) == 4);
  for (Frame* frame : taken) bench.pool->release(frame);
  scene->sendOn("right", {plainFrame(2)});
  CHECK(bench.receive(*scene->port, 1) == std::vector<Bytes>{plainFrame(2)});
}

TEST_CASE("packet port: closing in the middle of a super-frame keeps no buffer") {
  auto scene = Scene::create();
  if (!scene) return;
  const IpFrame shape{.payload = 60'000};
  scene->sendOn("right", {behindHeader(undone(shape, GsoType::Tcp4, 100), shape.build())}, true);
  RxBurst burst(*scene->bench.pool, scene->bench.counters.dropped);
  while (burst.room() != 0) CHECK(scene->port->receive(burst) != RxState::Failed);
  scene->port->close(*scene->bench.io);
  burst.remove(allFrames(burst.count()));
  scene->port.reset();
  CHECK(scene->bench.leaked() == 0);
}

TEST_CASE(
    "packet port: a frame that is too long for the port or its interface is dropped, its neighbours go out") {
  auto scene = Scene::create(PacketDirection::In, 4000);
  if (!scene) return;
  const Fd observer = scene->socketOn("right", PacketDirection::In, false);
  const std::vector<Bytes> fitting{plainFrame(1), plainFrame(3, 1514), plainFrame(5)};
  scene->bench.transmit(*scene->port,
                        {fitting[0], plainFrame(2, 4001), fitting[1], plainFrame(4, 3000), fitting[2]});
  CHECK(Scene::framesOn(observer, 3) == fitting);
  CHECK(scene->bench.delivered() == 3);
  CHECK(scene->bench.dropped(DropReason::Oversize) == 2);
  CHECK(scene->bench.account.staged.get() == 0);
}

TEST_CASE("packet port: frames of jumbo length pass both ways") {
  auto scene = Scene::create(PacketDirection::In, 9018);
  if (!scene) return;
  for (const int index : {scene->left, scene->right}) REQUIRE(scene->rtnetlink.setMtu(index, 9000));
  scene->sendOn("right", {plainFrame(1, 9014)});
  CHECK(scene->bench.receive(*scene->port, 1) == std::vector<Bytes>{plainFrame(1, 9014)});
  const Fd observer = scene->socketOn("right", PacketDirection::In, false);
  scene->bench.transmit(*scene->port, {plainFrame(2, 9014)});
  CHECK(Scene::framesOn(observer, 1) == std::vector<Bytes>{plainFrame(2, 9014)});
}

TEST_CASE("packet port: an interface that is down drops, and carries again once it is up") {
  auto scene = Scene::create();
  if (!scene) return;
  PortBench& bench = scene->bench;
  REQUIRE(scene->rtnetlink.setUp(scene->left, false));
  bench.transmit(*scene->port, plainFrames(3));
  CHECK(bench.dropped(DropReason::PortDown) == 3);
  bench.turn(PortBench::patience);
  CHECK(bench.reported.size() == 1);
  CHECK(bench.receive(*scene->port, 0).empty());
  bench.turn({0});
  CHECK(bench.reported.empty());  // said once
  CHECK(scene->port->failure() == 0);

  REQUIRE(scene->rtnetlink.setUp(scene->left, true));
  bench.transmit(*scene->port, {plainFrame(7)});
  CHECK(bench.delivered() == 1);
  scene->sendOn("right", {plainFrame(8)});
  CHECK(bench.receive(*scene->port, 1) == std::vector<Bytes>{plainFrame(8)});
}

TEST_CASE("packet port: an interface that is gone ends the port, whichever direction finds out") {
  auto scene = Scene::create();
  if (!scene) return;
  PortBench& bench = scene->bench;
  REQUIRE(scene->rtnetlink.deleteLink(scene->left));
  SUBCASE("receiving") {
    bench.turn(PortBench::patience);
    CHECK(bench.reported.size() == 1);
    RxBurst burst(*bench.pool, bench.counters.dropped);
    CHECK(scene->port->receive(burst) == RxState::Failed);
    CHECK(scene->port->failure() == ENODEV);
  }
  SUBCASE("transmitting") {}
  bench.transmit(*scene->port, plainFrames(3));
  CHECK(scene->port->failure() == ENODEV);
  CHECK(bench.dropped(DropReason::PortDown) == 3);
  CHECK(bench.account.staged.get() == 0);

  scene->port->close(*bench.io);
  bench.turn({0});
  CHECK(bench.reported.empty());
  CHECK(bench.leaked() == 0);
}

TEST_CASE("packet port: an interface that was down when it vanished is missed by the next frame to it") {
  auto scene = Scene::create();
  if (!scene) return;
  REQUIRE(scene->rtnetlink.setUp(scene->left, false));
  CHECK(scene->bench.receive(*scene->port, 0).empty());
  REQUIRE(scene->rtnetlink.deleteLink(scene->left));
  scene->bench.transmit(*scene->port, plainFrames(2));
  CHECK(scene->port->failure() == ENODEV);
  CHECK(scene->bench.dropped(DropReason::PortDown) == 2);
}
