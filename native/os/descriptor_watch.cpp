#include "os/descriptor_watch.hpp"

#include <sys/epoll.h>

#include "os/thread.hpp"

namespace etherloom {

Result<std::unique_ptr<DescriptorWatch>> DescriptorWatch::create() {
  Fd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return Error::last("epoll_create1", "no descriptor to wait with");
  auto doorbell = Doorbell::create();
  if (!doorbell) return doorbell.error();
  if (auto entered = enter(epoll, doorbell->fd(), 0, EPOLLIN); !entered) return entered.error();
  using Made = Result<std::unique_ptr<DescriptorWatch>>;
  return unlessShort("cannot start a thread to wait with", [&]() -> Made {
    return std::unique_ptr<DescriptorWatch>(new DescriptorWatch(std::move(epoll), std::move(*doorbell)));
  });
}

DescriptorWatch::DescriptorWatch(Fd epoll, Doorbell doorbell)
    : epoll_(std::move(epoll)), doorbell_(std::move(doorbell)), thread_([this] { run(); }) {}

DescriptorWatch::~DescriptorWatch() {
  stopping_.store(true);
  doorbell_.ring();
  thread_.join();
}

Result<void> DescriptorWatch::enter(const Fd& epoll, int fd, std::uint32_t key, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.u32 = key;
  if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) == 0) return {};
  return Error::last("epoll_ctl", "a descriptor cannot be waited for");
}

Result<std::uint32_t> DescriptorWatch::add(int fd, What what, Ready ready) {
  const std::lock_guard lock(mutex_);
  if (auto entered = enter(epoll_, fd, next_, what == What::Readable ? EPOLLIN : EPOLLOUT); !entered)
    return entered.error();
  watched_.emplace(next_, Watched{fd, std::move(ready)});
  return next_++;
}

void DescriptorWatch::remove(std::uint32_t watch) {
  const std::lock_guard lock(mutex_);
  if (const auto watched = watched_.find(watch); watched != watched_.end()) leave(watched);
}

void DescriptorWatch::leave(std::map<std::uint32_t, Watched>::iterator watched) {
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, watched->second.fd, nullptr);
  watched_.erase(watched);
}

void DescriptorWatch::run() {
  blockSignals();
  for (;;) {
    epoll_event event{};
    if (epoll_wait(epoll_.get(), &event, 1, -1) != 1) continue;
    if (stopping_.load()) return;
    const std::lock_guard lock(mutex_);
    const auto watched = watched_.find(event.data.u32);
    if (watched != watched_.end() && !watched->second.ready(watched->first)) leave(watched);
  }
}

}  // namespace etherloom
