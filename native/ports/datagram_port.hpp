// A message socket as a port, one frame in each message: UDP, Unix datagrams, connected pairs.
// Made by the control thread from an open socket, then used on its worker.
//
// Theory of operation. Messages come by recvmmsg and go by sendmmsg, a burst in a call; they are copied once,
// as by PacketPort's calls. The kernel's buffers are the only queue: what they do not take is dropped as
// port-full. A socket that is not connected knows its peer by the address, given or learned from the first
// that sends a frame; messages of others are counted and dropped. Not the kernel does that, by a connect(2),
// since it would not count, and a Unix socket would not hear its peer again after that has been started anew.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <memory>

#include "os/fd.hpp"
#include "os/socket.hpp"
#include "ports/port.hpp"

namespace etherloom {

class DatagramPort final : public Port {
 public:
  struct Settings {
    SocketType type = SocketType::Datagram;  ///< or SeqPacket
    bool connected = false;                  ///< there is one peer, and the kernel knows it
    std::optional<SocketAddress> peer;       ///< else: the peer; without one the first that speaks becomes it
    std::uint32_t limit = 0;
    bool pad = false;  ///< fills frames that go out up to paddedLength
    /// `peer` is a multicast group: every sender's frames come in, but those that come from here, which the
    /// kernel returns. What goes out leaves by this socket, whose address nobody else has.
    Fd sender = Fd();
    /// A stream to the peer, where the connection has one beside its messages: whose end is the port's.
    Fd control = Fd();
  };
  DatagramPort(Fd socket, Settings settings);

  [[nodiscard]] ClassMark mark() const noexcept override { return markOf<DatagramPort>(); }
  [[nodiscard]] Result<void> open(Io& io, PortKey key) override;
  [[nodiscard]] RxState receive(RxBurst& burst) noexcept override;
  void transmit(std::span<const TxItem> items) noexcept override;
  void close(Io& io) noexcept override;

  /// Tells the peer that we are there, unless something was sent since the last time. What it is told is what
  /// OpenVPN tells its peers, which those, TME and this port know from a frame.
  void keepAlive() noexcept;

 private:
  void take(std::span<const std::uint8_t> bytes, const mmsghdr& message, RxBurst& burst) noexcept;
  [[nodiscard]] static SocketAddress senderOf(const msghdr& message) noexcept;
  [[nodiscard]] bool fromPeer(const msghdr& message, bool mayLearn) noexcept;
  [[nodiscard]] bool reachable() const noexcept { return connected_ || peer_; }
  void send(std::size_t count) noexcept;
  [[nodiscard]] DropReason refusal(int error) noexcept override;
  [[nodiscard]] RxState stopped(int error) noexcept;
  [[nodiscard]] RxState emptied() noexcept;
  [[nodiscard]] bool ends(int error) const noexcept;

  Fd socket_;
  Fd sender_;                         // its own, or none: then socket_ sends too
  std::optional<SocketAddress> own_;  // of sender_
  Fd control_;
  const bool pad_;
  const SocketType type_;
  const bool connected_;
  bool local_ = false;  // a Unix socket
  bool spoke_ = false;  // since the last keepAlive()
  std::optional<SocketAddress> peer_;

  std::size_t stride_;  // bytes from one buffer to the next
  std::unique_ptr<std::uint8_t[]> buffers_;
  std::array<sockaddr_storage, burstSize> senders_{};
  std::array<iovec, burstSize> places_{};
  std::array<mmsghdr, burstSize> incoming_{};

  std::array<TxItem, burstSize> items_{};
  std::array<std::array<iovec, 2>, burstSize> frames_{};  // the frame; what it lacks
  std::array<mmsghdr, burstSize> outgoing_{};
};

}  // namespace etherloom
