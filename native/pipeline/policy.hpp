// What a path does to frames: immutable, shared by every path that was given the same, replaced whole.
// Built on the control thread; read by any worker. State that a path needs for it lives in the path.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "filters/program.hpp"
#include "impairments/impairment.hpp"
#include "lines/line.hpp"
#include "lines/netem.hpp"
#include "lines/travel.hpp"

namespace etherloom {

struct Policy {
  std::uint64_t serial = 0;  ///< differs between any two policies of an engine's life, unlike addresses
  bool allowed = true;
  std::shared_ptr<const FilterProgram> filter;
  std::vector<std::unique_ptr<const Impairment>> impairments;  ///< in the order of Stage
  std::optional<LineSettings> line;
  TravelSettings travel;
  std::optional<NetemSettings> netem;  ///< then nothing else but the filter

  /// True when the wire frames of a super-frame leave at different times.
  [[nodiscard]] bool separates() const {
    return line || netem || travel.jitter.nanoseconds != 0 || travel.reorder > 0;
  }
  /// False when a frame that passes the filter leaves as it came, at once.
  [[nodiscard]] bool shapes() const {
    return !impairments.empty() || line || netem || travel.delay.nanoseconds != 0 ||
           travel.jitter.nanoseconds != 0;
  }
};

}  // namespace etherloom
