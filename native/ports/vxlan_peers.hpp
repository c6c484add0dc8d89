// The other ends of a VXLAN tunnel: who they are, and what came from and went to each. A list is made by the
// control thread and never changes; another takes its place. What a peer counts stays with it from list to
// list; its writer is the worker of the port.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <memory>
#include <vector>

#include "frame/counters.hpp"
#include "os/socket.hpp"

namespace etherloom {

/// An IP address as something to look up; IPv4 ones as IPv6 writes them, ::ffff:0:0/96.
struct IpKey {
  std::array<std::uint8_t, 16> bytes{};
  std::uint32_t zone = 0;

  [[nodiscard]] static IpKey of(const sockaddr_storage& address) noexcept;
  /// Its type is said, because arrays of older standard libraries have no `<=>` to find it from.
  std::strong_ordering operator<=>(const IpKey&) const = default;
};

struct VxlanPeer {
  VxlanPeer(std::string itsIp, const SocketAddress& itsAddress);

  const std::string ip;  ///< as it was given
  const SocketAddress address;
  const IpKey key;

  Sequence sequence;
  Counter receivedFrames, receivedBytes, sentFrames, sentBytes;
  Counter tooLong, unreachable, full;  ///< frames for it that the kernel did not take, by reason
};

class VxlanPeers {
 public:
  /// Peers that a port has at most.
  static constexpr std::size_t limit = 256;
  using Slots = std::array<std::shared_ptr<VxlanPeer>, limit>;

  VxlanPeers() = default;
  explicit VxlanPeers(Slots slots);

  /// The list with these peers, of which those that are in this one keep their places and counts.
  [[nodiscard]] std::shared_ptr<const VxlanPeers> changed(
      const std::vector<std::pair<std::string, SocketAddress>>& wanted) const;

  /// In the order of their places.
  [[nodiscard]] const std::vector<VxlanPeer*>& all() const { return all_; }
  [[nodiscard]] VxlanPeer* at(std::size_t slot) const { return slots_[slot].get(); }
  /// The place of the peer with this address, or `limit`.
  [[nodiscard]] std::size_t find(const IpKey& key) const noexcept;

 private:
  struct Place {
    IpKey key;
    std::size_t slot;
  };

  Slots slots_;
  std::vector<VxlanPeer*> all_;
  std::vector<Place> places_;  // by key
};

}  // namespace etherloom
