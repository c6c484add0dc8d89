// Super-frames for tests: made of an IpFrame as a sender would hand them over, and cut by a routine that
// shares nothing with the code under test.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "frame/checksum.hpp"
#include "frame/offload.hpp"
#include "frame/pool.hpp"
#include "frame/segmentation.hpp"
#include "frame_fixtures.hpp"

namespace etherloom {

inline GsoType typeOf(const IpFrame& shape) {
  return !shape.tcp ? GsoType::Udp : shape.ip6 ? GsoType::Tcp6 : GsoType::Tcp4;
}

/// What a sender says about its frame; gsoSize 0: that only the checksum is undone.
inline VirtioHeader claimsOf(const IpFrame& shape, std::size_t gsoSize) {
  const bool cwr = shape.tcp && shape.tcpFlags & 0x80;
  const auto type = static_cast<unsigned>(typeOf(shape)) | (cwr ? gsoEcn : 0U);
  return {.flags = needsChecksum,
          .gsoType = static_cast<std::uint8_t>(gsoSize == 0 ? 0 : type),
          .headerLength = static_cast<std::uint16_t>(gsoSize == 0 ? 0 : shape.headerLength()),
          .gsoSize = static_cast<std::uint16_t>(gsoSize),
          .csumStart = static_cast<std::uint16_t>(shape.transportAt()),
          .csumOffset = static_cast<std::uint16_t>(shape.checksumAt() - shape.transportAt())};
}

/// A frame of the pool with these bytes, as a device hands it over: nothing accepted yet.
inline Frame* frameOf(FramePool& pool, const Bytes& bytes) {
  Frame* frame =
      pool.acquire(bytes.size() <= FramePool::smallCapacity ? BufferClass::Small : BufferClass::Large);
  REQUIRE(frame);
  std::copy(bytes.begin(), bytes.end(), frame->data);
  frame->length = static_cast<std::uint32_t>(bytes.size());
  return frame;
}

/// A super-frame, or with gsoSize 0 a wire frame with its checksum undone, accepted.
inline Frame* superFrameOf(FramePool& pool, const IpFrame& shape, std::size_t gsoSize) {
  Frame* frame = frameOf(pool, shape.build());
  REQUIRE(acceptOffload(*frame, claimsOf(shape, gsoSize)));
  return frame;
}

inline Bytes bytesOf(const Frame& frame) { return {frame.data, frame.data + frame.length}; }

inline VirtioHeader headerBefore(const Frame& frame) {
  VirtioHeader header;
  std::copy_n(frame.data - virtioHeaderLength, sizeof header, reinterpret_cast<std::uint8_t*>(&header));
  CHECK(frame.data[-2] == 0);
  CHECK(frame.data[-1] == 0);
  return header;
}

/// Whether the 12 bytes before the frame say what its offload says.
inline bool headerAgrees(const Frame& frame) {
  const VirtioHeader header = headerBefore(frame);
  const Offload& offload = frame.offload;
  return header.flags == offload.flags && header.gsoType == offload.gsoType &&
         header.headerLength == offload.headerLength && header.gsoSize == offload.gsoSize &&
         header.csumStart == offload.csumStart && header.csumOffset == offload.csumOffset;
}

/// The wire frames that a frame of this shape stands for, in the words of the RFCs: each a frame of its own
/// with its part of the payload. gsoSize 0: one.
inline std::vector<Bytes> wireFramesOf(const IpFrame& shape, std::size_t gsoSize) {
  const Bytes whole = shape.build();
  if (gsoSize == 0) gsoSize = std::max<std::size_t>(shape.payload, 1);
  std::vector<Bytes> wires;
  for (std::size_t at = 0; at == 0 || at < shape.payload; at += gsoSize) {
    IpFrame part = shape;
    part.payload = std::min(gsoSize, shape.payload - at);
    part.sequence += static_cast<std::uint32_t>(at);
    part.identification = static_cast<std::uint16_t>(part.identification + wires.size());
    if (at + gsoSize < shape.payload) part.tcpFlags &= 0xf6;  // neither FIN nor PSH
    if (at != 0) part.tcpFlags &= 0x7f;                       // no CWR
    Bytes wire = part.build();
    const auto headers = static_cast<std::ptrdiff_t>(shape.headerLength());
    const auto from = whole.begin() + headers + static_cast<std::ptrdiff_t>(at);
    std::copy_n(from, part.payload, wire.begin() + headers);
    const unsigned sum = naiveSum(std::span(wire).subspan(shape.transportAt()));
    put16(wire, shape.checksumAt(), sum == 0xffff ? 0xffff : ~sum & 0xffff);
    wires.push_back(std::move(wire));
  }
  return wires;
}

/// The wire frames that a frame stands for, as the segmenter cuts them: segmentation_test.cpp has shown that
/// it does that right.
inline std::vector<Bytes> wiresIn(FramePool& pool, Frame& frame) {
  if (!isSuperFrame(frame)) {
    Frame* alone = pool.copy(frame);
    REQUIRE(alone);
    REQUIRE(completeChecksum(*alone));
    std::vector<Bytes> wires{bytesOf(*alone)};
    pool.release(alone);
    return wires;
  }
  Segmenter segmenter;
  REQUIRE(segmenter.start(frame));
  std::vector<Bytes> wires;
  while (!segmenter.done()) {
    Frame* wire = segmenter.next(pool);
    REQUIRE(wire);
    wires.push_back(bytesOf(*wire));
    pool.release(wire);
  }
  return wires;
}

}  // namespace etherloom
