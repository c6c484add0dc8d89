#include "runtime/grace.hpp"

#include <algorithm>

namespace etherloom {

Ticket GracePeriods::fence(std::function<void()> done) {
  const Ticket ticket = ++taken_;
  if (workers_.clock().isVirtual()) {
    done();
    settled_ = taken_;
    return ticket;
  }
  graces_.push_back({ticket, requestPass(), workers_.size() == 1, std::move(done)});
  return ticket;
}

void GracePeriods::extend(std::function<void()> done) {
  if (workers_.clock().isVirtual()) return done();
  graces_.push_front({extending_, requestPass(), workers_.size() == 1, std::move(done)});
}

void GracePeriods::whenGone(std::vector<const Port*> ports, std::function<void()> done) {
  extend([this, ports = std::move(ports), done = std::move(done)] {
    const bool allGone =
        std::all_of(ports.begin(), ports.end(), [](const Port* port) { return port->gone(); });
    if (!allGone) return whenGone(ports, done);
    done();
  });
}

void GracePeriods::destroy(std::vector<std::unique_ptr<Port>> ports) {
  const auto slow = [](const auto& port) { return port->closesSlowly(); };
  if (!std::any_of(ports.begin(), ports.end(), slow)) return;
  closing_.insert(extending_);
  closer_.close(extending_, std::move(ports));
}

void GracePeriods::settle() {
  for (const Ticket ticket : closer_.ended()) closing_.erase(ticket);
  while (!graces_.empty() && graces_.front().epoch <= slowestPass()) {
    Grace grace = std::move(graces_.front());
    graces_.pop_front();
    if (!grace.second) {
      grace.second = true;
      grace.epoch = requestPass();
      graces_.push_front(std::move(grace));
      break;
    }
    extending_ = grace.ticket;
    grace.done();
    if (graces_.empty() || graces_.front().ticket != grace.ticket) settled_ = grace.ticket;
  }
}

std::uint64_t GracePeriods::requestPass() {
  ++epoch_;
  for (const auto& worker : workers_) {
    worker->requestPass(epoch_);
    worker->nudge();
  }
  return epoch_;
}

std::uint64_t GracePeriods::slowestPass() const {
  std::uint64_t slowest = epoch_;
  for (const auto& worker : workers_) slowest = std::min(slowest, worker->passed());
  return slowest;
}

}  // namespace etherloom
