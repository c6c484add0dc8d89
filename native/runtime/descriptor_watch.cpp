#include "runtime/descriptor_watch.hpp"

#include "os/thread.hpp"

namespace etherloom {

Result<std::unique_ptr<DescriptorWatch>> DescriptorWatch::create() {
  auto readiness = Readiness::create();
  if (!readiness) return readiness.error();
  auto doorbell = Doorbell::create();
  if (!doorbell) return doorbell.error();
  if (auto added = readiness->add(doorbell->fd(), 0); !added) return added.error();
  return std::unique_ptr<DescriptorWatch>(new DescriptorWatch(std::move(*readiness), std::move(*doorbell)));
}

DescriptorWatch::DescriptorWatch(Readiness readiness, Doorbell doorbell)
    : readiness_(std::move(readiness)), doorbell_(std::move(doorbell)), thread_([this] { run(); }) {}

DescriptorWatch::~DescriptorWatch() {
  stopping_.store(true);
  doorbell_.ring();
  thread_.join();
}

Result<std::uint32_t> DescriptorWatch::add(int fd, What what, Ready ready) {
  const std::lock_guard lock(mutex_);
  const std::uint32_t events = what == What::Readable ? EPOLLIN : EPOLLOUT;
  if (auto added = readiness_.add(fd, next_, events); !added) return added.error();
  watched_.emplace(next_, Watched{fd, std::move(ready)});
  return next_++;
}

void DescriptorWatch::remove(std::uint32_t watch) {
  const std::lock_guard lock(mutex_);
  const auto watched = watched_.find(watch);
  if (watched == watched_.end()) return;
  readiness_.remove(watched->second.fd);
  watched_.erase(watched);
}

void DescriptorWatch::run() {
  blockSignals();
  for (;;) {
    const std::uint32_t watch = readiness_.wait();
    if (stopping_.load()) return;
    const std::lock_guard lock(mutex_);
    const auto watched = watched_.find(watch);
    if (watched == watched_.end() || watched->second.ready(watch)) continue;
    readiness_.remove(watched->second.fd);
    watched_.erase(watched);
  }
}

}  // namespace etherloom
