// Frames in a stream of bytes: each stands behind a prefix of a fixed length, which says how long it is. How
// the prefix is written is the framing's, a file each beside this one. Used by StreamPort on its worker.
//
// Theory of operation. Bytes come in pieces of any size, so they are collected in a buffer that holds the
// longest frame there can be and more, and frames are cut from its front. Only what is left of the last,
// incomplete frame is ever moved, and only when the room behind it is used up. A prefix that no frame can
// have means that the other end does not speak this: there is no way to find the next frame in such a stream.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include "frame/ethernet.hpp"
#include "frame/frame.hpp"
#include "os/registered.hpp"

namespace etherloom {

/// The longest frame that any framing may have (QEMU's NET_BUFSIZE). A longer one ends the connection.
inline constexpr std::uint32_t streamFrameLimit = 4096 + 65536;
/// The most bytes that may stand before a frame.
inline constexpr std::size_t streamPrefixLimit = 16;

/// A framing, which its file declares as a constant of static storage: that registers it, and nothing else in
/// native/ knows it.
struct StreamFraming : Registered<StreamFraming> {
  /// The length of the frame behind a whole prefix; above `longest` where no frame can begin so.
  using Read = std::uint32_t (*)(const std::uint8_t* prefix);
  using Write = void (*)(std::uint8_t* prefix, std::uint32_t length);

  StreamFraming(std::string_view itsName, std::size_t itsPrefix, std::uint32_t itsLongest, Read itsRead,
                Write itsWrite)
      : name(itsName), prefix(itsPrefix), longest(itsLongest), read(itsRead), write(itsWrite) {
    assert(prefix <= streamPrefixLimit && longest <= streamFrameLimit);
  }

  const std::string_view name;  ///< of the option, which crosses from lib/ports/framings.ts
  const std::size_t prefix;     ///< bytes before each frame
  const std::uint32_t longest;  ///< bytes of a frame that it can state
  const Read read;
  const Write write;
};

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
  static_assert(size > streamPrefixLimit + streamFrameLimit);

  StreamDecoder(const StreamFraming& framing, std::uint32_t limit) : framing_(framing), limit_(limit) {}

  /// Where the next bytes of the stream go; never empty once next() has said Incomplete.
  [[nodiscard]] std::span<std::uint8_t> room() noexcept {
    // So that a read is worth its call.
    return queue_.room(size / 2);
  }
  void add(std::size_t count) noexcept { queue_.add(count); }

  /// Takes the next piece; `frame` is what a Frame consists of, until bytes are added.
  [[nodiscard]] Piece next(std::span<const std::uint8_t>& frame) noexcept {
    const std::span<const std::uint8_t> bytes = queue_.bytes();
    if (bytes.size() < framing_.prefix) return Piece::Incomplete;
    const std::uint32_t length = framing_.read(bytes.data());
    if (length > framing_.longest) return Piece::Broken;
    if (bytes.size() < framing_.prefix + length) return Piece::Incomplete;
    queue_.remove(framing_.prefix + length);
    frame = bytes.subspan(framing_.prefix, length);
    if (length < ethernetHeaderLength) return Piece::Runt;
    return length > limit_ ? Piece::Oversize : Piece::Frame;
  }

 private:
  const StreamFraming& framing_;
  ByteQueue queue_{size};
  std::uint32_t limit_;
};

}  // namespace etherloom
