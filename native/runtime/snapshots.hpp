// Consistent copies of counters, made while workers go on counting. Any thread.
#pragma once

#include <array>
#include <cstdint>

#include "pipeline/attachment.hpp"

namespace etherloom {

// Snapshots are nothing but numbers, in the order in which lib/values/stats.ts reads them.

/// Of one path.
struct PathSnapshot {
  std::uint64_t offered = 0, duplicated = 0, delivered = 0, deliveredBytes = 0, waiting = 0, inFlight = 0,
                marked = 0, delayed = 0, reordered = 0, corrupted = 0;
  std::array<std::uint64_t, dropReasonCount> dropped{};

  [[nodiscard]] std::uint64_t underWay() const { return waiting + inFlight; }
};

/// Of one port, with those of its pairs without a policy.
struct PortSnapshot {
  std::uint64_t receivedFrames = 0, receivedBytes = 0, transmittedFrames = 0, transmittedBytes = 0;
  std::array<std::uint64_t, dropReasonCount> dropped{};
  PathSnapshot defaults;
};

[[nodiscard]] PathSnapshot snapshotOf(const PathAccount& account);
[[nodiscard]] PortSnapshot snapshotOf(Attachment& port);

}  // namespace etherloom
