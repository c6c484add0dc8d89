// Bit errors. Made through its kind, and directly by tests.
#pragma once

#include <memory>

#include "impairments/chance.hpp"
#include "impairments/impairment.hpp"

namespace etherloom {

/// Inverts one random bit of a frame with this probability: any bit, the Ethernet header included.
[[nodiscard]] std::unique_ptr<const Impairment> makeCorrupt(const Chance& chance);

}  // namespace etherloom
