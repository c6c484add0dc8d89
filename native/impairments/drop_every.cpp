// Every so manieth frame of a path is lost, counted and not drawn: of `every`, the last. A path that is given
// another number goes on counting where it was.
#include "impairments/impairment.hpp"

namespace etherloom {

static const ImpairmentKind registered(
    "dropEvery", "drop-every", 15, [](std::span<const double> settings) -> std::unique_ptr<const Impairment> {
      class DropEvery final : public Impairment {
       public:
        explicit DropEvery(double every)
            : Impairment(registered), every_(static_cast<std::uint64_t>(every)) {}

        // The memory is how many frames have passed since one was lost.
        [[nodiscard]] ClassMark mark() const noexcept override { return markOf<DropEvery>(); }
        void apply(Passage& passage, StageState& state) const noexcept override {
          if (++state.memory < every_) return;
          state.memory = 0;
          passage.drop(DropReason::Loss);
        }

       private:
        std::uint64_t every_;
      };
      return std::make_unique<DropEvery>(settings[0]);
    });

}  // namespace etherloom
