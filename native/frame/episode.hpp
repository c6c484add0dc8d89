// Something that begins, goes on for a while and ends, such as a storm. Workers say whenever it happens; the
// control thread, which is told of the beginning, asks later whether it is over.
//
// Theory of operation. One word says when it happened last, or that nothing goes on. The worker that finds
// the latter there has begun an episode; the control thread ends it by putting that back, unless it has
// happened again meanwhile. So nobody waits, however often it happens there is one beginning and one end, and
// none of either is missed.
#pragma once

#include <atomic>
#include <cstdint>

#include "os/clock.hpp"

namespace etherloom {

/// What there is to say about an episode: numbers, in the order in which lib/fabrics/episodes.ts reads them.
struct EpisodeState {
  std::uint64_t goesOn = 0;  ///< 0: it is over, and what follows is all there was
  std::int64_t last = 0;     ///< when it happened last, in nanoseconds
  std::uint64_t hits = 0;    ///< how often
  std::uint64_t seen = 0;    ///< of how many
};

class Episode {
 public:
  [[nodiscard]] bool goesOn() const noexcept { return last_.load(std::memory_order_acquire) != nothing; }

  /// Any worker: of `seen` it has happened to `hits`. True when that begins it.
  bool note(Instant now, std::uint64_t hits, std::uint64_t seen) noexcept {
    if (hits == 0 && !goesOn()) return false;
    hits_.fetch_add(hits, std::memory_order_relaxed);
    seen_.fetch_add(seen, std::memory_order_relaxed);
    return hits != 0 && last_.exchange(now.nanoseconds, std::memory_order_acq_rel) == nothing;
  }

  /// Control thread: ends it if it has not happened after `until`.
  EpisodeState end(Instant until) noexcept {
    std::int64_t last = last_.load(std::memory_order_acquire);
    while (last <= until.nanoseconds) {
      if (!last_.compare_exchange_weak(last, nothing, std::memory_order_acq_rel)) continue;
      return {0, last, hits_.exchange(0, std::memory_order_relaxed),
              seen_.exchange(0, std::memory_order_relaxed)};
    }
    return {1, last, hits_.load(std::memory_order_relaxed), seen_.load(std::memory_order_relaxed)};
  }

 private:
  static constexpr std::int64_t nothing = Instant::longAgo().nanoseconds;

  std::atomic<std::int64_t> last_{nothing};
  std::atomic<std::uint64_t> hits_{0}, seen_{0};
};

}  // namespace etherloom
