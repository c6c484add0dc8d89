// Every impairment with settings that make it hit with a given probability. For tests that hold for all.
#pragma once

#include <cmath>
#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "impairments/impairment.hpp"

namespace etherloom {

/// Hits frames of 60 bytes that arrive a second or more apart with this probability, each by itself.
inline std::unique_ptr<const Impairment> makeWith(const ImpairmentKind& kind, double probability) {
  const std::vector<double> chance(3, probability);
  const double millisecond = 1e6;
  const std::map<std::string_view, std::vector<double>> settings{
      {"duplicate", chance},
      {"outage", {1, millisecond, probability * millisecond, 0}},
      {"loss", {0, 0, probability, probability, probability}},
      {"bitErrorRate", {-std::expm1(std::log1p(-probability) / (8 * 60))}},
      {"corrupt", chance},
      {"blink", {probability}},  // toy_impairment_test.cpp
  };
  return kind.make(settings.at(kind.name));
}

}  // namespace etherloom
