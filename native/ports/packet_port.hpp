// An existing interface as a port, through a packet socket (packet(7)): bursts by recvmmsg and sendmmsg.
// Made by the control thread from an open socket (os/packet_socket.hpp), then used on its worker.
//
// Theory of operation. What the kernel hands over may be more than a wire frame: up to 64 KiB of TCP with its
// checksum undone, and a VLAN tag that is no longer in the frame. A burst is read into arrivals, which are as
// long as that can be; each is made whole there, and copied, as one frame or cut into its segments, to frames
// of the pool. A burst of super-frames is more frames than one receive() may hand over: the rest waits in the
// arrivals for the next one.
#pragma once

#include <linux/if_packet.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <memory>

#include "frame/segmentation.hpp"
#include "frame/virtio_header.hpp"
#include "os/fd.hpp"
#include "os/packet_socket.hpp"
#include "ports/port.hpp"

namespace etherloom {

class PacketPort final : public Port {
 public:
  /// `socket` is open with `direction` and the virtio-net header.
  PacketPort(Fd socket, PacketDirection direction, std::uint32_t limit);

  [[nodiscard]] Result<void> open(Io& io, PortKey key) override;
  [[nodiscard]] RxState receive(RxBurst& burst) noexcept override;
  void transmit(std::span<const TxItem> items) noexcept override;
  void close(Io& io) noexcept override;

 private:
  /// One message as the kernel fills it. The size is an odd number of cache lines, or the first bytes of all
  /// arrivals would compete for the same few places in the cache.
  struct alignas(64) Arrival {
    VirtioHeader header;
    sockaddr_ll origin;
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(tpacket_auxdata))> control;
    std::array<iovec, 2> parts;  // the header; the frame
    std::array<std::uint8_t, virtioHeaderLength + vlanTagLength> headRoom;
    std::array<std::uint8_t, 64 * 1024 + 72> frame;
  };
  static_assert(sizeof(Arrival) / 64 % 2 == 1);

  [[nodiscard]] RxState fetch() noexcept;
  void unpack(const msghdr& message, std::uint32_t length, Arrival& arrival, RxBurst& burst) noexcept;
  void cut(RxBurst& burst) noexcept;
  void send(std::size_t count) noexcept;
  [[nodiscard]] DropReason refusal(int error) noexcept;
  [[nodiscard]] bool gone() noexcept;

  Fd socket_;
  PacketDirection direction_;

  std::unique_ptr<Arrival[]> arrivals_;
  std::array<mmsghdr, burstSize> incoming_{};
  unsigned received_ = 0;  // arrivals that hold a message
  unsigned unpacked_ = 0;  // of those, how many are done with
  Frame whole_;            // the arrival at hand, its bytes still in place
  Segmenter segmenter_;    // of `whole_`, while it is a super-frame

  std::array<TxItem, burstSize> items_;
  std::array<std::array<iovec, 2>, burstSize> parts_;  // the header; the frame
  std::array<mmsghdr, burstSize> outgoing_{};
};

}  // namespace etherloom
