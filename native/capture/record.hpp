// What workers note about one frame for a capture, and the ring in which the notes and the frames' first
// bytes go to whoever writes them: one ring per capture and worker.
//
// Theory of operation. As in ports/byte_ring.hpp: records follow each other at multiples of 16 bytes, one
// that would not fit before the end begins at the start again, and positions only grow. The worker never
// waits: a record that finds the ring full is counted, and the next one of its interface that finds room says
// how many were lost before it. Full or not, what is touched was mapped before.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "capture/pcapng.hpp"
#include "frame/drop.hpp"
#include "frame/frame.hpp"
#include "os/memory.hpp"

namespace etherloom {

/// What a path did to a frame. The words of the log are in captureComment().
struct Fate {
  enum class Kind : std::uint8_t { None, Delivered, Dropped };
  Kind kind = Kind::None;
  DropReason reason{};        ///< Dropped
  bool counted = true;        ///< false when it never got a number on its path
  std::uint64_t index = 0;    ///< the wire frame's number on its path, from 0
  std::int64_t delay = 0;     ///< Delivered: nanoseconds from its arrival to its departure, as they were due
  std::uint32_t copy = 0;     ///< which copy, from 0
  std::uint32_t copies = 1;   ///< of how many
  std::uint32_t flipped = 0;  ///< 1 + the bit that was flipped; 0 for none
  const char* stage = nullptr;  ///< Dropped: which part of the policy did it; static
};

/// One frame seen by one listener.
struct CaptureRecord {
  std::uint32_t size;       ///< of the record with its bytes and padding
  std::uint32_t interface;  ///< `skip`: filler up to the end of the ring
  std::int64_t at;          ///< on the engine's clock
  std::int64_t arrival;     ///< with what follows the frame's key
  std::uint32_t from, number;
  std::uint16_t segment;
  std::uint16_t segments;  ///< wire frames that the frame stands for
  pcapng::Direction direction;
  bool undone;  ///< its checksum is still to be computed ...
  std::uint16_t csumStart, csumOffset;
  std::uint32_t captured, length;
  std::uint64_t lostBefore;
  Fate fate;

  static constexpr std::uint32_t skip = ~std::uint32_t{0};
  [[nodiscard]] const std::byte* bytes() const { return reinterpret_cast<const std::byte*>(this + 1); }
};

/// From one worker to the thread that writes.
class RecordRing {
 public:
  /// `size` is rounded up to a power of two.
  [[nodiscard]] static Result<RecordRing> create(std::size_t size) {
    size = std::bit_ceil(size);
    auto memory = Mapping::create(size);
    if (!memory) return memory.error();
    return RecordRing(std::move(*memory), size);
  }
  RecordRing(RecordRing&& other) noexcept
      : memory_(std::move(other.memory_)), size_(other.size_) {}  // before its use only

  static constexpr std::uint32_t sizeOf(std::uint32_t captured) {
    return static_cast<std::uint32_t>((sizeof(CaptureRecord) + captured + 15) & ~std::size_t{15});
  }

  /// Producer: room for a record, or nullptr. It counts when it is pushed.
  [[nodiscard]] std::byte* claim(std::uint32_t size) noexcept {
    const std::uint64_t toEnd = size_ - tail_ % size_;
    const std::uint64_t gap = toEnd < size ? toEnd : 0;
    if (tail_ + gap + size - headSeen_ > size_) {
      headSeen_ = head_.load(std::memory_order_acquire);
      if (tail_ + gap + size - headSeen_ > size_) return nullptr;
    }
    if (gap != 0) {
      // Records are longer than 16 bytes, so the gap may be too short for one: its first words suffice.
      const std::uint32_t filler[2]{static_cast<std::uint32_t>(gap), CaptureRecord::skip};
      std::memcpy(memory_.start() + tail_ % size_, filler, sizeof filler);
      tail_ += gap;
    }
    return memory_.start() + tail_ % size_;
  }
  void push(std::uint32_t size) noexcept { published_.store(tail_ += size, std::memory_order_release); }

  /// Consumer: calls `each` for what is there, in order, and returns the position for release().
  template <typename Each>
  [[nodiscard]] std::uint64_t read(Each&& each) const {
    const std::uint64_t end = published_.load(std::memory_order_acquire);
    for (std::uint64_t at = head_.load(std::memory_order_relaxed); at != end;) {
      // SAFETY: records begin at multiples of 16 bytes, and the producer has written whole ones up to `end`.
      const auto* record = reinterpret_cast<const CaptureRecord*>(memory_.start() + at % size_);
      at += record->size;
      if (record->interface != CaptureRecord::skip) each(*record);
    }
    return end;
  }
  /// Consumer: gives the room up to a position back.
  void release(std::uint64_t position) noexcept { head_.store(position, std::memory_order_release); }

 private:
  RecordRing(Mapping memory, std::size_t size) : memory_(std::move(memory)), size_(size) {}

  Mapping memory_;
  std::size_t size_;
  std::uint64_t tail_ = 0;      // the producer's own
  std::uint64_t headSeen_ = 0;  // the producer's memory of head_
  alignas(64) std::atomic<std::uint64_t> published_{0};
  alignas(64) std::atomic<std::uint64_t> head_{0};
};

}  // namespace etherloom
