#include "runtime/workers.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "io/epoll_io.hpp"
#include "io/uring_io.hpp"
#include "io/virtual_io.hpp"

namespace etherloom {
namespace {

Result<std::unique_ptr<Io>> openIo(const Clock& clock, IoKind kind, int doorbellFd, FramePool& pool) {
  if (clock.isVirtual()) return std::unique_ptr<Io>(std::make_unique<VirtualIo>());
  return kind == IoKind::Epoll ? EpollIo::create(doorbellFd) : UringIo::create(doorbellFd, pool);
}

}  // namespace

Result<void> Workers::start(const EngineOptions& options, const std::function<void()>& wake) {
  auto made = make(options, options.io, wake);
  // All do it the same way: what the process may lock of memory can be enough for the rings of some.
  if (!made && options.io == IoKind::Best) {
    workers_.clear();
    made = make(options, IoKind::Epoll, wake);
  }
  if (!made) return made.error();
  for (const auto& worker : workers_) worker->meet(workers_);
  if (clock_.isVirtual()) return {};
  for (const auto& worker : workers_) worker->start();
  return {};
}

Result<void> Workers::make(const EngineOptions& options, IoKind kind, const std::function<void()>& wake) {
  // On a virtual clock the number of workers must not show, not even in how soon memory runs out: one thread
  // runs them, so there is one.
  const unsigned count = clock_.isVirtual() ? 1 : options.workers;
  for (std::uint16_t index = 0; index < count; ++index) {
    auto pool = FramePool::create(options.memory / count);
    if (!pool) return pool.error();
    auto doorbell = Doorbell::create();
    if (!doorbell) return doorbell.error();
    auto io = openIo(clock_, kind, doorbell->fd(), **pool);
    if (!io) return io.error();
    workers_.push_back(std::make_unique<Worker>(Worker::Setup{index, clock_, std::move(*pool), std::move(*io),
                                                              std::move(*doorbell), wake, options.spin}));
  }
  return {};
}

void Workers::order(std::uint16_t worker, Mailbox::Order order) const {
  if (clock_.isVirtual()) return order(*workers_[worker]);
  workers_[worker]->mailbox.post(std::move(order));
  workers_[worker]->nudge();
}

void Workers::orderAll(const Mailbox::Order& order) const {
  for (std::size_t index = 0; index < workers_.size(); ++index)
    this->order(static_cast<std::uint16_t>(index), order);
}

void Workers::addSource(std::uint16_t worker, std::shared_ptr<Source> source) {
  order(worker, [added = source.get()](Worker& owner) { owner.addSource(*added); });
  sources_.push_back(std::move(source));
}

void Workers::removeSource(std::uint16_t worker, const std::shared_ptr<Source>& source) {
  std::erase(sources_, source);
  order(worker, [removed = source](Worker& owner) { owner.removeSource(*removed); });
}

std::vector<std::uint16_t> Workers::leastLoaded(std::size_t count, std::optional<std::uint16_t> first) const {
  std::vector<std::uint16_t> workers(workers_.size());
  std::iota(workers.begin(), workers.end(), std::uint16_t{0});
  std::ranges::stable_sort(workers, {}, [&](std::uint16_t worker) {
    return std::pair(worker != first, workers_[worker]->load());
  });
  workers.resize(count);
  return workers;
}

void Workers::advance(Instant target, bool stopAtNews, const std::function<void()>& each) {
  const auto hasNews = [](const auto& worker) { return !worker->events.empty(); };
  for (;;) {
    bool moved = true;
    while (moved) {
      moved = false;
      for (const auto& worker : workers_) moved |= worker->receiveAndDecide();
      for (const auto& worker : workers_) moved |= worker->admitAndRelease(clock_.now());
    }
    Instant next = Instant::never();
    for (const auto& worker : workers_) next = std::min(next, worker->nextInstant());
    each();
    if (stopAtNews && std::any_of(workers_.begin(), workers_.end(), hasNews)) return;
    if (next > target) break;
    clock_.moveTo(next);
  }
  clock_.moveTo(target);
}

void Workers::join() const {
  if (!clock_.isVirtual()) {
    for (const auto& worker : workers_) worker->join();
  }
  for (const auto& worker : workers_) worker->admitAndRelease(clock_.now());
}

std::size_t Workers::settle() const {
  for (const auto& worker : workers_) {
    worker->closeIo();
    worker->pool().sendBack();
  }
  return std::accumulate(
      workers_.begin(), workers_.end(), std::size_t{0},
      [](std::size_t sum, const auto& worker) { return sum + worker->pool().outstanding(); });
}

}  // namespace etherloom
