// Frames between JavaScript and one worker: bytes in a ring that both sides see, positions in atomics.
//
// Theory of operation. The ring's memory is an ArrayBuffer. Records follow each other, each at a multiple of
// 16 bytes: a 16-byte head {port, length, instant} and then the frame's bytes. A record never wraps: where it
// would not fit before the end, a head with the port number `skip` fills the rest. Positions only grow;
// position modulo size is the place. The producer writes records and then publishes its position; the
// consumer reads up to it and then gives the space back.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace etherloom {

struct RecordHead {
  static constexpr std::uint32_t skip = ~std::uint32_t{0};
  std::uint32_t port;
  std::uint32_t length;
  std::int64_t at;  ///< nanoseconds on the engine's clock; towards JavaScript only
};
static_assert(sizeof(RecordHead) == 16);

class ByteRing {
 public:
  /// `memory` is a power of two long, 16-byte aligned, and outlives the ring.
  explicit ByteRing(std::span<std::byte> memory) : memory_(memory) {}

  [[nodiscard]] std::uint64_t published() const noexcept {
    return published_.load(std::memory_order_acquire);
  }
  [[nodiscard]] std::uint64_t consumed() const noexcept { return consumed_.load(std::memory_order_acquire); }
  void publish(std::uint64_t position) noexcept { published_.store(position, std::memory_order_release); }
  void consume(std::uint64_t position) noexcept { consumed_.store(position, std::memory_order_release); }
  [[nodiscard]] std::size_t size() const { return memory_.size(); }

  static constexpr std::uint64_t recordSize(std::uint32_t length) {
    return (sizeof(RecordHead) + length + 15) & ~std::uint64_t{15};
  }

  /// Producer in this half: where to write a record, or nullptr when full. `position` is advanced past it.
  [[nodiscard]] std::byte* claim(std::uint64_t& position, std::uint32_t length) noexcept {
    const std::uint64_t need = recordSize(length);
    const std::uint64_t toEnd = memory_.size() - position % memory_.size();
    const std::uint64_t gap = toEnd < need ? toEnd : 0;
    if (position + gap + need - consumed() > memory_.size()) return nullptr;
    if (gap != 0) {
      const RecordHead filler{RecordHead::skip, static_cast<std::uint32_t>(gap), 0};
      std::memcpy(at(position), &filler, sizeof filler);
      position += gap;
    }
    std::byte* place = at(position);
    position += need;
    return place;
  }
  [[nodiscard]] std::byte* at(std::uint64_t position) noexcept {
    return memory_.data() + position % memory_.size();
  }

 private:
  std::span<std::byte> memory_;
  alignas(64) std::atomic<std::uint64_t> published_{0};
  alignas(64) std::atomic<std::uint64_t> consumed_{0};
};

}  // namespace etherloom
