#include "impairments/duplicate.hpp"

namespace etherloom {
namespace {

class Duplicate final : public Impairment {
 public:
  explicit Duplicate(const Chance& chance) : chance_(chance) {}

  Stage stage() const noexcept override { return Stage::Duplicate; }
  void apply(Passage& passage, StageState& state) const noexcept override {
    if (chance_.hit(state.random, state.memory)) passage.duplicate();
  }

 private:
  Chance chance_;
};

}  // namespace

std::unique_ptr<const Impairment> makeDuplicate(const Chance& chance) {
  return std::make_unique<Duplicate>(chance);
}

}  // namespace etherloom
