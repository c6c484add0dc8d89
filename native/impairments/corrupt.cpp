// Bit errors that the receiver sees: inverts one random bit of a frame, any bit, the Ethernet header
// included.
#include "impairments/chance.hpp"
#include "impairments/impairment.hpp"

namespace etherloom {

static const ImpairmentKind registeredCorrupt(
    "corrupt", "corrupt", 50, [](std::span<const double> settings) -> std::unique_ptr<const Impairment> {
      class Corrupt final : public Impairment {
       public:
        explicit Corrupt(const Chance& chance) : Impairment(registeredCorrupt), chance_(chance) {}

        [[nodiscard]] ClassMark mark() const noexcept override { return markOf<Corrupt>(); }
        void apply(Passage& passage, StageState& state) const noexcept override {
          if (!chance_.hit(state.random, state.memory)) return;
          passage.flip(static_cast<std::uint32_t>(state.random.below(std::uint64_t{passage.length()} * 8)));
        }

       private:
        Chance chance_;
      };
      return std::make_unique<Corrupt>(Chance::from(settings));
    });

}  // namespace etherloom
