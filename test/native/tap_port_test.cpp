// A TAP port on a real TAP: both directions, with and without the virtio-net header, and what its interface
// goes through.
#include "ports/tap_port.hpp"

#include <linux/if_tun.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "frame/virtio_header.hpp"
#include "os/packet_socket.hpp"
#include "os/rtnetlink.hpp"
#include "os/tap.hpp"
#include "os_fixtures.hpp"
#include "port_fixtures.hpp"
#include "super_frame_fixtures.hpp"

using namespace etherloom;

namespace {

constexpr std::uint32_t limit = 1518;

/// A TAP in a namespace of its own, its port, and a packet socket on the kernel side.
struct TapScene {
  NetworkNamespace home;
  Rtnetlink rtnetlink;
  int index;
  int number;  // the descriptor, which the port owns
  std::unique_ptr<TapPort> port;
  PacketSocket kernel;
  PortBench bench;

  static std::unique_ptr<TapScene> create(bool virtioHeader, std::vector<AddressPrefix> addresses = {}) {
    auto home = makeTestNamespace();
    if (!home) return nullptr;
    if (access("/dev/net/tun", R_OK | W_OK) != 0) {
      MESSAGE("skipped: /dev/net/tun is not open to this user");
      return nullptr;
    }
    TapOptions options;
    options.name = "lan0";
    options.virtioHeader = virtioHeader;
    options.addresses = std::move(addresses);
    options.networkNamespace = &*home;
    auto tap = openTap(options);
    REQUIRE_MESSAGE(tap, tap.error().message);
    PacketSocketOptions onKernel;
    onKernel.interface = "lan0";
    onKernel.virtioHeader = virtioHeader;
    onKernel.networkNamespace = &*home;
    auto kernel = openPacketSocket(onKernel);
    auto rtnetlink = runIn(&*home, Rtnetlink::open);
    REQUIRE(kernel);
    REQUIRE(rtnetlink);
    const int number = tap->queues[0].get();
    CHECK(tap->segmentation == virtioHeader);
    auto port = std::make_unique<TapPort>(std::move(tap->queues[0]), limit, virtioHeader,
                                          virtioHeader ? Offloads::All : Offloads::None);
    std::unique_ptr<TapScene> scene(new TapScene{*std::move(home), *std::move(rtnetlink), tap->link.index,
                                                 number, std::move(port), *std::move(kernel), PortBench{}});
    scene->bench.open(*scene->port);
    return scene;
  }

  /// Sends out of the interface, so that the port receives it.
  void sendFromKernel(const Bytes& bytes) const {
    REQUIRE(write(kernel.fd.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }
  /// The test's frames that came into the interface.
  [[nodiscard]] std::vector<Bytes> arrivedAtKernel(std::size_t expected) const {
    std::vector<Bytes> frames;
    Bytes buffer(4096);
    for (;;) {
      const ssize_t length = read(kernel.fd.get(), buffer.data(), buffer.size());
      if (length <= 0 && (frames.size() >= expected || !waitReadable(kernel.fd))) return frames;
      Bytes frame(buffer.begin(), buffer.begin() + std::max<ssize_t>(length, 0));
      if (PortBench::fromTest(frame)) frames.push_back(std::move(frame));
    }
  }
};

}  // namespace

TEST_CASE("tap port: what the kernel sends is received, what is transmitted arrives there") {
  auto scene = TapScene::create(false);
  if (!scene) return;
  PortBench& bench = scene->bench;
  for (const Bytes& frame : plainFrames(100)) scene->sendFromKernel(frame);
  CHECK(bench.receive(*scene->port, 100) == plainFrames(100));

  bench.transmit(*scene->port, plainFrames(64));
  CHECK(scene->arrivedAtKernel(64) == plainFrames(64));
  CHECK(bench.delivered() == 64);
  CHECK(bench.counters.transmittedBytes.get() == 64 * 60);
  CHECK(bench.account.staged.get() == 0);
  CHECK(scene->port->drained());
  CHECK(bench.leaked() == 0);
}

TEST_CASE("tap port: a frame over the limit is not transmitted, its neighbours are") {
  auto scene = TapScene::create(false);
  if (!scene) return;
  const std::vector<Bytes> fitting{plainFrame(1), plainFrame(3, limit)};
  scene->bench.transmit(*scene->port, {fitting[0], plainFrame(2, limit + 1), fitting[1]});
  CHECK(scene->arrivedAtKernel(2) == fitting);
  CHECK(scene->bench.dropped(DropReason::Oversize) == 1);
  CHECK(scene->bench.portDropped(DropReason::Oversize) == 1);
}

TEST_CASE("tap port: an interface that is down drops, and carries again once it is up") {
  auto scene = TapScene::create(false);
  if (!scene) return;
  REQUIRE(scene->rtnetlink.setUp(scene->index, false));
  for (int bursts = 0; bursts < 3; ++bursts) scene->bench.transmit(*scene->port, plainFrames(burstSize));
  CHECK(scene->bench.dropped(DropReason::PortDown) == 3 * burstSize);
  CHECK(scene->bench.delivered() == 0);
  CHECK(scene->bench.receive(*scene->port, 0).empty());
  CHECK(scene->port->failure() == 0);

  REQUIRE(scene->rtnetlink.setUp(scene->index, true));
  scene->bench.transmit(*scene->port, {plainFrame(7)});
  CHECK(scene->bench.delivered() == 1);
  std::uint8_t nothing;
  CHECK(read(scene->kernel.fd.get(), &nothing, 1) < 0);  // ENETDOWN, which the socket says once
  scene->sendFromKernel(plainFrame(8));
  CHECK(scene->bench.receive(*scene->port, 1) == std::vector<Bytes>{plainFrame(8)});
}

TEST_CASE("tap port: an interface that is gone ends the port, whichever direction finds out") {
  auto scene = TapScene::create(false);
  if (!scene) return;
  PortBench& bench = scene->bench;
  REQUIRE(scene->rtnetlink.deleteLink(scene->index));
  SUBCASE("receiving") {
    bench.turn(PortBench::patience);
    CHECK(bench.reported.size() == 1);
    RxBurst burst(*bench.pool, bench.counters.dropped);
    CHECK(scene->port->receive(burst) == RxState::Failed);
  }
  SUBCASE("transmitting") {}
  bench.transmit(*scene->port, plainFrames(3));
  CHECK(scene->port->failure() == EBADFD);
  CHECK(bench.dropped(DropReason::PortDown) == 3);
  CHECK(scene->port->drained());

  scene->port->close(*bench.io);
  bench.turn({0});
  CHECK(bench.reported.empty());
  CHECK(bench.leaked() == 0);
}

TEST_CASE("tap port: closing takes the TAP away") {
  auto scene = TapScene::create(false);
  if (!scene) return;
  scene->port->close(*scene->bench.io);
  CHECK(scene->port->drained());
  scene->port.reset();
  CHECK_FALSE(scene->rtnetlink.link("lan0"));
}

TEST_CASE("tap port: with the virtio-net header, frames are the same") {
  auto scene = TapScene::create(true);
  if (!scene) return;
  scene->sendFromKernel(behindHeader({}, plainFrame(1)));
  CHECK(scene->bench.receive(*scene->port, 1) == std::vector<Bytes>{plainFrame(1)});
  scene->bench.transmit(*scene->port, {plainFrame(2)});
  CHECK(scene->bench.delivered() == 1);
  Bytes buffer(4096);
  do {
    REQUIRE(waitReadable(scene->kernel.fd));
    buffer.resize(4096);
    buffer.resize(static_cast<std::size_t>(read(scene->kernel.fd.get(), buffer.data(), buffer.size())));
  } while (buffer.size() != sizeof(VirtioHeader) + 60);
  CHECK(std::equal(buffer.begin() + sizeof(VirtioHeader), buffer.end(), plainFrame(2).begin()));
}

TEST_CASE("tap port: a checksum that the kernel left undone comes in as undone") {
  auto scene = TapScene::create(true, {*AddressPrefix::parse("10.0.0.1/24")});
  if (!scene) return;
  const auto sent = runIn(&scene->home, []() -> Result<void> {
    const Fd sender(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(5000);
    to.sin_addr.s_addr = htonl(0x0a0000ff);  // broadcast: no address resolution
    if (setsockopt(sender.get(), SOL_SOCKET, SO_BROADCAST, &on, sizeof on) == 0 &&
        sendto(sender.get(), "hello", 5, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 5)
      return {};
    return Error::last("sendto", "cannot send");
  });
  REQUIRE(sent);
  const IpFrame shape{.tcp = false, .payload = 5};
  const auto frames = scene->bench.receive(*scene->port, 1, [&shape](const Bytes& frame) {
    return frame.size() == shape.headerLength() + 5 && get16(frame, 12) == 0x0800 &&
           get16(frame, shape.transportAt() + 2) == 5000;
  });
  REQUIRE(frames.size() == 1);
  CHECK_FALSE(shape.valid(frames[0]));
  CHECK(scene->bench.offloads[0].flags == needsChecksum);
  CHECK(scene->bench.offloads[0].csumStart == shape.transportAt());
}

TEST_CASE("tap port: super-frames pass whole, both ways") {
  auto scene = TapScene::create(true);
  if (!scene) return;
  PortBench& bench = scene->bench;
  const IpFrame shape{.payload = 30'000};
  const VirtioHeader header = claimsOf(shape, 1400);
  scene->sendFromKernel(behindHeader(header, shape.build()));
  const auto frames = bench.receive(*scene->port, 1);
  REQUIRE(frames.size() == 1);
  CHECK(frames[0].size() == shape.build().size());
  CHECK(bench.offloads[0].gsoType == static_cast<std::uint8_t>(GsoType::Tcp4));
  CHECK(bench.offloads[0].gsoSize == 1400);
  CHECK(bench.offloads[0].segments == 22);

  Frame* frame = superFrameOf(*bench.pool, shape, 1400);
  const Bytes sent = bytesOf(*frame);
  const TxItem item{frame, &bench.account};
  bench.account.staged.add(22);
  scene->port->transmit({&item, 1});
  bench.settle();
  CHECK(bench.delivered() == 22);
  CHECK(bench.account.deliveredBytes.get() == sent.size() + 21 * shape.headerLength());
  Bytes arrived(70'000);
  REQUIRE(waitReadable(scene->kernel.fd));
  arrived.resize(static_cast<std::size_t>(read(scene->kernel.fd.get(), arrived.data(), arrived.size())));
  REQUIRE(arrived.size() == sizeof header + sent.size());
  CHECK(std::equal(sent.begin(), sent.end(), arrived.begin() + sizeof header));
  CHECK(arrived[1] == static_cast<std::uint8_t>(GsoType::Tcp4));
  CHECK(bench.leaked() == 0);
}

TEST_CASE("tap port: a super-frame whose segments are longer than the limit is not transmitted") {
  auto scene = TapScene::create(true);
  if (!scene) return;
  PortBench& bench = scene->bench;
  const TxItem item{superFrameOf(*bench.pool, IpFrame{.payload = 30'000}, limit), &bench.account};
  bench.account.staged.add(item.frame->offload.segments);
  scene->port->transmit({&item, 1});
  bench.settle();
  CHECK(bench.dropped(DropReason::Oversize) == 30'000 / limit + 1);
  CHECK(bench.leaked() == 0);
}

// A TAP without offloads makes its kernel cut what is sent on it in software; we receive the result.
TEST_CASE("segmentation: byte for byte what the kernel makes of the same super-frames") {
  auto scene = TapScene::create(false);
  if (!scene) return;
  PacketSocketOptions withHeader;
  withHeader.interface = "lan0";
  withHeader.virtioHeader = true;
  withHeader.networkNamespace = &scene->home;
  const auto sender = openPacketSocket(withHeader);
  REQUIRE(sender);
  const IpFrame shapes[]{
      {.payload = 10'000},
      {.tcpOptions = 0, .payload = 60'001, .tcpFlags = 0x19, .identification = 7},  // FIN, PSH, ACK
      {.payload = 9'000, .tcpFlags = 0x98},                                         // CWR, PSH, ACK
      {.ipOptions = 8, .payload = 5'000},
      {.ip6 = true, .payload = 30'001},
      {.ip6 = true, .ipOptions = 8, .payload = 4'321},
      {.tags = {5}, .payload = 8'000},
      {.ip6 = true, .tags = {5}, .payload = 8'000, .tcpFlags = 0x19},
      {.tcp = false, .payload = 9'001},
      {.ip6 = true, .tcp = false, .payload = 9'001},
  };
  for (const IpFrame& shape : shapes) {
    for (const std::size_t gsoSize : {1400U, 536U, 777U}) {
      CAPTURE(&shape - shapes);
      CAPTURE(gsoSize);
      const Bytes message = behindHeader(claimsOf(shape, gsoSize), shape.build());
      const ssize_t written = write(sender->fd.get(), message.data(), message.size());
      if (written < 0 && errno == EINVAL && !shape.tcp) {
        MESSAGE("skipped: super-frames of UDP need Linux 6.2");
        continue;
      }
      REQUIRE(written == static_cast<ssize_t>(message.size()));
      Frame* superFrame = superFrameOf(*scene->bench.pool, shape, gsoSize);
      const std::vector<Bytes> ours = wiresIn(*scene->bench.pool, *superFrame);
      scene->bench.pool->release(superFrame);
      CHECK(scene->bench.receive(*scene->port, ours.size()) == ours);
    }
  }
}
