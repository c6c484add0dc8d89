// Tickets: when nobody can meet any more what a change has replaced. Control thread only.
//
// Theory of operation. A ticket is settled when every worker has passed a turn that began after the ticket
// was taken and then, since copies may have been under way between workers, another one; a worker that is
// alone passes one. What is to be done then may ask for more: another grace period (extend()), or the end of
// writes (whenGone()); the ticket is settled after that. Tickets are settled in the order in which they were
// taken, but for those that wait for devices to end (destroy()): nobody else waits for these, nor they for
// each other. On a virtual clock the control thread runs the workers itself, so all of this happens at once.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <vector>

#include "runtime/closer.hpp"
#include "runtime/workers.hpp"

namespace etherloom {

using Ticket = std::uint64_t;

class GracePeriods {
 public:
  /// `wake`, which any thread may call, should lead to a settle().
  GracePeriods(const Workers& workers, std::function<void()> wake)
      : workers_(workers), closer_(std::move(wake)) {}

  /// Takes a ticket of everything ordered so far; `done` runs when it is settled.
  Ticket fence(std::function<void()> done);
  /// Within a `done`: its ticket is settled only after another grace period and this.
  void extend(std::function<void()> done);
  /// Within a `done`: as extend(), and not before the writes of all these ports have ended.
  void whenGone(std::vector<const Port*> ports, std::function<void()> done);
  /// Within a `done`: its ticket is settled only when these ports, which have gone, are destroyed.
  void destroy(std::vector<std::unique_ptr<Port>> ports);
  /// The last ticket that was taken.
  [[nodiscard]] Ticket latest() const { return taken_; }
  [[nodiscard]] bool settled(Ticket ticket) const { return ticket <= settled_ && !closing_.contains(ticket); }
  /// Settles the tickets whose grace periods have passed.
  void settle();
  /// Nobody waits for anything any more, because nobody works any more.
  void abandon() { graces_.clear(); }
  /// Returns when all ports that were to be destroyed are. The last call.
  void finish() { closer_.finish(); }

 private:
  struct Grace {
    Ticket ticket;
    std::uint64_t epoch;
    bool second;
    std::function<void()> done;
  };

  std::uint64_t requestPass();
  [[nodiscard]] std::uint64_t slowestPass() const;

  const Workers& workers_;
  std::deque<Grace> graces_;
  std::uint64_t epoch_ = 0;
  Ticket taken_ = 0;
  Ticket settled_ = 0;
  Ticket extending_ = 0;
  std::set<Ticket> closing_;  // whose devices have not ended
  Closer closer_;
};

}  // namespace etherloom
