#include "runtime/link_watch.hpp"

#include "os/thread.hpp"

namespace etherloom {

Result<std::unique_ptr<LinkWatch>> LinkWatch::create(Report report) {
  auto readiness = Readiness::create();
  if (!readiness) return readiness.error();
  auto doorbell = Doorbell::create();
  if (!doorbell) return doorbell.error();
  if (auto added = readiness->add(doorbell->fd(), 0); !added) return added.error();
  return std::unique_ptr<LinkWatch>(
      new LinkWatch(std::move(*readiness), std::move(*doorbell), std::move(report)));
}

LinkWatch::LinkWatch(Readiness readiness, Doorbell doorbell, Report report)
    : readiness_(std::move(readiness)),
      doorbell_(std::move(doorbell)),
      report_(std::move(report)),
      thread_([this] { run(); }) {}

LinkWatch::~LinkWatch() {
  stopping_.store(true);
  doorbell_.ring();
  thread_.join();
}

Result<std::uint32_t> LinkWatch::add(const NetworkNamespace* networkNamespace) {
  auto monitor = LinkMonitor::open(networkNamespace);
  if (!monitor) return monitor.error();
  const std::lock_guard lock(mutex_);
  if (auto added = readiness_.add(monitor->fd(), next_); !added) return added.error();
  monitors_.emplace(next_, std::move(*monitor));
  return next_++;
}

void LinkWatch::remove(std::uint32_t watch) {
  const std::lock_guard lock(mutex_);
  monitors_.erase(watch);  // closing the descriptor takes it out of the set
}

void LinkWatch::run() {
  blockSignals();
  for (;;) {
    const std::uint32_t watch = readiness_.wait();
    if (stopping_.load()) return;
    const std::lock_guard lock(mutex_);
    const auto monitor = monitors_.find(watch);
    if (monitor == monitors_.end()) continue;
    monitor->second.drain([&](const LinkEvent& event) { report_(watch, event); });
  }
}

}  // namespace etherloom
