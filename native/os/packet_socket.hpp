// Packet sockets: the frames of an existing interface (packet(7)). Called at set-up, on any thread; the
// descriptor then belongs to a port.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "os/error.hpp"
#include "os/fd.hpp"
#include "os/interface.hpp"
#include "os/namespace.hpp"
#include "os/packet_ring.hpp"

namespace etherloom {

/// Which of the interface's frames a socket receives: those that come in, those that others send out, or
/// both. What it sends itself it never receives.
enum class PacketDirection : std::uint8_t { In, Out, Both };

/// How received frames come from the kernel: through memory that it shares, or by recvmsg().
enum class PacketMethod : std::uint8_t { Ring, Calls };

struct PacketSocketOptions {
  std::string interface;
  PacketDirection direction = PacketDirection::In;
  bool promiscuous = true;          ///< while the socket is open
  std::vector<sock_filter> filter;  ///< runs in the kernel; empty accepts everything
  bool virtioHeader = false;        ///< the legacy 10-byte virtio-net header before each frame
  /// Empty: a ring, or calls where the kernel refuses one.
  std::optional<PacketMethod> method = PacketMethod::Calls;
  std::uint32_t ringPlaces = 2048;  ///< frames that wait in a ring, a multiple of PacketRing::placesPerBlock
  /// Bytes of what waits outside a ring, in either direction; without CAP_NET_ADMIN at most net.core.rmem_max
  /// and net.core.wmem_max.
  int bufferSize = 8 << 20;
  const NetworkNamespace* networkNamespace = nullptr;  ///< null: the calling thread's
};

struct PacketSocket {
  Fd fd;  ///< non-blocking; VLAN tags come as PACKET_AUXDATA
  Link link;
  std::optional<PacketRing> ring = std::nullopt;
  /// A socket that only sends, with the direction In. The kernel wakes whoever waits for a socket whenever
  /// one of its frames has been sent, which costs as much as a tenth of the sending; nobody waits for this
  /// one. (With another direction `fd` would receive what it sends.)
  Fd sender = Fd();
};

/// Needs CAP_NET_RAW. An interface that is down is bound too: the first operation then fails with ENETDOWN,
/// and frames flow once it is up.
Result<PacketSocket> openPacketSocket(const PacketSocketOptions& options);

}  // namespace etherloom
