// What a path needs to know of the loss by its trace, which is of the same kind as all other losses. Called
// by the pipeline on the worker of the path's to-port.
#pragma once

#include <bit>
#include <memory>

#include "impairments/impairment.hpp"

namespace etherloom {

[[nodiscard]] const ImpairmentKind& lossKind();

/// How the path, which knows the time, hands over the probability: in the memory of the loss stage, before
/// each frame.
constexpr std::uint64_t lossInForce(double probability) { return std::bit_cast<std::uint64_t>(probability); }

/// Loses each frame, with all its copies, with the probability that was handed over.
[[nodiscard]] std::unique_ptr<const Impairment> makeTraceLoss();

}  // namespace etherloom
