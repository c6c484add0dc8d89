#include "runtime/closer.hpp"

#include <system_error>
#include <utility>

#include "os/thread.hpp"

namespace etherloom {

void Closer::close(std::uint64_t number, std::vector<std::unique_ptr<Port>> ports) {
  std::unique_lock lock(mutex_);
  jobs_.push_back({number, std::move(ports)});
  const bool more = jobs_.size() > idle_ && threads_.size() < mostThreads;
  lock.unlock();
  given_.notify_one();
  if (!more) return;
  try {
    threads_.emplace_back([this] { run(); });
  } catch (const std::system_error&) {
    if (!threads_.empty()) return;  // those do it
    lock.lock();
    work(lock);
  }
}

std::vector<std::uint64_t> Closer::ended() {
  const std::lock_guard lock(mutex_);
  return std::exchange(ended_, {});
}

void Closer::finish() {
  {
    const std::lock_guard lock(mutex_);
    finishing_ = true;
  }
  given_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void Closer::run() {
  blockSignals();
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_;
    given_.wait(lock, [this] { return finishing_ || !jobs_.empty(); });
    --idle_;
    if (jobs_.empty()) return;
    work(lock);
  }
}

void Closer::work(std::unique_lock<std::mutex>& lock) {
  while (!jobs_.empty()) {
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job.ports.clear();
    lock.lock();
    ended_.push_back(job.number);
    lock.unlock();
    wake_();
    lock.lock();
  }
}

}  // namespace etherloom
