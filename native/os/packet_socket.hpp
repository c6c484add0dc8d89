// Packet sockets: the frames of an existing interface (packet(7)). Called at set-up, on any thread; the
// descriptor then belongs to a port.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <string>
#include <vector>

#include "os/error.hpp"
#include "os/fd.hpp"
#include "os/interface.hpp"
#include "os/namespace.hpp"

namespace etherloom {

/// Which of the interface's frames a socket receives: those that come in, those that others send out, or
/// both. What it sends itself it never receives.
enum class PacketDirection : std::uint8_t { In, Out, Both };

struct PacketSocketOptions {
  std::string interface;
  PacketDirection direction = PacketDirection::In;
  bool promiscuous = true;          ///< while the socket is open
  std::vector<sock_filter> filter;  ///< runs in the kernel; empty accepts everything
  bool virtioHeader = false;        ///< the legacy 10-byte virtio-net header before each frame
  int receiveBufferSize = 8 << 20;  ///< bytes; without CAP_NET_ADMIN at most net.core.rmem_max
  const NetworkNamespace* networkNamespace = nullptr;  ///< null: the calling thread's
};

struct PacketSocket {
  Fd fd;  ///< non-blocking; VLAN tags come as PACKET_AUXDATA
  Link link;
};

/// Needs CAP_NET_RAW. An interface that is down is bound too: the first operation then fails with ENETDOWN,
/// and frames flow once it is up.
Result<PacketSocket> openPacketSocket(const PacketSocketOptions& options);

}  // namespace etherloom
