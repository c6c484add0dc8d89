// What a path does to frames: immutable, shared by every path that was given the same, replaced whole.
// Built on the control thread; read by any worker. State that a path needs for it lives in the path.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "filters/path_filter.hpp"
#include "impairments/impairment.hpp"
#include "lines/line.hpp"
#include "lines/netem.hpp"
#include "lines/trace.hpp"
#include "lines/travel.hpp"
#include "pipeline/fates.hpp"

namespace etherloom {

/// What drives a path over time. Its rate stands in the place of the line's, which is only how much it is at
/// most; its delay in that of travel, likewise; its loss is an impairment (loss.hpp).
struct TraceSettings {
  std::shared_ptr<const Trace> trace;  ///< nullptr: nothing does
  Duration offset;                     ///< where in the trace a path begins

  bool operator==(const TraceSettings&) const = default;
};

struct Policy {
  bool allowed = true;
  PathFilter filter;
  std::vector<std::unique_ptr<const Impairment>> impairments;  ///< in the order of their kinds
  std::optional<LineSettings> line;
  TravelSettings travel;
  std::optional<NetemSettings> netem;  ///< then nothing else but the filter
  TraceSettings trace;
  std::shared_ptr<const Fates> replay;  ///< instead of impairments, line and travel
  bool replayLoops = false;             ///< begins again at the log's end; else what follows passes

  /// Puts an impairment where frames meet it.
  void add(std::unique_ptr<const Impairment> impairment) {
    const auto after = [&](const auto& other) { return other->kind().index > impairment->kind().index; };
    impairments.insert(std::find_if(impairments.begin(), impairments.end(), after), std::move(impairment));
  }
  /// Allows, and does nothing: of a path before its first policy, and of a pair that has none any more where
  /// its fabric lets frames pass.
  [[nodiscard]] static const std::shared_ptr<const Policy>& none() {
    static const auto policy = std::make_shared<const Policy>();
    return policy;
  }

  /// True when the wire frames of a super-frame leave at different times.
  [[nodiscard]] bool separates() const {
    return line || netem || replay || travel.jitter.nanoseconds != 0 || travel.reorder.possible();
  }
  /// False when a frame that passes the filter leaves as it came, at once.
  [[nodiscard]] bool shapes() const {
    return !impairments.empty() || line || netem || replay || travel.delay.nanoseconds != 0 ||
           travel.jitter.nanoseconds != 0;
  }
  /// Whether a path that is prepared for this policy has to be prepared for the next one.
  [[nodiscard]] bool needsMore(const Policy& next) const {
    return (next.shapes() && !shapes()) || (next.netem && !netem);
  }
};

}  // namespace etherloom
