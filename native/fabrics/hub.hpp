// A hub: every frame goes to every other port. A wire is a hub of two ports. Called through Fabric, on any
// worker.
#pragma once

#include <algorithm>

#include "fabrics/fabric.hpp"

namespace etherloom {

class Hub final : public Fabric {
 public:
  void decide(Seat, std::span<Frame* const> frames, std::span<const std::uint16_t>, Instant,
              std::span<Verdict> verdicts, LearnLog&) const noexcept override {
    std::fill_n(verdicts.begin(), frames.size(), Verdict::flood());
  }
};

}  // namespace etherloom
