#include "runtime/socket_watch.hpp"

#include "os/thread.hpp"

namespace etherloom {

Result<std::unique_ptr<SocketWatch>> SocketWatch::create(Report report) {
  auto readiness = Readiness::create();
  if (!readiness) return readiness.error();
  auto doorbell = Doorbell::create();
  if (!doorbell) return doorbell.error();
  if (auto added = readiness->add(doorbell->fd(), 0); !added) return added.error();
  return std::unique_ptr<SocketWatch>(
      new SocketWatch(std::move(*readiness), std::move(*doorbell), std::move(report)));
}

SocketWatch::SocketWatch(Readiness readiness, Doorbell doorbell, Report report)
    : readiness_(std::move(readiness)),
      doorbell_(std::move(doorbell)),
      report_(std::move(report)),
      thread_([this] { run(); }) {}

SocketWatch::~SocketWatch() {
  stopping_.store(true);
  doorbell_.ring();
  thread_.join();
}

Result<std::uint32_t> SocketWatch::add(int fd, What what) {
  const std::lock_guard lock(mutex_);
  const std::uint32_t events = what == What::Readable ? EPOLLIN : EPOLLOUT;
  if (auto added = readiness_.add(fd, next_, events); !added) return added.error();
  sockets_.emplace(next_, fd);
  return next_++;
}

void SocketWatch::remove(std::uint32_t watch) {
  const std::lock_guard lock(mutex_);
  const auto socket = sockets_.find(watch);
  if (socket == sockets_.end()) return;
  readiness_.remove(socket->second);
  sockets_.erase(socket);
}

void SocketWatch::run() {
  blockSignals();
  for (;;) {
    const std::uint32_t watch = readiness_.wait();
    if (stopping_.load()) return;
    {
      const std::lock_guard lock(mutex_);
      const auto socket = sockets_.find(watch);
      if (socket == sockets_.end()) continue;
      readiness_.remove(socket->second);
      sockets_.erase(socket);
    }
    report_(watch);
  }
}

}  // namespace etherloom
