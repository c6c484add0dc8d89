// How often something may happen: a pace, and what is left of it. Called by whoever keeps to one.
//
// Theory of operation. The generic cell rate algorithm (ITU-T I.371, annex A), which is a token bucket in one
// word: of each thing that is let through one interval is used up, and the word says until when. More
// is let through as long as that is not further ahead than the burst allows.
#pragma once

#include <algorithm>
#include <cstdint>

#include "os/clock.hpp"

namespace etherloom {

/// Once in each `interval`, and at once as many as come together within `burst`, but at least one. An
/// interval without end: never.
struct Pace {
  Duration interval;
  Duration burst;

  /// So many a second, to 1 ns each; 0 for none at all.
  static constexpr Pace perSecond(std::uint32_t count, Duration burst) {
    return {count == 0 ? forever : Duration{1'000'000'000 / std::int64_t{count}}, burst};
  }
};

/// What is left of a pace. To begin with, all of it.
class Allowance {
 public:
  /// Whether something that happens now, and counts as `cost`, is within the pace; then it is used up. It is
  /// whole or not at all: what it took beyond that is missing afterwards.
  bool take(const Pace& pace, Instant now, std::uint32_t cost = 1) noexcept {
    if (pace.interval == forever) return false;
    const Duration ahead = std::max(pace.burst - pace.interval, Duration{});
    if (usedUntil_ > now + ahead) return false;
    usedUntil_ = std::max(usedUntil_, now) + Duration{pace.interval.nanoseconds * cost};
    return true;
  }
  bool operator==(const Allowance&) const = default;

 private:
  Instant usedUntil_ = Instant::longAgo();
};

}  // namespace etherloom
