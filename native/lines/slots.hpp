// Slots at the exit of a line: frames leave together, as from a shared medium that a station may use only now
// and then. Called by the line, on the worker of the path's to-port.
//
// Theory of operation (as netem's slot, tc-netem(8)). A frame that is through after the last slot opened
// begins a new one, which opens min to max later, uniformly in whole nanoseconds. Every frame that is through
// by then leaves as it opens. When the frames or bytes of a slot are used up, the next slot opens min to max
// after it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "impairments/random.hpp"
#include "os/clock.hpp"

namespace etherloom {

struct SlotSettings {
  Duration min;              ///< 0 or more
  Duration max;              ///< at least min; above 0, or there are no slots
  std::uint64_t frames = 0;  ///< that leave in one slot; 0: any number
  std::uint64_t bytes = 0;   ///< after which a slot is used up; 0: any number

  [[nodiscard]] bool on() const { return max.nanoseconds > 0; }
  bool operator==(const SlotSettings&) const = default;
};

class Slots {
 public:
  /// When a frame of this length that is through at `ready` leaves.
  [[nodiscard]] Instant leave(const SlotSettings& settings, Instant ready, std::uint32_t length,
                              Random& random) noexcept {
    if (opens_ < ready) open(settings, ready, random);
    const Instant leaves = opens_;
    --framesLeft_;
    bytesLeft_ -= length;
    if (framesLeft_ <= 0 || bytesLeft_ <= 0) open(settings, leaves, random);
    return leaves;
  }

 private:
  void open(const SlotSettings& settings, Instant from, Random& random) noexcept {
    constexpr std::int64_t any = std::numeric_limits<std::int64_t>::max();
    const auto spread = static_cast<std::uint64_t>((settings.max - settings.min).nanoseconds);
    const std::uint64_t drawn = spread == 0 ? 0 : random.below(spread + 1);
    opens_ = from + settings.min + Duration{static_cast<std::int64_t>(drawn)};
    framesLeft_ = settings.frames == 0 ? any : static_cast<std::int64_t>(settings.frames);
    bytesLeft_ = settings.bytes == 0 ? any : static_cast<std::int64_t>(settings.bytes);
  }

  Instant opens_{std::numeric_limits<std::int64_t>::min()};
  std::int64_t framesLeft_ = 0;
  std::int64_t bytesLeft_ = 0;
};

}  // namespace etherloom
