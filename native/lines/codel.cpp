#include "lines/codel.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "frame/ecn.hpp"

namespace etherloom {
namespace {

/// How long after the last drop, in intervals, the rate of drops that was right then still is a good start.
constexpr std::int64_t rememberedIntervals = 16;

const DisciplineKind registeredCodel(
    "codel", [](std::span<const std::uint64_t> words) -> std::shared_ptr<const Discipline> {
      const auto duration = [&](std::size_t at) { return Duration{static_cast<std::int64_t>(words[at])}; };
      return std::make_shared<Codel>(
          CodelSettings{.target = duration(0), .interval = duration(1), .ecn = words[2] != 0});
    });

}  // namespace

QueueVerdict Codel::onService(DisciplineMemory& memory, const Held& held, std::uint64_t backlog,
                              Instant now) const noexcept {
  auto& codel = memory.as<Memory>();
  const bool tooLong = waitedTooLong(codel, held, backlog, now);
  const bool mark = settings_.ecn && isEcnCapable(*held.frame);
  switch (std::exchange(codel.after, After::Pass)) {
    case After::FirstDrop:
      return QueueVerdict::Pass;
    case After::Drop:
      if (tooLong) codel.dropNext = afterNext(codel, codel.dropNext);
      break;
    case After::Pass:
      if (!codel.dropping && tooLong) {
        startDropping(codel, now);
        if (mark) return QueueVerdict::Mark;
        codel.after = After::FirstDrop;
        return QueueVerdict::Drop;
      }
      break;
  }
  if (!tooLong) codel.dropping = false;
  if (!codel.dropping || now < codel.dropNext) return QueueVerdict::Pass;
  ++codel.count;
  if (mark) {
    codel.dropNext = afterNext(codel, codel.dropNext);
    return QueueVerdict::Mark;
  }
  codel.after = After::Drop;
  return QueueVerdict::Drop;
}

void Codel::ranEmpty(DisciplineMemory& memory) const noexcept {
  auto& codel = memory.as<Memory>();
  codel.above = false;
  if (std::exchange(codel.after, After::Pass) != After::FirstDrop) codel.dropping = false;
}

bool Codel::waitedTooLong(Memory& codel, const Held& held, std::uint64_t backlog,
                          Instant now) const noexcept {
  codel.largest = std::max(codel.largest, held.frame->length);
  if (now - held.queued < settings_.target || backlog <= codel.largest) {
    codel.above = false;
    return false;
  }
  if (!std::exchange(codel.above, true)) {
    codel.goodUntil = now + settings_.interval;
    return false;
  }
  return now >= codel.goodUntil;
}

void Codel::startDropping(Memory& codel, Instant now) const noexcept {
  const std::uint32_t drops = codel.count - codel.lastCount;
  const Duration remembered{rememberedIntervals * settings_.interval.nanoseconds};
  codel.dropping = true;
  codel.count = drops > 1 && now - codel.dropNext < remembered ? drops : 1;
  codel.dropNext = afterNext(codel, now);
  codel.lastCount = codel.count;
}

/// The control law. Division and square root are rounded the same way on every machine (IEEE 754).
Instant Codel::afterNext(const Memory& codel, Instant from) const noexcept {
  const double step = static_cast<double>(settings_.interval.nanoseconds) / std::sqrt(codel.count);
  return from + Duration{static_cast<std::int64_t>(step)};
}

}  // namespace etherloom
