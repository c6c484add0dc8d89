#include "impairments/loss.hpp"

namespace etherloom {
namespace {

class Loss final : public Impairment {
 public:
  explicit Loss(double probability) : probability_(probability) {}

  Stage stage() const noexcept override { return Stage::Loss; }
  void apply(Passage& passage, StageState& state) const noexcept override {
    if (state.random.hit(probability_)) passage.drop(DropReason::Loss);
  }

 private:
  double probability_;
};

}  // namespace

std::unique_ptr<const Impairment> makeLoss(double probability) { return std::make_unique<Loss>(probability); }

}  // namespace etherloom
