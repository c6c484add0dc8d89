// What a frame leaves to the device that sends it: its checksum, or being cut into wire frames. Here it is
// checked when it comes in, measured, and compared with what a port takes.
//
// acceptOffload() is called by ports that receive virtio-net headers, everything else by whoever has a frame;
// on the frame's worker. From acceptance on, a frame's `offload` is the truth about its bytes, and the 12
// bytes before them say the same as a virtio-net header: zero in a plain frame.
#pragma once

#include <cstdint>

#include "frame/frame.hpp"
#include "frame/virtio_header.hpp"

namespace etherloom {

/// What a port can take beyond plain wire frames, as a set of bits.
enum class Offloads : std::uint8_t {
  None = 0,
  Checksum = 1,  ///< frames whose checksum is undone; the other bits mean nothing without it
  Tso4 = 2,      ///< super-frames of TCP over IPv4
  Tso6 = 4,      ///< of TCP over IPv6
  Uso = 8,       ///< of UDP, both versions
  Ecn = 16,      ///< of TCP whose first segment alone carries CWR (RFC 3168)
  All = 31,
};

constexpr Offloads operator|(Offloads left, Offloads right) {
  return static_cast<Offloads>(static_cast<unsigned>(left) | static_cast<unsigned>(right));
}
constexpr bool includes(Offloads set, Offloads wanted) {
  return (static_cast<unsigned>(wanted) & ~static_cast<unsigned>(set)) == 0;
}

/// Stands for more than one wire frame.
inline bool isSuperFrame(const Frame& frame) { return frame.offload.gsoType != 0; }
/// A wire frame, complete as it stands.
inline bool isPlain(const Frame& frame) { return (frame.offload.gsoType | frame.offload.flags) == 0; }

/// What a port must be able to take for this frame to go out as it is.
[[nodiscard]] Offloads offloadsOf(const Frame& frame) noexcept;
[[nodiscard]] inline bool takes(Offloads offloads, const Frame& frame) noexcept {
  return isPlain(frame) || includes(offloads, offloadsOf(frame));
}

/// Bytes of the longest wire frame that the frame stands for: what limits are compared with.
inline std::uint32_t wireLength(const Frame& frame) {
  if (!isSuperFrame(frame)) [[likely]]
    return frame.length;
  return std::uint32_t{frame.offload.headerLength} + frame.offload.gsoSize;
}
/// Bytes of all the wire frames that the frame stands for: what is counted.
inline std::uint32_t wireBytes(const Frame& frame) {
  return frame.length + (frame.offload.segments - 1U) * frame.offload.headerLength;
}

/// Takes what the header in front of a frame just received claims about it, checked against the frame's own
/// headers, as the frame's `offload`, with the exact header length; what fits into one segment is no
/// super-frame. Writes the 12 bytes before the frame (for which there must be room) and, into a super-frame,
/// the sum of its pseudo-header. False, with the frame as it was, for claims that make no sense: the frame is
/// to be dropped as bad-offload.
[[nodiscard]] bool acceptOffload(Frame& frame, const VirtioHeader& claims) noexcept;

/// Writes `offload` as a virtio-net header to the 12 bytes before the frame.
void writeVirtioHeader(Frame& frame) noexcept;

}  // namespace etherloom
