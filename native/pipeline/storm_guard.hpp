// How many frames of a port its fabric floods: those beyond the port's limits are refused, and a storm has
// begun. Part of the port's attachment; judge() is called by the workers of all its inlets, the rest by the
// control thread.
//
// Theory of operation. What is left of a limit is one word, which the inlets of a port change by compare and
// exchange: so a limit is that of the port, whatever its inlets, and nobody waits. A limit that is replaced
// begins anew, with all of it left.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <string_view>

#include "frame/allowance.hpp"
#include "frame/batch.hpp"
#include "frame/episode.hpp"

namespace etherloom {

/// What is flooded, in the order of lib/fabrics/storm.ts; a test compares the names.
enum class Traffic : std::uint8_t {
  Broadcast,  ///< to ff:ff:ff:ff:ff:ff
  Multicast,  ///< to every other group address
  Unknown,    ///< to a station that the fabric does not know
  Count
};
inline constexpr std::size_t trafficKinds = static_cast<std::size_t>(Traffic::Count);
inline constexpr std::array<std::string_view, trafficKinds> trafficNames{"broadcast", "multicast", "unknown"};

/// Frames of the wire that a port may bring in each second, by what they are; nothing for no limit.
struct StormLimits {
  std::array<std::optional<std::uint32_t>, trafficKinds> perSecond;

  [[nodiscard]] bool any() const {
    return perSecond[0].has_value() || perSecond[1].has_value() || perSecond[2].has_value();
  }
};

class StormGuard {
 public:
  /// How much may come at once: as many frames as the limit allows in this time.
  static constexpr Duration atOnce{100'000'000};

  /// Holds from the next burst of each inlet on.
  void set(const StormLimits& limits) noexcept;

  struct Judgement {
    FrameMask refused = 0;
    std::uint64_t dropped = 0;  ///< the same in frames of the wire
    std::array<bool, trafficKinds> begins{};
  };
  /// Counts those frames of a burst that would be flooded, in their order, and says which are too many.
  [[nodiscard]] Judgement judge(const RxBurst& burst, FrameMask flooded) noexcept;

  /// Ends a storm if no frame was dropped after `until`.
  EpisodeState end(Traffic traffic, Instant until) noexcept { return kindOf(traffic).storm.end(until); }

 private:
  static constexpr Duration unlimited{0};

  struct Kind {
    std::atomic<Duration> interval{unlimited};
    std::atomic<Allowance> left;
    Episode storm;
  };
  [[nodiscard]] Kind& kindOf(Traffic traffic) { return kinds_[static_cast<std::size_t>(traffic)]; }

  std::array<Kind, trafficKinds> kinds_;
};

}  // namespace etherloom
