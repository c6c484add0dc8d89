// What decides, besides the limit, which frames a line's queue drops: the settings of its discipline.
// Immutable parts of a policy; codel.hpp and red.hpp have what a line remembers for them.
#pragma once

#include <cstdint>
#include <variant>

#include "os/clock.hpp"

namespace etherloom {

/// Nothing but the limit.
struct TailDrop {
  bool operator==(const TailDrop&) const = default;
};

/// Controlled delay (RFC 8289), decided as a frame's service begins.
struct CodelSettings {
  Duration target{5'000'000};      ///< the wait that is accepted for good
  Duration interval{100'000'000};  ///< how long more than that is accepted
  bool ecn = false;                ///< mark instead, where the frame is capable

  bool operator==(const CodelSettings&) const = default;
};

/// Random early detection (Floyd, Jacobson 1993), decided as a frame is queued.
struct RedSettings {
  std::uint64_t min = 0;      ///< bytes; below this average nothing happens
  std::uint64_t max = 0;      ///< bytes, above min; from this average on every frame is dropped
  double probability = 0.02;  ///< of a drop just below max
  std::uint32_t averageFrame =
      1000;                       ///< bytes, at least 1: how fast the average falls while the line is idle
  std::uint32_t weightShift = 9;  ///< 1 to 31; the newest length weighs 2^-weightShift in the average
  bool ecn = false;               ///< mark instead, where the frame is capable

  bool operator==(const RedSettings&) const = default;
};

using QueueDiscipline = std::variant<TailDrop, CodelSettings, RedSettings>;

/// What a discipline says of a frame.
enum class QueueVerdict : std::uint8_t { Pass, Mark, Drop };

}  // namespace etherloom
