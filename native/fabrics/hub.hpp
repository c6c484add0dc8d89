// A hub: every frame goes to every other port. Called through Fabric, on any worker.
#pragma once

#include <algorithm>

#include "fabrics/fabric.hpp"

namespace etherloom {

class Hub : public Fabric {
 public:
  void decide(Slot, std::span<Frame* const> frames, std::span<const std::uint16_t>, Instant,
              std::span<Verdict> verdicts, LearnLog&) const noexcept override {
    std::fill_n(verdicts.begin(), frames.size(), Verdict::flood());
  }
};

}  // namespace etherloom
