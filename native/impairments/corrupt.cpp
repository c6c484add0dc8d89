#include "impairments/corrupt.hpp"

namespace etherloom {
namespace {

class Corrupt final : public Impairment {
 public:
  explicit Corrupt(double probability) : probability_(probability) {}

  Stage stage() const noexcept override { return Stage::Corrupt; }
  void apply(Passage& passage, StageState& state) const noexcept override {
    if (!state.random.hit(probability_)) return;
    const std::uint64_t bit = state.random.below(std::uint64_t{passage.length()} * 8);
    Frame* frame = passage.writable();
    if (!frame) return passage.drop(DropReason::NoBuffer);
    frame->data[bit / 8] = static_cast<std::uint8_t>(frame->data[bit / 8] ^ 1u << bit % 8);
  }

 private:
  double probability_;
};

}  // namespace

std::unique_ptr<const Impairment> makeCorrupt(double probability) {
  return std::make_unique<Corrupt>(probability);
}

}  // namespace etherloom
