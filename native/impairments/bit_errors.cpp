// Loss by bit errors: the longer a frame, the likelier. A frame of L bytes is lost with the probability
// 1 - (1 - rate)^(8 L) that one of its bits is wrong. The bytes are those of the wire frame from the
// destination address on, without preamble and check sequence.
#include <cmath>

#include "impairments/impairment.hpp"

namespace etherloom {

static const ImpairmentKind registeredBitErrors(
    "bitErrorRate", "bit-errors", 40,
    [](std::span<const double> settings) -> std::unique_ptr<const Impairment> {
      class BitErrors final : public Impairment {
       public:
        // Logarithms: 1 - rate would lose the digits of a small rate. At a rate of 1 this is -infinity, and
        // every frame is lost.
        explicit BitErrors(double rate) : Impairment(registeredBitErrors), logByte_(8 * std::log1p(-rate)) {}

        [[nodiscard]] ClassMark mark() const noexcept override { return markOf<BitErrors>(); }
        void apply(Passage& passage, StageState& state) const noexcept override {
          if (state.random.hit(-std::expm1(passage.length() * logByte_))) passage.drop(DropReason::Loss);
        }

       private:
        double logByte_;  // of the probability that all bits of a byte are right
      };
      return std::make_unique<BitErrors>(settings[0]);
    });

}  // namespace etherloom
