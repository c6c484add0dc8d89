#include "impairments/loss.hpp"

#include <algorithm>

#include "frame/ecn.hpp"

namespace etherloom {
namespace {

struct Runs {
  double start;
  std::uint64_t length;
};

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

template <typename Model>
class Loss final : public Impairment {
 public:
  Loss(const Model& model, WhenLost then) : Impairment(lossKind()), model_(model), then_(then) {}

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

// What to do with a lost frame, the model by its number in lib/policy/impairments/loss.ts, and what it takes.
const ImpairmentKind registered("loss", "loss", 30, [](std::span<const double> settings) {
  const auto then = static_cast<WhenLost>(settings[0]);
  const std::span<const double> given = settings.subspan(2);
  switch (static_cast<int>(settings[1])) {
    case 0:
      return makeLoss(Chance::from(given), then);
    case 1:
      return makeRunLoss(given[0], static_cast<std::uint64_t>(given[1]), then);
    case 2:
      return makeLoss(GilbertElliott{given[0], given[1], given[2], given[3]}, then);
    default:
      return makeLoss(FourState{given[0], given[1], given[2], given[3], given[4]}, then);
  }
});

}  // namespace

const ImpairmentKind& lossKind() { return registered; }

std::unique_ptr<const Impairment> makeLoss(const Chance& chance, WhenLost then) {
  return std::make_unique<Loss<Chance>>(chance, then);
}

std::unique_ptr<const Impairment> makeRunLoss(double start, std::uint64_t length, WhenLost then) {
  return std::make_unique<Loss<Runs>>(Runs{start, length}, then);
}

std::unique_ptr<const Impairment> makeLoss(const GilbertElliott& model, WhenLost then) {
  return std::make_unique<Loss<GilbertElliott>>(model, then);
}

std::unique_ptr<const Impairment> makeLoss(const FourState& model, WhenLost then) {
  return std::make_unique<Loss<FourState>>(model, then);
}

}  // namespace etherloom
