// What a path has only since a policy of it shaped frames: for path.cpp and path_netem.cpp. Made on the
// control thread, and then of the worker of the path's to-port.
#pragma once

#include "pipeline/path.hpp"

namespace etherloom {

struct Path::Shaping {
  explicit Shaping(std::uint64_t seed);
  ~Shaping();

  /// Control thread.
  void makeNetem(std::uint64_t seed);
  void reseed(std::uint64_t seed) noexcept;
  void adopt(const Policy& before, const Policy& policy, Instant at) noexcept;

  /// nullptr if no policy had one yet.
  [[nodiscard]] Netem* netem() const noexcept { return netem_.load(std::memory_order_acquire); }
  /// The one whose next event comes first.
  [[nodiscard]] Shaper& next() noexcept {
    Netem* other = netem();
    return other && other->due() < exact.due() ? static_cast<Shaper&>(*other) : exact;
  }
  [[nodiscard]] const Shaper& next() const noexcept { return const_cast<Shaping*>(this)->next(); }
  [[nodiscard]] std::size_t size() const noexcept { return exact.size() + (netem() ? netem()->size() : 0); }
  [[nodiscard]] std::uint64_t waiting() const noexcept {
    return exact.waiting() + (netem() ? netem()->waiting() : 0);
  }

  ExactShaper exact;
  std::vector<StageState> stages;  // by the indices of impairments
  TraceSettings traced;            // the policy's
  TraceRun run;                    // of that trace
  Trace::Cursor lossCursor;
  std::uint64_t replayed = 0;    // frames that have met a fate of the policy's log
  std::uint64_t latestLeft = 0;  // the highest number of those that were held and left

 private:
  std::atomic<Netem*> netem_{nullptr};  // made once
};

}  // namespace etherloom
