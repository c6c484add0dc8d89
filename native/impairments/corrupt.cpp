#include "impairments/corrupt.hpp"

namespace etherloom {
namespace {

class Corrupt final : public Impairment {
 public:
  explicit Corrupt(double probability) : probability_(probability) {}

  Stage stage() const noexcept override { return Stage::Corrupt; }
  void apply(Passage& passage, StageState& state) const noexcept override {
    if (!state.random.hit(probability_)) return;
    passage.flip(static_cast<std::uint32_t>(state.random.below(std::uint64_t{passage.length()} * 8)));
  }

 private:
  double probability_;
};

}  // namespace

std::unique_ptr<const Impairment> makeCorrupt(double probability) {
  return std::make_unique<Corrupt>(probability);
}

}  // namespace etherloom
