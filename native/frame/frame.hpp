// What moves: one frame, its header and the buffer it stands before.
// Written by the port that received it, on that port's worker; read-only for everybody afterwards.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "frame/chain.hpp"
#include "os/clock.hpp"

namespace etherloom {

class FramePool;

/// A port in its engine: no two ports of an engine have had the same number, whenever they were there.
enum class PortId : std::uint32_t {};

/// The two sizes of buffer. Small holds any frame up to 1,920 bytes, Large a super-frame.
enum class BufferClass : std::uint8_t { Small, Large };

/// What a super-frame stands for, or what a wire frame leaves undone, in the terms of virtio 1.2, section
/// 5.1.6. A plain frame has zeros and one segment. offload.hpp has the rules.
struct Offload {
  std::uint8_t flags = 0;          ///< bit 0: the checksum at csumStart + csumOffset is still to be computed
  std::uint8_t gsoType = 0;        ///< 0 none, 1 TCPv4, 4 TCPv6, 5 UDP segmentation; bit 7: ECN
  std::uint16_t headerLength = 0;  ///< bytes of headers that each segment repeats; super-frames only
  std::uint16_t gsoSize = 0;       ///< payload bytes of every segment but the last
  std::uint16_t csumStart = 0;     ///< where checksumming starts
  std::uint16_t csumOffset = 0;    ///< where the sum goes, counted from csumStart
  std::uint16_t segments = 1;      ///< wire frames this frame stands for
};

/// The header of a frame. The 12 bytes before `data` are always a virtio-net header that says
/// what `offload` says: zero in a plain frame. Only who owns the frame alone may put it in a chain.
struct alignas(64) Frame : Chain<Frame>::Link {
  std::uint8_t* data = nullptr;  ///< first byte of the destination address
  std::uint32_t length = 0;      ///< bytes, without check sequence
  BufferClass bufferClass : 1 = BufferClass::Small;
  std::uint8_t hops : 7 = 0;       ///< patch ports crossed so far
  std::atomic<bool> held = false;  ///< counts as held, see FramePool::hold()
  std::uint16_t segment = 0;       ///< where it was cut out of the frame received as `number`; else 0
  Offload offload;
  std::atomic<std::uint32_t> references{0};
  FramePool* pool = nullptr;  ///< whose memory it is, and where it goes back to
  Instant arrival;            ///< after the bytes were read, on the engine's clock
  PortId from{};              ///< (arrival, from, number, segment) orders frames the same way on every worker
  std::uint32_t number = 0;
};
static_assert(sizeof(Frame) == 64, "one cache line of header");

inline constexpr std::uint32_t ethernetHeaderLength = 14;
inline constexpr std::uint32_t vlanTagLength = 4;
inline constexpr std::uint32_t virtioHeaderLength = 12;

}  // namespace etherloom
