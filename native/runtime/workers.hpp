// The workers of an engine, and its clock: threads on a real clock; on a virtual one the control thread runs
// the one worker itself. Control thread only, but for nudge().
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "runtime/worker.hpp"

namespace etherloom {

/// How workers read and write. Best is io_uring where kernel, container and limits allow it to all of them,
/// else epoll.
enum class IoKind : std::uint8_t { Best, Uring, Epoll };

struct EngineOptions {
  Clock::Kind clock = Clock::Kind::Real;
  unsigned workers = 1;
  std::uint64_t seed = 0;
  std::size_t memory = 64u << 20;  ///< bytes of frames, shared out among the workers
  IoKind io = IoKind::Best;
  Duration spin;  ///< how long before a departure a worker stops sleeping; forever: it never sleeps
};

class Workers {
 public:
  explicit Workers(Clock::Kind clock) : clock_(clock) {}
  /// Makes and starts them. `wake` is called from their threads.
  [[nodiscard]] Result<void> start(const EngineOptions& options, const std::function<void()>& wake);

  [[nodiscard]] const Clock& clock() const { return clock_; }
  [[nodiscard]] std::size_t size() const { return workers_.size(); }
  [[nodiscard]] Worker& operator[](std::size_t worker) const { return *workers_.at(worker); }
  [[nodiscard]] auto begin() const { return workers_.begin(); }
  [[nodiscard]] auto end() const { return workers_.end(); }

  /// Runs the order on its worker: at the next turn, or at once where the control thread is the worker.
  void order(std::uint16_t worker, Mailbox::Order order) const;
  void orderAll(const Mailbox::Order& order) const;
  /// Has a worker poll a source until it is removed, or for as long as there are workers.
  void addSource(std::uint16_t worker, std::shared_ptr<Source> source);
  void removeSource(std::uint16_t worker, const std::shared_ptr<Source>& source);
  /// The so many workers that have least to do, most of all the first; but that is the given one, if any.
  [[nodiscard]] std::vector<std::uint16_t> leastLoaded(std::size_t count,
                                                       std::optional<std::uint16_t> first = {}) const;

  /// Virtual clock only: runs everything that is due until `target`, in order, each at its own instant.
  /// `each` is called for each of these instants, after it. With `stopAtNews` the first that has made an
  /// event is the last.
  void advance(Instant target, bool stopAtNews, const std::function<void()>& each);

  /// Ends the threads. From then on the control thread is alone with what is still under way.
  void join() const;
  /// Gives back what they hold of each other and of the kernel. Returns how many frames are referenced still.
  [[nodiscard]] std::size_t settle() const;

 private:
  /// Makes all of them, or some and an error.
  [[nodiscard]] Result<void> make(const EngineOptions& options, IoKind kind,
                                  const std::function<void()>& wake);

  Clock clock_;
  std::vector<std::shared_ptr<Source>> sources_;
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace etherloom
