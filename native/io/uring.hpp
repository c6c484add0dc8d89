// One io_uring(7): its shared rings, submission and completion, without any policy.
// Made by the control thread; from enable() on it belongs to the one thread that called that.
#pragma once

#include <linux/io_uring.h>

#include <cstdint>

#include "os/clock.hpp"
#include "os/error.hpp"
#include "os/fd.hpp"
#include "os/memory.hpp"

namespace etherloom {

class Uring {
 public:
  /// Room for `submissions` requests between two calls and for `completions` results, both powers of two.
  /// Needs Linux 6.1; the kernel, a container or a sysctl may refuse it.
  [[nodiscard]] static Result<Uring> create(unsigned submissions, unsigned completions);

  /// Makes the calling thread the ring's only user.
  void enable() noexcept;

  /// An empty request to fill in; nullptr when `submissions` of them wait already.
  [[nodiscard]] io_uring_sqe* request() noexcept;
  [[nodiscard]] bool requested() const noexcept { return tail_ != submitted_; }
  [[nodiscard]] bool full() const noexcept { return tail_ - submitted_ > submissionMask_; }
  /// Whether a call now would find results that are not in the ring yet.
  [[nodiscard]] bool workPending() const noexcept;
  /// Hands all requests to the kernel and waits until there is a result, at most so long.
  void submitAndWait(Duration timeout) noexcept;

  /// Calls `each` for every result there is, once, also when `each` leads to another call of this.
  template <typename Each>
  void results(Each&& each) noexcept {
    while (*completionHead_ != load(completionTail_)) {
      const std::uint32_t head = *completionHead_;
      const io_uring_cqe result = completions_[head & completionMask_];
      store(completionHead_, head + 1);
      each(result);
    }
  }

  /// Makes room in the ring's own table for descriptors below `count`. False where the kernel gives none.
  [[nodiscard]] bool reserveFiles(unsigned count) noexcept;
  /// Puts the descriptor at its own number into the table, or takes it out. False where that is refused.
  bool keepFile(int fd) noexcept;
  void dropFile(int fd) noexcept;

 private:
  // Not std::atomic_ref, which the C++ library of the prebuilt addons does not have yet.
  [[nodiscard]] static std::uint32_t load(const std::uint32_t* word) noexcept {
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
  }
  static void store(std::uint32_t* word, std::uint32_t value) noexcept {
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
  }
  int registerOption(unsigned option, void* argument, unsigned count) noexcept;
  void enter(unsigned flags, const void* argument, std::size_t size, unsigned wanted) noexcept;

  Fd fd_;
  Mapping rings_;
  Mapping requests_;

  std::uint32_t* submissionHead_ = nullptr;  // the kernel's
  std::uint32_t* submissionTail_ = nullptr;  // ours, published
  std::uint32_t* submissionFlags_ = nullptr;
  std::uint32_t submissionMask_ = 0;
  io_uring_sqe* sqes_ = nullptr;
  std::uint32_t tail_ = 0;       // ours, with the requests that are not published yet
  std::uint32_t submitted_ = 0;  // of those, how many the kernel has taken

  std::uint32_t* completionHead_ = nullptr;  // ours
  std::uint32_t* completionTail_ = nullptr;  // the kernel's
  std::uint32_t completionMask_ = 0;
  io_uring_cqe* completions_ = nullptr;
  unsigned enterFlags_ = 0;
};

}  // namespace etherloom
