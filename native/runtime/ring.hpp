// A bounded ring from one thread to one other. Full means that push says no.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <span>
#include <vector>

namespace etherloom {

template <typename Item>
class Ring {
 public:
  explicit Ring(std::size_t size) : items_(std::bit_ceil(size)), mask_(items_.size() - 1) {}

  /// Producer only.
  [[nodiscard]] bool push(const Item& item) noexcept { return push(std::span(&item, 1)) == 1; }
  /// Producer only: as many of the items as there is room for, the first ones. Returns how many.
  [[nodiscard]] std::size_t push(std::span<const Item> items) noexcept {
    const std::size_t tail = tail_.load(std::memory_order_relaxed);
    if (items_.size() - (tail - headSeen_) < items.size()) headSeen_ = head_.load(std::memory_order_acquire);
    const std::size_t count = std::min(items.size(), items_.size() - (tail - headSeen_));
    for (std::size_t index = 0; index < count; ++index) items_[(tail + index) & mask_] = items[index];
    tail_.store(tail + count, std::memory_order_release);
    return count;
  }
  /// Producer only: whether push() would take so many.
  [[nodiscard]] bool hasRoom(std::size_t wanted) noexcept {
    const std::size_t tail = tail_.load(std::memory_order_relaxed);
    if (items_.size() - (tail - headSeen_) < wanted) headSeen_ = head_.load(std::memory_order_acquire);
    return items_.size() - (tail - headSeen_) >= wanted;
  }
  /// Producer only: whether push() would take none.
  [[nodiscard]] bool full() const noexcept {
    return tail_.load(std::memory_order_relaxed) - head_.load(std::memory_order_acquire) == items_.size();
  }
  /// Consumer only: calls `each` for every item that was there when the call began.
  template <typename Each>
  void drain(Each&& each) noexcept {
    drainRuns([&](std::span<const Item> run) {
      for (const Item& item : run) each(item);
    });
  }
  /// As drain(), with a span of some items at a time.
  template <typename Each>
  void drainRuns(Each&& each) noexcept {
    const std::size_t tail = tail_.load(std::memory_order_acquire);
    std::size_t head = head_.load(std::memory_order_relaxed);
    while (head != tail) {
      const std::size_t at = head & mask_;
      const std::size_t count = std::min({tail - head, items_.size() - at, runLimit});
      each(std::span<const Item>(&items_[at], count));
      head_.store(head += count, std::memory_order_release);
    }
  }
  [[nodiscard]] bool empty() const noexcept {
    return head_.load(std::memory_order_relaxed) == tail_.load(std::memory_order_acquire);
  }

 private:
  // Items after which the consumer tells the producer how much room there is again.
  static constexpr std::size_t runLimit = 64;

  std::vector<Item> items_;
  std::size_t mask_;
  alignas(64) std::atomic<std::size_t> tail_{0};
  std::size_t headSeen_ = 0;  // head_ as the producer last read it, so that it need not read it each time
  alignas(64) std::atomic<std::size_t> head_{0};
};

}  // namespace etherloom
