// The generator of the kernel's netem, to the bit: taus113, a combined Tausworthe generator (P. L'Ecuyer,
// "Tables of maximally equidistributed combined LFSR generators", Mathematics of Computation 68:225, 1999),
// seeded from 64 bits as netem seeds it. Called by the netem stage, on the worker of the path's to-port.
//
// Everything else that is random in this process uses Random (random.hpp): this one exists to reproduce what
// `tc ... netem seed N` does. There is no warm-up, so small seeds begin badly: of seed 1, five of the first
// ten numbers lie in the lowest tenth.
#pragma once

#include <cstdint>

namespace etherloom {

class Taus113 {
 public:
  explicit constexpr Taus113(std::uint64_t seed = 0) {
    const auto folded = static_cast<std::uint32_t>(seed >> 32 ^ seed << 10 ^ seed);
    for (unsigned part = 0; part < 4; ++part) {
      const std::uint32_t least = parts[part].least;
      state_[part] = folded < least ? folded + least : folded;
    }
  }

  /// 32 random bits.
  constexpr std::uint32_t next() noexcept {
    std::uint32_t result = 0;
    for (unsigned part = 0; part < 4; ++part) {
      const auto& [least, left, right, keep, shift] = parts[part];
      const std::uint32_t before = state_[part];
      state_[part] = (before & keep) << shift ^ (before << left ^ before) >> right;
      result ^= state_[part];
    }
    return result;
  }

 private:
  struct Part {
    std::uint32_t least;  ///< what a seed must reach for the period to be whole
    unsigned left, right;
    std::uint32_t keep;
    unsigned shift;
  };
  static constexpr Part parts[4] = {{2, 6, 13, 0xfffffffe, 18},
                                    {8, 2, 27, 0xfffffff8, 2},
                                    {16, 13, 21, 0xfffffff0, 7},
                                    {128, 3, 12, 0xffffff80, 13}};

  std::uint32_t state_[4] = {};
};

}  // namespace etherloom
