// A packet port on one end of a veth pair, with a ring and without: directions, VLAN tags, super-frames and
// undone checksums, and what its interface goes through.
#include "ports/packet_port.hpp"

#include "os/rtnetlink.hpp"
#include "os/tap.hpp"
#include "os_fixtures.hpp"
#include "port_fixtures.hpp"
#include "super_frame_fixtures.hpp"

using namespace etherloom;

namespace {

/// Keeps the kernel's own frames (IPv6 neighbour discovery) away: accepts those whose source is testSource.
const std::vector<sock_filter> fromTestOnly{
    BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 6), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x0200, 0, 3),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 8), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x00000098, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, ~0U),        BPF_STMT(BPF_RET | BPF_K, 0),
};

using Ring = std::integral_constant<PacketMethod, PacketMethod::Ring>;
using Calls = std::integral_constant<PacketMethod, PacketMethod::Calls>;

/// How much waits for the port.
struct SocketSize {
  std::uint32_t ringPlaces = PacketSocketOptions{}.ringPlaces;
  int bufferSize = PacketSocketOptions{}.bufferSize;
};

/// A frame as the port handed it over, with a copy of what it said.
struct Received {
  Bytes bytes;
  Offload offload;
};

/// The veth pair left and right in a namespace of its own, and a port on left.
struct Scene {
  NetworkNamespace home;
  Rtnetlink rtnetlink;
  int left, right;
  PortBench bench;
  std::unique_ptr<PacketPort> port;

  static std::unique_ptr<Scene> create(PacketMethod method, PacketDirection direction = PacketDirection::In,
                                       std::uint32_t limit = 1518, std::size_t poolBytes = 16 << 20,
                                       SocketSize size = {}) {
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
    scene->port =
        std::make_unique<PacketPort>(scene->open("left", direction, true, method, size), direction, limit);
    scene->bench.open(*scene->port);
    return scene;
  }

  [[nodiscard]] Fd socketOn(const std::string& interface, PacketDirection direction,
                            bool virtioHeader) const {
    return open(interface, direction, virtioHeader, PacketMethod::Calls).fd;
  }
  [[nodiscard]] PacketSocket open(const std::string& interface, PacketDirection direction, bool virtioHeader,
                                  PacketMethod method, SocketSize size = {}) const {
    PacketSocketOptions options;
    options.method = method;
    options.ringPlaces = size.ringPlaces;
    options.bufferSize = size.bufferSize;
    options.interface = interface;
    options.direction = direction;
    options.virtioHeader = virtioHeader;
    options.filter = fromTestOnly;
    options.networkNamespace = &home;
    auto opened = openPacketSocket(options);
    REQUIRE_MESSAGE(opened, opened.error().message);
    return *std::move(opened);
  }
  /// Sends out of an interface; with a header where `virtioHeader` says so.
  void sendOn(const std::string& interface, const std::vector<Bytes>& frames,
              bool virtioHeader = false) const {
    const Fd sender = socketOn(interface, PacketDirection::In, virtioHeader);
    for (const Bytes& bytes : frames)
      REQUIRE(write(sender.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }
  /// The test's frames as the port hands them over: waits for `expected` of them.
  [[nodiscard]] std::vector<Received> receive(std::size_t expected) {
    return receive(*port, bench, expected);
  }
  [[nodiscard]] static std::vector<Received> receive(Port& port, PortBench& bench, std::size_t expected) {
    std::vector<Received> received;
    for (;;) {
      RxBurst burst(*bench.pool, bench.counters.dropped);
      const RxState state = port.receive(burst);
      for (const Frame* frame : burst.frames()) {
        CHECK(headerAgrees(*frame));
        received.push_back({bytesOf(*frame), frame->offload});
      }
      burst.remove(allFrames(burst.count()));
      if (state == RxState::More) continue;
      if (state == RxState::Failed || received.size() >= expected) return received;
      bench.turn(PortBench::patience);
      if (bench.reported.empty()) return received;
    }
  }
  /// Has a port transmit frames, as one call.
  void transmit(Port& to, const std::vector<Frame*>& frames) {
    std::vector<TxItem> items;
    for (Frame* frame : frames) {
      items.push_back({frame, &bench.account});
      bench.account.staged.add(frame->offload.segments);
    }
    to.transmit(items);
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

TEST_CASE_TEMPLATE("packet port: what comes in is received, what is transmitted goes out, in order", Method,
                   Ring, Calls) {
  auto scene = Scene::create(Method::value);
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

TEST_CASE_TEMPLATE("packet port: a receive hands over no more than a burst", Method, Ring, Calls) {
  auto scene = Scene::create(Method::value);
  if (!scene) return;
  scene->sendOn("right", plainFrames(150));
  RxBurst burst(*scene->bench.pool, scene->bench.counters.dropped);
  while (burst.room() != 0) CHECK(scene->port->receive(burst) == RxState::More);
  burst.remove(allFrames(burst.count()));
  CHECK(scene->bench.leaked() == 0);
}

TEST_CASE_TEMPLATE("packet port: each direction alone, and both, but never its own frames", Method, Ring,
                   Calls) {
  const Bytes in = plainFrame(1), out = plainFrame(2), own = plainFrame(3);
  const auto seen = [&](PacketDirection direction, std::size_t expected) -> std::vector<Bytes> {
    auto scene = Scene::create(Method::value, direction);
    if (!scene) return {};
    scene->sendOn("right", {in});
    scene->bench.transmit(*scene->port, {own});
    scene->sendOn("left", {out});
    return scene->bench.receive(*scene->port, expected);
  };
  if (!Scene::create(Method::value)) return;
  CHECK(seen(PacketDirection::In, 1) == std::vector<Bytes>{in});
  CHECK(seen(PacketDirection::Out, 1) == std::vector<Bytes>{out});
  CHECK(seen(PacketDirection::Both, 2) == std::vector<Bytes>{in, out});
}

TEST_CASE_TEMPLATE("packet port: an unwanted direction is passed over even if the socket lets it through",
                   Method, Ring, Calls) {
  auto scene = Scene::create(Method::value);
  if (!scene) return;
  for (const PacketDirection direction : {PacketDirection::In, PacketDirection::Out}) {
    PortBench bench;
    PacketPort port(scene->open("left", PacketDirection::Both, true, Method::value), direction, 1518);
    bench.open(port);
    for (const IpFrame& shape : {IpFrame{.payload = 4000}, IpFrame{.payload = 5000}}) {
      const Bytes superFrame = behindHeader(claimsOf(shape, 1000), shape.build());
      const bool fromRight = shape.payload == 4000;
      scene->sendOn(fromRight ? "right" : "left",
                    {superFrame, behindHeader({}, plainFrame(fromRight ? 1 : 2))}, true);
    }
    const bool in = direction == PacketDirection::In;
    const auto received = Scene::receive(port, bench, 2);
    REQUIRE(received.size() == 2);
    CHECK(received[0].bytes == IpFrame{.payload = in ? std::size_t{4000} : 5000}.build());
    CHECK(received[1].bytes == plainFrame(in ? 1 : 2));
  }
}

TEST_CASE_TEMPLATE("packet port: VLAN tags are where they were, also two of them and an 802.1ad one", Method,
                   Ring, Calls) {
  auto scene = Scene::create(Method::value, PacketDirection::Both, 1600);
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

TEST_CASE_TEMPLATE(
    "packet port: a checksum that its sender left to the device stays undone, behind a tag too", Method, Ring,
    Calls) {
  auto scene = Scene::create(Method::value);
  if (!scene) return;
  for (const bool ip6 : {false, true}) {
    for (const bool tcp : {false, true}) {
      for (const bool tagged : {false, true}) {
        CAPTURE(ip6);
        CAPTURE(tcp);
        CAPTURE(tagged);
        IpFrame shape{.ip6 = ip6, .tcp = tcp, .payload = 333};
        if (tagged) shape.tags = {100};
        scene->sendOn("right", {behindHeader(claimsOf(shape, 0), shape.build())}, true);
        const auto received = scene->receive(1);
        REQUIRE(received.size() == 1);
        CHECK(received[0].bytes == shape.build());
        CHECK(received[0].offload.flags == needsChecksum);
        CHECK(received[0].offload.csumStart == shape.transportAt());
        CHECK(received[0].offload.csumStart + received[0].offload.csumOffset == shape.checksumAt());
        CHECK(received[0].offload.segments == 1);
      }
    }
  }
}

TEST_CASE_TEMPLATE("packet port: super-frames come in whole, and the kernel cuts what goes out", Method, Ring,
                   Calls) {
  auto scene = Scene::create(Method::value);
  if (!scene) return;
  if (access("/dev/net/tun", R_OK | W_OK) != 0) {
    MESSAGE("skipped: /dev/net/tun is not open to this user");
    return;
  }
  // A TAP whose offloads are off: the kernel cuts what is sent out of it.
  TapOptions options;
  options.name = "plain";
  options.networkNamespace = &scene->home;
  auto tap = openTap(options);
  REQUIRE_MESSAGE(tap, tap.error().message);
  PacketPort out(scene->open("plain", PacketDirection::In, true, Method::value), PacketDirection::In, 1518);
  CHECK(out.offloads() == Offloads::All);
  out.enter(*scene->bench.pool, scene->bench, scene->bench.current, scene->bench.counters);

  struct Case {
    IpFrame shape;
    std::size_t segmentSize;
  };
  std::uint64_t sent = 0;
  for (const auto& [shape, segmentSize] :
       {Case{{.payload = 65160}, 1448}, Case{{.payload = 5000, .tcpFlags = 0xff}, 1000},
        Case{{.payload = 2000}, 1000}, Case{{.tags = {100}, .payload = 40'000}, 300},
        Case{{.tags = {100, 200}, .payload = 40'000}, 1000}, Case{{.ip6 = true, .payload = 60'001}, 500},
        Case{{.ip6 = true, .tags = {7}, .payload = 60'001}, 1428},
        Case{{.ipOptions = 8, .tcpOptions = 0, .payload = 10'000}, 1400},
        Case{{.tcp = false, .payload = 9999}, 1000}, Case{{.ip6 = true, .tcp = false, .payload = 9999}, 1000},
        Case{{.payload = 1000}, 0}}) {
    CAPTURE(shape.ip6);
    CAPTURE(shape.tcp);
    CAPTURE(shape.tags);
    CAPTURE(shape.payload);
    const std::vector<Bytes> wires = wireFramesOf(shape, segmentSize);
    scene->sendOn("right", {behindHeader(claimsOf(shape, segmentSize), shape.build())}, true);
    const auto received = scene->receive(1);
    REQUIRE(received.size() == 1);
    CHECK(received[0].bytes == shape.build());
    CHECK(received[0].offload.segments == wires.size());
    CHECK(received[0].offload.gsoSize == segmentSize);
    CHECK(received[0].offload.csumStart == shape.transportAt());

    scene->transmit(out, {superFrameOf(*scene->bench.pool, shape, segmentSize)});
    CHECK(Scene::framesOn(tap->queues[0], wires.size()) == wires);
    CHECK(scene->bench.delivered() == (sent += wires.size()));
  }
  CHECK(scene->bench.leaked() == 0);
}

TEST_CASE_TEMPLATE("packet port: long frames and short ones keep their order, many times around the ring",
                   Method, Ring, Calls) {
  auto scene =
      Scene::create(Method::value, PacketDirection::In, 1518, 16 << 20, SocketSize{.ringPlaces = 32});
  if (!scene) return;
  IpFrame shape{.sequence = 0};
  std::size_t expected = 0;
  for (int round = 0; round < 50; ++round) {
    std::vector<Bytes> sent;
    for (const std::size_t payload : {60'000, 10, 1900, 1910, 1960, 20'000, 1448}) {
      shape.payload = payload;
      sent.push_back(behindHeader(claimsOf(shape, payload > 1448 ? 1448 : 0), shape.build()));
      shape.sequence += static_cast<std::uint32_t>(payload);
    }
    scene->sendOn("right", sent, true);
    for (const Received& each : scene->receive(sent.size())) {
      CHECK(get32(each.bytes, shape.transportAt() + 4) == expected);
      expected += each.bytes.size() - shape.headerLength();
    }
    CHECK(expected == shape.sequence);
  }
  CHECK(scene->bench.leaked() == 0);
}

TEST_CASE_TEMPLATE("packet port: a ring that overflows loses the newest frames, and goes on in order", Method,
                   Ring, Calls) {
  auto scene =
      Scene::create(Method::value, PacketDirection::In, 1518, 16 << 20, SocketSize{.ringPlaces = 32});
  if (!scene) return;
  if (Method::value == PacketMethod::Calls) return;
  const IpFrame longShape{.payload = 5000};
  const Bytes longFrame = behindHeader(claimsOf(longShape, 1000), longShape.build());
  for (std::uint8_t round = 1; round <= 3; ++round) {
    CAPTURE(round);
    const Bytes mark = plainFrame(round);
    std::vector<Bytes> sent;
    for (int index = 0; index < 50; ++index) {
      sent.push_back(longFrame);
      sent.push_back(behindHeader({}, mark));
    }
    scene->sendOn("right", sent, true);
    const auto received = scene->receive(32);
    REQUIRE(received.size() == 32);
    for (std::size_t index = 0; index < 32; ++index)
      CHECK(received[index].bytes == (index % 2 == 0 ? longShape.build() : mark));
  }
}

TEST_CASE_TEMPLATE(
    "packet port: long frames for which the socket has no room are counted, short ones still come", Method,
    Ring, Calls) {
  auto scene = Scene::create(Method::value, PacketDirection::In, 1518, 16 << 20, SocketSize{.bufferSize = 1});
  if (!scene) return;
  if (Method::value == PacketMethod::Calls) return;
  const IpFrame longShape{.payload = 50'000};
  const Bytes longFrame = behindHeader(claimsOf(longShape, 1000), longShape.build());
  for (std::uint64_t round = 1; round <= 3; ++round) {
    scene->sendOn("right", {longFrame, longFrame, longFrame, behindHeader({}, plainFrame(1))}, true);
    const auto received = scene->receive(2);
    REQUIRE(received.size() == 2);
    CHECK(received[0].bytes == longShape.build());
    CHECK(received[1].bytes == plainFrame(1));
    CHECK(scene->bench.portDropped(DropReason::NoBuffer) == 2 * round);
  }
}

TEST_CASE_TEMPLATE(
    "packet port: without buffers, every frame that is lost is counted, as the segments it stood for", Method,
    Ring, Calls) {
  auto scene = Scene::create(Method::value, PacketDirection::In, 1518, 300 << 10);
  if (!scene) return;
  PortBench& bench = scene->bench;
  std::vector<Frame*> taken;
  for (const BufferClass each : {BufferClass::Small, BufferClass::Large})
    while (Frame* frame = bench.pool->acquire(each)) taken.push_back(frame);
  const IpFrame shape{.tags = {9}, .payload = 3000};
  scene->sendOn("right",
                {behindHeader({}, plainFrame(1)), behindHeader(claimsOf(shape, 1000), shape.build())}, true);
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

TEST_CASE_TEMPLATE("packet port: what the kernel refuses to cut is dropped alone", Method, Ring, Calls) {
  auto scene = Scene::create(Method::value);
  if (!scene) return;
  FramePool& pool = *scene->bench.pool;
  const Fd observer = scene->socketOn("right", PacketDirection::In, false);
  const IpFrame shape{.payload = 1000};
  Frame* contradictory = superFrameOf(pool, shape, 0);
  contradictory->offload.csumStart = 2000;  // behind its end
  writeVirtioHeader(*contradictory);
  scene->transmit(*scene->port, {frameOf(pool, plainFrame(1)), contradictory, frameOf(pool, plainFrame(2))});
  CHECK(Scene::framesOn(observer, 2) == std::vector<Bytes>{plainFrame(1), plainFrame(2)});
  CHECK(scene->bench.dropped(DropReason::BadOffload) == 1);
  CHECK(scene->bench.delivered() == 2);
  CHECK(scene->port->failure() == 0);
  CHECK(scene->bench.leaked() == 0);
}

TEST_CASE_TEMPLATE("packet port: a super-frame is as long as its segments", Method, Ring, Calls) {
  auto scene = Scene::create(Method::value);
  if (!scene) return;
  FramePool& pool = *scene->bench.pool;
  const IpFrame shape{.payload = 60'000};
  const std::size_t longest = 1518 - shape.headerLength();
  scene->transmit(*scene->port, {superFrameOf(pool, shape, longest + 1), superFrameOf(pool, shape, longest)});
  CHECK(scene->bench.dropped(DropReason::Oversize) == 42);
  CHECK(scene->bench.delivered() == 42);
  CHECK(scene->bench.account.staged.get() == 0);
}

TEST_CASE_TEMPLATE(
    "packet port: a frame that is too long for the port or its interface is dropped, its neighbours go out",
    Method, Ring, Calls) {
  auto scene = Scene::create(Method::value, PacketDirection::In, 4000);
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

TEST_CASE_TEMPLATE("packet port: frames of jumbo length pass both ways", Method, Ring, Calls) {
  auto scene = Scene::create(Method::value, PacketDirection::In, 9018);
  if (!scene) return;
  for (const int index : {scene->left, scene->right}) REQUIRE(scene->rtnetlink.setMtu(index, 9000));
  scene->sendOn("right", {plainFrame(1, 9014)});
  CHECK(scene->bench.receive(*scene->port, 1) == std::vector<Bytes>{plainFrame(1, 9014)});
  const Fd observer = scene->socketOn("right", PacketDirection::In, false);
  scene->bench.transmit(*scene->port, {plainFrame(2, 9014)});
  CHECK(Scene::framesOn(observer, 1) == std::vector<Bytes>{plainFrame(2, 9014)});
}

TEST_CASE_TEMPLATE("packet port: an interface that is down drops, and carries again once it is up", Method,
                   Ring, Calls) {
  auto scene = Scene::create(Method::value);
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

TEST_CASE_TEMPLATE("packet port: an interface that is gone ends the port, whichever direction finds out",
                   Method, Ring, Calls) {
  auto scene = Scene::create(Method::value);
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

TEST_CASE_TEMPLATE(
    "packet port: an interface that was down when it vanished is missed by the next frame to it", Method,
    Ring, Calls) {
  auto scene = Scene::create(Method::value);
  if (!scene) return;
  REQUIRE(scene->rtnetlink.setUp(scene->left, false));
  CHECK(scene->bench.receive(*scene->port, 0).empty());
  REQUIRE(scene->rtnetlink.deleteLink(scene->left));
  scene->bench.transmit(*scene->port, plainFrames(2));
  CHECK(scene->port->failure() == ENODEV);
  CHECK(scene->bench.dropped(DropReason::PortDown) == 2);
}
