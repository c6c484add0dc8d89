// One VXLAN network (RFC 7348) as a port: frames in UDP datagrams, to and from any number of peers.
// Made by the control thread from an open socket to send by, then used on the worker of its VxlanSocket.
//
// Theory of operation. Frames come out of the shared socket, and only from peers. From their source addresses
// the port learns which peer an address is behind, in a table as a switch has, where peers are what ports are
// there. A frame for such an address goes to that peer; every other one to all peers, a copy for each
// (head-end replication). What came from a peer enters the fabric, which gives no frame back to the port that
// it came from: so nothing goes from peer to peer (split horizon).
//
// A header is the same for all frames of the port, so each message is gathered from that header and the frame
// where it lies: the bytes before it belong to others who may have the frame, too. A socket of its own to
// send by gives the port a source port, by which networks between here and there spread their load, and a
// queue in the kernel that other ports do not fill. A burst is one call as long as the kernel takes it; of
// what it refuses, all for the same peer that would be refused as well is left out of the next.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <optional>

#include "fabrics/mac_table.hpp"
#include "os/fd.hpp"
#include "ports/port.hpp"
#include "ports/vxlan_peers.hpp"
#include "ports/vxlan_socket.hpp"

namespace etherloom {

class VxlanPort final : public Port {
 public:
  /// Frames that have come and that the port has not handed over yet.
  static constexpr std::size_t inboxLimit = 512;
  /// Copies for peers that floods of one turn may become, unless a single frame comes to more.
  static constexpr std::size_t floodLimit = burstWireFrames;

  struct Settings {
    std::uint32_t vni = 0;
    std::uint32_t limit = 0;  ///< of frames, without the header
    std::uint32_t addresses = 0;
    Duration ageing;  ///< 0: learns nothing
  };
  VxlanPort(std::shared_ptr<VxlanSocket> socket, Fd sender, const Settings& settings,
            std::shared_ptr<const VxlanPeers> peers);

  [[nodiscard]] Result<void> open(Io& io, PortKey key) override;
  [[nodiscard]] RxState receive(RxBurst& burst) noexcept override;
  void transmit(std::span<const TxItem> items) noexcept override;
  void flush() noexcept override { flooded_ = 0; }
  void close(Io& io) noexcept override;
  [[nodiscard]] ClassMark mark() const noexcept override { return markOf<VxlanPort>(); }

  // ---- the socket, on the worker ----
  /// A frame of the port's network. Whether a whole burst is there now.
  bool deliver(std::span<const std::uint8_t> bytes, const IpKey& sender) noexcept;
  [[nodiscard]] bool hasBurst() const { return waiting_ >= burstSize; }
  void polled() noexcept { called(); }

  // ---- the control thread ----
  /// Peers as they were wanted last.
  [[nodiscard]] const VxlanPeers& peers() const { return *wanted_; }
  /// The list that takes the place of the present one, for adopt().
  [[nodiscard]] std::shared_ptr<const VxlanPeers> want(std::shared_ptr<const VxlanPeers> peers) {
    return wanted_ = std::move(peers);
  }
  [[nodiscard]] const VxlanSocket& socket() const { return *socket_; }
  /// Where a peer is known to have addresses.
  [[nodiscard]] std::vector<AddressRow> addresses(Instant now) const { return table_.rows(now); }
  [[nodiscard]] const Fd& sender() const { return sender_; }

  /// On the worker, as an order: from now on these are the peers. What was learned from others is forgotten.
  void adopt(std::shared_ptr<const VxlanPeers> peers) noexcept;

 private:
  struct Message {
    std::uint8_t item;
    VxlanPeer* peer;
  };

  void learn(const Frame& frame, std::size_t slot) noexcept;
  [[nodiscard]] VxlanPeer* knownPeer(const Frame& frame) const noexcept;
  void passOn(std::span<const TxItem> items) noexcept;
  void address(std::span<const TxItem> items, std::uint8_t item) noexcept;
  void put(std::span<const TxItem> items, Message message) noexcept;
  void send(std::span<const TxItem> items) noexcept;
  void refuseLike(std::span<const TxItem> items, std::size_t first, int error) noexcept;
  void refused(const Message& message, DropReason reason) noexcept;
  [[nodiscard]] DropReason refusal(int error) noexcept override;

  const std::shared_ptr<VxlanSocket> socket_;
  Fd sender_;
  const std::uint32_t vni_;
  const Duration ageing_;
  const Duration refreshAfter_;
  VxlanHeader header_;
  MacTable table_;
  std::shared_ptr<const VxlanPeers> peers_;   // the worker's
  std::shared_ptr<const VxlanPeers> wanted_;  // the control thread's
  PortKey key_;
  Chain<Frame> inbox_;
  std::size_t waiting_ = 0;  // frames in it
  std::size_t flooded_ = 0;  // copies of floods in this turn

  FrameMask taken_ = 0;                                // items of which the kernel took a copy at least
  std::array<DropReason, burstSize> reasons_;          // why it took none, of the others
  std::size_t messages_ = 0;                           // that are put
  std::array<Message, burstSize> whose_;               // of each
  std::array<std::array<iovec, 2>, burstSize> parts_;  // of each: the header; the frame
  std::array<mmsghdr, burstSize> outgoing_{};
};

}  // namespace etherloom
