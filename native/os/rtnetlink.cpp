// Requests to rtnetlink(7) and their answers.
//
// Theory of operation: a request is one datagram; the kernel queues its answer before send() returns. An
// answer ends with exactly one NLMSG_ERROR (number 0 is success, asked for with NLM_F_ACK) or, for a dump,
// one NLMSG_DONE. So exchange() sends, reads up to that end, and the socket is empty again; nothing can be
// waiting that nobody asked for.
#include "os/rtnetlink.hpp"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <utility>

#include "os/netlink_message.hpp"

namespace etherloom {

namespace {

/// More than the kernel ever puts into one datagram of an answer.
constexpr std::size_t answerSize = 32 * 1024;

ifinfomsg interfaceBody(int index) {
  ifinfomsg body{};
  body.ifi_index = index;
  return body;
}

ifaddrmsg addressBody(int index, const AddressPrefix& prefix) {
  ifaddrmsg body{};
  body.ifa_family = static_cast<std::uint8_t>(prefix.family);
  body.ifa_prefixlen = prefix.prefixLength;
  body.ifa_index = static_cast<std::uint32_t>(index);
  return body;
}

NetlinkRequest interfaceRequest(std::uint16_t type, int index) {
  return {type, NLM_F_ACK, interfaceBody(index)};
}

rtmsg routeBody(const Route& route) {
  rtmsg body{};
  body.rtm_family = static_cast<std::uint8_t>(route.destination.family);
  body.rtm_dst_len = route.destination.prefixLength;
  body.rtm_table = RT_TABLE_MAIN;
  body.rtm_protocol = RTPROT_STATIC;
  return body;
}

void addWay(NetlinkRequest& request, const Route& route) {
  if (route.destination.prefixLength > 0) request.add(RTA_DST, std::as_bytes(route.destination.address()));
  if (route.gateway) request.add(RTA_GATEWAY, std::as_bytes(route.gateway->address()));
  if (route.interface != 0) request.addValue(RTA_OIF, route.interface);
  if (route.metric != 0) request.addValue(RTA_PRIORITY, route.metric);
}

/// The highest address of an IPv4 prefix.
std::array<std::uint8_t, 4> broadcastAddress(const AddressPrefix& prefix) {
  std::array<std::uint8_t, 4> broadcast{};
  for (unsigned bit = 0; bit < 32; ++bit) {
    const bool isHost = bit >= prefix.prefixLength;
    const unsigned mask = 0x80U >> (bit % 8);
    if (isHost || (prefix.bytes[bit / 8] & mask)) broadcast[bit / 8] |= static_cast<std::uint8_t>(mask);
  }
  return broadcast;
}

TunDevice parseTunDevice(NetlinkBytes attributes) {
  TunDevice tun;
  forEachAttribute(attributes, 0, [&tun](int type, NetlinkBytes payload) {
    switch (type) {
      case IFLA_TUN_TYPE:
        tun.tap = readNetlink<std::uint8_t>(payload) == IFF_TAP;
        break;
      case IFLA_TUN_PI:
        tun.packetInformation = readNetlink<std::uint8_t>(payload) != 0;
        break;
      case IFLA_TUN_MULTI_QUEUE:
        tun.multiQueue = readNetlink<std::uint8_t>(payload) != 0;
        break;
      case IFLA_TUN_NUM_QUEUES:
        tun.queues = readNetlink<std::uint32_t>(payload);
        break;
    }
  });
  return tun;
}

}  // namespace

AddressPrefix parseAddress(NetlinkBytes body) {
  const auto header = readNetlink<ifaddrmsg>(body);
  AddressPrefix prefix;
  prefix.family = header.ifa_family;
  prefix.prefixLength = header.ifa_prefixlen;
  bool hasLocal = false;
  forEachAttribute(body, sizeof header, [&](int type, NetlinkBytes payload) {
    // On a point-to-point interface IFA_ADDRESS is the other end; IFA_LOCAL, where it is given, is ours.
    if (type != IFA_LOCAL && (type != IFA_ADDRESS || hasLocal)) return;
    prefix.bytes = readNetlink<decltype(prefix.bytes)>(payload);
    hasLocal = type == IFA_LOCAL;
  });
  return prefix;
}

Result<void> verdictOf(NetlinkBytes body, std::size_t skip, const std::string& what) {
  const auto number = static_cast<int>(0U - readNetlink<std::uint32_t>(body));  // any bytes have an opposite
  if (number == 0) return {};
  std::string message = "cannot " + what;
  if (number == EPERM) {
    message += ": " + needsCapability("CAP_NET_ADMIN");
  } else {
    forEachAttribute(body, skip, [&](int type, NetlinkBytes payload) {
      if (type == NLMSGERR_ATTR_MSG) message += ": " + std::string(readNetlinkText(payload));
    });
  }
  return Error{number, "rtnetlink", std::move(message)};
}

Link parseLink(NetlinkBytes body) {
  const auto header = readNetlink<ifinfomsg>(body);
  Link link;
  link.index = header.ifi_index;
  link.flags = header.ifi_flags;
  link.up = (header.ifi_flags & IFF_UP) != 0;
  link.hardwareType = header.ifi_type;
  NetlinkBytes kindData;
  forEachAttribute(body, sizeof header, [&](int type, NetlinkBytes payload) {
    switch (type) {
      case IFLA_IFNAME:
        link.name = readNetlinkText(payload);
        break;
      case IFLA_ADDRESS:
        link.mac = readNetlink<MacAddress>(payload);
        break;
      case IFLA_MTU:
        link.mtu = readNetlink<std::uint32_t>(payload);
        break;
      case IFLA_CARRIER:
        link.carrier = readNetlink<std::uint8_t>(payload) != 0;
        break;
      case IFLA_LINKINFO:
        forEachAttribute(payload, 0, [&](int infoType, NetlinkBytes info) {
          if (infoType == IFLA_INFO_KIND) link.kind = readNetlinkText(info);
          if (infoType == IFLA_INFO_DATA) kindData = info;
        });
        break;
    }
  });
  if (link.kind == "tun") link.tun = parseTunDevice(kindData);
  return link;
}

Result<Rtnetlink> Rtnetlink::open() {
  Fd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!fd) return Error::last("socket AF_NETLINK", "cannot ask the kernel about network interfaces");
  // Explanations in errors; errors that do not repeat the request; dumps filtered by the kernel.
  for (const int option : {NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK}) {
    const int on = 1;
    if (setsockopt(fd.get(), SOL_NETLINK, option, &on, sizeof on) != 0)
      return Error::last("setsockopt SOL_NETLINK", "cannot set up rtnetlink (Linux 4.20 or later is needed)");
  }
  return Rtnetlink(std::move(fd));
}

/// Sends `request`, shows every message of the answer to `visit`. `what` completes "cannot ...". EINTR: a
/// dump was disturbed by a change and may be inconsistent.
Result<void> Rtnetlink::exchange(NetlinkRequest& request, const std::string& what, const Visit& visit) {
  const NetlinkBytes message = request.finish(++sequence_);
  if (send(fd_.get(), message.data(), message.size(), 0) < 0) return Error::last("send", "cannot " + what);

  alignas(nlmsghdr) std::array<std::byte, answerSize> buffer;
  bool disturbed = false;
  std::optional<Result<void>> verdict;
  while (!verdict) {
    const ssize_t length = recv(fd_.get(), buffer.data(), buffer.size(), MSG_TRUNC);
    if (length < 0 && errno == EINTR) continue;
    if (length < 0) return Error::last("recv", "cannot " + what);
    const auto size = static_cast<std::size_t>(length);
    if (size > buffer.size()) return Error{EMSGSIZE, "recv", "cannot " + what};
    forEachMessage({buffer.data(), size}, [&](const nlmsghdr& header, NetlinkBytes body) {
      if (header.nlmsg_seq != sequence_) return;  // what an exchange that failed in recv left behind
      disturbed |= (header.nlmsg_flags & NLM_F_DUMP_INTR) != 0;
      if (header.nlmsg_type == NLMSG_ERROR)
        verdict = verdictOf(body, sizeof(nlmsgerr), what);
      else if (header.nlmsg_type == NLMSG_DONE)
        verdict = verdictOf(body, sizeof(int), what);
      else if (visit)
        visit(header.nlmsg_type, body);
    });
  }
  if (*verdict && disturbed) return Error{EINTR, "rtnetlink", "cannot " + what};
  return *verdict;
}

Result<Link> Rtnetlink::requestLink(NetlinkRequest& request, const std::string& what) {
  Link link;
  const Result<void> found =
      exchange(request, what, [&link](std::uint16_t, NetlinkBytes body) { link = parseLink(body); });
  if (!found) return found.error();
  return link;
}

/// Every answer of a dump, asked again until no change came in between.
template <typename T, typename Parse>
Result<std::vector<T>> Rtnetlink::dump(NetlinkRequest& request, const std::string& what, Parse parse) {
  for (;;) {
    std::vector<T> items;
    const Result<void> done =
        exchange(request, what, [&](std::uint16_t, NetlinkBytes body) { items.push_back(parse(body)); });
    if (done) return items;
    if (done.error().number != EINTR) return done.error();
  }
}

/// For error messages: the name now, or the number of an interface that is gone.
std::string Rtnetlink::nameOf(int index) const {
  ifreq request{};
  request.ifr_ifindex = index;
  if (ioctl(fd_.get(), SIOCGIFNAME, &request) == 0) return request.ifr_name;
  return "interface number " + std::to_string(index);
}

Result<Link> Rtnetlink::link(const std::string& name) {
  NetlinkRequest request = interfaceRequest(RTM_GETLINK, 0);
  request.addText(IFLA_IFNAME, name);
  return requestLink(request, "find the interface " + name);
}

Result<Link> Rtnetlink::link(int index) {
  NetlinkRequest request = interfaceRequest(RTM_GETLINK, index);
  return requestLink(request, "find the interface with number " + std::to_string(index));
}

Result<std::vector<Link>> Rtnetlink::links() {
  NetlinkRequest request(RTM_GETLINK, NLM_F_DUMP, interfaceBody(0));
  return dump<Link>(request, "list the interfaces", parseLink);
}

Result<void> Rtnetlink::setUp(int index, bool up) {
  ifinfomsg body = interfaceBody(index);
  body.ifi_change = IFF_UP;
  body.ifi_flags = up ? IFF_UP : 0;
  NetlinkRequest request(RTM_NEWLINK, NLM_F_ACK, body);
  return exchange(request, "set " + nameOf(index) + (up ? " up" : " down"));
}

Result<void> Rtnetlink::setMtu(int index, std::uint32_t mtu) {
  NetlinkRequest request = interfaceRequest(RTM_NEWLINK, index);
  request.addValue(IFLA_MTU, mtu);
  return exchange(request, "set the MTU of " + nameOf(index) + " to " + std::to_string(mtu));
}

Result<void> Rtnetlink::setMacAddress(int index, const MacAddress& mac) {
  NetlinkRequest request = interfaceRequest(RTM_NEWLINK, index);
  request.addValue(IFLA_ADDRESS, mac);
  return exchange(request, "set the MAC address of " + nameOf(index));
}

Result<void> Rtnetlink::answerArpForOwnAddressesOnly(int index) {
  NetlinkRequest request = interfaceRequest(RTM_NEWLINK, index);
  request.nest(IFLA_AF_SPEC, [&] {
    request.nest(AF_INET, [&] {
      request.nest(IFLA_INET_CONF, [&] { request.addValue(IPV4_DEVCONF_ARP_IGNORE, std::uint32_t{1}); });
    });
  });
  return exchange(request, "set which ARP requests " + nameOf(index) + " answers");
}

Result<void> Rtnetlink::moveToNamespace(int index, int namespaceFd) {
  NetlinkRequest request = interfaceRequest(RTM_NEWLINK, index);
  request.addValue(IFLA_NET_NS_FD, namespaceFd);
  return exchange(request, "move " + nameOf(index) + " to another network namespace");
}

Result<void> Rtnetlink::deleteLink(int index) {
  NetlinkRequest request = interfaceRequest(RTM_DELLINK, index);
  return exchange(request, "delete " + nameOf(index));
}

Result<void> Rtnetlink::createVethPair(const std::string& nameA, const std::string& nameB) {
  NetlinkRequest request(RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, interfaceBody(0));
  request.addText(IFLA_IFNAME, nameA);
  request.nest(IFLA_LINKINFO, [&] {
    request.addText(IFLA_INFO_KIND, "veth");
    request.nest(IFLA_INFO_DATA, [&] {
      request.nest(VETH_INFO_PEER, [&] {
        const ifinfomsg peer = interfaceBody(0);
        request.append(std::as_bytes(std::span(&peer, 1)));
        request.addText(IFLA_IFNAME, nameB);
      });
    });
  });
  return exchange(request, "create the veth pair " + nameA + " and " + nameB);
}

Result<void> Rtnetlink::addAddress(int index, const AddressPrefix& prefix,
                                   DuplicateAddressDetection detection) {
  ifaddrmsg body = addressBody(index, prefix);
  if (detection == DuplicateAddressDetection::Off) body.ifa_flags = IFA_F_NODAD;
  NetlinkRequest request(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, body);
  request.add(IFA_LOCAL, std::as_bytes(prefix.address()));
  request.add(IFA_ADDRESS, std::as_bytes(prefix.address()));
  if (prefix.family == AF_INET && prefix.prefixLength < 31)
    request.addValue(IFA_BROADCAST, broadcastAddress(prefix));
  Result<void> added = exchange(request, "add " + prefix.toString() + " to " + nameOf(index));
  if (added || added.error().number != EEXIST) return added;

  // For IPv6 the kernel says so for another prefix length too.
  const Result<std::vector<AddressPrefix>> present = addresses(index);
  if (!present) return present.error();
  if (std::find(present->begin(), present->end(), prefix) != present->end()) return {};
  return added;
}

Result<void> Rtnetlink::removeAddress(int index, const AddressPrefix& prefix) {
  NetlinkRequest request(RTM_DELADDR, NLM_F_ACK, addressBody(index, prefix));
  request.add(IFA_LOCAL, std::as_bytes(prefix.address()));
  return exchange(request, "remove " + prefix.toString() + " from " + nameOf(index));
}

Result<std::vector<AddressPrefix>> Rtnetlink::addresses(int index) {
  NetlinkRequest request(RTM_GETADDR, NLM_F_DUMP, addressBody(index, {}));
  return dump<AddressPrefix>(request, "list the addresses of " + nameOf(index), parseAddress);
}

Result<void> Rtnetlink::addRoute(const Route& route, bool replace) {
  rtmsg body = routeBody(route);
  body.rtm_type = RTN_UNICAST;
  // What has no gateway is on the link (IPv4; of IPv6 the kernel asks no scope).
  body.rtm_scope = route.gateway || body.rtm_family != AF_INET ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
  const int other = replace ? NLM_F_REPLACE : NLM_F_EXCL;
  NetlinkRequest request(RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | other, body);
  addWay(request, route);
  return exchange(request, "add a route to " + toString(route));
}

Result<void> Rtnetlink::removeRoute(const Route& route) {
  rtmsg body = routeBody(route);
  body.rtm_scope = RT_SCOPE_NOWHERE;  // whichever it has
  NetlinkRequest request(RTM_DELROUTE, NLM_F_ACK, body);
  addWay(request, route);
  Result<void> removed = exchange(request, "remove the route to " + toString(route));
  if (!removed && removed.error().number == ESRCH) return {};
  return removed;
}

std::string Rtnetlink::toString(const Route& route) const {
  std::string text = route.destination.toString();
  if (route.gateway) text += " via " + route.gateway->toString();
  if (route.interface != 0) text += " on " + nameOf(route.interface);
  return text;
}

}  // namespace etherloom
