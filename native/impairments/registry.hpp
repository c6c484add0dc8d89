// All impairments there are, by name. Called on the control thread when a policy is set up.
// lib/policy/impairments/ holds the same names in the same order; the position in the table is what crosses between
// them.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "impairments/impairment.hpp"

namespace etherloom {

struct ImpairmentKind {
  std::string_view name;
  std::unique_ptr<const Impairment> (*make)(std::span<const double> settings);
};

[[nodiscard]] std::span<const ImpairmentKind> impairmentKinds();

}  // namespace etherloom
