// The RTMGRP_LINK multicast group of rtnetlink(7), as events.
#include "os/link_monitor.hpp"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <optional>
#include <utility>

#include "os/netlink_message.hpp"

namespace etherloom {

namespace {

/// More than the kernel puts into one notification.
constexpr std::size_t eventSize = 32 * 1024;

/// Which namespace a datagram of the kernel is about.
std::int32_t nsidOf(msghdr& message) {
  for (cmsghdr* control = CMSG_FIRSTHDR(&message); control; control = CMSG_NXTHDR(&message, control)) {
    if (control->cmsg_level != SOL_NETLINK || control->cmsg_type != NETLINK_LISTEN_ALL_NSID) continue;
    std::int32_t nsid = LinkEvent::here;
    std::memcpy(&nsid, CMSG_DATA(control), sizeof nsid);
    return nsid;
  }
  return LinkEvent::here;
}

}  // namespace

std::optional<LinkEvent> parseEvent(const nlmsghdr& header, NetlinkBytes body) {
  const auto info = readNetlink<ifinfomsg>(body);
  // A bridge announces its ports in the same group: leaving one is an RTM_DELLINK of family AF_BRIDGE.
  if (info.ifi_family != AF_UNSPEC) return std::nullopt;
  const bool vanished = header.nlmsg_type == RTM_DELLINK;
  if (!vanished && header.nlmsg_type != RTM_NEWLINK) return std::nullopt;
  // The kernel marks a new interface by "all flags changed".
  const bool isNew = info.ifi_change == ~0U;
  using Kind = LinkEvent::Kind;
  LinkEvent event{vanished ? Kind::Vanished : isNew ? Kind::Appeared : Kind::Changed, parseLink(body)};
  forEachAttribute(body, sizeof info, [&event, vanished](int type, NetlinkBytes payload) {
    if (type == IFLA_TARGET_NETNSID) event.nsid = readNetlink<std::int32_t>(payload);
    if (!vanished) return;
    if (type == IFLA_NEW_IFINDEX) event.newIndex = readNetlink<int>(payload);
    if (type != IFLA_NEW_NETNSID) return;
    event.moved = true;
    event.newNsid = readNetlink<std::int32_t>(payload);
  });
  return event;
}

Result<LinkMonitor> LinkMonitor::open(const NetworkNamespace* networkNamespace) {
  return runIn(networkNamespace, []() -> Result<LinkMonitor> {
    const std::string what = "cannot watch the network interfaces";
    Fd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE));
    if (!fd) return Error::last("socket AF_NETLINK", what);
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    address.nl_groups = RTMGRP_LINK;
    // SAFETY: the kernel reads as many bytes as the family has.
    if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      return Error::last("bind AF_NETLINK", what);
    return LinkMonitor(std::move(fd));
  });
}

void LinkMonitor::drain(const Report& report) {
  alignas(nlmsghdr) std::array<std::byte, eventSize> buffer;
  alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(std::int32_t))> control;
  for (;;) {
    iovec part{buffer.data(), buffer.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t length = recvmsg(fd_.get(), &message, 0);
    if (length < 0 && errno == ENOBUFS) {
      report({});
      for (const auto& [nsid, index] : followed_) look(nsid, index);
      continue;
    }
    if (length < 0 && errno == EINTR) continue;
    if (length <= 0) return;
    const std::int32_t nsid = nsidOf(message);
    forEachMessage({buffer.data(), static_cast<std::size_t>(length)},
                   [&](const nlmsghdr& header, NetlinkBytes body) {
                     auto event = parseEvent(header, body);
                     if (!event) return;
                     if (nsid != LinkEvent::here) event->nsid = nsid;
                     hear(*event, report);
                   });
  }
}

/// Of other namespaces only those that are followed are news.
void LinkMonitor::hear(const LinkEvent& event, const Report& report) {
  const bool isHere = event.nsid == LinkEvent::here;
  if (!isHere && !followed_.contains({event.nsid, event.link.index})) return;
  report(event);
  if (event.kind != LinkEvent::Kind::Vanished) return;
  followed_.erase({event.nsid, event.link.index});
  // Where it goes from there has a number there, which says nothing here.
  if (isHere && event.moved && event.link.tun) follow(event.newNsid, event.newIndex);
}

void LinkMonitor::follow(std::int32_t nsid, int index) {
  const int on = 1;
  if (setsockopt(fd_.get(), SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, &on, sizeof on) != 0) return;
  followed_.emplace(nsid, index);
  look(nsid, index);
}

/// Asks what an interface elsewhere is like now, as after a change of which nobody has told; the answer comes
/// as news.
void LinkMonitor::look(std::int32_t nsid, int index) const {
  ifinfomsg body{};
  body.ifi_index = index;
  NetlinkRequest request(RTM_GETLINK, 0, body);
  request.addValue(IFLA_TARGET_NETNSID, nsid);
  const NetlinkBytes bytes = request.finish(0);
  static_cast<void>(send(fd_.get(), bytes.data(), bytes.size(), 0));
}

}  // namespace etherloom
