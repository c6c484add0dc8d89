// Loss, by several models. Made through its kind, and directly by tests.
#pragma once

#include <cstdint>
#include <memory>

#include "impairments/chance.hpp"
#include "impairments/impairment.hpp"

namespace etherloom {

/// What to do with the frames that a model picks.
enum class WhenLost : std::uint8_t {
  Drop,
  Mark,  ///< marks congestion in a frame that is capable of it (RFC 3168), and keeps it; drops any other
};

/// Gilbert and Elliott's model: two states, each with a probability of loss of its own. It starts in the good
/// one. Per frame two draws: for the next state, then for the loss, which goes by the state before.
struct GilbertElliott {
  double toBad = 0, toGood = 0;
  double lossBad = 1, lossGood = 0;
};

/// Salsano, Ludovici and Ordine's model of netem: from state 1 (in a gap between bursts, received) a frame is
/// lost in state 3 (in a burst) with p13, or in state 4 (alone) with p14; from 3 it is received in state 2
/// (within the burst) with p32, or in state 1 with p31, else lost; from 2 it is lost in 3 with p23; after 4
/// follows 1. It starts in state 1. One draw per frame.
struct FourState {
  double p13 = 0, p31 = 0, p32 = 0, p23 = 0, p14 = 0;
};

/// What all of them are, and the loss of a trace.
[[nodiscard]] const ImpairmentKind& lossKind();

/// Loses frames at the rate of the chance.
[[nodiscard]] std::unique_ptr<const Impairment> makeLoss(const Chance& chance,
                                                         WhenLost then = WhenLost::Drop);
/// Outside a run one begins with probability `start`: this frame and so many as make `length` are lost.
[[nodiscard]] std::unique_ptr<const Impairment> makeRunLoss(double start, std::uint64_t length,
                                                            WhenLost then = WhenLost::Drop);
[[nodiscard]] std::unique_ptr<const Impairment> makeLoss(const GilbertElliott& model,
                                                         WhenLost then = WhenLost::Drop);
[[nodiscard]] std::unique_ptr<const Impairment> makeLoss(const FourState& model,
                                                         WhenLost then = WhenLost::Drop);

}  // namespace etherloom
