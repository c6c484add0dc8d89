// Duplication: sends a frame twice.
#include "impairments/chance.hpp"
#include "impairments/impairment.hpp"

namespace etherloom {

static const ImpairmentKind registeredDuplicate(
    "duplicate", "duplicate", 10, [](std::span<const double> settings) -> std::unique_ptr<const Impairment> {
      class Duplicate final : public Impairment {
       public:
        explicit Duplicate(const Chance& chance) : Impairment(registeredDuplicate), chance_(chance) {}

        [[nodiscard]] ClassMark mark() const noexcept override { return markOf<Duplicate>(); }
        void apply(Passage& passage, StageState& state) const noexcept override {
          if (chance_.hit(state.random, state.memory)) passage.duplicate();
        }

       private:
        Chance chance_;
      };
      return std::make_unique<Duplicate>(Chance::from(settings));
    });

}  // namespace etherloom
