// Loses each frame, with all its copies, with the probability that the path's trace has in force when the
// frame arrives. Called by the pipeline on the worker of the path's to-port.
#pragma once

#include <bit>
#include <memory>

#include "impairments/impairment.hpp"

namespace etherloom {

/// How the path, which knows the time, hands over the probability: in the memory of the loss stage, before
/// each frame.
constexpr std::uint64_t lossInForce(double probability) { return std::bit_cast<std::uint64_t>(probability); }

/// Draws exactly once per frame, also where the probability is 0 or 1: what a trace says of some frames does
/// not shift the draws of others.
[[nodiscard]] std::unique_ptr<const Impairment> makeTraceLoss();

}  // namespace etherloom
