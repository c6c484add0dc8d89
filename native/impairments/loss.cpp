#include "impairments/loss.hpp"

#include <algorithm>

#include "frame/ecn.hpp"
#include "impairments/chance.hpp"

namespace etherloom {
namespace {

/// What to do with the frames that a model picks.
enum class WhenLost : std::uint8_t {
  Drop,
  Mark,  ///< marks congestion in a frame that is capable of it (RFC 3168), and keeps it; drops any other
};

/// Outside a run one begins with probability `start`: this frame and so many as make `length` are lost.
struct Runs {
  double start;
  std::uint64_t length;
};

/// Gilbert and Elliott's model: two states, each with a probability of loss of its own. It starts in the good
/// one. Per frame two draws: for the next state, then for the loss, which goes by the state before.
struct GilbertElliott {
  double toBad, toGood, lossBad, lossGood;
};

/// Salsano, Ludovici and Ordine's model of netem: from state 1 (in a gap between bursts, received) a frame is
/// lost in state 3 (in a burst) with p13, or in state 4 (alone) with p14; from 3 it is received in state 2
/// (within the burst) with p32, or in state 1 with p31, else lost; from 2 it is lost in 3 with p23; after 4
/// follows 1. It starts in state 1. One draw per frame.
struct FourState {
  double p13, p31, p32, p23, p14;
};

/// A trace's: what is in force when the frame arrives, which the path has put into the memory of the stage.
/// Draws exactly once per frame, also where the probability is 0 or 1: what a trace says of some frames does
/// not shift the draws of others.
struct Traced {};

// Each model says whether the next frame is lost. What it remembers is state.memory, which starts at 0.

bool loses(const Chance& chance, StageState& state) { return chance.hit(state.random, state.memory); }

bool loses(const Runs& runs, StageState& state) {
  if (state.memory == 0) {
    if (!state.random.hit(runs.start)) return false;
    state.memory = runs.length;
  }
  // Frames that the run has still to come; perhaps that of a policy before, with longer ones.
  state.memory = std::min(state.memory, runs.length) - 1;
  return true;
}

bool loses(const GilbertElliott& model, StageState& state) {
  const bool bad = state.memory == 1;
  if (state.random.hit(bad ? model.toGood : model.toBad)) state.memory ^= 1;
  return state.random.hit(bad ? model.lossBad : model.lossGood);
}

bool loses(const FourState& model, StageState& state) {
  const double drawn = state.random.uniform();
  const auto go = [&](std::uint64_t number) {
    state.memory = number - 1;
    return number >= 3;
  };
  switch (state.memory + 1) {
    case 1:
      if (drawn < model.p14) return go(4);
      return go(drawn < model.p14 + model.p13 ? 3 : 1);
    case 2:
      return go(drawn < model.p23 ? 3 : 2);
    case 3:
      if (drawn < model.p32) return go(2);
      return go(drawn < model.p32 + model.p31 ? 1 : 3);
    default:
      return go(1);
  }
}

bool loses(const Traced&, StageState& state) {
  return state.random.uniform() < std::bit_cast<double>(state.memory);
}

template <typename Model>
class Loss final : public Impairment {
 public:
  Loss(const Model& model, WhenLost then) : Impairment(lossKind()), model_(model), then_(then) {}

  [[nodiscard]] ClassMark mark() const noexcept override { return markOf<Loss>(); }
  void apply(Passage& passage, StageState& state) const noexcept override {
    if (!loses(model_, state)) return;
    if (then_ == WhenLost::Mark) {
      if (Frame* frame = passage.writable(); frame && markCongestion(*frame)) return passage.mark();
    }
    passage.drop(DropReason::Loss);
  }

 private:
  Model model_;
  WhenLost then_;
};

template <typename Model>
std::unique_ptr<const Impairment> lossBy(const Model& model, WhenLost then) {
  return std::make_unique<Loss<Model>>(model, then);
}

// What to do with a lost frame, the model by its number in lib/policy/impairments/loss.ts, and what it takes.
const ImpairmentKind registeredLoss("loss", "loss", 30, [](std::span<const double> settings) {
  const auto then = static_cast<WhenLost>(settings[0]);
  const std::span<const double> given = settings.subspan(2);
  switch (static_cast<int>(settings[1])) {
    case 0:
      return lossBy(Chance::from(given), then);
    case 1:
      return lossBy(Runs{given[0], static_cast<std::uint64_t>(given[1])}, then);
    case 2:
      return lossBy(GilbertElliott{given[0], given[1], given[2], given[3]}, then);
    default:
      return lossBy(FourState{given[0], given[1], given[2], given[3], given[4]}, then);
  }
});

}  // namespace

const ImpairmentKind& lossKind() { return registeredLoss; }

std::unique_ptr<const Impairment> makeTraceLoss() { return lossBy(Traced{}, WhenLost::Drop); }

}  // namespace etherloom
