#include "pipeline/path.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "frame/ecn.hpp"
#include "frame/offload.hpp"
#include "frame/segmentation.hpp"
#include "impairments/trace_loss.hpp"
#include "pipeline/topology.hpp"

namespace etherloom {
namespace {

/// For frames that find others on the line of a policy that is no more: they take no time and are never too
/// many.
constexpr LineSettings behind{.limit = {Limit::Unit::Frames, std::numeric_limits<std::uint64_t>::max()}};

}  // namespace

std::uint64_t pathSeed(std::uint64_t engineSeed, std::string_view fabric, std::string_view from,
                       std::string_view to) {
  return deriveSeed(engineSeed, fabric, from, to);
}

Path::Path(Attachment& from, Attachment& to, std::uint64_t seed)
    : from_(from), to_(to), stages_(seedStages(seed)), netem_(seed) {
  account.furtherOffers = std::vector<PathAccount::FurtherOffer>(from.further.size());
}

void Path::reseed(std::uint64_t seed) {
  stages_ = seedStages(seed);
  netem_.reseed(seed);
}

void Path::admit(Frame* frame, const Policy& policy, PathTools& tools) noexcept {
  tools.now = std::max(tools.now, frame->arrival);  // it may come from a worker that looked later
  while (due() <= frame->arrival) step(tools);
  if (policy.serial != policySerial_) adopt(policy, tools);
  if (run_.trace && run_.trace->hasLoss()) {
    stages_[static_cast<std::size_t>(Stage::Loss)].memory =
        lossInForce(run_.trace->lossAt(run_.timeAt(frame->arrival), arrivals_));
  }

  Sequence::Update update(account.sequence);
  note_ = {account.admitted.get(), 1, 0};
  account.admitted.add(frame->offload.segments);
  if (const CaptureTaps* all = taps.load(std::memory_order_acquire)) [[unlikely]]
    logArrival(*all, *frame, tools);
  if (policy.netem) {
    admitToNetem(frame, *policy.netem, tools);
  } else if (isSuperFrame(*frame)) [[unlikely]] {
    admitSegments(frame, policy, tools);
  } else if (policy.impairments.empty() && !policy.replay) {
    send(frame, 0, policy, tools);
  } else {
    Passage passage(tools.pool, frame);
    if (policy.replay) {
      replay(passage, policy, tools);
    } else {
      impair(passage, policy);
      conclude(passage, policy, tools);
    }
  }
  countHeld();
}

// Segments that nothing happens to wait for the next to which something does, or for the last, and go on as
// one frame. An event that is due between two of them comes between them, as it does between frames.
void Path::admitSegments(Frame* superFrame, const Policy& policy, PathTools& tools) noexcept {
  const bool apart = policy.separates() || !line_.empty();
  if (!apart && policy.impairments.empty()) return send(superFrame, 0, policy, tools);
  Segmenter segmenter;
  if (!segmenter.start(*superFrame)) return drop(superFrame, DropReason::BadOffload, "offload", tools);

  const std::uint64_t base = note_.index;
  std::uint32_t first = 0;  // of those that wait
  for (std::uint32_t segment = 0; segment < segmenter.segments(); ++segment) {
    while (due() <= superFrame->arrival) step(tools);
    Passage passage(tools.pool, segmenter, segment, superFrame->arrival);
    if (policy.replay) {
      note_ = {base + segment, 1, 0};
      replay(passage, policy, tools);
      first = segment + 1;
      continue;
    }
    impair(passage, policy);
    const bool untouched = !passage.frame() && !passage.dropped() && passage.copies() == 1;
    if (untouched && !apart) continue;
    note_ = {base + first, 1, 0};
    sendTrain(segmenter, first, segment, policy, tools);
    first = segment + 1;
    note_ = {base + segment, 1, 0};
    if (!passage.dropped() && !passage.writable()) passage.drop(DropReason::NoBuffer);
    conclude(passage, policy, tools);
  }
  note_ = {base + first, 1, 0};
  if (first == 0) return send(superFrame, 0, policy, tools);
  sendTrain(segmenter, first, segmenter.segments(), policy, tools);
  tools.pool.release(superFrame);
}

void Path::impair(Passage& passage, const Policy& policy) noexcept {
  for (const auto& impairment : policy.impairments) {
    passage.enter(impairment->stage());
    impairment->apply(passage, stages_[static_cast<std::size_t>(impairment->stage())]);
    if (passage.dropped()) return;
  }
}

// Counts the fate of a wire frame, and sends it on as often as that says.
void Path::conclude(const Passage& passage, const Policy& policy, PathTools& tools) noexcept {
  Frame* frame = passage.frame();
  const std::uint32_t extra = passage.copies() - 1;
  account.duplicated.add(extra);
  if (passage.marked()) account.marked.add(passage.copies());
  note_.copies = passage.copies();
  note_.flipped = passage.flipped();
  if (note_.flipped != 0) account.corrupted.add(1);
  if (const auto reason = passage.dropped()) {
    account.dropped.add(*reason, passage.copies());
    const char* stage = stageNames[static_cast<std::size_t>(passage.stage())].data();
    for (copy_ = 0; copy_ < passage.copies(); ++copy_)
      logDrop(*reason, stage, passage.bytes(), passage.length(), tools);
    if (frame) tools.pool.release(frame);
    return;
  }
  if (extra != 0) frame->references.fetch_add(extra, std::memory_order_relaxed);
  for (std::uint32_t copy = 0; copy <= extra; ++copy) send(frame, copy, policy, tools);
}

// A policy takes hold with the first frame that it judges: loss models start anew; streams, what is held and
// the line's free time stay. Only what would wait for ever goes: for a trace that has come to its end.
void Path::adopt(const Policy& policy, PathTools& tools) noexcept {
  Sequence::Update update(account.sequence);
  if (!line_.empty() && line_.due() == Instant::never()) flushLine(tools);
  settle(policy, tools);
  policySerial_ = policy.serial;
  replayed_ = 0;
  travelSettings_ = policy.travel;
  line_.adopt(policy.line ? *policy.line : behind);
  for (StageState& stage : stages_) stage.memory = 0;

  const Instant start{traceStart_.load(std::memory_order_relaxed)};
  const auto [trace, offset] = policy.trace;
  run_ = trace ? TraceRun{trace, start - offset} : TraceRun{};
  arrivals_ = departures_ = {};
}

void Path::sendTrain(const Segmenter& segmenter, std::uint32_t first, std::uint32_t end, const Policy& policy,
                     PathTools& tools) noexcept {
  if (first == end) return;
  if (Frame* train = segmenter.cut(tools.pool, first, end - first)) return send(train, 0, policy, tools);
  sendEach(segmenter, first, end, policy, tools);
}

void Path::sendEach(const Segmenter& segmenter, std::uint32_t first, std::uint32_t end, const Policy& policy,
                    PathTools& tools) noexcept {
  for (; first < end; ++first) {
    if (Frame* segment = segmenter.cut(tools.pool, first, 1)) {
      send(segment, 0, policy, tools);
    } else {
      account.dropped.add(DropReason::NoBuffer, 1);
      copy_ = 0;
      logDrop(DropReason::NoBuffer, "memory", segmenter.whole(), segmenter.lengthOf(first), tools);
    }
    ++note_.index;
  }
}

// A frame that nothing holds back is staged at once. No path may hold more than what it leaves for all
// others, and all of them never the last quarter of the frames. Large buffers are few: a short frame moves
// out of one before it is held, if there is a small one.
void Path::send(Frame* frame, std::uint32_t copy, const Policy& policy, PathTools& tools) noexcept {
  const bool atOnce = !policy.line && policy.travel.delay == Duration{} && policy.travel.jitter == Duration{};
  copy_ = copy;
  if (atOnce && !holds()) return leave(frame, {}, tools);
  FramePool::shrink(frame, tools.pool);
  if (!hasShare(*frame, tools)) return drop(frame, DropReason::NoBuffer, "memory", tools);
  if (!FramePool::hold(*frame)) return sendUnheld(frame, policy, tools);
  Held* held = keep(frame, copy, tools);
  if (!held) return;
  if (policy.line && run_.trace && run_.trace->hasRate()) held->run = run_;
  if (!policy.line && line_.empty()) {
    depart(held, frame->arrival);
  } else if (const auto refused = line_.offer(held, policy.line ? *policy.line : behind, frame->arrival)) {
    account.delayed.subtract(frame->offload.segments);
    drop(take(held, tools), *refused, *refused == DropReason::Aqm ? "discipline" : "line", tools);
  }
}

bool Path::hasShare(const Frame& frame, const PathTools& tools) const noexcept {
  return tools.held.hasShare(line_.waiting() + travel_.size() + netem_.size(), frame);
}

/// A slot for a frame that may be held; without one the frame is dropped.
Held* Path::keep(Frame* frame, std::uint32_t copy, PathTools& tools) noexcept {
  Held* held = tools.held.acquire();
  if (!held) {
    drop(frame, DropReason::NoBuffer, "memory", tools);
    return nullptr;
  }
  held->frame = frame;
  held->copy = copy;
  held->note = note_;
  account.delayed.add(frame->offload.segments);
  return held;
}

// What may not be held as it is: of a super-frame, perhaps its wire frames may.
void Path::sendUnheld(Frame* frame, const Policy& policy, PathTools& tools) noexcept {
  Segmenter segmenter;
  if (!isSuperFrame(*frame) || !segmenter.start(*frame))
    return drop(frame, DropReason::NoBuffer, "memory", tools);
  sendEach(segmenter, 0, segmenter.segments(), policy, tools);
  tools.pool.release(frame);
}

void Path::depart(Held* held, Instant at) noexcept {
  if (run_.trace && run_.trace->hasDelay()) {
    travelSettings_.delay = run_.trace->delayAt(run_.timeAt(at), departures_);
  }
  travel_.depart(held, travelSettings_, at, stages_[static_cast<std::size_t>(Stage::Jitter)],
                 stages_[static_cast<std::size_t>(Stage::Reorder)]);
}

// A frame that others share is copied first; false when there was no buffer for that.
bool Path::mark(Held* held, PathTools& tools) noexcept {
  if (held->frame->references.load(std::memory_order_acquire) != 1) {
    Frame* copy = tools.pool.copy(*held->frame);
    if (!copy) return false;
    if (!FramePool::hold(*copy)) {
      tools.pool.release(copy);
      return false;
    }
    tools.pool.release(std::exchange(held->frame, copy));
  }
  if (markCongestion(*held->frame)) account.marked.add(1);
  return true;
}

// The frame in service begins to travel; a queue discipline may drop some of those behind it.
void Path::leaveLine(PathTools& tools) noexcept {
  Held* held = line_.finish();
  for (Held* dropped = line_.takeDropped(); dropped;) {
    drop(take(std::exchange(dropped, dropped->next), tools), DropReason::Aqm, "discipline", tools);
  }
  if (held->marked && !mark(held, tools)) {
    drop(take(held, tools), DropReason::NoBuffer, "memory", tools);
  } else {
    depart(held, held->due);
  }
}

void Path::step(PathTools& tools) noexcept {
  Sequence::Update update(account.sequence);
  const Instant at = due();
  if (line_.due() == at) {
    leaveLine(tools);
  } else if (travel_.due() == at) {
    arrive(travel_.arrive(), at, tools);
  } else if (Held* held = netem_.dequeue()) {
    arrive(held, at, tools);
  }
  countHeld();
}

void Path::flush(PathTools& tools) noexcept {
  Sequence::Update update(account.sequence);
  flushLine(tools);
  while (!travel_.empty()) drop(take(travel_.arrive(), tools), DropReason::Flush, "travel", tools);
  while (Held* held = netem_.take()) drop(take(held, tools), DropReason::Flush, "netem", tools);
  countHeld();
}

void Path::flushLine(PathTools& tools) noexcept {
  for (Held* waiting = line_.flush(); waiting;) {
    Held* held = std::exchange(waiting, waiting->next);
    drop(take(held, tools), DropReason::Flush, "line", tools);
  }
  if (!line_.empty()) drop(take(line_.finish(), tools), DropReason::Flush, "line", tools);
}

Frame* Path::take(Held* held, PathTools& tools) noexcept {
  Frame* frame = held->frame;
  note_ = held->note;
  copy_ = held->copy;
  tools.held.release(held);
  return frame;
}

void Path::drop(Frame* frame, DropReason reason, const char* stage, PathTools& tools) noexcept {
  account.dropped.add(reason, frame->offload.segments);
  logDrop(reason, stage, *frame, frame->length, tools);
  tools.pool.release(frame);
}

// Meets the next fate of the log again: its edit, and the end of each of its copies. What the log says
// nothing about passes as it is.
void Path::replay(Passage& passage, const Policy& policy, PathTools& tools) noexcept {
  const Fates& fates = *policy.replay;
  std::uint64_t index = replayed_++;
  if (policy.replayLoops && fates.size() != 0) index %= fates.size();
  static constexpr std::int64_t atOnce = 0;
  std::span<const std::int64_t> ends(&atOnce, 1);
  if (index < fates.size()) {
    ends = fates.ends(fates[index]);
    const std::uint32_t flipped = fates[index].flipped;
    if (flipped != 0 && flipped <= std::uint64_t{passage.length()} * 8) passage.flip(flipped - 1);
  }
  note_.copies = static_cast<std::uint32_t>(ends.size());
  note_.flipped = passage.flipped();
  if (note_.flipped != 0) account.corrupted.add(1);
  account.duplicated.add(note_.copies - 1);

  // The copies that live have a reference each; ours lasts until all have met their ends.
  const auto living = static_cast<std::uint32_t>(
      std::count_if(ends.begin(), ends.end(), [](std::int64_t end) { return !Fates::drops(end); }));
  const bool lives = living != 0 && passage.writable();
  Frame* frame = passage.frame();
  if (lives) frame->references.fetch_add(living, std::memory_order_relaxed);
  for (copy_ = 0; copy_ < note_.copies; ++copy_) {
    const std::int64_t end = ends[copy_];
    if (lives && !Fates::drops(end)) {
      sendAfter(frame, Duration{end}, tools);
      continue;
    }
    const DropReason reason = Fates::drops(end) ? Fates::reasonOf(end) : DropReason::NoBuffer;
    account.dropped.add(reason, 1);
    logDrop(reason, "replay", passage.bytes(), passage.length(), tools);
  }
  if (frame) tools.pool.release(frame);
}

void Path::sendAfter(Frame* frame, Duration delay, PathTools& tools) noexcept {
  if (delay == Duration{} && !holds()) return leave(frame, delay, tools);
  if (!FramePool::hold(*frame)) return drop(frame, DropReason::NoBuffer, "memory", tools);
  if (Held* held = keep(frame, copy_, tools)) travel_.departFor(held, frame->arrival + delay);
}

// Leaves the path, now or later than `due`.
void Path::arrive(Held* held, Instant due, PathTools& tools) noexcept {
  if (tools.lateness) tools.lateness->add(std::max(tools.now - due, Duration{}));
  Frame* frame = take(held, tools);
  if (note_.index < latestLeft_) account.reordered.add(frame->offload.segments);
  latestLeft_ = std::max(latestLeft_, note_.index);
  leave(frame, std::max(due - frame->arrival, Duration{}), tools);
}

void Path::leave(Frame* frame, Duration delay, PathTools& tools) noexcept {
  account.staged.add(frame->offload.segments);
  if (const CaptureTaps* all = taps.load(std::memory_order_acquire)) [[unlikely]]
    logDeparture(*all, *frame, delay, tools);
  tools.stage(tools.worker, to_, {frame, &account}, frame->arrival + delay);
}

// ---- for those who record ----

void Path::logArrival(const CaptureTaps& all, const Frame& frame, const PathTools& tools) const noexcept {
  for (const CaptureTap& tap : all) {
    if (tap.kind == CaptureTap::Kind::OfferedAndLeaving)
      recordAt(tap, tools.index, frame.arrival, pcapng::Direction::In, frame);
  }
}

void Path::logDeparture(const CaptureTaps& all, const Frame& frame, Duration delay,
                        const PathTools& tools) const noexcept {
  Fate fate = fateInHand(Fate::Kind::Delivered);
  fate.delay = delay.nanoseconds;
  for (const CaptureTap& tap : all) {
    if (tap.kind == CaptureTap::Kind::Fates) {
      recordAt(tap, tools.index, tools.now, pcapng::Direction::Unknown, frame, fate);
    } else {
      recordAt(tap, tools.index, tools.now, pcapng::Direction::Out, frame);
    }
  }
}

void Path::logDrop(DropReason reason, const char* stage, const Frame& frame, std::uint32_t length,
                   const PathTools& tools) const noexcept {
  const CaptureTaps* all = taps.load(std::memory_order_acquire);
  if (!all) [[likely]]
    return;
  Fate fate = fateInHand(Fate::Kind::Dropped);
  fate.reason = reason;
  fate.stage = stage;
  for (const CaptureTap& tap : *all) {
    if (tap.kind != CaptureTap::Kind::Fates) continue;
    if (length == frame.length) {
      recordAt(tap, tools.index, tools.now, pcapng::Direction::Unknown, frame, fate);
    } else {
      recordUncut(tap, tools.index, tools.now, frame, length, fate);
    }
  }
}

Fate Path::fateInHand(Fate::Kind kind) const noexcept {
  Fate fate;
  fate.kind = kind;
  fate.index = note_.index;
  fate.copy = copy_;
  fate.copies = note_.copies;
  fate.flipped = note_.flipped;
  return fate;
}

void Path::countHeld() noexcept {
  account.waiting.set(line_.waiting() + netem_.size());
  account.travelling.set(travel_.segments() + (line_.empty() ? 0 : 1));
}

const Held* Path::head() const noexcept {
  const Instant at = due();
  if (line_.due() == at) return line_.inService();
  return travel_.due() == at ? travel_.head() : netem_.head();
}

Instant Path::due() const noexcept { return std::min({line_.due(), travel_.due(), netem_.due()}); }

bool Path::before(const Path& other) const noexcept {
  const Instant mine = due(), theirs = other.due();
  return mine != theirs ? mine < theirs : cameBefore(*head(), *other.head());
}

}  // namespace etherloom
