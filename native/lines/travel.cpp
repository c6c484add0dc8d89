#include "lines/travel.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>
#include <utility>

namespace etherloom {
namespace {

/// A normal number, by G. Box and M. Muller's formula, from two draws.
double drawNormal(Random& random) {
  const double radius = std::sqrt(-2 * std::log1p(-random.uniform()));
  return radius * std::cos(2 * std::numbers::pi * random.uniform());
}

/// In [0, bound). Correlated draws are those of a Gaussian copula: normal scores follow each other as z' = r
/// z + sqrt(1 - r²) N, and where a score stands in the normal distribution, from 0 to 1, is uniform again. So
/// the distribution of what is drawn is that of independent draws, whatever r is.
std::uint64_t drawBelow(std::uint64_t bound, double correlation, StageState& state) {
  if (correlation == 0) return state.random.below(bound);
  double score = drawNormal(state.random);
  if (state.memory != 0) {
    const auto before = std::bit_cast<double>(state.memory);
    score = correlation * before + std::sqrt(1 - correlation * correlation) * score;
  }
  state.memory = std::bit_cast<std::uint64_t>(score);
  const double place = 0.5 * std::erfc(-score * std::numbers::sqrt2 / 2);
  return std::min(static_cast<std::uint64_t>(place * static_cast<double>(bound)), bound - 1);
}

/// What to add to the delay.
Duration jitterOf(const TravelSettings& settings, StageState& state) {
  if (const DelayTable* table = settings.table.get())
    return table->deviation(settings.jitter, drawBelow(table->values.size(), settings.correlation, state));
  const std::int64_t jitter = settings.jitter.nanoseconds;
  const std::uint64_t width = 2 * static_cast<std::uint64_t>(jitter) + 1;
  return {static_cast<std::int64_t>(drawBelow(width, settings.correlation, state)) - jitter};
}

/// Whether the next frame skips the delay. The memory: how many were delayed since the last that did, four
/// times, and what the chance remembers.
bool skips(const TravelSettings& settings, StageState& state) {
  std::uint64_t delayed = state.memory >> 2;
  std::uint64_t before = state.memory & 3;
  const bool skip = delayed + 1 >= settings.gap && settings.reorder.hit(state.random, before);
  delayed = skip ? 0 : std::min(delayed + 1, settings.gap);
  state.memory = delayed << 2 | before;
  return skip;
}

}  // namespace

void Travel::setOut(Held* held, const TravelSettings& settings, Instant at, StageState& jitter,
                    StageState& reorder) noexcept {
  Duration travel = settings.delay;
  if (settings.jitter.nanoseconds > 0) travel = travel + jitterOf(settings, jitter);
  const bool mayOvertake = settings.reorder.possible();
  if (mayOvertake && skips(settings, reorder)) travel = {};

  const Instant due = std::max(at, at + travel);
  mayOvertake ? overtake(held, due) : follow(held, due);
}

void Travel::follow(Held* held, Instant due) noexcept {
  held->due = std::max(due, latest_);
  count(*held);
  inOrder_.push(*held);
}

void Travel::overtake(Held* held, Instant due) noexcept {
  held->due = due;
  count(*held);
  overtaking_.push(held);
}

void Travel::count(const Held& held) noexcept {
  latest_ = std::max(latest_, held.due);
  ++size_;
  segments_ += held.frame->offload.segments;
}

const Held* Travel::head() const noexcept {
  const Held* first = inOrder_.front();
  const Held* other = overtaking_.top();
  if (!first || !other) return first ? first : other;
  return leavesBefore(*other, *first) ? other : first;
}

Instant Travel::due() const noexcept {
  const Held* held = head();
  return held ? held->due : Instant::never();
}

Held* Travel::take() noexcept {
  Held* held = head() == inOrder_.front() ? inOrder_.pop() : overtaking_.pop();
  --size_;
  segments_ -= held->frame->offload.segments;
  return held;
}

}  // namespace etherloom
