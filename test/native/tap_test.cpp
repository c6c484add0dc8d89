// TAP devices: made, joined, taken over, refused, and gone when they should be.
#include "os/tap.hpp"

#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "os/packet_socket.hpp"
#include "os/rtnetlink.hpp"
#include "os_fixtures.hpp"

using namespace etherloom;

namespace {

/// Accepts test frames with an even mark only.
const std::vector<sock_filter> evenMarks{
    BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x88b5, 0, 3),
    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 14), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 1, 1, 0),
    BPF_STMT(BPF_RET | BPF_K, ~0U),         BPF_STMT(BPF_RET | BPF_K, 0),
};

/// A namespace with rtnetlink, where this process may use TAPs.
struct TapHome {
  NetworkNamespace home;
  Rtnetlink rtnetlink;

  static std::optional<TapHome> create() {
    auto home = makeTestNamespace();
    if (!home) return std::nullopt;
    if (access("/dev/net/tun", R_OK | W_OK) != 0) {
      MESSAGE("skipped: /dev/net/tun is not open to this user");
      return std::nullopt;
    }
    auto rtnetlink = runIn(&*home, Rtnetlink::open);
    REQUIRE(rtnetlink);
    return TapHome{*std::move(home), *std::move(rtnetlink)};
  }

  [[nodiscard]] TapOptions options(std::string name) const {
    TapOptions options;
    options.name = std::move(name);
    options.networkNamespace = &home;
    return options;
  }

  /// Whether the interface's kernel leaves TCP segmentation to the holder of the descriptor.
  [[nodiscard]] bool segmentsInDevice(const std::string& name) const {
    const auto asked = runIn(&home, [&name]() -> Result<bool> {
      const Fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
      ethtool_value value{ETHTOOL_GTSO, 0};
      ifreq request{};
      name.copy(request.ifr_name, IFNAMSIZ - 1);
      request.ifr_data = reinterpret_cast<char*>(&value);
      if (ioctl(fd.get(), SIOCETHTOOL, &request) != 0) return Error::last("ioctl ETHTOOL_GTSO", "no answer");
      return value.data != 0;
    });
    REQUIRE(asked);
    return *asked;
  }

  [[nodiscard]] PacketSocket observe(const std::string& name) const {
    PacketSocketOptions options;
    options.interface = name;
    options.networkNamespace = &home;
    auto socket = openPacketSocket(options);
    REQUIRE(socket);
    return *std::move(socket);
  }
};

/// openTap as a program without any capability would call it, in the namespace of `options`.
Result<Tap> openWithoutCapabilities(TapOptions options) {
  const NetworkNamespace* home = std::exchange(options.networkNamespace, nullptr);
  return runIn(home, [&options]() -> Result<Tap> {
    if (!dropCapabilities()) return Error::last("capset", "cannot drop the capabilities");
    return openTap(options);
  });
}

}  // namespace

TEST_CASE("tap: created with everything that was asked for") {
  auto home = TapHome::create();
  if (!home) return;
  TapOptions options = home->options("lan0");
  options.mtu = 9000;
  options.mac = MacAddress{0x02, 0, 0, 0, 0, 0x17};
  options.addresses = {*AddressPrefix::parse("10.0.0.1/24"), *AddressPrefix::parse("10.0.1.1/24")};
  auto tap = openTap(options);
  REQUIRE_MESSAGE(tap, tap.error().message);
  CHECK(tap->created);
  CHECK_FALSE(tap->virtioHeader);
  REQUIRE(tap->queues.size() == 1);
  CHECK((fcntl(tap->queues[0].get(), F_GETFL) & O_NONBLOCK) != 0);
  CHECK((fcntl(tap->queues[0].get(), F_GETFD) & FD_CLOEXEC) != 0);

  const auto link = home->rtnetlink.link("lan0");
  REQUIRE(link);
  CHECK(tap->link.index == link->index);
  CHECK(link->mtu == 9000);
  CHECK(link->mac == *options.mac);
  CHECK(link->up);
  CHECK(link->carrier);
  CHECK(tap->link.up);
  REQUIRE(link->tun);
  CHECK(link->tun->tap);
  auto addresses = home->rtnetlink.addresses(link->index);
  REQUIRE(addresses);
  std::erase_if(*addresses,
                [](const AddressPrefix& address) { return address.family != AF_INET; });  // link-local
  CHECK(*addresses == options.addresses);

  tap->queues.clear();
  CHECK_FALSE(home->rtnetlink.link("lan0"));
}

TEST_CASE("tap: without addresses of its own it answers for no others") {
  auto home = TapHome::create();
  if (!home) return;
  for (const bool addressed : {false, true}) {
    TapOptions options = home->options("lan0");
    if (addressed) options.addresses = {*AddressPrefix::parse("10.0.0.1/24")};
    const auto tap = openTap(options);
    REQUIRE_MESSAGE(tap, tap.error().message);
    const auto setting = runIn(&home->home, []() -> Result<int> {
      std::ifstream file("/proc/sys/net/ipv4/conf/lan0/arp_ignore");  // of the calling thread's namespace
      int value = -1;
      file >> value;
      return value;
    });
    REQUIRE(setting);
    CHECK(*setting == (addressed ? 0 : 1));
  }
}

TEST_CASE("tap: stays down when asked to") {
  auto home = TapHome::create();
  if (!home) return;
  TapOptions options = home->options("lan0");
  options.up = false;
  auto tap = openTap(options);
  REQUIRE(tap);
  CHECK_FALSE(tap->link.up);
}

TEST_CASE("tap: the kernel completes an empty name and %d") {
  auto home = TapHome::create();
  if (!home) return;
  auto unnamed = openTap(home->options(""));
  auto first = openTap(home->options("lan%d"));
  auto second = openTap(home->options("lan%d"));
  REQUIRE(unnamed);
  REQUIRE(first);
  REQUIRE(second);
  CHECK(unnamed->link.name == "tap0");
  CHECK(first->link.name == "lan0");
  CHECK(second->link.name == "lan1");
  CHECK(second->created);
}

TEST_CASE("tap: frames pass in both directions without a header") {
  auto home = TapHome::create();
  if (!home) return;
  auto tap = openTap(home->options("lan0"));
  REQUIRE(tap);
  const PacketSocket observer = home->observe("lan0");
  const FrameBytes frame = testFrame(7);
  sendFrame(tap->queues[0], frame);
  CHECK(receiveMarks(observer.fd, 1) == std::vector{7});
  sendFrame(observer.fd, frame);
  CHECK(receiveMarks(tap->queues[0], 1) == std::vector{7});
}

TEST_CASE("tap: with the virtio-net header, frames come behind 12 bytes") {
  auto home = TapHome::create();
  if (!home) return;
  TapOptions options = home->options("lan0");
  options.virtioHeader = true;
  auto tap = openTap(options);
  REQUIRE(tap);
  CHECK(tap->virtioHeader);
  const PacketSocket observer = home->observe("lan0");
  sendFrame(observer.fd, testFrame(9));
  CHECK(receiveMarks(tap->queues[0], 1, 12) == std::vector{9});
}

TEST_CASE("tap: a persistent one stays, is joined again clean, and goes when told to") {
  auto home = TapHome::create();
  if (!home) return;
  TapOptions options = home->options("lan0");
  options.persist = true;
  options.virtioHeader = true;
  {
    auto tap = openTap(options);
    REQUIRE(tap);
    CHECK(tap->created);
    REQUIRE(attachFilter(tap->queues[0], evenMarks));
    REQUIRE(ioctl(tap->queues[0].get(), TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4) == 0);
    CHECK(home->segmentsInDevice("lan0"));
  }
  REQUIRE(home->rtnetlink.link("lan0"));

  options.persist = false;
  options.virtioHeader = false;
  options.mtu = 1400;
  auto tap = openTap(options);
  REQUIRE_MESSAGE(tap, tap.error().message);
  CHECK_FALSE(tap->created);
  CHECK(tap->link.mtu == 1400);
  CHECK_FALSE(home->segmentsInDevice("lan0"));
  const PacketSocket observer = home->observe("lan0");
  sendFrame(observer.fd, testFrame(1));
  CHECK(receiveMarks(tap->queues[0], 1) == std::vector{1});  // the filter of the earlier holder is gone

  tap->queues.clear();
  REQUIRE(home->rtnetlink.link("lan0"));  // persist: false leaves an existing device as it is
  tap = openTap(options);
  REQUIRE(tap);
  REQUIRE(setPersistent(tap->queues[0], false));
  tap->queues.clear();
  CHECK_FALSE(home->rtnetlink.link("lan0"));
}

TEST_CASE("tap: what holds the name is told apart") {
  auto home = TapHome::create();
  if (!home) return;
  const auto refusal = [&home](const TapOptions& options) {
    auto tap = openTap(options);
    REQUIRE_FALSE(tap);
    return tap.error();
  };
  auto single = openTap(home->options("single"));
  TapOptions twoQueues = home->options("double");
  twoQueues.queues = 2;
  auto multiple = openTap(twoQueues);
  REQUIRE(single);
  REQUIRE_MESSAGE(multiple, multiple.error().message);
  CHECK(multiple->queues.size() == 2);

  CHECK(refusal(home->options("single")).number == EBUSY);
  CHECK(refusal(home->options("single")).message.find("in use already") != std::string::npos);
  CHECK(refusal(twoQueues).number == EBUSY);
  CHECK(refusal(home->options("double")).message.find("multiple queues") != std::string::npos);
  twoQueues.name = "single";
  CHECK(refusal(twoQueues).message.find("single queue") != std::string::npos);

  CHECK(refusal(home->options("lo")).number == EINVAL);
  CHECK(refusal(home->options("lo")).message.find("is not a TAP") != std::string::npos);
  const auto tun = runIn(&home->home, []() -> Result<Fd> {
    Fd fd(open("/dev/net/tun", O_RDWR | O_CLOEXEC));
    ifreq request{};
    std::strcpy(request.ifr_name, "tun0");
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    if (ioctl(fd.get(), TUNSETIFF, &request) != 0) return Error::last("ioctl", "cannot create a TUN");
    return fd;
  });
  REQUIRE(tun);
  CHECK(refusal(home->options("tun0")).number == EINVAL);
  CHECK(refusal(home->options("tun0")).message.find("is a TUN") != std::string::npos);
}

TEST_CASE("tap: names that cannot be are refused before anything is made") {
  auto home = TapHome::create();
  if (!home) return;
  for (const char* name : {".", "..", "a/b", "a b", "a:b", "1234567890123456", "a%s", "a%d%d", "a%"}) {
    CAPTURE(name);
    auto tap = openTap(home->options(name));
    REQUIRE_FALSE(tap);
    CHECK(tap.error().number == EINVAL);
    CHECK(tap.error().call.empty());
  }
  CHECK(home->rtnetlink.links()->size() == 1);
}

TEST_CASE("tap: a failure half-way leaves nothing behind") {
  auto home = TapHome::create();
  if (!home) return;
  TapOptions options = home->options("lan0");
  options.persist = true;
  options.addresses = {*AddressPrefix::parse("10.0.0.1/24")};
  options.mtu = 1'000'000;
  auto tap = openTap(options);
  REQUIRE_FALSE(tap);
  CHECK(tap.error().message.find("MTU of lan0") != std::string::npos);
  CHECK(home->rtnetlink.link("lan0").error().number == ENODEV);
}

TEST_CASE("tap: a filter in the kernel, and none again") {
  auto home = TapHome::create();
  if (!home) return;
  auto tap = openTap(home->options("lan0"));
  REQUIRE(tap);
  const PacketSocket sender = home->observe("lan0");
  const auto sendFour = [&sender] {
    for (std::uint8_t mark = 1; mark <= 4; ++mark) sendFrame(sender.fd, testFrame(mark));
  };
  REQUIRE(attachFilter(tap->queues[0], evenMarks));
  sendFour();
  CHECK(receiveMarks(tap->queues[0], 2) == std::vector{2, 4});
  REQUIRE(attachFilter(tap->queues[0], {}));
  sendFour();
  CHECK(receiveMarks(tap->queues[0], 4) == std::vector{1, 2, 3, 4});
}

TEST_CASE("tap: the carrier goes and comes") {
  auto home = TapHome::create();
  if (!home) return;
  auto tap = openTap(home->options("lan0"));
  REQUIRE(tap);
  REQUIRE(setCarrier(tap->queues[0], false));
  CHECK_FALSE(home->rtnetlink.link("lan0")->carrier);
  REQUIRE(setCarrier(tap->queues[0], true));
  CHECK(home->rtnetlink.link("lan0")->carrier);
}

TEST_CASE("tap: an open descriptor is taken over, whatever namespace its device is in") {
  auto home = TapHome::create();
  if (!home) return;
  TapOptions options = home->options("lan0");
  options.virtioHeader = true;
  auto opened = openTap(options);
  REQUIRE(opened);
  const int number = opened->queues[0].get();
  REQUIRE(fcntl(number, F_SETFL, 0) == 0);

  auto adopted = adoptTap(std::move(opened->queues[0]));
  REQUIRE_MESSAGE(adopted, adopted.error().message);
  CHECK_FALSE(adopted->created);
  CHECK(adopted->virtioHeader);
  CHECK(adopted->queues[0].get() == number);
  CHECK((fcntl(number, F_GETFL) & O_NONBLOCK) != 0);
  CHECK(adopted->link.name == "lan0");
  CHECK(adopted->link.index == 0);  // a number of there says nothing here
  CHECK(adopted->link.mac == opened->link.mac);
}

TEST_CASE("tap: descriptors of anything else are refused") {
  auto home = TapHome::create();
  if (!home) return;
  auto other = adoptTap(Fd(open("/dev/null", O_RDWR | O_CLOEXEC)));
  REQUIRE_FALSE(other);
  CHECK(other.error().message.find("not one of a TAP") != std::string::npos);

  const auto withFlags = [&home](short flags) {
    auto opened = runIn(&home->home, [flags]() -> Result<Fd> {
      Fd fd(open("/dev/net/tun", O_RDWR | O_CLOEXEC));
      ifreq request{};
      request.ifr_flags = flags;
      if (ioctl(fd.get(), TUNSETIFF, &request) != 0) return Error::last("ioctl", "cannot create a device");
      return fd;
    });
    REQUIRE(opened);
    auto adopted = adoptTap(*std::move(opened));
    REQUIRE_FALSE(adopted);
    return adopted.error().message;
  };
  CHECK(withFlags(IFF_TUN | IFF_NO_PI).find("one of a TUN") != std::string::npos);
  CHECK(withFlags(IFF_TAP).find("IFF_NO_PI") != std::string::npos);
}

TEST_CASE(
    "tap: without CAP_NET_ADMIN a ready TAP of the same user is joined, everything else says what is "
    "missing") {
  auto home = TapHome::create();
  if (!home) return;
  const auto missing = openWithoutCapabilities(home->options("lan0"));
  REQUIRE_FALSE(missing);
  if (missing.error().number == EACCES) {
    MESSAGE("skipped: /dev/net/tun is not open without capabilities");
    return;
  }
  CHECK(missing.error().number == EPERM);
  CHECK(missing.error().message.find("CAP_NET_ADMIN") != std::string::npos);
  CHECK(missing.error().message.find("persistent TAP") != std::string::npos);

  TapOptions mine = home->options("mine");
  mine.owner = geteuid();
  mine.persist = true;
  mine.addresses = {*AddressPrefix::parse("10.0.0.1/24")};
  TapOptions foreign = mine;
  foreign.name = "foreign";
  foreign.owner = geteuid() + 1;
  REQUIRE(openTap(mine));
  const auto made = openTap(foreign);
  if (made) {  // a user namespace may know no other user
    const auto refused = openWithoutCapabilities(home->options("foreign"));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find("belongs to another user") != std::string::npos);
  }

  mine.owner.reset();
  mine.persist = false;
  {
    const auto joined = openWithoutCapabilities(mine);
    REQUIRE_MESSAGE(joined, joined.error().message);
    CHECK_FALSE(joined->created);
    CHECK(joined->link.up);
  }
  mine.mtu = 1400;
  const auto refused = openWithoutCapabilities(mine);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().number == EPERM);
  CHECK(refused.error().message.find("the MTU of mine to 1400: this needs CAP_NET_ADMIN") !=
        std::string::npos);
}

TEST_CASE("tap: a device node that is closed to this user is named with its mode") {
  auto home = TapHome::create();
  if (!home) return;
  const auto denied = runIn(&home->home, []() -> Result<Tap> {
    // The thread alone becomes nobody: the C library's setresuid would change the whole process.
    if (syscall(SYS_setresuid, 65534, 65534, 65534) != 0)
      return Error::last("setresuid", "cannot change the user");
    return openTap({});
  });
  REQUIRE_FALSE(denied);
  if (denied.error().call != "open") {
    MESSAGE("skipped: ", denied.error().message);
    return;
  }
  CHECK(denied.error().number == EACCES);
  CHECK(denied.error().message.find("/dev/net/tun: its mode is 0") != std::string::npos);
}
