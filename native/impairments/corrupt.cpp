#include "impairments/corrupt.hpp"

namespace etherloom {
namespace {

class Corrupt final : public Impairment {
 public:
  explicit Corrupt(const Chance& chance) : chance_(chance) {}

  Stage stage() const noexcept override { return Stage::Corrupt; }
  void apply(Passage& passage, StageState& state) const noexcept override {
    if (!chance_.hit(state.random, state.memory)) return;
    const std::uint64_t bit = state.random.below(std::uint64_t{passage.length()} * 8);
    Frame* frame = passage.writable();
    if (!frame) return passage.drop(DropReason::NoBuffer);
    frame->data[bit / 8] = static_cast<std::uint8_t>(frame->data[bit / 8] ^ 1u << bit % 8);
  }

 private:
  Chance chance_;
};

}  // namespace

std::unique_ptr<const Impairment> makeCorrupt(const Chance& chance) {
  return std::make_unique<Corrupt>(chance);
}

}  // namespace etherloom
