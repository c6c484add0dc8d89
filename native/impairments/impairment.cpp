#include "impairments/impairment.hpp"

#include <algorithm>
#include <tuple>
#include <vector>

namespace etherloom {
namespace {

/// Filled before main(), and the same from then on.
std::vector<const ImpairmentKind*>& registered() {
  static std::vector<const ImpairmentKind*> kinds;
  return kinds;
}

}  // namespace

ImpairmentKind::ImpairmentKind(std::string_view itsName, const char* itsStage, int itsPlace, Make itsMake)
    : name(itsName), stage(itsStage), place(itsPlace), make(itsMake) {
  auto& kinds = registered();
  const auto after = [this](const ImpairmentKind* other) {
    return std::tuple(place, name) < std::tuple(other->place, other->name);
  };
  const auto behind = std::find_if(kinds.begin(), kinds.end(), after);
  index = static_cast<std::size_t>(behind - kinds.begin());
  for (auto each = behind; each != kinds.end(); ++each) ++(*each)->index;
  kinds.insert(behind, this);
}

std::span<const ImpairmentKind* const> impairmentKinds() { return registered(); }

}  // namespace etherloom
