// Destroys ports whose devices the kernel takes long to let go of: the interface of a TAP ends in some 20 ms,
// nearly all of which is waiting. So each waits on a thread of its own, many at once, and nobody else does.
// Told and ended by the control thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "ports/port.hpp"

namespace etherloom {

class Closer {
 public:
  static constexpr std::size_t mostThreads = 32;

  /// `wake` is called on a thread of the closer after each end, and should lead to an ended().
  explicit Closer(std::function<void()> wake) : wake_(std::move(wake)) {}
  ~Closer() { finish(); }

  /// Begins to destroy ports that nobody uses any more, and remembers their end under this number.
  void close(std::uint64_t number, std::vector<std::unique_ptr<Port>> ports);
  /// Whose ports have been destroyed since the last call.
  [[nodiscard]] std::vector<std::uint64_t> ended();
  /// Returns when all ports are destroyed. Nothing may be closed afterwards.
  void finish();

 private:
  struct Job {
    std::uint64_t number;
    std::vector<std::unique_ptr<Port>> ports;
  };

  void run();
  void work(std::unique_lock<std::mutex>& lock);

  const std::function<void()> wake_;
  std::mutex mutex_;  // never held while a port is destroyed; guards all but threads_
  std::condition_variable given_;
  std::deque<Job> jobs_;
  std::vector<std::uint64_t> ended_;
  std::size_t idle_ = 0;  // threads that wait for a job
  bool finishing_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace etherloom
