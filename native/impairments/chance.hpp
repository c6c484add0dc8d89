// How often something happens to the frames of a path, and whether it tends to happen to several in a row.
// Called by impairments and by travel, on the worker of the path's to-port.
//
// Theory of operation. The events are a Markov chain of two states, hit or miss, one draw per frame. With the
// rate P, the probability after a hit, `again`, and after a miss, `anew`, keep the rate exactly whenever
// P = P · again + (1 - P) · anew. The first frame is drawn by P, so the rate holds from the first frame on.
// Runs of hits are geometric with mean 1 / (1 - again); the correlation of frames that are k apart is
// (again - anew)^k. lib/policy/impairments/chance.ts computes the two from what users say.
#pragma once

#include <cstdint>
#include <span>

#include "impairments/random.hpp"

namespace etherloom {

struct Chance {
  double first = 0;  ///< for the first frame: the rate
  double again = 0;  ///< after a hit
  double anew = 0;   ///< after a miss

  /// Each frame by itself.
  constexpr Chance(double rate = 0) noexcept : first(rate), again(rate), anew(rate) {}
  constexpr Chance(double rate, double afterHit, double afterMiss) noexcept
      : first(rate), again(afterHit), anew(afterMiss) {}

  /// As lib/ has it: three numbers.
  [[nodiscard]] static Chance from(std::span<const double> numbers) {
    return {numbers[0], numbers[1], numbers[2]};
  }

  [[nodiscard]] constexpr bool possible() const noexcept { return first > 0; }

  /// `before` is what the last call left there: 0 before the first, then 1 for a miss, 2 for a hit.
  constexpr bool hit(Random& random, std::uint64_t& before) const noexcept {
    const bool hit = random.hit(before == 0 ? first : before == 2 ? again : anew);
    before = hit ? 2 : 1;
    return hit;
  }

  bool operator==(const Chance&) const = default;
};

}  // namespace etherloom
