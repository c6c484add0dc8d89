// The part of a path that is made when a policy first shapes frames, so that paths without such a policy stay
// small. For path.cpp and path_netem.cpp. Made on the control thread; afterwards it belongs to the worker of
// the path's to-port.
#pragma once

#include "pipeline/path.hpp"

namespace etherloom {

struct Path::Shaping {
  explicit Shaping(std::uint64_t seed);
  ~Shaping();

  /// On the control thread.
  void makeNetem(std::uint64_t seed);
  void reseed(std::uint64_t seed) noexcept;
  void adopt(const Policy& before, const Policy& policy, Instant at) noexcept;

  /// nullptr if no policy had one yet.
  [[nodiscard]] Netem* netem() const noexcept { return netem_.load(std::memory_order_acquire); }
  /// Which of the two has the next event.
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
  std::vector<StageState> stages;  // what each impairment remembers, by the index of its kind
  TraceSettings traced;            // of the policy that holds
  TraceRun run;                    // how far along its trace the path is
  Trace::Cursor lossCursor;
  std::uint64_t replayed = 0;    // how many fates of the policy's log have been used
  std::uint64_t latestLeft = 0;  // of the frames that were held and have left, the highest number

 private:
  std::atomic<Netem*> netem_{nullptr};  // made once
};

}  // namespace etherloom
