#include "impairments/trace_loss.hpp"

#include "impairments/loss.hpp"

namespace etherloom {
namespace {

class TraceLoss final : public Impairment {
 public:
  TraceLoss() : Impairment(lossKind()) {}

  void apply(Passage& passage, StageState& state) const noexcept override {
    const bool lost = state.random.uniform() < std::bit_cast<double>(state.memory);
    if (lost) passage.drop(DropReason::Loss);
  }
};

}  // namespace

std::unique_ptr<const Impairment> makeTraceLoss() { return std::make_unique<TraceLoss>(); }

}  // namespace etherloom
