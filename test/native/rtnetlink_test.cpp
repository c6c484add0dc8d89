// rtnetlink: what is asked for is what the kernel then has, and refusals say why.
#include "os/rtnetlink.hpp"

#include <arpa/inet.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <limits>
#include <string>

#include "os/netlink_message.hpp"
#include "os_fixtures.hpp"

using namespace etherloom;

namespace {

AddressPrefix prefixOf(const std::string& text) {
  auto prefix = AddressPrefix::parse(text);
  REQUIRE(prefix);
  return *prefix;
}

bool contains(const std::vector<AddressPrefix>& prefixes, const AddressPrefix& prefix) {
  return std::find(prefixes.begin(), prefixes.end(), prefix) != prefixes.end();
}

/// A namespace, rtnetlink in it, and the veth pair left and right.
struct VethPair {
  NetworkNamespace home;
  Rtnetlink rtnetlink;
  Link left, right;

  static std::optional<VethPair> create() {
    auto home = makeTestNamespace(true);
    if (!home) return std::nullopt;
    auto rtnetlink = runIn(&*home, Rtnetlink::open);
    REQUIRE(rtnetlink);
    const auto created = rtnetlink->createVethPair("left", "right");
    if (!created) {
      REQUIRE_MESSAGE(created.error().number == EOPNOTSUPP, created.error().message);
      MESSAGE("skipped: this kernel has no veth");
      return std::nullopt;
    }
    auto left = rtnetlink->link("left");
    auto right = rtnetlink->link("right");
    REQUIRE(left);
    REQUIRE(right);
    return VethPair{*std::move(home), *std::move(rtnetlink), *std::move(left), *std::move(right)};
  }
};

/// The broadcast address of an interface, as ifconfig would show it.
std::string broadcastOf(const NetworkNamespace& home, const std::string& name) {
  const auto found = runIn(&home, [&name]() -> Result<std::string> {
    const Fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    name.copy(request.ifr_name, IFNAMSIZ - 1);
    if (ioctl(fd.get(), SIOCGIFBRDADDR, &request) != 0) return Error::last("ioctl", "no broadcast address");
    sockaddr_in address{};
    std::memcpy(&address, &request.ifr_broadaddr, sizeof address);
    return std::string(inet_ntoa(address.sin_addr));
  });
  REQUIRE(found);
  return *found;
}

}  // namespace

TEST_CASE("rtnetlink: prefixes are parsed and printed") {
  CHECK(prefixOf("10.0.0.1/24").toString() == "10.0.0.1/24");
  CHECK(prefixOf("fd00:0::1/64").toString() == "fd00::1/64");
  CHECK(prefixOf("10.0.0.1").prefixLength == 32);
  CHECK(prefixOf("::1").prefixLength == 128);
  CHECK(prefixOf("0.0.0.0/0").prefixLength == 0);
  for (const char* text : {"", "/", "10.0.0.1/", "10.0.0.1/33", "10.0.0.1/-1", "10.0.0.1/24 ", "10.0.0/24",
                           "::1/129", "fd00::1/0x10", "host/24", "10.0.0.1/4294967320"}) {
    CAPTURE(text);
    const auto prefix = AddressPrefix::parse(text);
    REQUIRE_FALSE(prefix);
    CHECK(prefix.error().number == EINVAL);
  }
  CHECK_FALSE(AddressPrefix::parse(std::string("10.0.0.1\0x/24", 13)));
}

TEST_CASE("rtnetlink: interface names follow the kernel's rules") {
  for (const char* name : {"a", "eth0", "tap_00001_1", "123456789012345", "..."})
    CHECK(checkInterfaceName(name));
  for (const char* name : {"", ".", "..", "a/b", "a:b", "a b", "a\tb", "1234567890123456"}) {
    CAPTURE(name);
    CHECK_FALSE(checkInterfaceName(name));
  }
  CHECK_FALSE(checkInterfaceName(std::string("a\0b", 3)));
}

TEST_CASE("rtnetlink: an answer with whatever number is an error of its opposite") {
  const auto numberOf = [](std::int32_t answer) {
    const Result<void> verdict = verdictOf(std::as_bytes(std::span(&answer, 1)), sizeof answer, "try");
    return verdict ? 0 : verdict.error().number;
  };
  constexpr std::int32_t least = std::numeric_limits<std::int32_t>::min();
  CHECK(numberOf(0) == 0);
  CHECK(numberOf(-22) == 22);
  CHECK(numberOf(7) == -7);
  CHECK(numberOf(least) == least);  // it has none
}

TEST_CASE("rtnetlink: a fresh namespace has a loopback interface that is down") {
  auto home = makeTestNamespace();
  if (!home) return;
  auto rtnetlink = runIn(&*home, Rtnetlink::open);
  REQUIRE(rtnetlink);
  const auto loopback = rtnetlink->link("lo");
  REQUIRE(loopback);
  CHECK(loopback->index == 1);
  CHECK_FALSE(loopback->up);
  REQUIRE(rtnetlink->setUp(1, true));
  CHECK(rtnetlink->link(1)->up);
}

TEST_CASE("rtnetlink: a veth pair is created, set up and deleted") {
  auto pair = VethPair::create();
  if (!pair) return;
  auto& [home, rtnetlink, left, right] = *pair;
  CHECK(left.kind == "veth");
  CHECK_FALSE(left.up);

  REQUIRE(rtnetlink.setUp(left.index, true));
  CHECK(rtnetlink.link("left")->up);
  CHECK_FALSE(rtnetlink.link("left")->carrier);  // the other end is still down
  REQUIRE(rtnetlink.setUp(right.index, true));
  CHECK(rtnetlink.link("left")->carrier);

  REQUIRE(rtnetlink.setMtu(left.index, 9000));
  CHECK(rtnetlink.link("left")->mtu == 9000);
  const MacAddress mac{0x02, 0, 0, 0, 0, 0x2a};
  REQUIRE(rtnetlink.setMacAddress(left.index, mac));
  CHECK(rtnetlink.link(left.index)->mac == mac);
  REQUIRE(rtnetlink.setUp(left.index, false));
  CHECK_FALSE(rtnetlink.link("left")->up);

  const auto links = rtnetlink.links();
  REQUIRE(links);
  CHECK(std::count_if(links->begin(), links->end(), [](const Link& link) { return link.kind == "veth"; }) ==
        2);

  REQUIRE(rtnetlink.deleteLink(left.index));
  const auto gone = rtnetlink.link("right");
  REQUIRE_FALSE(gone);
  CHECK(gone.error().number == ENODEV);
}

TEST_CASE("rtnetlink: addresses are added once, listed and removed") {
  auto pair = VethPair::create();
  if (!pair) return;
  auto& [home, rtnetlink, left, right] = *pair;
  const AddressPrefix four = prefixOf("10.1.2.3/20");
  REQUIRE(rtnetlink.addAddress(left.index, four));
  REQUIRE(rtnetlink.addAddress(left.index, four));
  CHECK(broadcastOf(home, "left") == "10.1.15.255");
  REQUIRE(rtnetlink.addAddress(right.index, prefixOf("10.9.9.9/31")));
  CHECK(broadcastOf(home, "right") == "0.0.0.0");

  auto addresses = rtnetlink.addresses(left.index);
  REQUIRE(addresses);
  CHECK(*addresses == std::vector{four});  // and not those of the other interface
  REQUIRE(rtnetlink.removeAddress(left.index, four));
  CHECK(rtnetlink.addresses(left.index)->empty());
  const auto again = rtnetlink.removeAddress(left.index, four);
  REQUIRE_FALSE(again);
  CHECK(again.error().message.find("10.1.2.3/20 from left") != std::string::npos);
}

TEST_CASE("rtnetlink: IPv6 addresses, with and without duplicate address detection") {
  auto pair = VethPair::create();
  if (!pair) return;
  auto& [home, rtnetlink, left, right] = *pair;
  const AddressPrefix six = prefixOf("fd00::1/64");
  const auto added = rtnetlink.addAddress(left.index, six);
  if (!added && added.error().number == EOPNOTSUPP) {
    MESSAGE("skipped: this kernel has no IPv6");
    return;
  }
  REQUIRE(added);
  REQUIRE(rtnetlink.addAddress(left.index, six));
  const auto other = rtnetlink.addAddress(left.index, prefixOf("fd00::1/48"));
  REQUIRE_FALSE(other);  // the kernel keeps one prefix length per address: not the very same
  CHECK(other.error().number == EEXIST);

  const AddressPrefix atOnce = prefixOf("fd00::2/64");
  REQUIRE(rtnetlink.addAddress(left.index, atOnce, DuplicateAddressDetection::Off));
  REQUIRE(rtnetlink.setUp(left.index, true));
  REQUIRE(rtnetlink.setUp(right.index, true));
  const auto addresses = rtnetlink.addresses(left.index);
  REQUIRE(addresses);
  CHECK(contains(*addresses, six));
  CHECK(contains(*addresses, atOnce));
  // Usable at once: a tentative address cannot be bound.
  const auto bound = runIn(&home, []() -> Result<void> {
    const Fd fd(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    inet_pton(AF_INET6, "fd00::2", &address.sin6_addr);
    if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      return Error::last("bind", "no");
    return {};
  });
  CHECK(bound);
}

TEST_CASE("rtnetlink: an interface moves to another namespace") {
  auto pair = VethPair::create();
  if (!pair) return;
  auto other = makeTestNamespace();
  REQUIRE(other);
  REQUIRE(pair->rtnetlink.moveToNamespace(pair->right.index, other->fd()));
  CHECK_FALSE(pair->rtnetlink.link("right"));
  auto there = runIn(&*other, Rtnetlink::open);
  REQUIRE(there);
  CHECK(there->link("right"));
}

TEST_CASE("rtnetlink: routes lead where they were told to") {
  auto pair = VethPair::create();
  if (!pair) return;
  auto& [home, rtnetlink, left, right] = *pair;
  REQUIRE(rtnetlink.addAddress(left.index, prefixOf("10.0.0.1/24")));
  REQUIRE(rtnetlink.setUp(left.index, true));
  const Route out{prefixOf("0.0.0.0/0"), prefixOf("10.0.0.254")};
  const Route net{prefixOf("192.168.7.0/24"), prefixOf("10.0.0.253"), left.index, 7};
  const Route link{prefixOf("192.168.9.0/24"), {}, left.index};
  for (const Route& route : {out, net, link}) REQUIRE(rtnetlink.addRoute(route));
  const auto lists = [&home = home](const std::string& line) {
    const auto table = runIn(&home, []() -> Result<std::string> {
      std::ifstream file("/proc/thread-self/net/route");
      return std::string(std::istreambuf_iterator<char>(file), {});
    });
    REQUIRE(table);
    return table->find(line) != std::string::npos;
  };
  CHECK(lists("left\t00000000\tFE00000A\t0003\t0\t0\t0\t"));
  CHECK(lists("left\t0007A8C0\tFD00000A\t0003\t0\t0\t7\t"));
  CHECK(lists("left\t0009A8C0\t00000000\t0001\t0\t0\t0\t"));

  // A second one to the same destination takes the place of the first.
  const Route other{out.destination, prefixOf("10.0.0.7")};
  REQUIRE(rtnetlink.addRoute(other));
  CHECK(lists("left\t00000000\t0700000A"));
  CHECK_FALSE(lists("left\t00000000\tFE00000A"));

  for (const Route& route : {other, net, link, net})
    REQUIRE(rtnetlink.removeRoute(route));  // one is gone already
  for (const char* line : {"left\t00000000\t", "left\t0007A8C0\t", "left\t0009A8C0\t"})
    CHECK_FALSE(lists(line));

  const auto unreachable = rtnetlink.addRoute({prefixOf("192.168.8.0/24"), prefixOf("172.16.0.1")});
  REQUIRE_FALSE(unreachable);
  CHECK(unreachable.error().number == ENETUNREACH);
  CHECK(unreachable.error().message.find("gateway") != std::string::npos);  // the kernel's own words
}

TEST_CASE("rtnetlink: refusals name the thing and carry the kernel's explanation") {
  auto pair = VethPair::create();
  if (!pair) return;
  auto& [home, rtnetlink, left, right] = *pair;
  const auto tooLarge = rtnetlink.setMtu(left.index, 1'000'000);
  REQUIRE_FALSE(tooLarge);
  CHECK(tooLarge.error().number == EINVAL);
  CHECK(tooLarge.error().message == "cannot set the MTU of left to 1000000: mtu greater than device maximum");

  const auto missing = rtnetlink.link("nowhere");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().number == ENODEV);
  CHECK(missing.error().message.find("nowhere") != std::string::npos);

  const auto twice = rtnetlink.createVethPair("left", "third");
  REQUIRE_FALSE(twice);
  CHECK(twice.error().number == EEXIST);
}
