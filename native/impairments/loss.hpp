// Uniform loss. Called through the registry, and directly by tests.
#pragma once

#include <memory>

#include "impairments/impairment.hpp"

namespace etherloom {

/// Loses each frame with this probability, independently of all others.
[[nodiscard]] std::unique_ptr<const Impairment> makeLoss(double probability);

}  // namespace etherloom
