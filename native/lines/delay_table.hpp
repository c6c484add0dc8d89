// The shape of a distribution of delays, as netem has it: the inverse distribution function at equal steps,
// in units of sigma / 8192 (iproute2, tc-netem(8) and maketable). Immutable, shared by any number of policies
// and threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "os/clock.hpp"

namespace etherloom {

struct DelayTable {
  static constexpr std::int64_t scale = 8192;
  std::vector<std::int16_t> values;  ///< 1 to 16,384 of them

  /// How far the value at `place` is from the mean, as netem computes it, in integers: sigma · value / scale,
  /// rounded to the nearest, halves away from zero, in two parts because the product may not fit.
  [[nodiscard]] Duration deviation(Duration sigma, std::size_t place) const noexcept {
    const std::int64_t value = values[place];
    const std::int64_t fine = sigma.nanoseconds % scale * value;
    return {(fine + (fine < 0 ? -scale : scale) / 2) / scale + sigma.nanoseconds / scale * value};
  }
};

}  // namespace etherloom
