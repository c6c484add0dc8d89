// Orders from the control thread to one worker: any number, in the order given, carried out between two
// bursts. Posting allocates; draining an empty mailbox is one load.
#pragma once

#include <atomic>
#include <functional>
#include <utility>

namespace etherloom {

class Worker;

class Mailbox {
 public:
  using Order = std::function<void(Worker&)>;

  ~Mailbox() {
    for (Letter* letter = letters_.load(); letter;) delete std::exchange(letter, letter->next);
  }
  /// Any thread.
  void post(Order order) {
    auto* letter = new Letter{std::move(order), letters_.load(std::memory_order_relaxed)};
    while (!letters_.compare_exchange_weak(letter->next, letter, std::memory_order_release,
                                           std::memory_order_relaxed)) {
    }
  }
  [[nodiscard]] bool empty() const noexcept { return letters_.load(std::memory_order_acquire) == nullptr; }
  /// The worker's thread.
  void drain(Worker& worker) {
    if (empty()) return;
    Letter* newestFirst = letters_.exchange(nullptr, std::memory_order_acquire);
    Letter* oldestFirst = nullptr;
    while (newestFirst) {
      Letter* letter = std::exchange(newestFirst, newestFirst->next);
      letter->next = std::exchange(oldestFirst, letter);
    }
    while (oldestFirst) {
      Letter* letter = std::exchange(oldestFirst, oldestFirst->next);
      letter->order(worker);
      delete letter;
    }
  }

 private:
  struct Letter {
    Order order;
    Letter* next;
  };
  std::atomic<Letter*> letters_{nullptr};
};

}  // namespace etherloom
