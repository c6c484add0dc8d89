// Sockets that ports are made of: Unix, TCP and UDP ones, made here or handed over by somebody else.
// Called by the binding, on JavaScript's thread or one of its pool. Nothing here waits.
#pragma once

#include <sys/socket.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "os/error.hpp"
#include "os/fd.hpp"
#include "os/status.hpp"

namespace etherloom {

/// Where a socket is: a path in the file system, or an IP address and port.
class SocketAddress {
 public:
  /// An empty path is one that the kernel makes up, outside the file system, when a socket is bound to it.
  /// One that begins with a zero is a name outside the file system, too.
  [[nodiscard]] static Result<SocketAddress> path(const std::string& path);
  /// `ip` in numbers, IPv4 or IPv6, the latter with `%interface` where it is local to a link.
  [[nodiscard]] static Result<SocketAddress> inet(const std::string& ip, std::uint16_t port);
  /// Where a socket of ours is.
  [[nodiscard]] static SocketAddress boundTo(const Fd& socket);
  /// What the kernel says of the sender of a message.
  [[nodiscard]] static SocketAddress of(const sockaddr_storage& storage, socklen_t length);
  /// The same of IP, at another port.
  [[nodiscard]] SocketAddress withPort(std::uint16_t port) const;

  [[nodiscard]] int family() const { return storage_.ss_family; }
  /// The interface of an IPv6 address that is local to a link; 0 for none.
  [[nodiscard]] unsigned zone() const;
  /// Whether messages can be sent there: not to a Unix socket without a name.
  [[nodiscard]] bool reachable() const { return length_ > sizeof storage_.ss_family; }
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  [[nodiscard]] socklen_t length() const { return length_; }
  /// As users write it.
  [[nodiscard]] std::string text() const;
  [[nodiscard]] bool operator==(const SocketAddress& other) const noexcept;

 private:
  sockaddr_storage storage_{};
  socklen_t length_ = 0;
};

/// A stream of bytes, or messages, of which each is a frame.
enum class SocketType : std::uint8_t { Stream, Datagram, SeqPacket };

/// A socket of our own at an address. A path is removed with it, unless somebody else has taken it over.
class BoundSocket {
 public:
  /// Listens, or, for datagrams, is ready to receive. A path that nobody serves any more is taken over;
  /// `mode` and `owner` are those of a path.
  [[nodiscard]] static Result<BoundSocket> open(const SocketAddress& address, SocketType type, mode_t mode,
                                                std::optional<uid_t> owner = {});
  /// One that whoever started this process has bound, and keeps: its path stays when this is closed.
  [[nodiscard]] static Result<BoundSocket> inherited(int fd, SocketType type);
  BoundSocket() = default;
  BoundSocket(BoundSocket&& other) noexcept { *this = std::move(other); }
  BoundSocket& operator=(BoundSocket&& other) noexcept;
  ~BoundSocket() { close(); }

  /// The next peer that has connected, if any has.
  [[nodiscard]] Result<std::optional<Fd>> accept() const;
  [[nodiscard]] int fd() const { return fd_.get(); }
  /// Where it is; the port is a real one where 0 was asked for.
  [[nodiscard]] SocketAddress address() const;
  void close();

 private:
  Fd fd_;
  std::string path_;
  std::optional<FileStatus> file_;  ///< what we made there
};

/// The two sockets of a member of a multicast group.
struct GroupSockets {
  Fd receiver;  ///< hears the group at its port, which it shares with other programs' sockets
  Fd sender;    ///< sends to the group, from a port of its own; members on this machine hear it, too
};
/// Joins the group on an interface, by its name; empty: as the address says, or else the machine's routes.
[[nodiscard]] Result<GroupSockets> joinGroup(const SocketAddress& group, const std::string& interface);

/// A socket of a tunnel in UDP datagrams, at which any peers' datagrams arrive, with a checksum or without.
[[nodiscard]] Result<Fd> openTunnelReceiver(const SocketAddress& local);
/// One that sends such datagrams, and receives none. They are never fragmented: what does not fit on the way
/// is refused as EMSGSIZE. Its own port is the given one, or one of those behind it when that is in use.
[[nodiscard]] Result<Fd> openTunnelSender(const SocketAddress& local, bool checksum);
/// Of the way to a peer, as far as the kernel knows it: the longest IP packet, in bytes. `socket`, of UDP, is
/// connected to the peer for that.
[[nodiscard]] Result<std::uint32_t> mtuTowards(const Fd& socket, const SocketAddress& peer);

/// Begins to connect: done with it, or, `pending`, done when it can be written to; connected() says how.
struct Connecting {
  Fd fd;
  bool pending = false;
};
[[nodiscard]] Result<Connecting> connectSocket(const SocketAddress& address, SocketType type);
[[nodiscard]] Result<void> connected(const Fd& socket, const SocketAddress& address);

/// One message to the peer of a connected socket, without waiting.
[[nodiscard]] Result<void> sendMessage(const Fd& socket, std::span<const std::uint8_t> bytes);
/// What has come from the peer of a connected socket, at most as much as there is room for. 0 when it has
/// closed, nothing when no more is there now.
[[nodiscard]] Result<std::optional<std::size_t>> receiveMessage(const Fd& socket,
                                                                std::span<std::uint8_t> room);

/// Who is at the other end of a Unix connection: the kernel's word, not the peer's.
struct PeerIdentity {
  pid_t process = 0;
  uid_t user = 0;
  gid_t group = 0;
};
[[nodiscard]] Result<PeerIdentity> identityOf(const Fd& socket);

/// Makes whoever is at an address the only one that a socket of datagrams hears and speaks to. What a path
/// leads to must be a socket that one of these users owns; a symbolic link is none.
[[nodiscard]] Result<void> connectDatagrams(int socket, const SocketAddress& address,
                                            std::span<const uid_t> owners);

/// How long a TCP connection holds whose peer's machine answers nothing. The kernel (TCP_USER_TIMEOUT) also
/// gives up a machine that answers while its program reads nothing, as one that is stopped; so such a one is
/// given more time, for as long as it answers.
class PeerPatience {
 public:
  static constexpr std::chrono::milliseconds usual{20'000};

  explicit PeerPatience(std::chrono::milliseconds limit = usual) : limit_(limit) {}
  /// To be called every few seconds, a quarter of the limit at most, with the time.
  void renew(const Fd& socket, std::chrono::milliseconds now) noexcept;

 private:
  const std::chrono::milliseconds limit_;
  std::optional<std::chrono::milliseconds> readAt_;  // when the peer was last known to read
};

/// Two Unix sockets that are each other's peers: one for a port, one for a program that is started with it.
[[nodiscard]] Result<std::array<Fd, 2>> socketPair(SocketType type);

/// The user as whom the other end of a Unix socket was connected (SO_PEERCRED).
[[nodiscard]] Result<uid_t> peerUser(int fd);

/// The type of a connected socket that somebody else has made.
[[nodiscard]] Result<SocketType> typeOf(const Fd& socket);

}  // namespace etherloom
