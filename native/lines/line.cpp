#include "lines/line.hpp"

#include <utility>

namespace etherloom {
namespace {

constexpr std::uint64_t nanosecondsPerSecond = 1'000'000'000;
constexpr std::uint64_t defaultFrames = 1000;
constexpr Duration defaultWait{100'000'000};

}  // namespace

bool Line::offer(Held* held, const LineSettings& settings, Instant at) noexcept {
  if (inService_ && full(*held, settings.limit, at)) return false;

  held->queued = at;
  held->rate = settings.rate;
  held->bits = (held->frame->length + settings.overhead) * 8;
  held->next = nullptr;
  if (!inService_) {
    if (finish_ < at) {  // else what was served last left ahead of its time
      finish_ = at;
      remainder_ = 0;
    }
    serve(held);
    return true;
  }
  (last_ ? last_->next : first_) = held;
  last_ = held;
  ++waitingFrames_;
  waitingBytes_ += held->frame->length;
  waitingTime_ += serviceTime(*held);
  return true;
}

Held* Line::finish() noexcept {
  Held* finished = std::exchange(inService_, nullptr);
  if (Held* held = first_) {
    first_ = held->next;
    if (!first_) last_ = nullptr;
    --waitingFrames_;
    waitingBytes_ -= held->frame->length;
    waitingTime_ -= serviceTime(*held);
    serve(held);
  }
  finished->next = nullptr;
  return finished;
}

Held* Line::flush() noexcept {
  last_ = nullptr;
  waitingFrames_ = 0;
  waitingBytes_ = 0;
  waitingTime_ = 0;
  return std::exchange(first_, nullptr);
}

bool Line::full(const Held& held, const Limit& limit, Instant at) const noexcept {
  switch (limit.unit) {
    case Limit::Unit::Frames:
      return waitingFrames_ >= limit.amount;
    case Limit::Unit::Bytes:
      return waitingBytes_ + held.frame->length > limit.amount;
    case Limit::Unit::Nanoseconds:
      return waitsLonger({static_cast<std::int64_t>(limit.amount)}, at);
    case Limit::Unit::Default:
      return waitingFrames_ >= defaultFrames && waitsLonger(defaultWait, at);
  }
  return true;
}

/// Would a frame that queues now wait longer than this?
bool Line::waitsLonger(Duration limit, Instant at) const noexcept {
  const auto fine = [](Duration duration) { return static_cast<FineTime>(duration.nanoseconds) << 32; };
  return fine(finish_ - at) + fineTime(remainder_, rate_) + waitingTime_ > fine(limit);
}

/// Begins the service of a frame where the service before it ended.
void Line::serve(Held* held) noexcept {
  if (held->rate != 0) {
    if (held->rate !=
        rate_) {  // rounded up: a fraction survives a change of the rate, but never makes a frame early
      const auto scaled = static_cast<unsigned __int128>(remainder_) * held->rate;
      remainder_ = static_cast<std::uint64_t>((scaled + rate_ - 1) / rate_);
      rate_ = held->rate;
    }
    const std::uint64_t total = held->bits * nanosecondsPerSecond + remainder_;
    finish_ = finish_ + Duration{static_cast<std::int64_t>(total / rate_)};
    remainder_ = total % rate_;
  }
  held->due = finish_ + Duration{remainder_ > 0 ? 1 : 0};
  inService_ = held;
}

Line::FineTime Line::fineTime(std::uint64_t bitNanoseconds, std::uint64_t rate) noexcept {
  return rate == 0 ? 0 : (static_cast<FineTime>(bitNanoseconds) << 32) / rate;
}

Line::FineTime Line::serviceTime(const Held& held) noexcept {
  return fineTime(held.bits * nanosecondsPerSecond, held.rate);
}

}  // namespace etherloom
