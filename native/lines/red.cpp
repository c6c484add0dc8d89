#include "lines/red.hpp"

#include <bit>
#include <cmath>

#include "frame/ecn.hpp"

namespace etherloom {
namespace {

/// base^exponent, by squaring.
double power(double base, std::uint64_t exponent) noexcept {
  double result = 1;
  for (; exponent != 0; exponent >>= 1, base *= base) {
    if (exponent & 1) result *= base;
  }
  return result;
}

const DisciplineKind registeredRed(
    "red", [](std::span<const std::uint64_t> words) -> std::shared_ptr<const Discipline> {
      return std::make_shared<Red>(RedSettings{.min = words[0],
                                               .max = words[1],
                                               .probability = std::bit_cast<double>(words[2]),
                                               .averageFrame = static_cast<std::uint32_t>(words[3]),
                                               .weightShift = static_cast<std::uint32_t>(words[4]),
                                               .ecn = words[5] != 0});
    });

}  // namespace

QueueVerdict Red::onQueue(DisciplineMemory& memory, const Frame& frame, const Queue& queue,
                          Random& random) const noexcept {
  auto& red = memory.as<Memory>();
  const double weight = std::ldexp(1.0, -static_cast<int>(settings_.weightShift));
  if (queue.idle) {
    red.average *= power(1 - weight, queue.idleBits / (std::uint64_t{settings_.averageFrame} * 8));
  } else {
    red.average += (static_cast<double>(queue.backlog) - red.average) * weight;
  }
  if (!congested(red, random)) return QueueVerdict::Pass;
  return settings_.ecn && isEcnCapable(frame) ? QueueVerdict::Mark : QueueVerdict::Drop;
}

bool Red::congested(Memory& red, Random& random) const noexcept {
  const double above = red.average - static_cast<double>(settings_.min);
  const auto range = static_cast<double>(settings_.max - settings_.min);
  if (above < 0 || above >= range) {
    red.count = -1;
    return above >= 0;
  }
  ++red.count;
  const bool hit =
      red.count > 0 && settings_.probability * above / range * static_cast<double>(red.count) >= red.drawn;
  if (hit) red.count = 0;
  if (red.count == 0) red.drawn = random.uniform();
  return hit;
}

}  // namespace etherloom
