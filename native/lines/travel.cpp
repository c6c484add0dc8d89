#include "lines/travel.hpp"

#include <algorithm>
#include <utility>

namespace etherloom {
namespace {

/// Joins two heaps: the later root becomes the first child of the earlier. Either may be empty.
Held* meld(Held* a, Held* b) {
  if (!a) return b;
  if (!b) return a;
  if (leavesBefore(*b, *a)) std::swap(a, b);
  b->next = a->child;
  a->child = b;
  return a;
}

/// One heap from the children of a removed root: melded in pairs from the left, the pairs from the right.
Held* meldSiblings(Held* first) {
  Held* pairs = nullptr;
  while (first) {
    Held* second = first->next;
    Held* rest = second ? second->next : nullptr;
    first->next = nullptr;
    if (second) second->next = nullptr;
    Held* pair = meld(first, second);
    pair->next = pairs;
    pairs = pair;
    first = rest;
  }
  Held* root = nullptr;
  while (pairs) {
    Held* rest = std::exchange(pairs->next, nullptr);
    root = meld(root, pairs);
    pairs = rest;
  }
  return root;
}

}  // namespace

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
  held->next = nullptr;
  held->child = nullptr;
  ++size_;
  segments_ += held->frame->offload.segments;
  if (mayOvertake) {
    root_ = meld(root_, held);
    return;
  }
  (first_ ? last_->next : first_) = held;
  last_ = held;
}

void Travel::departFor(Held* held, Instant due) noexcept {
  held->due = due;
  held->next = nullptr;
  held->child = nullptr;
  ++size_;
  segments_ += held->frame->offload.segments;
  latest_ = std::max(latest_, due);
  root_ = meld(root_, held);
}

const Held* Travel::head() const noexcept {
  if (!first_ || !root_) return first_ ? first_ : root_;
  return leavesBefore(*root_, *first_) ? root_ : first_;
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
    held = std::exchange(root_, meldSiblings(root_->child));
    held->child = nullptr;
  }
  held->next = nullptr;
  segments_ -= held->frame->offload.segments;
  return held;
}

}  // namespace etherloom
