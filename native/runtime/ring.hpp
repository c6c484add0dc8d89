// A bounded queue from one thread to one other. Full means that push says no.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <vector>

namespace etherloom {

template <typename Item>
class Ring {
 public:
  explicit Ring(std::size_t size) : items_(std::bit_ceil(size)), mask_(items_.size() - 1) {}

  /// Producer only.
  [[nodiscard]] bool push(const Item& item) noexcept {
    const std::size_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - headSeen_ == items_.size()) {
      headSeen_ = head_.load(std::memory_order_acquire);
      if (tail - headSeen_ == items_.size()) return false;
    }
    items_[tail & mask_] = item;
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }
  /// Consumer only: calls `each` for every item that was there when the call began.
  template <typename Each>
  void drain(Each&& each) noexcept {
    const std::size_t tail = tail_.load(std::memory_order_acquire);
    std::size_t head = head_.load(std::memory_order_relaxed);
    while (head != tail) {
      each(items_[head & mask_]);
      head_.store(++head, std::memory_order_release);
    }
  }
  [[nodiscard]] bool empty() const noexcept {
    return head_.load(std::memory_order_relaxed) == tail_.load(std::memory_order_acquire);
  }

 private:
  std::vector<Item> items_;
  std::size_t mask_;
  alignas(64) std::atomic<std::size_t> tail_{0};
  std::size_t headSeen_ = 0;  // the producer's memory of head_
  alignas(64) std::atomic<std::size_t> head_{0};
};

}  // namespace etherloom
