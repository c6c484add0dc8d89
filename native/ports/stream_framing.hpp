// Frames in a stream of bytes, as QEMU's `-netdev stream`, passt and socket_vmnet have them: each stands
// behind its length, four bytes, big-endian. Used by StreamPort on its worker.
//
// Theory of operation. Bytes come in pieces of any size, so they are collected in a buffer that holds the
// longest frame there can be and more, and frames are cut from its front. Only what is left of the last,
// incomplete frame is ever moved, and only when the room behind it is used up. A length that no frame can
// have means that the other end does not speak this: there is no way to find the next frame in such a stream.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

#include "frame/ethernet.hpp"
#include "frame/frame.hpp"

namespace etherloom {

/// The bytes before a frame.
inline constexpr std::size_t streamPrefixLength = 4;
/// The longest frame that the framing knows (QEMU's NET_BUFSIZE). A longer one ends the connection.
inline constexpr std::uint32_t streamFrameLimit = 4096 + 65536;

/// Bytes that come in at the end and go out at the front, in memory of a fixed size.
class ByteQueue {
 public:
  explicit ByteQueue(std::size_t size)
      : memory_(std::make_unique_for_overwrite<std::uint8_t[]>(size)), size_(size) {}

  [[nodiscard]] std::span<const std::uint8_t> bytes() const {
    return {memory_.get() + first_, end_ - first_};
  }
  /// Where the next bytes go: at least `wanted`, or, when there is no such room, as many as there are.
  [[nodiscard]] std::span<std::uint8_t> room(std::size_t wanted) noexcept {
    if (size_ - end_ < wanted && first_ != 0) {
      std::memmove(memory_.get(), memory_.get() + first_, end_ - first_);
      end_ -= std::exchange(first_, 0);
    }
    return {memory_.get() + end_, size_ - end_};
  }
  void add(std::size_t count) noexcept { end_ += count; }
  void remove(std::size_t count) noexcept {
    first_ += count;
    if (first_ == end_) first_ = end_ = 0;
  }

 private:
  std::unique_ptr<std::uint8_t[]> memory_;
  std::size_t size_;
  std::size_t first_ = 0, end_ = 0;
};

/// Cuts frames out of a stream.
class StreamDecoder {
 public:
  /// What stands at the front of the stream: a frame; one that is too short or too long; part of one; or
  /// bytes that are none.
  enum class Piece : std::uint8_t { Frame, Runt, Oversize, Incomplete, Broken };

  static constexpr std::size_t size = 128 * 1024;
  static_assert(size > streamPrefixLength + streamFrameLimit);

  explicit StreamDecoder(std::uint32_t limit) : limit_(limit) {}

  /// Where the next bytes of the stream go; never empty once next() has said Incomplete.
  [[nodiscard]] std::span<std::uint8_t> room() noexcept {
    // So that a read is worth its call.
    return queue_.room(size / 2);
  }
  void add(std::size_t count) noexcept { queue_.add(count); }

  /// Takes the next piece; `frame` is what a Frame consists of, until bytes are added.
  [[nodiscard]] Piece next(std::span<const std::uint8_t>& frame) noexcept {
    const std::span<const std::uint8_t> bytes = queue_.bytes();
    if (bytes.size() < streamPrefixLength) return Piece::Incomplete;
    const std::uint32_t length = readBig32(bytes.data());
    if (length > streamFrameLimit) return Piece::Broken;
    if (bytes.size() < streamPrefixLength + length) return Piece::Incomplete;
    queue_.remove(streamPrefixLength + length);
    frame = bytes.subspan(streamPrefixLength, length);
    if (length < ethernetHeaderLength) return Piece::Runt;
    return length > limit_ ? Piece::Oversize : Piece::Frame;
  }

 private:
  ByteQueue queue_{size};
  std::uint32_t limit_;
};

}  // namespace etherloom
