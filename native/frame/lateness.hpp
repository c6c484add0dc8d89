// How late frames left, compared with when they were due: a histogram in powers of two.
// Written by one worker, once per frame that a path held back; read by anybody.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "frame/counters.hpp"
#include "os/clock.hpp"

namespace etherloom {

/// Bucket 0 counts what left on time to the nanosecond; bucket k from 2^(k-1) up to, not including, 2^k
/// nanoseconds; the last one everything longer.
inline constexpr std::size_t latenessBuckets = 42;

struct LatenessSnapshot {
  std::uint64_t most = 0;  ///< nanoseconds
  std::array<std::uint64_t, latenessBuckets> counts{};
};

class Lateness {
 public:
  void add(Duration late) noexcept {
    const auto nanoseconds = static_cast<std::uint64_t>(late.nanoseconds);
    const auto bucket = static_cast<std::size_t>(std::bit_width(nanoseconds));
    Sequence::Update update(sequence_);
    counts_[std::min(bucket, latenessBuckets - 1)].add(1);
    if (nanoseconds > most_.get()) most_.set(nanoseconds);
  }
  [[nodiscard]] LatenessSnapshot snapshot() const {
    LatenessSnapshot copy;
    sequence_.read([&] {
      for (std::size_t bucket = 0; bucket < latenessBuckets; ++bucket)
        copy.counts[bucket] = counts_[bucket].get();
      copy.most = most_.get();
    });
    return copy;
  }

 private:
  Sequence sequence_;
  std::array<Counter, latenessBuckets> counts_;
  Counter most_;
};

}  // namespace etherloom
