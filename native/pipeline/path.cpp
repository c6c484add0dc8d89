#include "pipeline/path.hpp"

#include <algorithm>
#include <utility>

#include "frame/ecn.hpp"
#include "frame/offload.hpp"
#include "frame/segmentation.hpp"
#include "impairments/loss.hpp"
#include "pipeline/attachment.hpp"
#include "pipeline/path_shaping.hpp"

namespace etherloom {
namespace {

constexpr Ending noMemory{DropReason::NoBuffer, "memory"};
constexpr Ending badOffload{DropReason::BadOffload, "offload"};

}  // namespace

std::uint64_t pathSeed(std::uint64_t engineSeed, std::string_view fabric, std::string_view from,
                       std::string_view to) {
  return deriveSeed(engineSeed, fabric, from, to);
}

// ---- what a policy needs ----

Path::Path(Attachment& to, std::uint64_t seed) : to_(to), policy_(Policy::none().get()), seed_(seed) {}

Path::~Path() { delete shaping(); }

void Path::prepare(const Policy& policy) {
  if (!policy.shapes()) return;
  if (!shaping()) shaping_.store(new Shaping(seed_), std::memory_order_release);
  if (policy.netem) shaping()->makeNetem(seed_);
}

Path::Shaping::Shaping(std::uint64_t seed) : exact(seed), stages(ImpairmentKind::all().size()) {
  reseed(seed);
}

Path::Shaping::~Shaping() { delete netem(); }

void Path::Shaping::makeNetem(std::uint64_t seed) {
  if (!netem()) netem_.store(new Netem(seed), std::memory_order_release);
}

void Path::Shaping::reseed(std::uint64_t seed) noexcept {
  for (const ImpairmentKind* kind : ImpairmentKind::all())
    stages[kind->index] = {Random(deriveSeed(seed, kind->stage)), 0, nullptr};
  exact.reseed(seed);
  if (Netem* made = netem()) made->reseed(seed);
}

void Path::reseed(std::uint64_t seed) noexcept {
  if (Shaping* shapes = shaping()) shapes->reseed(seed);
}

void Path::adopt(const RowEntry& entry) noexcept {
  if (entry.change <= change_) return;
  while (due_ <= entry.since) step();
  change_ = entry.change;
  const Policy& before = *std::exchange(policy_, entry.policy);
  met_ = met_ || policy_->trace.trace;
  if (met_) shape(before, entry.since);
}

/// What shapes frames does so by the policy that holds, since this instant.
void Path::shape(const Policy& before, Instant since) noexcept {
  Sequence::Update update(account.sequence);
  if (Shaping* shapes = shaping()) shapes->adopt(before, *policy_, since);
  refresh();
}

void Path::Shaping::adopt(const Policy& before, const Policy& policy, Instant at) noexcept {
  Netem* const other = netem();
  while (other && other->size() != 0) {
    const Instant leaves = other->due();
    if (Held* held = other->take().held) exact.follow(held, leaves);
  }
  if (policy.netem) {
    exact.settle(at);
    other->configure(*policy.netem, exact.latest());
  }

  for (const ImpairmentKind* kind : ImpairmentKind::all()) {
    if (before.impairments.empty() && policy.impairments.empty()) break;  // most changes
    StageState& state = stages[kind->index];
    ClassMark model = nullptr;
    for (const auto& impairment : policy.impairments) {
      const Impairment& one = *impairment;
      if (&one.kind() == kind) model = one.mark();
    }
    if (state.model != model) state = {state.random, 0, model};
  }
  if (std::exchange(traced, policy.trace) != policy.trace) {
    run = policy.trace.trace ? TraceRun{policy.trace.trace, at - policy.trace.offset} : TraceRun{};
    lossCursor = {};
  }
  replayed = 0;
  exact.adopt(policy.line ? &*policy.line : nullptr, policy.travel, run, at);
}

bool Path::holds() const noexcept {
  const Shaping* shapes = shaping();
  return shapes && shapes->size() != 0;
}

Shaper* Path::next() const noexcept {
  Shaping* shapes = shaping();
  return shapes ? &shapes->next() : nullptr;
}

void Path::refresh() noexcept {
  const Shaping* shapes = shaping();
  if (!shapes) return;
  due_ = shapes->next().due();
  account.waiting.set(shapes->waiting());
  account.travelling.set(shapes->exact.travelling());
}

bool Path::before(const Path& other) const noexcept {
  return due_ != other.due_ ? due_ < other.due_ : cameBefore(*next()->head(), *other.next()->head());
}

PathHost& Path::host() const noexcept { return *to_.host; }

// ---- in ----

void Path::admit(Frame* frame, const RowEntry& entry) noexcept {
  host().now = std::max(host().now, frame->arrival);  // it may come from a worker that looked later
  while (due_ <= frame->arrival) step();
  if (entry.change > change_) adopt(entry);
  if (!std::exchange(met_, true)) shape(*Policy::none(), entry.since);
  const Policy& policy = *policy_;
  Shaping* shapes = shaping();

  Sequence::Update update(account.sequence);
  const FrameNote note{.index = account.admitted.get()};
  account.admitted.add(frame->offload.segments);
  if (const Listeners* all = listeners.load(std::memory_order_acquire)) [[unlikely]]
    logArrival(*all, *frame);
  if (shapes && shapes->run.trace && shapes->run.trace->hasLoss()) {
    shapes->stages[lossKind().index].memory =
        lossInForce(shapes->run.trace->lossAt(shapes->run.timeAt(frame->arrival), shapes->lossCursor));
  }
  if (policy.netem) {
    admitToNetem(frame, note);
  } else if (isSuperFrame(*frame)) [[unlikely]] {
    admitSegments(frame, note);
  } else if (policy.impairments.empty() && !policy.replay) {
    send(frame, note);
  } else {
    Passage passage(host().pool, frame);
    if (policy.replay) {
      replay(passage, note);
    } else {
      impair(passage);
      conclude(passage, note);
    }
  }
  refresh();
}

// Segments that nothing happens to wait for the next to which something does, or for the last, and go on as
// one frame. An event that is due between two of them comes between them, as it does between frames.
void Path::admitSegments(Frame* superFrame, FrameNote note) noexcept {
  const Policy& policy = *policy_;
  const Shaping* shapes = shaping();
  const bool apart = policy.separates() || (shapes && shapes->exact.serves());
  if (!apart && policy.impairments.empty()) return send(superFrame, note);
  Segmenter segmenter;
  if (!segmenter.start(*superFrame)) return drop(superFrame, badOffload, note);

  const std::uint64_t base = note.index;
  std::uint32_t first = 0;  // of those that wait
  for (std::uint32_t segment = 0; segment < segmenter.segments(); ++segment) {
    refresh();
    while (due_ <= superFrame->arrival) step();
    Passage passage(host().pool, segmenter, segment, superFrame->arrival);
    if (policy.replay) {
      replay(passage, {.index = base + segment});
      first = segment + 1;
      continue;
    }
    impair(passage);
    const bool untouched = !passage.frame() && !passage.dropped() && passage.copies() == 1;
    if (untouched && !apart) continue;
    sendTrain(segmenter, first, segment, {.index = base + first});
    first = segment + 1;
    if (!passage.dropped() && !passage.writable()) passage.drop(DropReason::NoBuffer);
    conclude(passage, {.index = base + segment});
  }
  note.index = base + first;
  if (first == 0) return send(superFrame, note);
  sendTrain(segmenter, first, segmenter.segments(), note);
  host().pool.release(superFrame);
}

void Path::impair(Passage& passage) noexcept {
  auto& stages = shaping()->stages;
  for (const auto& impairment : policy_->impairments) {
    passage.enter(impairment->kind().stage);
    impairment->apply(passage, stages[impairment->kind().index]);
    if (passage.dropped()) return;
  }
}

// Counts the fate of a wire frame, and sends it on as often as that says.
void Path::conclude(const Passage& passage, FrameNote note) noexcept {
  Frame* frame = passage.frame();
  note.copies = passage.copies();
  note.flipped = passage.flipped();
  account.duplicated.add(note.copies - 1);
  if (passage.marked()) account.marked.add(note.copies);
  if (note.flipped != 0) account.corrupted.add(1);
  if (const auto reason = passage.dropped()) {
    account.dropped.add(*reason, note.copies);
    for (; note.copy < note.copies; ++note.copy)
      logDrop({*reason, passage.stage()}, note, passage.bytes(), passage.length());
    if (frame) host().pool.release(frame);
    return;
  }
  if (note.copies != 1) frame->references.fetch_add(note.copies - 1, std::memory_order_relaxed);
  for (; note.copy < note.copies; ++note.copy) send(frame, note);
}

void Path::recordUnadmitted(const Frame& frame, const Ending& ending, std::uint16_t worker,
                            Instant at) const noexcept {
  const Listeners* all = listeners.load(std::memory_order_acquire);
  if (!all) [[likely]]
    return;
  Fate fate;
  fate.kind = Fate::Kind::Dropped;
  fate.reason = ending.reason;
  fate.stage = ending.stage;
  fate.counted = false;
  for (const Listener& listener : *all) {
    if (listener.kind == Listener::Kind::Fates)
      recordAt(listener, worker, at, pcapng::Direction::Unknown, frame, fate);
  }
}

void Path::sendTrain(const Segmenter& segmenter, std::uint32_t first, std::uint32_t end,
                     FrameNote note) noexcept {
  if (first == end) return;
  if (Frame* train = segmenter.cut(host().pool, first, end - first)) return send(train, note);
  sendEach(segmenter, first, end, note);
}

void Path::sendEach(const Segmenter& segmenter, std::uint32_t first, std::uint32_t end,
                    FrameNote note) noexcept {
  for (; first < end; ++first, ++note.index) {
    if (Frame* segment = segmenter.cut(host().pool, first, 1)) {
      send(segment, note);
    } else {
      account.dropped.add(DropReason::NoBuffer, 1);
      logDrop(noMemory, note, segmenter.whole(), segmenter.lengthOf(first));
    }
  }
}

// A frame that nothing holds back is staged at once. Large buffers are few: a short frame moves out of one
// before it is held, if there is a small one.
void Path::send(Frame* frame, const FrameNote& note) noexcept {
  const Policy& policy = *policy_;
  const bool atOnce = !policy.line && policy.travel.delay == Duration{} && policy.travel.jitter == Duration{};
  if (atOnce && !holds()) return leave(frame, {}, note);
  FramePool::shrink(frame, host().pool);
  if (Held* held = keep(frame, note)) offer(shaping()->exact, held, frame->arrival);
}

void Path::offer(Shaper& shaper, Held* held, Instant at) noexcept {
  const auto refused = shaper.offer(held, at);
  if (!refused) return;
  account.delayed.subtract(held->frame->offload.segments);
  const FrameNote note = held->note;
  drop(take(held), *refused, note);
}

// No path may hold more than what it leaves for all others, and all of them never the last quarter of the
// frames. What may not be held ends here; of a super-frame, perhaps its wire frames may.
Held* Path::keep(Frame* frame, const FrameNote& note) noexcept {
  const bool hasShare = host().held.hasShare(shaping()->size(), *frame);
  const bool holdable = hasShare && FramePool::hold(*frame);
  if (hasShare && !holdable && isSuperFrame(*frame)) {
    sendUnheld(frame, note);
    return nullptr;
  }
  Held* held = holdable ? host().held.acquire() : nullptr;
  if (!held) {
    drop(frame, noMemory, note);
    return nullptr;
  }
  held->frame = frame;
  held->note = note;
  account.delayed.add(frame->offload.segments);
  return held;
}

void Path::sendUnheld(Frame* frame, const FrameNote& note) noexcept {
  Segmenter segmenter;
  if (!segmenter.start(*frame)) return drop(frame, noMemory, note);
  sendEach(segmenter, 0, segmenter.segments(), note);
  host().pool.release(frame);
}

// Meets the next fate of the log again: the end of each of its copies, with its edit. What the log says
// nothing about passes as it is.
void Path::replay(Passage& passage, FrameNote note) noexcept {
  static constexpr Fates::End passes{};
  const Fates& fates = *policy_->replay;
  const std::uint64_t number = shaping()->replayed++;
  const std::uint64_t round = policy_->replayLoops && fates.size() != 0 ? number / fates.size() : 0;
  const std::uint64_t index = number - round * fates.size();
  const auto ends = index < fates.size() ? fates[index] : std::span(&passes, 1);
  note.copies = static_cast<std::uint32_t>(ends.size());
  account.duplicated.add(note.copies - 1);

  std::uint32_t flipped = 0;  // the last edit: one that all copies share was one edit
  for (const Fates::End& end : ends) {
    if (end.flipped != 0 && end.flipped != std::exchange(flipped, end.flipped)) account.corrupted.add(1);
    note.flipped = end.flipped;
    Frame* frame = end.drops() ? nullptr : passage.frame() ? passage.frame() : passage.writable();
    if (frame) {
      frame->references.fetch_add(1, std::memory_order_relaxed);
      replayCopy(frame, end, round * fates.ends() + end.rank, note);
    } else {
      const Ending ending{end.drops() ? end.reason() : DropReason::NoBuffer, "replay"};
      account.dropped.add(ending.reason, 1);
      logDrop(ending, note, passage.bytes(), passage.length());
    }
    ++note.copy;
  }
  if (Frame* frame = passage.frame()) host().pool.release(frame);
}

void Path::replayCopy(Frame* frame, const Fates::End& end, std::uint64_t rank,
                      const FrameNote& note) noexcept {
  Passage copy(host().pool, frame);
  if (end.flipped != 0 && end.flipped <= std::uint64_t{copy.length()} * 8) copy.flip(end.flipped - 1);
  frame = copy.frame();
  if (copy.dropped()) return drop(frame, noMemory, note);
  // Of several copies that leave at once the log says which is first.
  if (end.after == 0 && note.copies == 1 && !holds()) return leave(frame, {}, note);
  Held* held = keep(frame, note);
  if (!held) return;
  held->rank = rank;
  shaping()->exact.overtake(held, frame->arrival + Duration{end.after});
}

// ---- out ----

void Path::step() noexcept {
  Sequence::Update update(account.sequence);
  const Instant at = due_;
  conclude(next()->take(), at);
  refresh();
}

void Path::flush() noexcept {
  Shaping* shapes = shaping();
  if (!shapes) return;
  Sequence::Update update(account.sequence);
  for (Shaper* shaper : {static_cast<Shaper*>(&shapes->exact), static_cast<Shaper*>(shapes->netem())}) {
    while (shaper && shaper->size() != 0) conclude(shaper->flush(), due_);
  }
  refresh();
}

// What a shaper gave up at this instant: it leaves the path, now or later than it was due, or it ends here.
void Path::conclude(const Outcome& outcome, Instant at) noexcept {
  if (!outcome.held) return;
  const FrameNote note = outcome.held->note;
  const bool marked = outcome.held->marked;
  Frame* frame = take(outcome.held);
  if (outcome.ending) return drop(frame, *outcome.ending, note);
  if (host().lateness) host().lateness->add(std::max(host().now - at, Duration{}));
  if (marked && !mark(frame)) return drop(frame, noMemory, note);
  std::uint64_t& latest = shaping()->latestLeft;
  if (note.index < latest) account.reordered.add(frame->offload.segments);
  latest = std::max(latest, note.index);
  leave(frame, std::max(at - frame->arrival, Duration{}), note);
}

// A frame that others share is copied first; false when there was no buffer for that.
bool Path::mark(Frame*& frame) noexcept {
  Passage passage(host().pool, frame);
  Frame* own = passage.writable();
  if (!own) return false;
  frame = own;
  if (markCongestion(*frame)) account.marked.add(1);
  return true;
}

Frame* Path::take(Held* held) noexcept {
  Frame* frame = held->frame;
  host().held.release(held);
  return frame;
}

void Path::leave(Frame* frame, Duration delay, const FrameNote& note) noexcept {
  account.staged.add(frame->offload.segments);
  if (const Listeners* all = listeners.load(std::memory_order_acquire)) [[unlikely]]
    logDeparture(*all, note, *frame, delay);
  host().stage(host().worker, to_, {frame, &account}, frame->arrival + delay);
}

void Path::drop(Frame* frame, const Ending& ending, const FrameNote& note) noexcept {
  account.dropped.add(ending.reason, frame->offload.segments);
  logDrop(ending, note, *frame, frame->length);
  host().pool.release(frame);
}

// ---- for those who record ----

namespace {

Fate fateOf(const FrameNote& note, Fate::Kind kind) noexcept {
  Fate fate;
  fate.kind = kind;
  fate.index = note.index;
  fate.copy = note.copy;
  fate.copies = note.copies;
  fate.flipped = note.flipped;
  return fate;
}

}  // namespace

void Path::logArrival(const Listeners& all, const Frame& frame) const noexcept {
  for (const Listener& listener : all) {
    if (listener.kind == Listener::Kind::OfferedAndLeaving)
      recordAt(listener, host().index, frame.arrival, pcapng::Direction::In, frame);
  }
}

void Path::logDeparture(const Listeners& all, const FrameNote& note, const Frame& frame,
                        Duration delay) const noexcept {
  Fate fate = fateOf(note, Fate::Kind::Delivered);
  fate.delay = delay.nanoseconds;
  for (const Listener& listener : all) {
    if (listener.kind == Listener::Kind::Fates) {
      recordAt(listener, host().index, host().now, pcapng::Direction::Unknown, frame, fate);
    } else {
      recordAt(listener, host().index, host().now, pcapng::Direction::Out, frame);
    }
  }
}

void Path::logDrop(const Ending& ending, const FrameNote& note, const Frame& frame,
                   std::uint32_t length) const noexcept {
  const Listeners* all = listeners.load(std::memory_order_acquire);
  if (!all) [[likely]]
    return;
  Fate fate = fateOf(note, Fate::Kind::Dropped);
  fate.reason = ending.reason;
  fate.stage = ending.stage;
  for (const Listener& listener : *all) {
    if (listener.kind != Listener::Kind::Fates) continue;
    if (length == frame.length) {
      recordAt(listener, host().index, host().now, pcapng::Direction::Unknown, frame, fate);
    } else {
      recordUncut(listener, host().index, host().now, frame, length, fate);
    }
  }
}

}  // namespace etherloom
