// The ioctl calls behind tap.hpp. A device belongs to the network namespace in which /dev/net/tun was opened,
// so all of openTap runs inside the namespace asked for.
#include "os/tap.hpp"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <utility>

#include "os/flow_steering.hpp"
#include "os/rtnetlink.hpp"
#include "os/status.hpp"

namespace etherloom {

namespace {

constexpr const char* devicePath = "/dev/net/tun";
/// struct virtio_net_hdr_v1 (virtio 1.2, 5.1.6); the driver's default is the 10 bytes of the legacy one.
constexpr int virtioHeaderSize = 12;
constexpr unsigned tcpOffloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
/// TUN_F_USO4 and TUN_F_USO6 of Linux 6.2, newer than the headers of Debian 12.
constexpr unsigned udpOffloads = 0x20 | 0x40;

std::string describeTap(const std::string& name) { return name.empty() ? "a TAP" : "the TAP " + name; }

Result<void> checkTapName(const std::string& name) {
  if (name.empty()) return {};
  const std::size_t percent = name.find('%');
  if (percent != std::string::npos &&
      (name.compare(percent, 2, "%d") != 0 || name.find('%', percent + 1) != std::string::npos))
    return Error{EINVAL, "", "'" + name + "' cannot name an interface: '%' is allowed once, as %d"};
  return checkInterfaceName(name);
}

Result<Fd> openDevice() {
  Fd device(open(devicePath, O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (device) return device;
  const int number = errno;
  std::string message = std::string("cannot open ") + devicePath;
  if (number == ENOENT) {
    message += ": load the tun module (modprobe tun), or give this container the device";
  } else if (number == ENODEV || number == ENXIO) {
    message += ": this kernel has no tun driver loaded (modprobe tun)";
  } else if (const auto known = statusOf(devicePath); number == EACCES && known) {
    char mode[8];
    std::snprintf(mode, sizeof mode, "%04o", known->rights);
    message += std::string(": its mode is ") + mode + ", its owner user " + std::to_string(known->owner) +
               ", and we are user " + std::to_string(geteuid()) +
               "; root can open it to all (chmod 0666), which is usual and gives no right over any interface";
  }
  return Error{number, "open", std::move(message)};
}

/// TUNSETIFF: makes the descriptor a queue of the interface `name`, which becomes the name the kernel chose.
/// False with errno.
bool joinInterface(const Fd& device, std::string& name, int flags) {
  ifreq request{};
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_flags = static_cast<short>(flags);
  if (ioctl(device.get(), TUNSETIFF, &request) != 0) return false;
  name = request.ifr_name;
  return true;
}

/// What TUNSETIFF would not tell apart about an interface that exists.
Result<void> checkJoinable(Rtnetlink& rtnetlink, const std::string& name, bool multiQueue) {
  const Result<Link> link = rtnetlink.link(name);
  if (!link) return link.error();
  const std::string what = "cannot use the interface " + name + ": ";
  if (!link->tun)
    return Error{
        EINVAL, "ioctl TUNSETIFF",
        what + "it exists and is not a TAP" + (link->kind.empty() ? "" : " but of kind " + link->kind)};
  if (!link->tun->tap) return Error{EINVAL, "ioctl TUNSETIFF", what + "it exists and is a TUN, not a TAP"};
  if (link->tun->multiQueue != multiQueue)
    return Error{
        EINVAL, "ioctl TUNSETIFF",
        what + (multiQueue ? "it was made with a single queue; ask for one, or make it anew (ip tuntap "
                             "add NAME mode tap multi_queue)"
                           : "it was made with multiple queues; ask for several, or make it anew")};
  if (link->tun->queues > 0) return Error{EBUSY, "ioctl TUNSETIFF", what + "it is in use already"};
  return {};
}

Error joinRefused(const std::string& name, bool exists) {
  const int number = errno;
  std::string message = std::string("cannot ") + (exists ? "join " : "create ") + describeTap(name);
  if (number == EPERM) {
    message += exists ? ": it belongs to another user; " : ": ";
    message += needsCapability("CAP_NET_ADMIN") +
               "; or use a persistent TAP that your user owns (ip tuntap add NAME mode tap user USER)" +
               ", or an already open descriptor (fd)";
  } else if (number == EBUSY) {
    message += ": it is in use already";
  }
  return {number, "ioctl TUNSETIFF", std::move(message)};
}

/// A further queue of an interface that exists.
Result<Fd> openQueue(std::string& name, int flags) {
  Result<Fd> queue = openDevice();
  if (queue && !joinInterface(*queue, name, flags)) return joinRefused(name, true);
  return queue;
}

/// Creates the interface, or joins it: IFF_TUN_EXCL refuses what exists, which tells the two apart.
Result<Fd> openFirstQueue(Rtnetlink& rtnetlink, std::string& name, int flags, bool& created) {
  Result<Fd> queue = openDevice();
  if (!queue) return queue;
  created = joinInterface(*queue, name, flags | IFF_TUN_EXCL);
  if (created) return queue;
  if (errno != EBUSY) return joinRefused(name, false);
  if (auto joinable = checkJoinable(rtnetlink, name, (flags & IFF_MULTI_QUEUE) != 0); !joinable)
    return joinable.error();
  return openQueue(name, flags);
}

/// An earlier holder may have left other offloads on, and its size of the virtio-net header.
Result<void> setOffloads(const Fd& queue, Tap& tap) {
  const auto set = [&queue](unsigned offloads) { return ioctl(queue.get(), TUNSETOFFLOAD, offloads) == 0; };
  tap.udpSegmentation = tap.virtioHeader && set(tcpOffloads | udpOffloads);
  tap.segmentation = tap.udpSegmentation || (tap.virtioHeader && set(tcpOffloads));
  if (!tap.segmentation && !set(0))
    return Error::last("ioctl TUNSETOFFLOAD", "cannot set the offloads of a TAP");
  if (tap.virtioHeader && ioctl(queue.get(), TUNSETVNETHDRSZ, &virtioHeaderSize) != 0)
    return Error::last("ioctl TUNSETVNETHDRSZ", "cannot set the header size of a TAP");
  return {};
}

/// Everything but persistence. Only what differs is set: a TAP that is ready can be joined without rights.
Result<void> configure(Rtnetlink& rtnetlink, const Link& link, const Fd& queue, const TapOptions& options) {
  if (options.owner && ioctl(queue.get(), TUNSETOWNER, *options.owner) != 0)
    return Error::last("ioctl TUNSETOWNER", "cannot set the owner of the TAP " + link.name);
  if (options.group && ioctl(queue.get(), TUNSETGROUP, *options.group) != 0)
    return Error::last("ioctl TUNSETGROUP", "cannot set the group of the TAP " + link.name);
  if (options.mac && *options.mac != link.mac)
    if (auto set = rtnetlink.setMacAddress(link.index, *options.mac); !set) return set;
  if (options.mtu && *options.mtu != link.mtu)
    if (auto set = rtnetlink.setMtu(link.index, *options.mtu); !set) return set;
  if (!options.addresses.empty()) {
    const auto present = rtnetlink.addresses(link.index);
    if (!present) return present.error();
    for (const AddressPrefix& address : options.addresses) {
      if (std::find(present->begin(), present->end(), address) != present->end()) continue;
      if (auto added = rtnetlink.addAddress(link.index, address); !added) return added;
    }
  }
  if (options.up != link.up) return rtnetlink.setUp(link.index, options.up);
  return {};
}

Result<Tap> openHere(const TapOptions& options) {
  if (auto valid = checkTapName(options.name); !valid) return valid.error();
  Result<Rtnetlink> rtnetlink = Rtnetlink::open();
  if (!rtnetlink) return rtnetlink.error();

  const int flags = IFF_TAP | IFF_NO_PI | (options.queues > 1 ? IFF_MULTI_QUEUE : 0) |
                    (options.virtioHeader ? IFF_VNET_HDR : 0) | (options.napi ? IFF_NAPI : 0);
  Tap tap;
  tap.virtioHeader = options.virtioHeader;
  std::string name = options.name;
  Result<Fd> first = openFirstQueue(*rtnetlink, name, flags, tap.created);
  if (!first) return first.error();
  tap.queues.reserve(static_cast<std::size_t>(options.queues));
  const Fd& queue = tap.queues.emplace_back(*std::move(first));
  for (int i = 1; i < options.queues; ++i) {
    Result<Fd> further = openQueue(name, flags);
    if (!further) return further.error();
    tap.queues.push_back(*std::move(further));
  }
  if (options.queues > 1) {
    tap.steered = static_cast<bool>(steerFlows(queue));
    if (!tap.steered) unsteer(queue);  // an earlier holder may have left a program
  }
  if (auto set = setOffloads(queue, tap); !set) return set.error();

  Result<Link> link = rtnetlink->link(name);
  if (!link) return link.error();
  if (!options.carrier)
    if (auto set = setCarrier(queue, false); !set) return set.error();
  // It leads to a fabric where the machine has its address elsewhere, or nowhere.
  if (tap.created && options.addresses.empty())
    if (auto set = rtnetlink->answerArpForOwnAddressesOnly(link->index); !set) return set.error();
  if (auto configured = configure(*rtnetlink, *link, queue, options); !configured) return configured.error();
  link = rtnetlink->link(link->index);
  if (!link) return link.error();
  tap.link = *std::move(link);
  // Last: until here, a new device goes with its descriptors.
  if (options.persist)
    if (auto persistent = setPersistent(queue, true); !persistent) return persistent.error();
  return tap;
}

/// Whether this thread is in the namespace.
bool isOurs(const NetworkNamespace& other) {
  const Result<NetworkNamespace> own = NetworkNamespace::current();
  if (!own) return false;
  const auto here = statusOf(own->fd());
  const auto there = statusOf(other.fd());
  return here && there && here->isSameFile(*there);
}

/// The interface behind a descriptor, whose name `request` has. An equal MAC address confirms what is found.
Link linkBehind(const Fd& tap, const ifreq& request) {
  Link known;
  known.name = request.ifr_name;
  ifreq hardware{};
  if (ioctl(tap.get(), SIOCGIFHWADDR, &hardware) == 0)
    std::memcpy(known.mac.data(), hardware.ifr_hwaddr.sa_data, known.mac.size());

  // The device's own namespace, if we may ask for it; otherwise it may be ours.
  std::optional<NetworkNamespace> home;
  if (Fd fd(ioctl(tap.get(), TUNGETDEVNETNS)); fd) home.emplace(std::move(fd), "of " + known.name);
  const Result<Link> found = runIn(home ? &*home : nullptr, [&]() -> Result<Link> {
    Result<Rtnetlink> rtnetlink = Rtnetlink::open();
    if (!rtnetlink) return rtnetlink.error();
    return rtnetlink->link(known.name);
  });
  if (!found || found->mac != known.mac) return known;
  Link link = *found;
  if (home && !isOurs(*home)) link.index = 0;
  return link;
}

}  // namespace

Result<Tap> openTap(const TapOptions& options) {
  return runIn(options.networkNamespace, [&options] { return openHere(options); });
}

Result<Tap> adoptTap(Fd fd) {
  const std::string what = "cannot use descriptor " + std::to_string(fd.get()) + ": ";
  ifreq request{};
  if (ioctl(fd.get(), TUNGETIFF, &request) != 0)
    return Error::last("ioctl TUNGETIFF", what + "it is not one of a TAP");
  const int flags = request.ifr_flags;
  if (!(flags & IFF_TAP)) return Error{EINVAL, "ioctl TUNGETIFF", what + "it is one of a TUN, not of a TAP"};
  const int status = fcntl(fd.get(), F_GETFL);
  if (fcntl(fd.get(), F_SETFL, status | O_NONBLOCK) != 0 || fcntl(fd.get(), F_SETFD, FD_CLOEXEC) != 0)
    return Error::last("fcntl", what + "it cannot be made non-blocking");

  Tap tap;
  tap.virtioHeader = (flags & IFF_VNET_HDR) != 0;
  if (auto set = setOffloads(fd, tap); !set) return set.error();
  tap.link = linkBehind(fd, request);
  // Not from TUNGETIFF, where the bit of IFF_NO_PI also means that no filter is attached.
  if (tap.link.tun && tap.link.tun->packetInformation)
    return Error{EINVAL, "", what + "its TAP was opened without IFF_NO_PI"};
  tap.queues.push_back(std::move(fd));
  return tap;
}

Result<void> setCarrier(const Fd& tap, bool on) {
  const int value = on ? 1 : 0;
  if (ioctl(tap.get(), TUNSETCARRIER, &value) != 0)
    return Error::last("ioctl TUNSETCARRIER", "cannot set the carrier of a TAP");
  return {};
}

Result<void> attachFilter(const Fd& tap, std::span<const sock_filter> program) {
  // SAFETY: the kernel copies the program and does not write to it.
  sock_fprog request{static_cast<unsigned short>(program.size()), const_cast<sock_filter*>(program.data())};
  if (ioctl(tap.get(), program.empty() ? TUNDETACHFILTER : TUNATTACHFILTER, &request) != 0)
    return Error::last("ioctl TUNATTACHFILTER", "cannot set the filter of a TAP");
  return {};
}

Result<void> setPersistent(const Fd& tap, bool persistent) {
  if (ioctl(tap.get(), TUNSETPERSIST, persistent ? 1UL : 0UL) != 0)
    return Error::last("ioctl TUNSETPERSIST", "cannot set whether a TAP persists");
  return {};
}

}  // namespace etherloom
