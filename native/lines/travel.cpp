#include "lines/travel.hpp"

#include <algorithm>
#include <utility>

namespace etherloom {

void Travel::depart(Held* held, const TravelSettings& settings, Instant at, StageState& jitter,
                    StageState& reorder) noexcept {
  Duration travel = settings.delay;
  if (const std::int64_t most = settings.jitter.nanoseconds; most > 0) {
    const std::uint64_t drawn = jitter.random.below(2 * static_cast<std::uint64_t>(most) + 1);
    travel = travel + Duration{static_cast<std::int64_t>(drawn) - most};
  }
  if (reorder.random.hit(settings.reorder)) travel = {};

  const bool mayOvertake = settings.reorder > 0;
  held->due = std::max(at, at + travel);
  if (!mayOvertake) held->due = std::max(held->due, latest_);
  latest_ = std::max(latest_, held->due);
  ++size_;
  segments_ += held->frame->offload.segments;
  if (mayOvertake) return overtaking_.push(held);
  append(held);
}

void Travel::arriveAt(Held* held, Instant due) noexcept {
  held->due = latest_ = std::max(due, latest_);
  ++size_;
  segments_ += held->frame->offload.segments;
  append(held);
}

void Travel::append(Held* held) noexcept {
  held->next = nullptr;
  (first_ ? last_->next : first_) = held;
  last_ = held;
}

const Held* Travel::head() const noexcept {
  const Held* other = overtaking_.top();
  if (!first_ || !other) return first_ ? first_ : other;
  return leavesBefore(*other, *first_) ? other : first_;
}

Instant Travel::due() const noexcept {
  const Held* held = head();
  return held ? held->due : Instant::never();
}

Held* Travel::arrive() noexcept {
  --size_;
  Held* held = nullptr;
  if (head() == first_) {
    held = std::exchange(first_, first_->next);
  } else {
    held = overtaking_.pop();
  }
  held->next = nullptr;
  segments_ -= held->frame->offload.segments;
  return held;
}

}  // namespace etherloom
