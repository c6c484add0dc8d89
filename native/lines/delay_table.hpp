// The shape of a distribution of delays, as netem has it: the inverse distribution function at equal steps,
// in units of sigma / 8192 (iproute2, tc-netem(8) and maketable). Immutable, shared by any number of policies
// and threads; an engine keeps it for its life.
#pragma once

#include <cstdint>
#include <vector>

namespace etherloom {

struct DelayTable {
  static constexpr std::int64_t scale = 8192;
  std::vector<std::int16_t> values;  ///< 1 to 16,384 of them
};

}  // namespace etherloom
