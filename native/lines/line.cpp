#include "lines/line.hpp"

#include <algorithm>
#include <utility>

namespace etherloom {
namespace {

static_assert(nanosecondsPerSecond == Trace::workPerBit, "a rate and a trace count work alike");
constexpr std::uint64_t defaultFrames = 1000;
constexpr Duration defaultWait{100'000'000};

bool sameKind(const Discipline* one, const Discipline* other) noexcept {
  return one && other && one->mark() == other->mark();
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

void Line::reseed(std::uint64_t pathSeed) noexcept {
  disciplineDraws_ = Random(deriveSeed(pathSeed, "discipline"));
  slotDraws_ = Random(deriveSeed(pathSeed, "slot"));
}

void Line::adopt(const LineSettings& settings, const TraceRun& run, Instant at) noexcept {
  const SignedWork before = owed(at);
  const bool slotted = settings_.slots.on();
  if (settings.discipline && !sameKind(settings_.discipline.get(), settings.discipline.get()))
    settings.discipline->start(discipline_);
  settings_ = settings;
  run_ = run;
  countWaitingBits();
  resume(before, at);
  if (!inService_) return;
  // Who waits for a slot goes on waiting for it.
  const Instant through = std::max(at, finishedAt());
  const Instant slot = inService_->due;
  inService_->due = through;
  if (!settings_.slots.on() || through == Instant::never()) return;
  inService_->due = slotted && slot != Instant::never()
                        ? std::max(through, slot)
                        : slots_.leave(settings_.slots, through, inService_->frame->length, slotDraws_);
}

/// What the line has to do at this instant until the services begun have ended; below 0, what it may do at
/// once.
Line::SignedWork Line::owed(Instant at) const noexcept {
  constexpr SignedWork nothing = std::numeric_limits<std::int64_t>::min();  // and all that a bucket can hold
  if (run_.trace) {
    Trace::Cursor anywhere;
    const auto work = static_cast<SignedWork>(work_);
    return finish_ <= at ? nothing
                         : work - static_cast<SignedWork>(run_.trace->workAt(run_.timeAt(at), anywhere));
  }
  if (settings_.rate == 0) return nothing;
  return SignedWork{(finish_ - at).nanoseconds} * static_cast<SignedWork>(settings_.rate) +
         static_cast<SignedWork>(remainder_);
}

/// Goes on at this instant with so much to do.
void Line::resume(SignedWork owed, Instant at) noexcept {
  const Instant ended = std::min(finishedAt(), at);
  remainder_ = 0;
  if (run_.trace) {
    cursor_ = ahead_ = {};
    work_ = run_.trace->workAt(run_.timeAt(at), cursor_);
    finish_ = ended;
    if (owed <= 0) return;
    work_ += static_cast<Trace::Work>(owed);
    finish_ = run_.instantOf(run_.trace->reach(work_, cursor_));
    return;
  }
  owed = std::max(owed, -static_cast<SignedWork>(workOf(settings_.burst * 8)));
  if (settings_.rate == 0 || owed == 0) {
    finish_ = ended;
    return;
  }
  const auto rate = static_cast<SignedWork>(settings_.rate);
  SignedWork whole = owed / rate;
  if (owed % rate < 0) --whole;
  remainder_ = static_cast<std::uint64_t>(owed - whole * rate);
  finish_ = whole > forever.nanoseconds ? Instant::never() : at + Duration{static_cast<std::int64_t>(whole)};
}

void Line::countWaitingBits() noexcept {
  waitingBits_ = 0;
  waiting_.each([this](const Held& held) { waitingBits_ += bitsOf(held); });
}

std::optional<DropReason> Line::offer(Held* held, Instant at) noexcept {
  held->queued = at;
  if (settings_.burst != 0 && bitsOf(*held) > settings_.burst * 8) return DropReason::Oversize;
  if (const Discipline* discipline = settings_.discipline.get()) {
    const QueueVerdict verdict =
        discipline->onQueue(discipline_, *held->frame, queueAt(at), disciplineDraws_);
    if (verdict == QueueVerdict::Drop) return DropReason::Aqm;
    held->marked = verdict == QueueVerdict::Mark;
  }
  if (!inService_) {
    if (run_.trace) {
      if (finish_ <= at) finish_ = Instant::longAgo();  // what it allowed for meanwhile is lost
    } else if (finish_ < at) {
      fillBucket(at);  // a fraction of the last service is over, too
    }
    serve(held, at);
    return {};
  }
  if (full(*held, at)) return DropReason::Queue;
  waiting_.push(*held);
  ++waitingFrames_;
  waitingBytes_ += held->frame->length;
  waitingBits_ += bitsOf(*held);
  return {};
}

Held* Line::finish(Chain<Held>& dropped) noexcept {
  Held* finished = std::exchange(inService_, nullptr);
  const Instant now = finished->due;
  const Discipline* discipline = settings_.discipline.get();
  while (Held* held = takeWaiting()) {
    const auto verdict =
        discipline ? discipline->onService(discipline_, *held, waitingBytes_, now) : QueueVerdict::Pass;
    if (verdict == QueueVerdict::Drop) {
      held->due = now;
      dropped.push(*held);
      continue;
    }
    if (verdict == QueueVerdict::Mark) held->marked = true;
    serve(held, now);
    return finished;
  }
  if (discipline) discipline->ranEmpty(discipline_);
  idleSince_ = now;
  if (finish_ == Instant::never()) finish_ = Instant::longAgo();  // it would have been served for ever
  return finished;
}

Held* Line::takeWaiting() noexcept {
  Held* held = waiting_.pop();
  if (!held) return nullptr;
  --waitingFrames_;
  waitingBytes_ -= held->frame->length;
  waitingBits_ -= bitsOf(*held);
  return held;
}

Discipline::Queue Line::queueAt(Instant at) const noexcept {
  Discipline::Queue queue{.backlog = waitingBytes_, .idle = !inService_};
  if (queue.idle) {
    const auto idle = static_cast<unsigned __int128>(std::max(at - idleSince_, Duration{}).nanoseconds);
    const auto bits = idle * settings_.rate / nanosecondsPerSecond;
    queue.idleBits = static_cast<std::uint64_t>(std::min<unsigned __int128>(bits, ~std::uint64_t{0}));
  }
  return queue;
}

bool Line::full(const Held& held, Instant at) noexcept {
  const auto& [unit, amount] = settings_.limit;
  switch (unit) {
    case Limit::Unit::Frames:
      return waitingFrames_ >= amount;
    case Limit::Unit::Bytes:
      return waitingBytes_ + held.frame->length > amount;
    case Limit::Unit::Nanoseconds:
      return waitsLonger({static_cast<std::int64_t>(amount)}, at);
    case Limit::Unit::Default:
      return waitingFrames_ >= defaultFrames && (settings_.rate == 0 || waitsLonger(defaultWait, at));
  }
  return true;
}

/// Would a frame that queues now wait longer than this?
bool Line::waitsLonger(Duration limit, Instant at) noexcept {
  if (run_.trace) {
    const Trace::Work begin = work_ + workOf(waitingBits_);
    return run_.instantOf(run_.trace->reach(begin, ahead_)) - at > limit;
  }
  const Instant free = std::max(finish_, at);
  const Duration left = limit - (free - at);
  if (left < Duration{} || settings_.rate == 0) return left < Duration{};
  const Trace::Work before = workOf(waitingBits_) + (free == finish_ ? remainder_ : 0);
  return before > Trace::Work{settings_.rate} * static_cast<std::uint64_t>(left.nanoseconds);
}

/// Begins the service of a frame, as the frame before it leaves. Its time runs from the end of that frame's
/// own, or from its queueing.
void Line::serve(Held* held, Instant now) noexcept {
  inService_ = held;
  run_.trace ? serveByTrace(*held) : serveByRate(*held);
  held->due = std::max(now, finishedAt());
  if (settings_.slots.on() && held->due != Instant::never())
    held->due = slots_.leave(settings_.slots, held->due, held->frame->length, slotDraws_);
}

void Line::serveByRate(const Held& held) noexcept {
  if (finishedAt() < held.queued) fillBucket(held.queued);
  if (settings_.rate == 0) return;
  const std::uint64_t total = bitsOf(held) * nanosecondsPerSecond + remainder_;
  finish_ = finish_ + Duration{static_cast<std::int64_t>(total / settings_.rate)};
  remainder_ = total % settings_.rate;
}

void Line::serveByTrace(const Held& held) noexcept {
  const Trace& trace = *run_.trace;
  const Instant begin = std::max(finish_, held.queued);
  if (begin > finish_) {  // what the trace allowed for before is lost
    cursor_ = {};
    work_ = trace.workAt(run_.timeAt(begin), cursor_);
  }
  const std::uint64_t bits = bitsOf(held);
  work_ += workOf(bits);
  finish_ = bits > 0 ? std::max(begin, run_.instantOf(trace.reach(work_, cursor_))) : begin;
}

/// Whatever came in above the burst since finish_, which lies before `at`, is lost.
void Line::fillBucket(Instant at) noexcept {
  const std::uint64_t rate = std::max<std::uint64_t>(settings_.rate, 1);
  const std::uint64_t bitNanoseconds = settings_.burst * 8 * nanosecondsPerSecond;
  const std::uint64_t missing = bitNanoseconds % rate;
  const Instant full = at - Duration{static_cast<std::int64_t>(bitNanoseconds / rate)};
  const Instant whole = missing == 0 ? full : full - Duration{1};
  const std::uint64_t rest = missing == 0 ? 0 : rate - missing;
  if (finish_ > whole || (finish_ == whole && remainder_ > rest)) return;
  finish_ = whole;
  remainder_ = rest;
}

}  // namespace etherloom
