// Seeded randomness: one small stream per path and stage, and the seeds of such streams from names.
// Called by impairments and by travel, on the worker of the path's to-port; deriveSeed also on the control
// thread.
//
// The generators are written from their authors' descriptions: xoroshiro128++ (D. Blackman, S. Vigna,
// "Scrambled linear pseudorandom number generators", ACM TOMS 47:4, 2021), seeded by SplitMix64 (G. Steele,
// D. Lea, C. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014). Both are integer
// arithmetic only, so a seed gives the same stream on every machine.
#pragma once

#include <bit>
#include <cstdint>
#include <string_view>

namespace etherloom {

/// The output function of SplitMix64: a bijection in which every input bit reaches every output bit.
constexpr std::uint64_t mixBits(std::uint64_t value) {
  value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
  value = (value ^ value >> 27) * 0x94d049bb133111eb;
  return value ^ value >> 31;
}

inline constexpr std::uint64_t goldenGamma = 0x9e3779b97f4a7c15;

class Random {
 public:
  explicit constexpr Random(std::uint64_t seed = 0)
      : low_(mixBits(seed + goldenGamma)), high_(mixBits(seed + 2 * goldenGamma)) {}

  /// 64 random bits.
  constexpr std::uint64_t next() noexcept {
    const std::uint64_t result = std::rotl(low_ + high_, 17) + low_;
    const std::uint64_t mixed = high_ ^ low_;
    low_ = std::rotl(low_, 49) ^ mixed ^ mixed << 21;
    high_ = std::rotl(mixed, 28);
    return result;
  }

  /// In [0, 1), a multiple of 2^-53.
  constexpr double uniform() noexcept { return static_cast<double>(next() >> 11) * 0x1p-53; }

  /// True with this probability. Never and always (0 and 1) draw nothing; what lies between draws exactly
  /// once.
  constexpr bool hit(double probability) noexcept {
    if (probability <= 0) return false;
    return probability >= 1 || uniform() < probability;
  }

  /// In [0, bound), one draw. The largest difference between two probabilities is 2^-64. `bound` is at
  /// least 1.
  constexpr std::uint64_t below(std::uint64_t bound) noexcept {
    return static_cast<std::uint64_t>(static_cast<unsigned __int128>(next()) * bound >> 64);
  }

 private:
  std::uint64_t low_;
  std::uint64_t high_;
};

/// The seed of something named, within something seeded. Stable across platforms and versions: stored results
/// rest on it. The length goes in first, so that a name and its padding differ.
constexpr std::uint64_t deriveSeed(std::uint64_t seed, std::string_view name) {
  seed = mixBits((seed ^ name.size()) + goldenGamma);
  for (std::size_t at = 0; at < name.size(); at += 8) {
    std::uint64_t word = 0;  // little-endian, whatever the machine is
    for (std::size_t index = 0; index < 8 && at + index < name.size(); ++index) {
      word |= std::uint64_t{static_cast<unsigned char>(name[at + index])} << 8 * index;
    }
    seed = mixBits((seed ^ word) + goldenGamma);
  }
  return seed;
}

/// One name within the other: deriveSeed(s, a, b) is deriveSeed(deriveSeed(s, a), b).
template <typename... Names>
constexpr std::uint64_t deriveSeed(std::uint64_t seed, std::string_view outer, std::string_view inner,
                                   Names... rest) {
  return deriveSeed(deriveSeed(seed, outer), inner, rest...);
}

}  // namespace etherloom
