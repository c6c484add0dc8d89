#include "os/socket.hpp"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>

namespace etherloom {
namespace {

constexpr int numberOf(SocketType type) {
  return type == SocketType::Stream     ? SOCK_STREAM
         : type == SocketType::Datagram ? SOCK_DGRAM
                                        : SOCK_SEQPACKET;
}

// SAFETY (here and below): a sockaddr_storage has room for, and is aligned as, every kind of address.
template <typename Kind, typename Storage>
auto& as(Storage& storage) {
  return reinterpret_cast<Kind&>(storage);
}

template <typename T>
void set(const Fd& socket, int level, int option, T value) {
  setsockopt(socket.get(), level, option, &value, sizeof value);
}

/// Room for bursts, as much as the system's limits allow; and a TCP peer whose machine is gone is missed.
void tune(const Fd& socket, int family, SocketType type) {
  constexpr int messages = 4 << 20, stream = 1 << 20;
  if (type == SocketType::Stream) {
    if (family == AF_UNIX) return set(socket, SOL_SOCKET, SO_SNDBUF, stream);
    set(socket, IPPROTO_TCP, TCP_NODELAY, 1);
    set(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
    set(socket, IPPROTO_TCP, TCP_KEEPIDLE, 5);
    set(socket, IPPROTO_TCP, TCP_KEEPINTVL, 5);
    set(socket, IPPROTO_TCP, TCP_KEEPCNT, 3);
    return set(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<unsigned>(PeerPatience::usual.count()));
  }
  set(socket, SOL_SOCKET, SO_RCVBUF, messages);
  set(socket, SOL_SOCKET, SO_SNDBUF, stream);
}

Result<Fd> makeSocket(int family, SocketType type) {
  Fd socket(::socket(family, numberOf(type) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return Error::last("socket", "cannot make a socket");
  tune(socket, family, type);
  return socket;
}

/// Removes a socket file that nobody serves. Refuses to touch what is none, or is in use.
Result<void> removeStale(const SocketAddress& address, const std::string& path, SocketType type) {
  const auto there = statusOfLink(path.c_str());
  if (!there) return {};
  if (!there->isSocket)
    return Error{EEXIST, "bind", path + " exists and is not a socket, so it is left alone"};
  Fd probe(::socket(AF_UNIX, numberOf(type) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe) return Error::last("socket", "cannot make a socket");
  if (::connect(probe.get(), address.get(), address.length()) == 0 || errno != ECONNREFUSED)
    return Error{EADDRINUSE, "bind", "another running program serves " + path};
  if (unlink(path.c_str()) != 0) return Error::last("unlink", "cannot remove the stale socket " + path);
  return {};
}

std::string pathOf(const Fd& place) { return "/proc/self/fd/" + std::to_string(place.get()); }

/// Gives a socket file of ours its rights and its owner, by a descriptor: whoever may write to its folder
/// cannot have us change another file instead.
Result<void> settle(const std::string& path, mode_t mode, std::optional<uid_t> owner) {
  const std::string what = "cannot set the rights of " + path;
  const Fd place(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!place) return Error::last("open", what);
  const auto there = statusOf(place.get());
  if (!there || !there->isSocket || (owner && there->owner != geteuid()))
    return Error{EEXIST, "", what + ": another program has replaced it"};
  if (owner && *owner != geteuid() &&
      fchownat(place.get(), "", *owner, static_cast<gid_t>(-1), AT_EMPTY_PATH) != 0)
    return Error::last("fchownat", "cannot give " + path + " to its user");
  if (chmod(pathOf(place).c_str(), mode) != 0) return Error::last("chmod", what);
  return {};
}

}  // namespace

Result<SocketAddress> SocketAddress::path(const std::string& path) {
  SocketAddress address;
  auto& local = as<sockaddr_un>(address.storage_);
  const bool isName = !path.empty() && path.front() == '\0';
  if (path.size() + (isName ? 0 : 1) > sizeof local.sun_path)
    return Error{ENAMETOOLONG, "", "the socket path " + path + " is longer than 107 bytes"};
  local.sun_family = AF_UNIX;
  std::memcpy(local.sun_path, path.data(), path.size());
  address.length_ = sizeof local.sun_family;
  // A name outside the file system begins with a zero, and has no other at its end.
  if (!path.empty()) address.length_ += static_cast<socklen_t>(path.size() + (isName ? 0 : 1));
  return address;
}

Result<SocketAddress> SocketAddress::inet(const std::string& ip, std::uint16_t port) {
  SocketAddress address;
  auto& four = as<sockaddr_in>(address.storage_);
  if (inet_pton(AF_INET, ip.c_str(), &four.sin_addr) == 1) {
    four.sin_family = AF_INET;
    four.sin_port = htons(port);
    address.length_ = sizeof four;
    return address;
  }
  address.storage_ = {};
  auto& six = as<sockaddr_in6>(address.storage_);
  const std::size_t zone = ip.find('%');
  if (inet_pton(AF_INET6, ip.substr(0, zone).c_str(), &six.sin6_addr) != 1)
    return Error{EINVAL, "", ip + " is not an IP address"};
  six.sin6_family = AF_INET6;
  six.sin6_port = htons(port);
  if (zone != std::string::npos) six.sin6_scope_id = if_nametoindex(ip.c_str() + zone + 1);
  address.length_ = sizeof six;
  return address;
}

SocketAddress SocketAddress::of(const sockaddr_storage& storage, socklen_t length) {
  SocketAddress address;
  address.length_ = std::min(length, socklen_t{sizeof storage});
  std::memcpy(&address.storage_, &storage, address.length_);
  return address;
}

SocketAddress SocketAddress::boundTo(const Fd& socket) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  // SAFETY: the kernel writes at most `length` bytes.
  getsockname(socket.get(), reinterpret_cast<sockaddr*>(&storage), &length);
  return of(storage, length);
}

SocketAddress SocketAddress::withPort(std::uint16_t port) const {
  SocketAddress other = *this;
  // Both kinds of IP address have their port at the same place.
  as<sockaddr_in>(other.storage_).sin_port = htons(port);
  return other;
}

unsigned SocketAddress::zone() const {
  return family() == AF_INET6 ? as<const sockaddr_in6>(storage_).sin6_scope_id : 0;
}

std::string SocketAddress::text() const {
  char text[INET6_ADDRSTRLEN] = "";
  if (family() == AF_INET) {
    const auto& four = as<const sockaddr_in>(storage_);
    inet_ntop(AF_INET, &four.sin_addr, text, sizeof text);
    return std::string(text) + ':' + std::to_string(ntohs(four.sin_port));
  }
  if (family() == AF_INET6) {
    const auto& six = as<const sockaddr_in6>(storage_);
    inet_ntop(AF_INET6, &six.sin6_addr, text, sizeof text);
    return '[' + std::string(text) + "]:" + std::to_string(ntohs(six.sin6_port));
  }
  return as<const sockaddr_un>(storage_).sun_path;
}

bool SocketAddress::operator==(const SocketAddress& other) const noexcept {
  if (family() != other.family()) return false;
  if (family() == AF_INET) {
    const auto &mine = as<const sockaddr_in>(storage_), &theirs = as<const sockaddr_in>(other.storage_);
    return mine.sin_port == theirs.sin_port && mine.sin_addr.s_addr == theirs.sin_addr.s_addr;
  }
  if (family() == AF_INET6) {
    const auto &mine = as<const sockaddr_in6>(storage_), &theirs = as<const sockaddr_in6>(other.storage_);
    return mine.sin6_port == theirs.sin6_port &&
           std::memcmp(&mine.sin6_addr, &theirs.sin6_addr, sizeof mine.sin6_addr) == 0;
  }
  // Whoever binds without the final zero byte gets it in addition.
  return length_ == other.length_ && std::memcmp(&storage_, &other.storage_, length_) == 0;
}

Result<BoundSocket> BoundSocket::open(const SocketAddress& address, SocketType type, mode_t mode,
                                      std::optional<uid_t> owner) {
  auto socket = makeSocket(address.family(), type);
  if (!socket) return socket.error();
  BoundSocket bound;
  bound.fd_ = std::move(*socket);
  const bool isPath = address.family() == AF_UNIX && address.reachable();
  const auto bind = [&] { return ::bind(bound.fd_.get(), address.get(), address.length()); };
  if (isPath) {
    fchmod(bound.fd_.get(), mode);  // so that the file never has more rights than these
  } else if (type == SocketType::Stream) {
    set(bound.fd_, SOL_SOCKET, SO_REUSEADDR, 1);
  }
  int failed = bind();
  if (failed != 0 && errno == EADDRINUSE && isPath) {
    if (auto removed = removeStale(address, address.text(), type); !removed) return removed.error();
    failed = bind();
  }
  if (failed != 0) return Error::last("bind", "cannot serve " + address.text());
  if (isPath) {
    bound.path_ = address.text();
    bound.file_ = statusOfLink(bound.path_.c_str());
    if (auto settled = settle(bound.path_, mode, owner); !settled) return settled.error();
  }
  constexpr int waiting = 128;
  if (type != SocketType::Datagram && listen(bound.fd_.get(), waiting) != 0)
    return Error::last("listen", "cannot listen on " + address.text());
  return bound;
}

// The flags are those of the open socket itself, which the giver shares; a supervisor does not use it
// meanwhile.
Result<BoundSocket> BoundSocket::inherited(int fd, SocketType type) {
  auto own = duplicate(fd);
  if (!own) return own.error();
  const auto found = typeOf(*own);
  if (!found) return found.error();
  const std::string which = "descriptor " + std::to_string(fd);
  if (*found != type)
    return Error{EPROTOTYPE, "", which + " is another type of socket than its framing asks for"};
  int listens = 0;
  socklen_t size = sizeof listens;
  getsockopt(own->get(), SOL_SOCKET, SO_ACCEPTCONN, &listens, &size);
  if (type != SocketType::Datagram && listens == 0) return Error{EINVAL, "", which + " does not listen"};
  fcntl(fd, F_SETFD, FD_CLOEXEC);  // what we start has no part in it
  fcntl(own->get(), F_SETFL, fcntl(own->get(), F_GETFL) | O_NONBLOCK);
  BoundSocket bound;
  bound.fd_ = std::move(*own);
  return bound;
}

BoundSocket& BoundSocket::operator=(BoundSocket&& other) noexcept {
  if (this == &other) return *this;
  close();
  fd_ = std::move(other.fd_);
  path_ = std::exchange(other.path_, {});
  file_ = other.file_;
  return *this;
}

void BoundSocket::close() {
  fd_.reset();
  const std::string path = std::exchange(path_, {});
  if (path.empty() || !file_) return;
  if (const auto there = statusOfLink(path.c_str()); there && there->isSameFile(*file_)) unlink(path.c_str());
}

SocketAddress BoundSocket::address() const { return SocketAddress::boundTo(fd_); }

Result<std::optional<Fd>> BoundSocket::accept() const {
  for (;;) {
    Fd peer(accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (peer) {
      if (const auto type = typeOf(peer)) tune(peer, address().family(), *type);
      return std::optional(std::move(peer));
    }
    if (errno == EAGAIN) return std::optional<Fd>();
    if (errno == EINTR || errno == ECONNABORTED) continue;
    return Error::last("accept4", "cannot take a peer at " + address().text());
  }
}

// A sender of its own, since its address tells what the kernel returns to us from what others say: members on
// one machine share the receiver's address.
Result<GroupSockets> joinGroup(const SocketAddress& group, const std::string& interface) {
  const std::string what = "cannot join the group " + group.text();
  unsigned index = interface.empty() ? group.zone() : if_nametoindex(interface.c_str());
  if (!interface.empty() && index == 0)
    return Error{ENODEV, "", what + ": there is no interface " + interface};
  auto receiver = makeSocket(group.family(), SocketType::Datagram);
  if (!receiver) return receiver.error();
  auto sender = makeSocket(group.family(), SocketType::Datagram);
  if (!sender) return sender.error();
  set(*receiver, SOL_SOCKET, SO_REUSEADDR, 1);
  if (bind(receiver->get(), group.get(), group.length()) != 0) return Error::last("bind", what);

  const bool four = group.family() == AF_INET;
  int joined;
  if (four) {
    const ip_mreqn member{as<const sockaddr_in>(*group.get()).sin_addr, {}, static_cast<int>(index)};
    set(*receiver, IPPROTO_IP, IP_MULTICAST_ALL, 0);
    joined = setsockopt(receiver->get(), IPPROTO_IP, IP_ADD_MEMBERSHIP, &member, sizeof member);
    if (index != 0) set(*sender, IPPROTO_IP, IP_MULTICAST_IF, member);
  } else {
    const ipv6_mreq member{as<const sockaddr_in6>(*group.get()).sin6_addr, index};
    constexpr int multicastAll = 29;  // IPV6_MULTICAST_ALL, which older headers lack
    set(*receiver, IPPROTO_IPV6, multicastAll, 0);
    joined = setsockopt(receiver->get(), IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &member, sizeof member);
    if (index != 0) set(*sender, IPPROTO_IPV6, IPV6_MULTICAST_IF, static_cast<int>(index));
  }
  if (joined != 0)
    return Error::last("setsockopt IP_ADD_MEMBERSHIP",
                       errno == ENODEV ? what + ": no route leads there; name an interface" : what);
  // Connected, so that it has the address that its datagrams come from.
  if (::connect(sender->get(), group.get(), group.length()) != 0) return Error::last("connect", what);
  return GroupSockets{*std::move(receiver), *std::move(sender)};
}

// The kernel has these in headers that do not go together with those of the C library.
namespace {
constexpr int udpNoCheck6Send = 101, udpNoCheck6Receive = 102;
}

// Not shared with IPv4: who wants both has a socket of each.
Result<Fd> openTunnelReceiver(const SocketAddress& local) {
  auto socket = makeSocket(local.family(), SocketType::Datagram);
  if (!socket) return socket.error();
  if (local.family() == AF_INET6) {
    set(*socket, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    set(*socket, IPPROTO_UDP, udpNoCheck6Receive, 1);
  }
  if (bind(socket->get(), local.get(), local.length()) != 0)
    return Error::last("bind", "cannot receive at " + local.text());
  return socket;
}

Result<Fd> openTunnelSender(const SocketAddress& local, bool checksum) {
  auto socket = makeSocket(local.family(), SocketType::Datagram);
  if (!socket) return socket.error();
  sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
  const sock_fprog program{1, &nothing};
  set(*socket, SOL_SOCKET, SO_ATTACH_FILTER, program);
  if (local.family() == AF_INET6) {
    set(*socket, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    set(*socket, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO);
    if (!checksum) set(*socket, IPPROTO_UDP, udpNoCheck6Send, 1);
  } else {
    set(*socket, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
    if (!checksum) set(*socket, SOL_SOCKET, SO_NO_CHECK, 1);
  }
  // SAFETY: an address of IP.
  const std::uint32_t first = ntohs(reinterpret_cast<const sockaddr_in*>(local.get())->sin_port);
  constexpr std::uint32_t tries = 64, last = 65'535;
  for (std::uint32_t port = first; port < first + tries && port <= last; ++port) {
    const SocketAddress here = local.withPort(static_cast<std::uint16_t>(port));
    if (bind(socket->get(), here.get(), here.length()) == 0) return socket;
    if (errno != EADDRINUSE) break;
  }
  if (errno == EADDRINUSE) {
    const SocketAddress anywhere = local.withPort(0);
    if (bind(socket->get(), anywhere.get(), anywhere.length()) == 0) return socket;
  }
  return Error::last("bind", "cannot send from " + local.text());
}

Result<std::uint32_t> mtuTowards(const Fd& socket, const SocketAddress& peer) {
  const std::string what = "no way leads to " + peer.text();
  if (::connect(socket.get(), peer.get(), peer.length()) != 0) return Error::last("connect", what);
  int mtu = 0;
  socklen_t size = sizeof mtu;
  const bool isSix = peer.family() == AF_INET6;
  if (getsockopt(socket.get(), isSix ? IPPROTO_IPV6 : IPPROTO_IP, isSix ? IPV6_MTU : IP_MTU, &mtu, &size) !=
      0)
    return Error::last("getsockopt IP_MTU", what);
  return static_cast<std::uint32_t>(mtu);
}

Result<Connecting> connectSocket(const SocketAddress& address, SocketType type) {
  auto socket = makeSocket(address.family(), type);
  if (!socket) return socket.error();
  int result;
  do {
    result = ::connect(socket->get(), address.get(), address.length());
  } while (result != 0 && errno == EINTR);
  if (result != 0 && errno != EINPROGRESS) return Error::last("connect", "cannot reach " + address.text());
  return Connecting{std::move(*socket), result != 0};
}

Result<void> connected(const Fd& socket, const SocketAddress& address) {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error == 0) return {};
  return Error{error, "connect", "cannot reach " + address.text()};
}

Result<void> sendMessage(const Fd& socket, std::span<const std::uint8_t> bytes) {
  if (::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return {};
  return Error::last("send", "cannot send a message");
}

Result<std::optional<std::size_t>> receiveMessage(const Fd& socket, std::span<std::uint8_t> room) {
  ssize_t got;
  do {
    got = ::recv(socket.get(), room.data(), room.size(), MSG_DONTWAIT);
  } while (got < 0 && errno == EINTR);
  if (got >= 0) return std::optional(static_cast<std::size_t>(got));
  if (errno == EAGAIN) return std::optional<std::size_t>();
  return Error::last("recv", "the peer has gone");
}

Result<PeerIdentity> identityOf(const Fd& socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
    return Error::last("getsockopt SO_PEERCRED", "the kernel does not say who the peer is");
  return PeerIdentity{peer.pid, peer.uid, peer.gid};
}

namespace {

/// Takes away what waits in a socket that is connected: who sent it may have been anybody. The kernel lets
/// nobody but the peer send from then on, so there are no more than it lets wait; the bound is against a peer
/// that goes on sending meanwhile.
void discardEarlier(int socket) noexcept {
  constexpr int most = 4096;
  for (int taken = 0; taken < most; ++taken) {
    if (::recv(socket, nullptr, 0, MSG_DONTWAIT | MSG_TRUNC) < 0 && errno != EINTR) return;
  }
}

}  // namespace

// By a descriptor of what was looked at: what stands at the path a moment later does not matter.
Result<void> connectDatagrams(int socket, const SocketAddress& address, std::span<const uid_t> owners) {
  const std::string path = address.text();
  SocketAddress peer = address;
  Fd place;
  if (!path.empty()) {
    place = Fd(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!place) return Error::last("open", "cannot reach " + path);
    const auto there = statusOf(place.get());
    if (!there || !there->isSocket) return Error{ENOTSOCK, "", path + " is not a socket"};
    if (std::ranges::find(owners, there->owner) == owners.end())
      return Error{EPERM, "", path + " is a socket of another user"};
    const auto opened = SocketAddress::path(pathOf(place));
    if (!opened) return opened.error();
    peer = *opened;
  }
  if (::connect(socket, peer.get(), peer.length()) != 0)
    return Error::last("connect", path.empty() ? "cannot reach the peer's socket" : "cannot reach " + path);
  discardEarlier(socket);
  return {};
}

// A peer that does not read has closed its window, and is asked again and again, by probes or by what it had
// no room for, and at the latest when the time that is left is over; so the last answer is not much older
// than the limit. Kernels before 5.4 do not report the window: it reads as closed.
void PeerPatience::renew(const Fd& socket, std::chrono::milliseconds now) noexcept {
  using std::chrono::milliseconds;
  constexpr milliseconds slack{10'000};  // of whoever calls this, too
  tcp_info info{};
  socklen_t length = sizeof info;
  if (getsockopt(socket.get(), IPPROTO_TCP, TCP_INFO, &info, &length) != 0) return;
  const bool waits = info.tcpi_unacked == 0 ? info.tcpi_notsent_bytes != 0 : info.tcpi_snd_wnd == 0;
  const bool answers = milliseconds(info.tcpi_last_ack_recv) < limit_ + slack;
  if (!waits || !answers || !readAt_) readAt_ = now;
  constexpr milliseconds longest{1 << 30};
  const milliseconds allowed = std::min(limit_ + (now - *readAt_), longest);
  set(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<unsigned>(allowed.count()));
}

Result<std::array<Fd, 2>> socketPair(SocketType type) {
  std::array<int, 2> numbers{};
  if (::socketpair(AF_UNIX, numberOf(type) | SOCK_CLOEXEC, 0, numbers.data()) != 0)
    return Error::last("socketpair", "cannot make a pair of sockets");
  return std::array<Fd, 2>{Fd(numbers[0]), Fd(numbers[1])};
}

Result<uid_t> peerUser(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
    return Error::last("getsockopt SO_PEERCRED", "who has connected cannot be known");
  return peer.uid;
}

Result<SocketType> typeOf(const Fd& socket) {
  int type = 0;
  socklen_t size = sizeof type;
  const std::string which = "descriptor " + std::to_string(socket.get());
  if (getsockopt(socket.get(), SOL_SOCKET, SO_TYPE, &type, &size) != 0)
    return Error::last("getsockopt SO_TYPE", which + " is not a socket");
  if (type == SOCK_STREAM) return SocketType::Stream;
  if (type == SOCK_DGRAM) return SocketType::Datagram;
  if (type == SOCK_SEQPACKET) return SocketType::SeqPacket;
  return Error{EPROTOTYPE, "", which + " is neither a stream nor a message socket"};
}

}  // namespace etherloom
