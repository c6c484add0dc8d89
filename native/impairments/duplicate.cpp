#include "impairments/duplicate.hpp"

namespace etherloom {
namespace {

const ImpairmentKind registered("duplicate", "duplicate", 10, [](std::span<const double> settings) {
  return makeDuplicate(Chance::from(settings));
});

class Duplicate final : public Impairment {
 public:
  explicit Duplicate(const Chance& chance) : Impairment(registered), chance_(chance) {}

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
