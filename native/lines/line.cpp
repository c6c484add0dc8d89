#include "lines/line.hpp"

#include <algorithm>
#include <utility>

namespace etherloom {
namespace {

constexpr std::uint64_t nanosecondsPerSecond = 1'000'000'000;
constexpr std::uint64_t defaultFrames = 1000;
constexpr Duration defaultWait{100'000'000};

void append(Held*& first, Held*& last, Held* held) noexcept {
  held->next = nullptr;
  (first ? last->next : first) = held;
  last = held;
}

/// What == of variants says, which may not be called where nothing may throw.
bool same(const QueueDiscipline& one, const QueueDiscipline& other) noexcept {
  if (one.index() != other.index()) return false;
  if (const auto* codel = std::get_if<CodelSettings>(&one))
    return *codel == *std::get_if<CodelSettings>(&other);
  if (const auto* red = std::get_if<RedSettings>(&one)) return *red == *std::get_if<RedSettings>(&other);
  return true;
}

}  // namespace

std::uint32_t lineBits(std::uint32_t length, const LineSettings& settings) noexcept {
  const std::int64_t bytes = std::int64_t{length} + settings.overhead;
  auto occupied = static_cast<std::uint32_t>(std::max<std::int64_t>(bytes, 0));
  if (const auto [size, overhead] = settings.cells; size != 0) {
    occupied = (occupied + size - 1) / size * (size + overhead);
  }
  return occupied * 8;
}

void Line::adopt(const LineSettings& settings) noexcept {
  burst_ = settings.burst;
  slotSettings_ = settings.slots;
  if (same(discipline_, settings.discipline)) return;
  discipline_ = settings.discipline;
  codel_ = {};
  red_ = {};
}

std::optional<DropReason> Line::offer(Held* held, const LineSettings& settings, Instant at) noexcept {
  held->queued = at;
  held->rate = settings.rate;
  held->bits = lineBits(held->frame->length, settings);
  if (settings.burst != 0 && held->bits > settings.burst * 8) return DropReason::Oversize;
  if (const auto* red = std::get_if<RedSettings>(&discipline_)) {
    const QueueVerdict verdict = judgeArrival(*red, *held, at);
    if (verdict == QueueVerdict::Drop) return DropReason::Aqm;
    held->marked = verdict == QueueVerdict::Mark;
  }
  if (!inService_) {
    if (finishedAt() <= at) run_ = {};  // what a trace allowed for meanwhile is lost
    changeRate(held->rate);
    if (finish_ < at) fillBucket(at);  // a fraction of the last service is over, too
    serve(held, at);
    return {};
  }
  if (full(*held, settings, at)) return DropReason::Queue;
  append(first_, last_, held);
  ++waitingFrames_;
  waitingBytes_ += held->frame->length;
  waitingTime_ += serviceTime(*held);
  waitingWork_ += workOf(*held);
  return {};
}

Held* Line::finish() noexcept {
  Held* finished = std::exchange(inService_, nullptr);
  const Instant now = finished->due;
  finished->next = nullptr;
  const auto* codel = std::get_if<CodelSettings>(&discipline_);
  while (Held* held = takeFirst()) {
    const auto verdict = codel ? codel_.decide(*codel, *held, waitingBytes_, now) : QueueVerdict::Pass;
    if (verdict == QueueVerdict::Drop) {
      append(firstDropped_, lastDropped_, held);
      continue;
    }
    if (verdict == QueueVerdict::Mark) held->marked = true;
    serve(held, now);
    return finished;
  }
  codel_.ranEmpty();
  idleSince_ = now;
  return finished;
}

Held* Line::takeDropped() noexcept { return std::exchange(firstDropped_, nullptr); }

Held* Line::flush() noexcept {
  waitingFrames_ = 0;
  waitingBytes_ = 0;
  waitingTime_ = 0;
  waitingWork_ = 0;
  return std::exchange(first_, nullptr);
}

Held* Line::takeFirst() noexcept {
  Held* held = first_;
  if (!held) return nullptr;
  first_ = held->next;
  --waitingFrames_;
  waitingBytes_ -= held->frame->length;
  waitingTime_ -= serviceTime(*held);
  waitingWork_ -= workOf(*held);
  return held;
}

QueueVerdict Line::judgeArrival(const RedSettings& red, const Held& held, Instant at) noexcept {
  Red::Arrival arrival{.backlog = waitingBytes_, .idle = !inService_};
  if (arrival.idle) {
    const auto idle = static_cast<unsigned __int128>(std::max(at - idleSince_, Duration{}).nanoseconds);
    const std::uint64_t averageBits = std::uint64_t{red.averageFrame} * 8 * nanosecondsPerSecond;
    arrival.idleFrames = static_cast<std::uint64_t>(idle * held.rate / averageBits);
  }
  return red_.decide(red, *held.frame, arrival, random(Stage::Discipline));
}

bool Line::full(const Held& held, const LineSettings& settings, Instant at) noexcept {
  const auto& [unit, amount] = settings.limit;
  switch (unit) {
    case Limit::Unit::Frames:
      return waitingFrames_ >= amount;
    case Limit::Unit::Bytes:
      return waitingBytes_ + held.frame->length > amount;
    case Limit::Unit::Nanoseconds:
      return waitsLonger(held, {static_cast<std::int64_t>(amount)}, at);
    case Limit::Unit::Default:
      return waitingFrames_ >= defaultFrames && (settings.rate == 0 || waitsLonger(held, defaultWait, at));
  }
  return true;
}

/// Would a frame that queues now wait longer than this? Of frames that wait for a trace while others, of a
/// policy that was replaced, wait without one, it is an estimate.
bool Line::waitsLonger(const Held& held, Duration limit, Instant at) noexcept {
  if (const TraceRun& run = held.run; run.trace) {
    const auto waiting = static_cast<std::int64_t>(waitingTime_ >> 32);
    const Trace::Work begun =
        run == run_ ? work_ : run.trace->workAt(run.timeAt(finish_ + Duration{waiting}), ahead_);
    return run.instantOf(run.trace->reach(begun + waitingWork_, ahead_)) - at > limit;
  }
  const auto fine = [](Duration duration) { return static_cast<FineTime>(duration.nanoseconds) << 32; };
  const Instant free = std::max(finish_, at);
  return fine(free - at) + (free == finish_ ? fineTime(remainder_, rate_) : 0) + waitingTime_ > fine(limit);
}

/// Begins the service of a frame, as the frame before it leaves. Its time runs from the end of that frame's
/// own, or from its queueing.
void Line::serve(Held* held, Instant now) noexcept {
  inService_ = held;
  held->run.trace ? serveByTrace(*held) : serveByRate(*held);
  held->due = std::max(now, finishedAt());
  if (slotSettings_.on() && held->due != Instant::never()) {
    held->due = slots_.leave(slotSettings_, held->due, held->frame->length, random(Stage::Slot));
  }
}

void Line::serveByRate(const Held& held) noexcept {
  run_ = {};
  changeRate(held.rate);
  if (finishedAt() < held.queued) fillBucket(held.queued);
  if (held.rate != 0) {
    const std::uint64_t total = held.bits * nanosecondsPerSecond + remainder_;
    finish_ = finish_ + Duration{static_cast<std::int64_t>(total / rate_)};
    remainder_ = total % rate_;
  }
}

void Line::serveByTrace(const Held& held) noexcept {
  const Trace& trace = *held.run.trace;
  const Instant begin = std::max(finishedAt(), held.queued);
  if (run_ != held.run || begin > finish_) {  // what the trace allowed for before is lost
    run_ = held.run;
    cursor_ = {};
    work_ = trace.workAt(run_.timeAt(begin), cursor_);
  }
  work_ += workOf(held);
  const bool takesTime = held.bits > 0;
  finish_ = takesTime ? std::max(begin, run_.instantOf(trace.reach(work_, cursor_))) : begin;
  remainder_ = 0;
}

Trace::Work Line::workOf(const Held& held) noexcept {
  return held.run.trace ? Trace::Work{held.bits} * Trace::workPerBit : 0;
}

/// Rounded up: a fraction survives a change of the rate, but never makes a frame early.
void Line::changeRate(std::uint64_t rate) noexcept {
  if (rate == 0 || rate == rate_) return;
  const auto scaled = static_cast<unsigned __int128>(remainder_) * rate;
  remainder_ = static_cast<std::uint64_t>((scaled + rate_ - 1) / rate_);
  rate_ = rate;
}

/// Whatever came in above `burst_` since finish_, which lies before `at`, is lost.
void Line::fillBucket(Instant at) noexcept {
  const std::uint64_t bitNanoseconds = burst_ * 8 * nanosecondsPerSecond;
  const std::uint64_t missing = bitNanoseconds % rate_;
  const Instant full = at - Duration{static_cast<std::int64_t>(bitNanoseconds / rate_)};
  const Instant whole = missing == 0 ? full : full - Duration{1};
  const std::uint64_t rest = missing == 0 ? 0 : rate_ - missing;
  if (finish_ > whole || (finish_ == whole && remainder_ > rest)) return;
  finish_ = whole;
  remainder_ = rest;
}

Line::FineTime Line::fineTime(std::uint64_t bitNanoseconds, std::uint64_t rate) noexcept {
  return rate == 0 ? 0 : (static_cast<FineTime>(bitNanoseconds) << 32) / rate;
}

Line::FineTime Line::serviceTime(const Held& held) noexcept {
  return held.run.trace ? 0 : fineTime(held.bits * nanosecondsPerSecond, held.rate);
}

}  // namespace etherloom
