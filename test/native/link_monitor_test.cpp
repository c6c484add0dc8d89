// The link monitor: interfaces that come, change and go, in order.
#include "os/link_monitor.hpp"

#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "os/rtnetlink.hpp"
#include "os/tap.hpp"
#include "os_fixtures.hpp"

using namespace etherloom;

namespace {

/// A namespace with a monitor, and rtnetlink to make something happen.
struct Watched {
  NetworkNamespace home;
  Rtnetlink rtnetlink;
  LinkMonitor monitor;

  static std::optional<Watched> create() {
    auto home = makeTestNamespace();
    if (!home) return std::nullopt;
    auto rtnetlink = runIn(&*home, Rtnetlink::open);
    auto monitor = LinkMonitor::open(&*home);
    REQUIRE(rtnetlink);
    REQUIRE(monitor);
    return Watched{*std::move(home), *std::move(rtnetlink), *std::move(monitor)};
  }

  std::vector<LinkEvent> drain() {
    std::vector<LinkEvent> events;
    monitor.drain([&events](const LinkEvent& event) { events.push_back(event); });
    return events;
  }
};

std::size_t countOf(const std::vector<LinkEvent>& events, LinkEvent::Kind kind, const std::string& name) {
  std::size_t count = 0;
  for (const LinkEvent& event : events) count += event.kind == kind && event.link.name == name ? 1 : 0;
  return count;
}

/// What the last event about an interface said of it.
Link lastOf(const std::vector<LinkEvent>& events, const std::string& name) {
  Link link;
  for (const LinkEvent& event : events)
    if (event.link.name == name) link = event.link;
  return link;
}

}  // namespace

TEST_CASE("link monitor: silent while nothing happens") {
  auto watched = Watched::create();
  if (!watched) return;
  pollfd readable{watched->monitor.fd(), POLLIN, 0};
  CHECK(poll(&readable, 1, 0) == 0);
  CHECK(watched->drain().empty());  // would hang if it blocked
}

TEST_CASE("link monitor: an interface appears once, changes, vanishes once") {
  using Kind = LinkEvent::Kind;
  auto watched = Watched::create();
  if (!watched) return;
  REQUIRE(watched->rtnetlink.createVethPair("left", "right"));
  pollfd readable{watched->monitor.fd(), POLLIN, 0};
  CHECK(poll(&readable, 1, 0) == 1);
  auto events = watched->drain();
  CHECK(countOf(events, Kind::Appeared, "left") == 1);
  CHECK(countOf(events, Kind::Appeared, "right") == 1);

  const int index = watched->rtnetlink.link("left")->index;
  REQUIRE(watched->rtnetlink.setUp(index, true));
  events = watched->drain();
  REQUIRE(countOf(events, Kind::Changed, "left") >= 1);
  CHECK(lastOf(events, "left").up);
  CHECK(countOf(events, Kind::Appeared, "left") == 0);

  REQUIRE(watched->rtnetlink.setMtu(index, 9000));
  events = watched->drain();
  CHECK(countOf(events, Kind::Changed, "left") >= 1);
  CHECK(lastOf(events, "left").mtu == 9000);

  REQUIRE(watched->rtnetlink.deleteLink(index));
  events = watched->drain();
  CHECK(countOf(events, Kind::Vanished, "left") == 1);
  CHECK(countOf(events, Kind::Vanished, "right") == 1);
}

TEST_CASE("link monitor: moving to another namespace is vanishing here and appearing there") {
  auto here = Watched::create();
  if (!here) return;
  auto there = Watched::create();
  REQUIRE(there);
  REQUIRE(here->rtnetlink.createVethPair("left", "right"));
  here->drain();
  REQUIRE(here->rtnetlink.moveToNamespace(here->rtnetlink.link("right")->index, there->home.fd()));
  const auto events = here->drain();
  CHECK(countOf(events, LinkEvent::Kind::Vanished, "right") == 1);
  CHECK(events.back().moved);
  CHECK(countOf(there->drain(), LinkEvent::Kind::Appeared, "right") == 1);
  REQUIRE(here->rtnetlink.deleteLink(here->rtnetlink.link("left")->index));
  CHECK_FALSE(here->drain().back().moved);
}

TEST_CASE("link monitor: a TAP that has moved is followed, one namespace far; nothing else there is news") {
  using Kind = LinkEvent::Kind;
  auto here = Watched::create();
  if (!here) return;
  auto there = Watched::create();
  auto beyond = Watched::create();
  REQUIRE(there);
  REQUIRE(beyond);
  TapOptions options;
  options.name = "tap0";
  options.networkNamespace = &here->home;
  const auto tap = openTap(options);
  if (!tap) return;  // no /dev/net/tun, as os_fixtures.hpp says
  here->drain();
  REQUIRE(here->rtnetlink.moveToNamespace(tap->link.index, there->home.fd()));
  const int index = there->rtnetlink.link("tap0")->index;
  REQUIRE(there->rtnetlink.setMtu(index, 2000));  // before anybody listens there
  auto events = here->drain();
  REQUIRE(countOf(events, Kind::Vanished, "tap0") == 1);
  const LinkEvent gone = *std::find_if(events.begin(), events.end(),
                                       [](const LinkEvent& event) { return event.kind == Kind::Vanished; });
  CHECK(gone.nsid == LinkEvent::here);
  CHECK(gone.newIndex == index);
  CHECK(events.back().nsid == gone.newNsid);
  CHECK(events.back().link.mtu == 2000);

  REQUIRE(there->rtnetlink.setMtu(index, 1400));
  REQUIRE(there->rtnetlink.createVethPair("left", "right"));
  events = here->drain();
  REQUIRE(!events.empty());
  for (const LinkEvent& event : events) {
    CHECK(event.nsid == gone.newNsid);
    CHECK(event.link.index == index);
    CHECK(event.link.mtu == 1400);
  }

  REQUIRE(there->rtnetlink.moveToNamespace(index, beyond->home.fd()));
  CHECK(here->drain().back().moved);
  const int last = beyond->rtnetlink.link("tap0")->index;
  REQUIRE(beyond->rtnetlink.setMtu(last, 1300));
  CHECK(here->drain().empty());
  REQUIRE(beyond->rtnetlink.moveToNamespace(last, here->home.fd()));
  events = here->drain();
  CHECK(countOf(events, Kind::Appeared, "tap0") == 1);
  CHECK(events.back().nsid == LinkEvent::here);
  CHECK(events.back().link.mtu == 1300);
}

TEST_CASE("link monitor: lost events are reported, and later ones still arrive") {
  auto watched = Watched::create();
  if (!watched) return;
  REQUIRE(watched->rtnetlink.createVethPair("left", "right"));
  const int index = watched->rtnetlink.link("left")->index;
  for (std::uint32_t i = 0; i < 2000; ++i) REQUIRE(watched->rtnetlink.setMtu(index, 1000 + i));
  CHECK(countOf(watched->drain(), LinkEvent::Kind::Overrun, "") >= 1);

  REQUIRE(watched->rtnetlink.setMtu(index, 1400));
  CHECK(lastOf(watched->drain(), "left").mtu == 1400);
}

TEST_CASE("link monitor: a port that leaves a bridge has not vanished") {
  auto watched = Watched::create();
  if (!watched) return;
  REQUIRE(watched->rtnetlink.createVethPair("left", "right"));
  if (!runIn(&watched->home, []() -> Result<void> {
        const Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        if (ioctl(fd.get(), SIOCBRADDBR, "bridge") != 0) return Error::last("ioctl SIOCBRADDBR", "no bridge");
        return {};
      })) {
    MESSAGE("skipped: this kernel has no bridge");
    return;
  }
  const int port = watched->rtnetlink.link("left")->index;
  watched->drain();
  const auto changed = runIn(&watched->home, [port]() -> Result<void> {
    const Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::strcpy(request.ifr_name, "bridge");
    request.ifr_ifindex = port;
    if (ioctl(fd.get(), SIOCBRADDIF, &request) != 0) return Error::last("ioctl SIOCBRADDIF", "cannot join");
    if (ioctl(fd.get(), SIOCBRDELIF, &request) != 0) return Error::last("ioctl SIOCBRDELIF", "cannot leave");
    return {};
  });
  REQUIRE(changed);
  CHECK(countOf(watched->drain(), LinkEvent::Kind::Vanished, "left") == 0);
}
