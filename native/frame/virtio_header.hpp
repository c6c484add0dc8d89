// The virtio-net header (virtio 1.2, section 5.1.6) that TAPs and packet sockets put before a frame, in the
// byte order of the machine. Read by those ports, on their worker.
#pragma once

#include <cstdint>

#include "frame/frame.hpp"

namespace etherloom {

/// The 10 bytes that packet sockets know; a TAP's header has two more, which count merged buffers and stay
/// zero.
struct VirtioHeader {
  std::uint8_t flags;
  std::uint8_t gsoType;
  std::uint16_t headerLength;  ///< a hint; often less or more than the headers really take
  std::uint16_t gsoSize;
  std::uint16_t csumStart;
  std::uint16_t csumOffset;
};
static_assert(sizeof(VirtioHeader) == 10);

/// Offload::flags: the checksum is still to be computed.
inline constexpr std::uint8_t needsChecksum = 1;

/// Offload::gsoType, without the bit that says that the first segment alone carries CWR (as TCP requires
/// anyway).
enum class GsoType : std::uint8_t { None = 0, Tcp4 = 1, Tcp6 = 4, Udp = 5 };
inline constexpr std::uint8_t gsoEcn = 0x80;

}  // namespace etherloom
