#include "lines/discipline.hpp"

#include <algorithm>
#include <vector>

namespace etherloom {
namespace {

/// Filled before main(), and the same from then on.
std::vector<const DisciplineKind*>& registered() {
  static std::vector<const DisciplineKind*> kinds;
  return kinds;
}

}  // namespace

DisciplineKind::DisciplineKind(std::string_view itsName, Make itsMake) : name(itsName), make(itsMake) {
  registered().push_back(this);
}

const DisciplineKind* disciplineKind(std::string_view name) {
  const auto& kinds = registered();
  const auto found =
      std::find_if(kinds.begin(), kinds.end(), [&](const auto* kind) { return kind->name == name; });
  return found == kinds.end() ? nullptr : *found;
}

}  // namespace etherloom
