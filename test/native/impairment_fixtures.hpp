// Impairments as lib/ makes them, by the names of their kinds and numbers; and every one with settings that
// make it hit with a given probability, for tests that hold for all.
#pragma once

#include <cmath>
#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "impairments/chance.hpp"
#include "impairments/impairment.hpp"

namespace etherloom {

inline std::unique_ptr<const Impairment> makeImpairment(std::string_view name,
                                                        const std::vector<double>& settings) {
  return ImpairmentKind::find(name)->make(settings);
}

/// What becomes of the frames that a model of loss picks.
enum class WhenLost { Drop, Mark };
struct GilbertElliott {
  double toBad = 0, toGood = 0, lossBad = 1, lossGood = 0;
};
struct FourState {
  double p13 = 0, p31 = 0, p32 = 0, p23 = 0, p14 = 0;
};

inline auto makeLoss(const Chance& chance, WhenLost then = WhenLost::Drop) {
  return makeImpairment("loss", {static_cast<double>(then), 0, chance.first, chance.again, chance.anew});
}
inline auto makeRunLoss(double start, double length) { return makeImpairment("loss", {0, 1, start, length}); }
inline auto makeLoss(const GilbertElliott& model) {
  return makeImpairment("loss", {0, 2, model.toBad, model.toGood, model.lossBad, model.lossGood});
}
inline auto makeLoss(const FourState& model) {
  return makeImpairment("loss", {0, 3, model.p13, model.p31, model.p32, model.p23, model.p14});
}
inline auto makeDuplicate(const Chance& chance) {
  return makeImpairment("duplicate", {chance.first, chance.again, chance.anew});
}
inline auto makeCorrupt(const Chance& chance) {
  return makeImpairment("corrupt", {chance.first, chance.again, chance.anew});
}
inline auto makeBitErrors(double rate) { return makeImpairment("bitErrorRate", {rate}); }
/// Nanoseconds.
inline auto makeOutage(double every, double down, double offset) {
  return makeImpairment("outage", {0, every, down, offset});
}
inline auto makeRandomOutage(double every, double down) { return makeImpairment("outage", {1, every, down}); }

/// Hits frames of 60 bytes that arrive a second or more apart with this probability, each by itself, or
/// counted.
inline std::unique_ptr<const Impairment> makeWith(const ImpairmentKind& kind, double probability) {
  const std::vector<double> chance(3, probability);
  const double millisecond = 1e6;
  const std::map<std::string_view, std::vector<double>> settings{
      {"duplicate", chance},
      {"dropEvery", {probability == 0 ? 1e9 : std::round(1 / probability)}},
      {"outage", {1, millisecond, probability * millisecond, 0}},
      {"loss", {0, 0, probability, probability, probability}},
      {"bitErrorRate", {-std::expm1(std::log1p(-probability) / (8 * 60))}},
      {"corrupt", chance},
      {"blink", {probability}},  // toy_impairment_test.cpp
  };
  return kind.make(settings.at(kind.name));
}

}  // namespace etherloom
