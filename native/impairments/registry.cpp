#include "impairments/registry.hpp"

#include <array>

#include "impairments/corrupt.hpp"
#include "impairments/duplicate.hpp"
#include "impairments/loss.hpp"

namespace etherloom {
namespace {

using Settings = std::span<const double>;

constexpr std::array kinds{
    ImpairmentKind{"duplicate", [](Settings settings) { return makeDuplicate(settings[0]); }},
    ImpairmentKind{"loss", [](Settings settings) { return makeLoss(settings[0]); }},
    ImpairmentKind{"corrupt", [](Settings settings) { return makeCorrupt(settings[0]); }},
};

}  // namespace

std::span<const ImpairmentKind> impairmentKinds() { return kinds; }

}  // namespace etherloom
