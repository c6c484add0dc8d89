// Loss by bit errors: the longer a frame, the likelier. Made through its kind, and directly by tests.
#pragma once

#include <memory>

#include "impairments/impairment.hpp"

namespace etherloom {

/// Loses a frame of L bytes with the probability 1 - (1 - rate)^(8 L) that one of its bits is wrong. The
/// bytes are those of the wire frame from the destination address on, without preamble and check sequence.
[[nodiscard]] std::unique_ptr<const Impairment> makeBitErrors(double rate);

}  // namespace etherloom
