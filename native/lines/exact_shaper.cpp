#include "lines/exact_shaper.hpp"

#include <algorithm>

namespace etherloom {

void ExactShaper::reseed(std::uint64_t pathSeed) noexcept {
  line_.reseed(pathSeed);
  jitter_.random = Random(deriveSeed(pathSeed, "jitter"));
  reorder_.random = Random(deriveSeed(pathSeed, "reorder"));
}

void ExactShaper::adopt(const LineSettings* line, const TravelSettings& travel, const TraceRun& run,
                        Instant at) noexcept {
  if (!line) settle(at);
  if (travel.jitter == Duration{}) jitter_.memory = 0;
  if (!travel.reorder.possible()) reorder_.memory = 0;
  settings_ = travel;
  if (run_ != run) delayCursor_ = {};
  run_ = run;
  hasLine_ = line;
  if (line) line_.adopt(*line, run.trace && run.trace->hasRate() ? run : TraceRun{}, at);
}

void ExactShaper::settle(Instant at) noexcept {
  while (line_.due() != Instant::never()) leaveLine();
  while (!line_.empty()) {
    Held* held = line_.takeWaiting();
    if (!held) held = line_.finish(dropped_);
    held->due = at;
    held->stuck = true;
    dropped_.push(*held);
    ++droppedFrames_;
  }
}

std::optional<Ending> ExactShaper::offer(Held* held, Instant at) noexcept {
  if (!hasLine_ && line_.empty()) {
    setOut(held, at);
    return {};
  }
  const auto refused = line_.offer(held, at);
  if (!refused) return {};
  return Ending{*refused, *refused == DropReason::Aqm ? "discipline" : "line"};
}

Instant ExactShaper::due() const noexcept {
  const Held* dropped = dropped_.front();
  return std::min({line_.due(), travel_.due(), dropped ? dropped->due : Instant::never()});
}

const Held* ExactShaper::head() const noexcept {
  const Instant at = due();
  if (const Held* dropped = dropped_.front(); dropped && dropped->due == at) return dropped;
  return line_.due() == at ? line_.inService() : travel_.head();
}

Outcome ExactShaper::take() noexcept {
  const Instant at = due();
  if (const Held* dropped = dropped_.front(); dropped && dropped->due == at) return dropFirst();
  if (line_.due() != at) return {travel_.take(), {}};
  leaveLine();
  return {};
}

Outcome ExactShaper::flush() noexcept {
  Held* held = line_.takeWaiting();
  if (!held && !line_.empty()) held = line_.finish(dropped_);
  if (held) return {held, Ending{DropReason::Flush, "line"}};
  if (!dropped_.empty()) return dropFirst();
  if (travel_.empty()) return {};
  return {travel_.take(), Ending{DropReason::Flush, "travel"}};
}

Outcome ExactShaper::dropFirst() noexcept {
  Held* held = dropped_.pop();
  --droppedFrames_;
  return {held, held->stuck ? Ending{DropReason::Flush, "line"} : Ending{DropReason::Aqm, "discipline"}};
}

// The frame in service begins to travel; a queue discipline may drop some of those behind it.
void ExactShaper::leaveLine() noexcept {
  const std::uint64_t before = line_.waiting();
  Held* held = line_.finish(dropped_);
  const std::uint64_t begun = line_.empty() ? 0 : 1;
  droppedFrames_ += before - line_.waiting() - begun;
  setOut(held, held->due);
}

void ExactShaper::setOut(Held* held, Instant at) noexcept {
  if (run_.trace && run_.trace->hasDelay())
    settings_.delay = run_.trace->delayAt(run_.timeAt(at), delayCursor_);
  travel_.setOut(held, settings_, at, jitter_, reorder_);
}

}  // namespace etherloom
