#include "impairments/bit_errors.hpp"

#include <cmath>

namespace etherloom {
namespace {

const ImpairmentKind registered("bitErrorRate", "bit-errors", 40,
                                [](std::span<const double> settings) { return makeBitErrors(settings[0]); });

class BitErrors final : public Impairment {
 public:
  // Logarithms: 1 - rate would lose the digits of a small rate. At a rate of 1 this is -infinity, and every
  // frame is lost.
  explicit BitErrors(double rate) : Impairment(registered), logByte_(8 * std::log1p(-rate)) {}

  void apply(Passage& passage, StageState& state) const noexcept override {
    if (state.random.hit(-std::expm1(passage.length() * logByte_))) passage.drop(DropReason::Loss);
  }

 private:
  double logByte_;  // of the probability that all bits of a byte are right
};

}  // namespace

std::unique_ptr<const Impairment> makeBitErrors(double rate) { return std::make_unique<BitErrors>(rate); }

}  // namespace etherloom
