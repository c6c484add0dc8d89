#include "impairments/duplicate.hpp"

namespace etherloom {
namespace {

class Duplicate final : public Impairment {
 public:
  explicit Duplicate(double probability) : probability_(probability) {}

  Stage stage() const noexcept override { return Stage::Duplicate; }
  void apply(Passage& passage, StageState& state) const noexcept override {
    if (state.random.hit(probability_)) passage.duplicate();
  }

 private:
  double probability_;
};

}  // namespace

std::unique_ptr<const Impairment> makeDuplicate(double probability) {
  return std::make_unique<Duplicate>(probability);
}

}  // namespace etherloom
