// Duplication. Made through its kind, and directly by tests.
#pragma once

#include <memory>

#include "impairments/chance.hpp"
#include "impairments/impairment.hpp"

namespace etherloom {

/// Sends each frame twice with this probability.
[[nodiscard]] std::unique_ptr<const Impairment> makeDuplicate(const Chance& chance);

}  // namespace etherloom
