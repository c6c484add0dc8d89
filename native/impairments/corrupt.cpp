#include "impairments/corrupt.hpp"

namespace etherloom {
namespace {

const ImpairmentKind registered("corrupt", "corrupt", 50, [](std::span<const double> settings) {
  return makeCorrupt(Chance::from(settings));
});

class Corrupt final : public Impairment {
 public:
  explicit Corrupt(const Chance& chance) : Impairment(registered), chance_(chance) {}

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
