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

class RedDiscipline final : public Discipline {
 public:
  explicit RedDiscipline(const RedSettings& settings) : settings_(settings) {}

  void start(DisciplineMemory& memory) const noexcept override { memory.start<Red>(); }
  QueueVerdict arrives(DisciplineMemory& memory, const Frame& frame, const Queue& queue,
                       Random& random) const noexcept override {
    const std::uint64_t idleFrames = queue.idleBits / (std::uint64_t{settings_.averageFrame} * 8);
    return memory.as<Red>().decide(settings_, frame, {queue.backlog, queue.idle, idleFrames}, random);
  }

 private:
  RedSettings settings_;
};

const DisciplineKind kind("red", [](std::span<const std::uint64_t> words) {
  return makeRed({.min = words[0],
                  .max = words[1],
                  .probability = std::bit_cast<double>(words[2]),
                  .averageFrame = static_cast<std::uint32_t>(words[3]),
                  .weightShift = static_cast<std::uint32_t>(words[4]),
                  .ecn = words[5] != 0});
});

}  // namespace

std::shared_ptr<const Discipline> makeRed(const RedSettings& settings) {
  return std::make_shared<RedDiscipline>(settings);
}

QueueVerdict Red::decide(const RedSettings& settings, const Frame& frame, Arrival arrival,
                         Random& random) noexcept {
  const double weight = std::ldexp(1.0, -static_cast<int>(settings.weightShift));
  if (arrival.idle) {
    average_ *= power(1 - weight, arrival.idleFrames);
  } else {
    average_ += (static_cast<double>(arrival.backlog) - average_) * weight;
  }
  if (!congested(settings, random)) return QueueVerdict::Pass;
  return settings.ecn && isEcnCapable(frame) ? QueueVerdict::Mark : QueueVerdict::Drop;
}

bool Red::congested(const RedSettings& settings, Random& random) noexcept {
  const double above = average_ - static_cast<double>(settings.min);
  const auto range = static_cast<double>(settings.max - settings.min);
  if (above < 0 || above >= range) {
    count_ = -1;
    return above >= 0;
  }
  ++count_;
  const bool hit = count_ > 0 && settings.probability * above / range * static_cast<double>(count_) >= drawn_;
  if (hit) count_ = 0;
  if (count_ == 0) drawn_ = random.uniform();
  return hit;
}

}  // namespace etherloom
