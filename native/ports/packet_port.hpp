// An existing interface as a port, through a packet socket (packet(7)): frames come through a ring that the
// kernel fills, or by recvmmsg where there is none; they go out by sendmmsg.
// Made by the control thread from an open socket (os/packet_socket.hpp), then used on its worker.
//
// Theory of operation. Every frame is copied once, to a frame of the pool, and its place or buffer is free
// again before receive() returns. What the kernel hands over may be more than a wire frame: up to 64 KiB of
// TCP with its checksum undone, and a VLAN tag that is no longer in the frame. The tag is put back while
// copying; the rest stays as it is, as an offload of the frame. What is transmitted takes its virtio-net
// header along, and the kernel cuts and completes it where the interface cannot.
//
// The ring is the cheaper way to receive, since by recvmmsg the kernel's buffer is freed at our cost. Nothing
// like it showed for transmitting: a ring there costs as much as sendmmsg, and says later, and less exactly,
// what became of a frame. Nor did passing by the queueing discipline (PACKET_QDISC_BYPASS), so frames go
// through it as those of other programs do.
#pragma once

#include <linux/if_packet.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <memory>
#include <optional>

#include "frame/virtio_header.hpp"
#include "os/fd.hpp"
#include "os/packet_socket.hpp"
#include "ports/port.hpp"

namespace etherloom {

class PacketPort final : public Port {
 public:
  /// `socket` is open with `direction` and the virtio-net header.
  PacketPort(PacketSocket socket, PacketDirection direction, std::uint32_t limit);

  /// How frames are received.
  [[nodiscard]] PacketMethod method() const { return ring_ ? PacketMethod::Ring : PacketMethod::Calls; }

  [[nodiscard]] Result<void> open(Io& io, PortKey key) override;
  [[nodiscard]] RxState receive(RxBurst& burst) noexcept override;
  void transmit(std::span<const TxItem> items) noexcept override;
  void close(Io& io) noexcept override { io.forget(socket_.get()); }
  [[nodiscard]] bool closesSlowly() const noexcept override { return true; }

 private:
  struct VlanTag {
    std::uint16_t type;
    std::uint16_t control;
  };
  /// What the kernel says about a frame beside its bytes.
  struct Description {
    VirtioHeader header;
    std::optional<VlanTag> tag;  // that it took out of the frame
  };
  /// One message as the kernel fills it. The size is an odd number of cache lines, or the first bytes of all
  /// buffers would compete for the same few places in the cache.
  struct alignas(64) Buffer {
    VirtioHeader header;
    sockaddr_ll origin;
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(tpacket_auxdata))> control;
    std::array<iovec, 2> parts;  // the header; the frame
    std::array<std::uint8_t, 64 * 1024 + 88> frame;
  };
  static_assert(sizeof(Buffer) / 64 % 2 == 1);

  [[nodiscard]] RxState receiveFromRing(RxBurst& burst) noexcept;
  void take(const tpacket2_hdr& place, RxBurst& burst) noexcept;
  void takeLong(bool wanted, Description description, RxBurst& burst) noexcept;
  [[nodiscard]] RxState receiveByCalls(RxBurst& burst) noexcept;
  void take(const msghdr& message, std::uint32_t length, const Buffer& buffer, RxBurst& burst) noexcept;

  [[nodiscard]] static std::optional<VlanTag> tagOf(std::uint32_t status, std::uint16_t type,
                                                    std::uint16_t control) noexcept;
  [[nodiscard]] bool wanted(unsigned char packetType) const noexcept;
  void copy(std::span<const std::uint8_t> bytes, const Description& description, RxBurst& burst) noexcept;
  void hand(Frame* frame, Frame& read, Description description, RxBurst& burst) noexcept;
  [[nodiscard]] RxState stopped(int error) noexcept;

  void send(std::size_t count) noexcept;
  [[nodiscard]] DropReason refusal(int error) noexcept override;
  [[nodiscard]] bool gone() noexcept;

  Fd socket_;
  Fd sender_;  // its own, or none: then socket_ sends too
  std::optional<PacketRing> ring_;
  PacketDirection direction_;

  std::unique_ptr<Buffer[]> buffers_;  // without a ring
  std::array<mmsghdr, burstSize> incoming_{};

  std::array<TxItem, burstSize> items_;
  std::array<std::array<iovec, 2>, burstSize> parts_;  // the header; the frame
  std::array<mmsghdr, burstSize> outgoing_{};
};

}  // namespace etherloom
