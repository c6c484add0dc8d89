// RED, random early detection. Made through its kind, and directly by tests.
//
// Theory of operation (S. Floyd, V. Jacobson, "Random early detection gateways for congestion avoidance",
// IEEE/ACM ToN 1:4, 1993; tc-red(8)). Each arriving frame moves the average a of the bytes that wait by
// 2^-weightShift of its distance to their present number; for the time that the line was idle, it falls as if
// so many average frames had found nobody waiting. With b = probability · (a - min) / (max - min), frames are
// dropped so that the distance between two drops is uniform in 1 to 1 / b: the n-th frame since the last drop
// goes when n · b reaches a number that was drawn then, from 0 to 1. So there is one draw per drop.
//
// The average is a double that is only multiplied by powers of two and by factors of one product each, so
// that it is the same on every machine.
#pragma once

#include <cstdint>

#include "lines/discipline.hpp"

namespace etherloom {

/// Decided as a frame is queued.
struct RedSettings {
  std::uint64_t min = 0;      ///< bytes; below this average nothing happens
  std::uint64_t max = 0;      ///< bytes, above min; from this average on every frame is dropped
  double probability = 0.02;  ///< of a drop just below max
  std::uint32_t averageFrame =
      1000;                       ///< bytes, at least 1: how fast the average falls while the line is idle
  std::uint32_t weightShift = 9;  ///< 1 to 31; the newest length weighs 2^-weightShift in the average
  bool ecn = false;               ///< mark instead, where the frame is capable
};

class Red final : public Discipline {
 public:
  /// What a line remembers for it.
  struct Memory {
    double average = 0;  ///< bytes
    std::int64_t count =
        -1;            ///< frames since the last drop, or since the average rose above min, which is -1
    double drawn = 0;  ///< n · b may reach this
  };

  explicit Red(const RedSettings& settings) : settings_(settings) {}

  [[nodiscard]] ClassMark mark() const noexcept override { return markOf<Red>(); }
  void start(DisciplineMemory& memory) const noexcept override { memory.start<Memory>(); }
  QueueVerdict onQueue(DisciplineMemory& memory, const Frame& frame, const Queue& queue,
                       Random& random) const noexcept override;

 private:
  [[nodiscard]] bool congested(Memory& memory, Random& random) const noexcept;

  RedSettings settings_;
};

}  // namespace etherloom
