// Packet sockets on a veth pair: which frames they receive, from the first one on, and how they are refused.
#include "os/packet_socket.hpp"

#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "os/netlink_message.hpp"
#include "os/rtnetlink.hpp"
#include "os_fixtures.hpp"

using namespace etherloom;

namespace {

/// A namespace with the veth pair left and right, both up.
struct Cable {
  NetworkNamespace home;
  Rtnetlink rtnetlink;

  static std::optional<Cable> create() {
    auto home = makeTestNamespace();
    if (!home) return std::nullopt;
    auto rtnetlink = runIn(&*home, Rtnetlink::open);
    REQUIRE(rtnetlink);
    if (const auto created = rtnetlink->createVethPair("left", "right"); !created) {
      REQUIRE_MESSAGE(created.error().number == EOPNOTSUPP, created.error().message);
      MESSAGE("skipped: this kernel has no veth");
      return std::nullopt;
    }
    for (const char* name : {"left", "right"}) REQUIRE(rtnetlink->setUp(rtnetlink->link(name)->index, true));
    return Cable{*std::move(home), *std::move(rtnetlink)};
  }

  [[nodiscard]] PacketSocketOptions options(const std::string& name,
                                            PacketDirection direction = PacketDirection::In) const {
    PacketSocketOptions options;
    options.interface = name;
    options.direction = direction;
    options.networkNamespace = &home;
    return options;
  }

  [[nodiscard]] PacketSocket open(const PacketSocketOptions& options) const {
    auto socket = openPacketSocket(options);
    REQUIRE_MESSAGE(socket, socket.error().message);
    return *std::move(socket);
  }

  /// How many users have asked for promiscuous mode (what `ip -d link` shows).
  [[nodiscard]] std::uint32_t promiscuity(const std::string& name) const {
    const auto counted = runIn(&home, [&name]() -> Result<std::uint32_t> {
      const Fd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
      NetlinkRequest request(RTM_GETLINK, 0, ifinfomsg{});
      request.addText(IFLA_IFNAME, name);
      const NetlinkBytes message = request.finish(1);
      std::array<std::byte, 16384> buffer;
      if (::send(fd.get(), message.data(), message.size(), 0) < 0) return Error::last("send", "no request");
      const ssize_t length = recv(fd.get(), buffer.data(), buffer.size(), 0);
      if (length < 0) return Error::last("recv", "no answer");
      std::uint32_t count = 0;
      forEachMessage({buffer.data(), static_cast<std::size_t>(length)},
                     [&](const nlmsghdr&, NetlinkBytes body) {
                       forEachAttribute(body, sizeof(ifinfomsg), [&](int type, NetlinkBytes payload) {
                         if (type == IFLA_PROMISCUITY) count = readNetlink<std::uint32_t>(payload);
                       });
                     });
      return count;
    });
    REQUIRE(counted);
    return *counted;
  }
};

}  // namespace

TEST_CASE("packet socket: each direction receives its own frames, never what it sent itself") {
  auto cable = Cable::create();
  if (!cable) return;
  const PacketSocket in = cable->open(cable->options("left", PacketDirection::In));
  const PacketSocket out = cable->open(cable->options("left", PacketDirection::Out));
  const PacketSocket both = cable->open(cable->options("left", PacketDirection::Both));
  const PacketSocket sender = cable->open(cable->options("left", PacketDirection::Both));
  const PacketSocket far = cable->open(cable->options("right"));
  CHECK(in.link.name == "left");
  CHECK(in.link.up);
  CHECK((fcntl(in.fd.get(), F_GETFL) & O_NONBLOCK) != 0);
  CHECK((fcntl(in.fd.get(), F_GETFD) & FD_CLOEXEC) != 0);

  sendFrame(far.fd, testFrame(1));
  sendFrame(sender.fd, testFrame(2));
  CHECK(receiveMarks(in.fd, 1) == std::vector{1});
  CHECK(receiveMarks(out.fd, 1) == std::vector{2});
  CHECK(receiveMarks(both.fd, 2) == std::vector{1, 2});
  CHECK(receiveMarks(sender.fd, 1) == std::vector{1});
  CHECK(receiveMarks(far.fd, 1) == std::vector{2});
}

TEST_CASE("packet socket: the filter holds in every direction") {
  auto cable = Cable::create();
  if (!cable) return;
  const std::vector<sock_filter> evenMarks{
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 14),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 1, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0),
      BPF_STMT(BPF_RET | BPF_K, ~0U),
  };
  const auto filtered = [&](PacketDirection direction) {
    PacketSocketOptions options = cable->options("left", direction);
    options.filter = evenMarks;
    return cable->open(options);
  };
  const PacketSocket in = filtered(PacketDirection::In);
  const PacketSocket out = filtered(PacketDirection::Out);
  const PacketSocket both = filtered(PacketDirection::Both);
  const PacketSocket near = cable->open(cable->options("left"));
  const PacketSocket far = cable->open(cable->options("right"));
  for (std::uint8_t mark = 1; mark <= 4; ++mark) sendFrame(far.fd, testFrame(mark));
  for (std::uint8_t mark = 5; mark <= 8; ++mark) sendFrame(near.fd, testFrame(mark));
  CHECK(receiveMarks(in.fd, 2) == std::vector{2, 4});
  CHECK(receiveMarks(out.fd, 2) == std::vector{6, 8});
  CHECK(receiveMarks(both.fd, 4) == std::vector{2, 4, 6, 8});
}

TEST_CASE("packet socket: the interface is promiscuous while the socket is open, if asked") {
  auto cable = Cable::create();
  if (!cable) return;
  {
    const PacketSocket socket = cable->open(cable->options("left"));
    CHECK(cable->promiscuity("left") == 1);
    PacketSocketOptions modest = cable->options("left");
    modest.promiscuous = false;
    const PacketSocket other = cable->open(modest);
    CHECK(cable->promiscuity("left") == 1);
  }
  CHECK(cable->promiscuity("left") == 0);
}

TEST_CASE("packet socket: a VLAN tag comes as auxiliary data") {
  auto cable = Cable::create();
  if (!cable) return;
  const PacketSocket receiver = cable->open(cable->options("left"));
  const PacketSocket sender = cable->open(cable->options("right"));
  const FrameBytes tagged{0x02, 0, 0, 0, 0, 0x99, 0x02, 0, 0, 0, 0, 0x98, 0x81, 0, 0xa0, 0x2a, 0x88, 0xb5, 1};
  sendFrame(sender.fd, tagged);

  std::array<std::uint8_t, 2048> buffer;
  alignas(cmsghdr) std::array<std::uint8_t, 256> control;
  iovec vector{buffer.data(), buffer.size()};
  bool found = false;
  while (!found && waitReadable(receiver.fd)) {
    msghdr message{};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    if (recvmsg(receiver.fd.get(), &message, 0) <= 0 || buffer[12] != 0x88 || buffer[13] != 0xb5) continue;
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    REQUIRE(header);
    CHECK(header->cmsg_type == PACKET_AUXDATA);
    tpacket_auxdata auxiliary{};
    std::memcpy(&auxiliary, CMSG_DATA(header), sizeof auxiliary);
    CHECK((auxiliary.tp_status & TP_STATUS_VLAN_VALID) != 0);
    CHECK(auxiliary.tp_vlan_tci == 0xa02a);
    found = true;
  }
  CHECK(found);
}

TEST_CASE("packet socket: with the virtio-net header, frames come behind 10 bytes") {
  auto cable = Cable::create();
  if (!cable) return;
  PacketSocketOptions options = cable->options("left");
  options.virtioHeader = true;
  const PacketSocket receiver = cable->open(options);
  const PacketSocket sender = cable->open(cable->options("right"));
  sendFrame(sender.fd, testFrame(3));
  CHECK(receiveMarks(receiver.fd, 1, 10) == std::vector{3});
}

TEST_CASE("packet socket: the receive buffer is as large as allowed") {
  auto cable = Cable::create();
  if (!cable) return;
  const PacketSocket socket = cable->open(cable->options("left"));
  int size = 0;
  socklen_t length = sizeof size;
  REQUIRE(getsockopt(socket.fd.get(), SOL_SOCKET, SO_RCVBUF, &size, &length) == 0);
  // 2 x the kernel's usual limit of 212,992 is what is left without CAP_NET_ADMIN over the first user
  // namespace.
  CHECK(size >= (geteuid() == 0 ? 2 * 212'992 : 0));
}

TEST_CASE("packet socket: a missing interface is refused with the nearest names") {
  auto cable = Cable::create();
  if (!cable) return;
  auto missing = openPacketSocket(cable->options("rigt"));
  REQUIRE_FALSE(missing);
  CHECK(missing.error().number == ENODEV);
  CHECK(missing.error().message == "there is no interface rigt; the nearest names are right, left, lo");
  CHECK(openPacketSocket(cable->options("no such")).error().number == EINVAL);
}

TEST_CASE("packet socket: a missing capability is named") {
  auto cable = Cable::create();
  if (!cable) return;
  PacketSocketOptions options = cable->options("left");
  options.networkNamespace = nullptr;
  const auto refused = runIn(&cable->home, [&options]() -> Result<PacketSocket> {
    if (!dropCapabilities()) return Error::last("capset", "cannot drop the capabilities");
    return openPacketSocket(options);
  });
  REQUIRE_FALSE(refused);
  CHECK(refused.error().number == EPERM);
  CHECK(refused.error().message.find("CAP_NET_RAW") != std::string::npos);
}

TEST_CASE("packet socket: an interface that is down is bound, and frames flow once it is up") {
  auto cable = Cable::create();
  if (!cable) return;
  const int index = cable->rtnetlink.link("left")->index;
  REQUIRE(cable->rtnetlink.setUp(index, false));
  const PacketSocket receiver = cable->open(cable->options("left"));
  CHECK_FALSE(receiver.link.up);
  char byte = 0;
  CHECK(read(receiver.fd.get(), &byte, 1) == -1);
  CHECK(errno == ENETDOWN);
  REQUIRE(cable->rtnetlink.setUp(index, true));
  const PacketSocket sender = cable->open(cable->options("right"));
  sendFrame(sender.fd, testFrame(5));
  CHECK(receiveMarks(receiver.fd, 1) == std::vector{5});
}

TEST_CASE(
    "packet socket: a ring, calls where the kernel refuses one, and an error where a ring is insisted on") {
  auto cable = Cable::create();
  if (!cable) return;
  PacketSocketOptions options = cable->options("left");
  const PacketSocketOptions other = cable->options("right");
  CHECK_FALSE(cable->open(options).ring);
  const PacketSocket sender = cable->open(other);

  options.method.reset();
  PacketSocket receiver = cable->open(options);
  REQUIRE(receiver.ring);
  CHECK(receiver.ring->front() == nullptr);
  sendFrame(sender.fd, testFrame(7));
  REQUIRE(waitReadable(receiver.fd));
  const tpacket2_hdr* slot = receiver.ring->front();
  REQUIRE(slot);
  CHECK(reinterpret_cast<const std::uint8_t*>(slot)[slot->tp_mac + 14] == 7);
  receiver.ring->pop();
  CHECK(receiver.ring->front() == nullptr);

  options.ringPlaces = PacketRing::placesPerBlock + 1;  // which no kernel accepts
  receiver = cable->open(options);
  CHECK_FALSE(receiver.ring);
  sendFrame(sender.fd, testFrame(8));
  CHECK(receiveMarks(receiver.fd, 1) == std::vector<int>{8});

  options.method = PacketMethod::Ring;
  const auto refused = openPacketSocket(options);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().number == EINVAL);
  CHECK(refused.error().call == "setsockopt PACKET_RX_RING");
  CHECK(refused.error().message.find("left") != std::string::npos);
}

TEST_CASE("packet socket: its buffers hold a burst of super-frames, either way") {
  auto cable = Cable::create();
  if (!cable) return;
  const PacketSocket opened = cable->open(cable->options("left"));
  const PacketSocket alone = cable->open(cable->options("left", PacketDirection::Both));
  CHECK_FALSE(alone.sender);
  for (const auto& [fd, option] : {std::pair(&opened.fd, SO_RCVBUF), std::pair(&opened.sender, SO_SNDBUF),
                                   std::pair(&alone.fd, SO_SNDBUF)}) {
    int bytes = 0;
    socklen_t size = sizeof bytes;
    REQUIRE(getsockopt(fd->get(), SOL_SOCKET, option, &bytes, &size) == 0);
    CHECK(bytes >= 64 * 68 * 1024);
  }
}
