// The RTMGRP_LINK multicast group of rtnetlink(7), as events.
#include "os/link_monitor.hpp"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <optional>
#include <utility>

#include "os/netlink_message.hpp"

namespace etherloom {

namespace {

/// More than the kernel puts into one notification.
constexpr std::size_t eventSize = 32 * 1024;

}  // namespace

std::optional<LinkEvent> parseEvent(const nlmsghdr& header, NetlinkBytes body) {
  const auto info = readNetlink<ifinfomsg>(body);
  // A bridge announces its ports in the same group: leaving one is an RTM_DELLINK of family AF_BRIDGE.
  if (info.ifi_family != AF_UNSPEC) return std::nullopt;
  if (header.nlmsg_type == RTM_DELLINK) {
    LinkEvent event{LinkEvent::Kind::Vanished, parseLink(body)};
    forEachAttribute(body, sizeof info, [&event](int type, NetlinkBytes) {
      if (type == IFLA_NEW_NETNSID) event.moved = true;
    });
    return event;
  }
  if (header.nlmsg_type != RTM_NEWLINK) return std::nullopt;
  // The kernel marks a new interface by "all flags changed".
  const bool isNew = info.ifi_change == ~0U;
  return LinkEvent{isNew ? LinkEvent::Kind::Appeared : LinkEvent::Kind::Changed, parseLink(body)};
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

void LinkMonitor::drain(const std::function<void(const LinkEvent&)>& report) {
  alignas(nlmsghdr) std::array<std::byte, eventSize> buffer;
  for (;;) {
    const ssize_t length = recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (length < 0 && errno == ENOBUFS) {
      report({LinkEvent::Kind::Overrun, {}});
      continue;
    }
    if (length < 0 && errno == EINTR) continue;
    if (length <= 0) return;
    forEachMessage({buffer.data(), static_cast<std::size_t>(length)},
                   [&report](const nlmsghdr& header, NetlinkBytes body) {
                     if (const auto event = parseEvent(header, body)) report(*event);
                   });
  }
}

}  // namespace etherloom
