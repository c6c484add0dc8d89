#include "impairments/trace_loss.hpp"

namespace etherloom {
namespace {

class TraceLoss final : public Impairment {
 public:
  Stage stage() const noexcept override { return Stage::Loss; }
  void apply(Passage& passage, StageState& state) const noexcept override {
    const bool lost = state.random.uniform() < std::bit_cast<double>(state.memory);
    if (lost) passage.drop(DropReason::Loss);
  }
};

}  // namespace

std::unique_ptr<const Impairment> makeTraceLoss() { return std::make_unique<TraceLoss>(); }

}  // namespace etherloom
