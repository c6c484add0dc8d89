// Cuts a super-frame into the wire frames it stands for, or into smaller super-frames. Called by paths,
// filters and ports, on their worker.
#pragma once

#include <cstdint>

#include "frame/frame.hpp"
#include "frame/pool.hpp"
#include "frame/transport.hpp"
#include "frame/virtio_header.hpp"

namespace etherloom {

/// One super-frame at a time: segment by segment, or any run of its segments.
class Segmenter {
 public:
  /// Begins with a super-frame of TCP (RFC 9293) or UDP over IPv4 or IPv6, under at most two VLAN tags. It
  /// must stay as long as it is cut. False where the headers in it are no such thing, or contradict its
  /// offload; never for a frame that acceptOffload() took.
  [[nodiscard]] bool start(const Frame& superFrame) noexcept;

  [[nodiscard]] std::uint32_t segments() const { return segments_; }
  [[nodiscard]] const Frame& whole() const { return *whole_; }
  /// Bytes of that wire frame.
  [[nodiscard]] std::uint32_t lengthOf(std::uint32_t segment) const noexcept {
    return transport_.payload + payloadOf(segment, 1);
  }
  /// `count` segments from `first` on, within segments(), as one frame: a wire frame with its checksums, or a
  /// super-frame with its checksum undone. It has the identity of the whole. nullptr where there was no
  /// buffer.
  [[nodiscard]] Frame* cut(FramePool& pool, std::uint32_t first, std::uint32_t count) const noexcept;

  [[nodiscard]] bool done() const { return next_ == segments_; }
  /// The next wire frame; nullptr where there was no buffer for it, and it is lost.
  [[nodiscard]] Frame* next(FramePool& pool) noexcept { return cut(pool, next_++, 1); }

 private:
  [[nodiscard]] std::uint32_t payloadOf(std::uint32_t first, std::uint32_t count) const noexcept;
  void finishOffload(Frame& frame, std::uint32_t first, std::uint32_t count) const noexcept;
  void finishIp(Frame& frame, std::uint32_t first) const noexcept;
  void finishTransport(Frame& frame, std::uint32_t first, bool last) const noexcept;

  const Frame* whole_ = nullptr;
  Transport transport_;
  std::uint32_t segmentSize_ = 0;  // payload bytes of every segment but the last
  std::uint32_t segments_ = 0;
  std::uint32_t next_ = 0;
};

}  // namespace etherloom
