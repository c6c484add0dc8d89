// Slots at the exit of a line: frames leave together, as from a shared medium that a station may use only now
// and then. Called by the line, on the worker of the path's to-port.
//
// Theory of operation (as netem's slot, tc-netem(8)). A frame that is through after the last slot opened
// begins a new one, which opens some time later: uniform in whole nanoseconds, or of a distribution. Every
// frame that is through by then leaves as it opens. When the frames or bytes of a slot are used up, the next
// slot opens such a time after it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>

#include "impairments/random.hpp"
#include "lines/delay_table.hpp"
#include "os/clock.hpp"

namespace etherloom {

struct SlotSettings {
  Duration delay{};   ///< until a slot opens: the shortest, or the mean of `table`
  Duration spread{};  ///< how much longer than `delay` at most, or the sigma of `table`
  std::shared_ptr<const DelayTable> table{};  ///< the distribution's shape; none is uniform
  std::uint64_t frames = 0;                   ///< that leave in one slot; 0: any number
  std::uint64_t bytes = 0;                    ///< after which a slot is used up; 0: any number

  /// Without any delay there are no slots.
  [[nodiscard]] bool on() const { return delay.nanoseconds > 0 || spread.nanoseconds > 0; }
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
    opens_ = from + std::max(settings.delay + drawn(settings, random), Duration{});
    framesLeft_ = settings.frames == 0 ? any : static_cast<std::int64_t>(settings.frames);
    bytesLeft_ = settings.bytes == 0 ? any : static_cast<std::int64_t>(settings.bytes);
  }
  [[nodiscard]] static Duration drawn(const SlotSettings& settings, Random& random) noexcept {
    if (const DelayTable* table = settings.table.get())
      return table->deviation(settings.spread, random.below(table->values.size()));
    const auto spread = static_cast<std::uint64_t>(settings.spread.nanoseconds);
    return {spread == 0 ? 0 : static_cast<std::int64_t>(random.below(spread + 1))};
  }

  Instant opens_ = Instant::longAgo();
  std::int64_t framesLeft_ = 0;
  std::int64_t bytesLeft_ = 0;
};

}  // namespace etherloom
