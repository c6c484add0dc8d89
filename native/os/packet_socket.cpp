// The socket calls behind packet_socket.hpp.
#include "os/packet_socket.hpp"

#include <arpa/inet.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "os/rtnetlink.hpp"

namespace etherloom {

namespace {

/// How many letters must be inserted, removed or replaced to turn one word into the other (Levenshtein).
std::size_t editDistance(const std::string& from, const std::string& to) {
  std::vector<std::size_t> row(to.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < from.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < to.size(); ++j) {
      const std::size_t replaced = diagonal + (from[i] == to[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, diagonal + 1, row[j] + 1});
    }
  }
  return row.back();
}

/// The end of an error message: up to three interfaces whose names come nearest.
std::string nearestInterfaces(Rtnetlink& rtnetlink, const std::string& name) {
  constexpr std::size_t shown = 3;
  const Result<std::vector<Link>> links = rtnetlink.links();
  if (!links || links->empty()) return "";
  std::vector<std::pair<std::size_t, std::string>> ranked;
  for (const Link& link : *links) ranked.emplace_back(editDistance(name, link.name), link.name);
  std::sort(ranked.begin(), ranked.end());
  std::string text = "; the nearest names are";
  for (std::size_t i = 0; i < std::min(shown, ranked.size()); ++i)
    text += (i ? ", " : " ") + ranked[i].second;
  return text;
}

Result<Link> findInterface(const std::string& name) {
  if (auto valid = checkInterfaceName(name); !valid) return valid.error();
  Result<Rtnetlink> rtnetlink = Rtnetlink::open();
  if (!rtnetlink) return rtnetlink.error();
  Result<Link> link = rtnetlink->link(name);
  if (!link && link.error().number == ENODEV)
    return Error{ENODEV, link.error().call,
                 "there is no interface " + name + nearestInterfaces(*rtnetlink, name)};
  if (link && link->hardwareType != ARPHRD_ETHER && link->hardwareType != ARPHRD_LOOPBACK)
    return Error{EINVAL, "", "the interface " + name + " does not carry Ethernet frames"};
  return link;
}

/// The filter as the kernel shall run it. Incoming alone is a socket option; for outgoing alone there is
/// none.
std::vector<sock_filter> kernelFilter(const PacketSocketOptions& options) {
  if (options.direction != PacketDirection::Out) return options.filter;
  constexpr auto packetType = static_cast<std::uint32_t>(SKF_AD_OFF + SKF_AD_PKTTYPE);
  std::vector<sock_filter> program{
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, packetType),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, 0),
  };
  // Jumps are relative: the rest runs behind these three as it would alone.
  if (options.filter.empty()) program.push_back(BPF_STMT(BPF_RET | BPF_K, ~0U));
  program.insert(program.end(), options.filter.begin(), options.filter.end());
  return program;
}

template <typename T>
bool setOption(const Fd& fd, int level, int option, const T& value) {
  return setsockopt(fd.get(), level, option, &value, sizeof value) == 0;
}

Result<void> setSendBuffer(const Fd& fd, int size, const std::string& what) {
  if (setOption(fd, SOL_SOCKET, SO_SNDBUFFORCE, size) || setOption(fd, SOL_SOCKET, SO_SNDBUF, size))
    return {};
  return Error::last("setsockopt SO_SNDBUF", what);
}

Result<void> bindTo(const Fd& fd, int interface, std::uint16_t protocol, const std::string& what) {
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(protocol);
  address.sll_ifindex = interface;
  // SAFETY: the kernel reads as many bytes as the family has.
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return {};
  return Error::last("bind AF_PACKET", what);
}

/// Protocol 0 receives nothing.
Result<Fd> openSender(const PacketSocketOptions& options, int interface, const std::string& what) {
  Fd fd(socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return Error::last("socket AF_PACKET", what);
  if (options.virtioHeader && !setOption(fd, SOL_PACKET, PACKET_VNET_HDR, 1))
    return Error::last("setsockopt PACKET_VNET_HDR", what);
  if (auto sized = setSendBuffer(fd, options.bufferSize, what); !sized) return sized.error();
  if (auto bound = bindTo(fd, interface, 0, what); !bound) return bound.error();
  return fd;
}

Result<PacketSocket> openHere(const PacketSocketOptions& options) {
  Result<Link> link = findInterface(options.interface);
  if (!link) return link.error();
  const std::string what = "cannot open a packet socket on " + options.interface;
  // Protocol 0 receives nothing: no frame of another interface, or that the filter refuses, can come before
  // bind().
  Fd fd(socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd)
    return Error::last("socket AF_PACKET",
                       errno == EPERM ? what + ": " + needsCapability("CAP_NET_RAW") : what);

  if (!setOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, options.bufferSize) &&
      !setOption(fd, SOL_SOCKET, SO_RCVBUF, options.bufferSize))
    return Error::last("setsockopt SO_RCVBUF", what);
  if (auto sized = setSendBuffer(fd, options.bufferSize, what); !sized) return sized.error();
  if (!setOption(fd, SOL_PACKET, PACKET_AUXDATA, 1)) return Error::last("setsockopt PACKET_AUXDATA", what);
  if (options.direction == PacketDirection::In && !setOption(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1))
    return Error::last("setsockopt PACKET_IGNORE_OUTGOING", what);
  if (options.virtioHeader && !setOption(fd, SOL_PACKET, PACKET_VNET_HDR, 1))
    return Error::last("setsockopt PACKET_VNET_HDR", what);
  std::vector<sock_filter> filter = kernelFilter(options);
  const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  if (!filter.empty() && !setOption(fd, SOL_SOCKET, SO_ATTACH_FILTER, program))
    return Error::last("setsockopt SO_ATTACH_FILTER", what);

  // After the header, which a socket with a ring does not change; before bind(), so that no frame misses it.
  std::optional<PacketRing> ring;
  if (options.method != PacketMethod::Calls) {
    Result<PacketRing> made = PacketRing::create(fd, options.ringPlaces);
    if (made) {
      ring = *std::move(made);
    } else if (options.method) {
      return Error{made.error().number, made.error().call, what + ": " + made.error().message};
    }
  }

  if (auto bound = bindTo(fd, link->index, ETH_P_ALL, what); !bound) return bound.error();
  packet_mreq membership{};
  membership.mr_ifindex = link->index;
  membership.mr_type = PACKET_MR_PROMISC;
  if (options.promiscuous && !setOption(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, membership))
    return Error::last("setsockopt PACKET_ADD_MEMBERSHIP", what);
  Fd sender;
  if (options.direction == PacketDirection::In) {
    Result<Fd> opened = openSender(options, link->index, what);
    if (!opened) return opened.error();
    sender = *std::move(opened);
  }
  return PacketSocket{std::move(fd), *std::move(link), std::move(ring), std::move(sender)};
}

}  // namespace

Result<PacketSocket> openPacketSocket(const PacketSocketOptions& options) {
  return runIn(options.networkNamespace, [&options] { return openHere(options); });
}

}  // namespace etherloom
