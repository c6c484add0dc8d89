#include "lines/codel.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "frame/ecn.hpp"

namespace etherloom {
namespace {

/// How long after the last drop, in intervals, the rate of drops that was right then still is a good start.
constexpr std::int64_t rememberedIntervals = 16;

class CodelDiscipline final : public Discipline {
 public:
  explicit CodelDiscipline(const CodelSettings& settings) : settings_(settings) {}

  void start(DisciplineMemory& memory) const noexcept override { memory.start<Codel>(); }
  QueueVerdict leaves(DisciplineMemory& memory, const Held& held, std::uint64_t backlog,
                      Instant now) const noexcept override {
    return memory.as<Codel>().decide(settings_, held, backlog, now);
  }
  void ranEmpty(DisciplineMemory& memory) const noexcept override { memory.as<Codel>().ranEmpty(); }

 private:
  CodelSettings settings_;
};

const DisciplineKind kind("codel", [](std::span<const std::uint64_t> words) {
  const auto duration = [&](std::size_t at) { return Duration{static_cast<std::int64_t>(words[at])}; };
  return makeCodel({.target = duration(0), .interval = duration(1), .ecn = words[2] != 0});
});

}  // namespace

std::shared_ptr<const Discipline> makeCodel(const CodelSettings& settings) {
  return std::make_shared<CodelDiscipline>(settings);
}

QueueVerdict Codel::decide(const CodelSettings& settings, const Held& held, std::uint64_t backlog,
                           Instant now) noexcept {
  const bool tooLong = waitedTooLong(settings, held, backlog, now);
  const bool mark = settings.ecn && isEcnCapable(*held.frame);
  switch (std::exchange(after_, After::Pass)) {
    case After::FirstDrop:
      return QueueVerdict::Pass;
    case After::Drop:
      if (tooLong) dropNext_ = afterNext(settings, dropNext_);
      break;
    case After::Pass:
      if (!dropping_ && tooLong) {
        startDropping(settings, now);
        if (mark) return QueueVerdict::Mark;
        after_ = After::FirstDrop;
        return QueueVerdict::Drop;
      }
      break;
  }
  if (!tooLong) dropping_ = false;
  if (!dropping_ || now < dropNext_) return QueueVerdict::Pass;
  ++count_;
  if (mark) {
    dropNext_ = afterNext(settings, dropNext_);
    return QueueVerdict::Mark;
  }
  after_ = After::Drop;
  return QueueVerdict::Drop;
}

void Codel::ranEmpty() noexcept {
  above_ = false;
  if (std::exchange(after_, After::Pass) != After::FirstDrop) dropping_ = false;
}

bool Codel::waitedTooLong(const CodelSettings& settings, const Held& held, std::uint64_t backlog,
                          Instant now) noexcept {
  largest_ = std::max(largest_, held.frame->length);
  if (now - held.queued < settings.target || backlog <= largest_) {
    above_ = false;
    return false;
  }
  if (!std::exchange(above_, true)) {
    goodUntil_ = now + settings.interval;
    return false;
  }
  return now >= goodUntil_;
}

void Codel::startDropping(const CodelSettings& settings, Instant now) noexcept {
  const std::uint32_t drops = count_ - lastCount_;
  const Duration remembered{rememberedIntervals * settings.interval.nanoseconds};
  dropping_ = true;
  count_ = drops > 1 && now - dropNext_ < remembered ? drops : 1;
  dropNext_ = afterNext(settings, now);
  lastCount_ = count_;
}

/// The control law. Division and square root are rounded the same way on every machine (IEEE 754).
Instant Codel::afterNext(const CodelSettings& settings, Instant from) const noexcept {
  const double step = static_cast<double>(settings.interval.nanoseconds) / std::sqrt(count_);
  return from + Duration{static_cast<std::int64_t>(step)};
}

}  // namespace etherloom
