// Cuts a super-frame into the wire frames it stands for. Called by ports, on their worker.
#pragma once

#include <cstdint>

#include "frame/frame.hpp"
#include "frame/pool.hpp"
#include "frame/virtio_header.hpp"

namespace etherloom {

/// One super-frame at a time, segment by segment, as fast as the caller has room for them.
class Segmenter {
 public:
  /// Begins with a super-frame of TCP (RFC 9293) or UDP over IPv4 or IPv6, behind any number of VLAN tags.
  /// Its bytes must stay until done(). False where the headers in it are no such thing, or contradict its
  /// offload.
  [[nodiscard]] bool start(const Frame& superFrame) noexcept;
  [[nodiscard]] bool done() const { return segment_ == segments_; }
  /// The next wire frame, with its checksums; nullptr where there was no buffer for it, and it is lost.
  [[nodiscard]] Frame* next(FramePool& pool) noexcept;

 private:
  [[nodiscard]] bool findTransport() noexcept;
  void finishIp(Frame& frame) const noexcept;
  void finishTransport(Frame& frame) const noexcept;
  [[nodiscard]] bool isTcp() const { return type_ != GsoType::Udp; }

  const std::uint8_t* bytes_ = nullptr;
  std::uint32_t length_ = 0;
  GsoType type_ = GsoType::None;
  bool ip6_ = false;
  std::uint32_t segmentSize_ = 0;   // payload bytes of every segment but the last
  std::uint32_t ip_ = 0;            // where the IP header begins
  std::uint32_t transport_ = 0;     // where the TCP or UDP header begins
  std::uint32_t headerLength_ = 0;  // what each segment repeats
  std::uint32_t segment_ = 0;       // the next one
  std::uint32_t segments_ = 0;
};

}  // namespace etherloom
