#include "impairments/corrupt.hpp"

namespace etherloom {
namespace {

class Corrupt final : public Impairment {
 public:
  explicit Corrupt(const Chance& chance) : chance_(chance) {}

  Stage stage() const noexcept override { return Stage::Corrupt; }
  void apply(Passage& passage, StageState& state) const noexcept override {
    if (!chance_.hit(state.random, state.memory)) return;
    passage.flip(static_cast<std::uint32_t>(state.random.below(std::uint64_t{passage.length()} * 8)));
  }

 private:
  Chance chance_;
};

}  // namespace

std::unique_ptr<const Impairment> makeCorrupt(const Chance& chance) {
  return std::make_unique<Corrupt>(chance);
}

}  // namespace etherloom
