#include "impairments/registry.hpp"

#include <array>

#include "impairments/bit_errors.hpp"
#include "impairments/corrupt.hpp"
#include "impairments/duplicate.hpp"
#include "impairments/loss.hpp"
#include "impairments/outage.hpp"

namespace etherloom {
namespace {

using Settings = std::span<const double>;
using Made = std::unique_ptr<const Impairment>;

Chance chanceOf(Settings settings) { return {settings[0], settings[1], settings[2]}; }

Duration durationOf(double nanoseconds) { return {static_cast<std::int64_t>(nanoseconds)}; }

// What to do with a lost frame, the model by its number in lib/policy/impairments/loss.ts, and what the model takes.
Made lossOf(Settings settings) {
  const auto then = static_cast<WhenLost>(settings[0]);
  const Settings given = settings.subspan(2);
  switch (static_cast<int>(settings[1])) {
    case 0:
      return makeLoss(chanceOf(given), then);
    case 1:
      return makeRunLoss(given[0], static_cast<std::uint64_t>(given[1]), then);
    case 2:
      return makeLoss(GilbertElliott{given[0], given[1], given[2], given[3]}, then);
    default:
      return makeLoss(FourState{given[0], given[1], given[2], given[3], given[4]}, then);
  }
}

Made outageOf(Settings settings) {
  const Duration every = durationOf(settings[1]);
  const Duration down = durationOf(settings[2]);
  return settings[0] != 0 ? makeRandomOutage(every, down) : makeOutage(every, down, durationOf(settings[3]));
}

constexpr std::array kinds{
    ImpairmentKind{"duplicate", [](Settings settings) { return makeDuplicate(chanceOf(settings)); }},
    ImpairmentKind{"outage", outageOf},
    ImpairmentKind{"loss", lossOf},
    ImpairmentKind{"bitErrorRate", [](Settings settings) { return makeBitErrors(settings[0]); }},
    ImpairmentKind{"corrupt", [](Settings settings) { return makeCorrupt(chanceOf(settings)); }},
};

}  // namespace

std::span<const ImpairmentKind> impairmentKinds() { return kinds; }

}  // namespace etherloom
