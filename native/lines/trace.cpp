#include "lines/trace.hpp"

#include <algorithm>
#include <utility>

namespace etherloom {

Trace::Trace(Columns columns, End end, std::int64_t period)
    : columns_(std::move(columns)), loops_(end == End::Loop), period_(period) {
  const std::size_t count = columns_.at.size();
  const bool moves = !columns_.rate.empty() || !columns_.jump.empty();
  const auto rateOf = [&](std::size_t step) { return columns_.rate.empty() ? 0 : columns_.rate[step]; };
  Work sum = 0;
  std::int64_t reached = 0;
  if (moves) work_.reserve(count + 1);
  for (std::size_t step = 0; moves && step < count; ++step) {
    const std::int64_t at = columns_.at[step];
    if (step > 0) sum += Work{rateOf(step - 1)} * static_cast<std::uint64_t>(at - reached);
    reached = at;
    if (!columns_.jump.empty()) sum += Work{columns_.jump[step]} * workPerBit;
    work_.push_back(sum);
  }
  if (moves) workOfPass_ = sum + Work{rateOf(count - 1)} * static_cast<std::uint64_t>(period_ - reached);
  if (end == End::Stop && !columns_.rate.empty()) {
    columns_.at.push_back(period_);
    columns_.rate.push_back(0);
    work_.push_back(workOfPass_);
    if (hasDelay()) columns_.delay.push_back(columns_.delay.back());
    if (hasLoss()) columns_.loss.push_back(columns_.loss.back());
  }
}

Trace::Place Trace::placeOf(Duration time) const noexcept {
  if (!loops_ || time.nanoseconds < period_) return {0, time.nanoseconds};
  return {static_cast<std::uint64_t>(time.nanoseconds / period_), time.nanoseconds % period_};
}

/// The last step that has begun; the first where none has.
std::size_t Trace::stepAt(std::int64_t time, Cursor& cursor) const noexcept {
  const auto& at = columns_.at;
  const auto holds = [&](std::size_t step) {
    return step < at.size() && at[step] <= time && (step + 1 == at.size() || time < at[step + 1]);
  };
  if (holds(cursor.step)) return cursor.step;
  if (holds(cursor.step + 1)) return ++cursor.step;
  const auto after = std::upper_bound(at.begin(), at.end(), time);
  return cursor.step = after == at.begin() ? 0 : static_cast<std::size_t>(after - at.begin()) - 1;
}

/// The first step at whose beginning this much work could have been done; their number if there is none. The
/// cursor stays in the step before, where workAt finds it.
std::size_t Trace::stepWith(Work work, Cursor& cursor) const noexcept {
  const auto first = [&](std::size_t step) {
    return step <= work_.size() && (step == work_.size() || work_[step] >= work) &&
           (step == 0 || work_[step - 1] < work);
  };
  std::size_t found = cursor.step + 1;
  if (!first(found) && !first(++found)) {
    found = static_cast<std::size_t>(std::lower_bound(work_.begin(), work_.end(), work) - work_.begin());
  }
  cursor.step = found > 0 ? found - 1 : 0;
  return found;
}

Trace::Work Trace::workAt(Duration time, Cursor& cursor) const noexcept {
  const Place place = placeOf(time);
  const Work before = workOfPass_ * place.pass;
  if (place.time < columns_.at.front()) return before;
  const std::size_t step = stepAt(place.time, cursor);
  const std::uint64_t rate = columns_.rate.empty() ? 0 : columns_.rate[step];
  // The jump of the end of a pass is that of the beginning of the next.
  const Work within = work_[step] + Work{rate} * static_cast<std::uint64_t>(place.time - columns_.at[step]);
  return before + within;
}

Duration Trace::reach(Work work, Cursor& cursor) const noexcept {
  std::int64_t before = 0;
  if (loops_ && work > workOfPass_) {
    if (workOfPass_ == 0) return never();
    const auto inPass = [&](std::uint64_t pass) {
      return work > workOfPass_ * pass && work - workOfPass_ * pass <= workOfPass_;
    };
    if (!inPass(cursor.pass) && !inPass(++cursor.pass)) {
      const Work passes = (work - 1) / workOfPass_;
      if (passes > static_cast<Work>(never().nanoseconds / period_)) return never();
      cursor.pass = static_cast<std::uint64_t>(passes);
    }
    if (__builtin_mul_overflow(static_cast<std::int64_t>(cursor.pass), period_, &before)) return never();
    work -= workOfPass_ * cursor.pass;
  }
  const std::size_t step = stepWith(work, cursor);
  std::int64_t time = 0;
  if (step > 0 && !columns_.rate.empty() && columns_.rate[step - 1] > 0) {  // within the step before
    const std::uint64_t rate = columns_.rate[step - 1];
    const Work wait = (work - work_[step - 1] + rate - 1) / rate;
    if (wait > static_cast<Work>(never().nanoseconds - columns_.at[step - 1])) return never();
    time = columns_.at[step - 1] + static_cast<std::int64_t>(wait);
  } else if (step < work_.size()) {  // a jump
    time = columns_.at[step];
  } else {
    return never();
  }
  return __builtin_add_overflow(before, time, &time) ? never() : Duration{time};
}

Duration Trace::delayAt(Duration time, Cursor& cursor) const noexcept {
  return {columns_.delay[stepAt(placeOf(time).time, cursor)]};
}

double Trace::lossAt(Duration time, Cursor& cursor) const noexcept {
  return columns_.loss[stepAt(placeOf(time).time, cursor)];
}

}  // namespace etherloom
