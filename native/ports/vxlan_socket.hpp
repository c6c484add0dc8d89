// The UDP socket at which all VXLAN ports of one local address and port receive: a source of their worker.
// Made by the control thread from an open socket, then used on that worker; the counts are read by anybody.
//
// Theory of operation. A datagram is for the port that has its VXLAN network identifier; that port judges the
// sender. What is for no port is counted here. Each poll() makes a few calls of recvmmsg at most, and ends
// when a port has a whole burst. The kernel's buffer is the queue; ports have inboxes in addition, so that
// one that has to wait keeps nobody else's frames from them. A single port needs no such inbox: what it does
// not take stays in the kernel's buffer.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <memory>
#include <unordered_map>

#include "frame/batch.hpp"
#include "os/fd.hpp"
#include "ports/source.hpp"
#include "ports/vxlan_header.hpp"

namespace etherloom {

class VxlanPort;

class VxlanSocket final : public Source {
 public:
  static constexpr unsigned callsPerPoll = 4;
  static constexpr std::size_t longestDatagram = 65'507;

  /// Datagrams that became no port's frames. Writer: the worker.
  struct Strays {
    Sequence sequence;
    Counter tooShort, withoutVni, unknownVni;
  };

  explicit VxlanSocket(Fd socket);

  [[nodiscard]] Result<void> open(Io& io, PortKey key) override { return io.watch(key, socket_.get()); }
  void ready() noexcept override { more_ = true; }
  void poll() noexcept override;
  [[nodiscard]] bool arm() noexcept override { return !more_; }
  void close(Io& io) noexcept override;

  void join(std::uint32_t vni, VxlanPort& port) { ports_.insert_or_assign(vni, &port); }
  void leave(std::uint32_t vni) { ports_.erase(vni); }
  [[nodiscard]] const Strays& strays() const { return strays_; }

 private:
  /// An odd number of cache lines, or the first bytes of all buffers would compete for the same few places in
  /// the cache.
  static constexpr std::size_t stride = ((longestDatagram + 64) / 64 | 1) * 64;

  [[nodiscard]] int receive() noexcept;
  /// Whether the port that it was for has a whole burst now.
  bool take(std::span<const std::uint8_t> bytes, const sockaddr_storage& sender) noexcept;

  Fd socket_;
  bool more_ = true;  // there may be something
  std::unordered_map<std::uint32_t, VxlanPort*> ports_;
  Strays strays_;

  std::unique_ptr<std::uint8_t[]> buffers_;
  std::array<sockaddr_storage, burstSize> senders_{};
  std::array<iovec, burstSize> places_{};
  std::array<mmsghdr, burstSize> incoming_{};
};

}  // namespace etherloom
