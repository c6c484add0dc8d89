#include "pipeline/path.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "frame/offload.hpp"
#include "frame/segmentation.hpp"
#include "pipeline/topology.hpp"

namespace etherloom {
namespace {

/// For frames that find others on the line of a policy that is no more: they take no time and are never too
/// many.
constexpr LineSettings behind{0, 0, {Limit::Unit::Frames, std::numeric_limits<std::uint64_t>::max()}};

}  // namespace

std::uint64_t pathSeed(std::uint64_t engineSeed, std::string_view fabric, std::string_view from,
                       std::string_view to) {
  return deriveSeed(engineSeed, fabric, from, to);
}

Path::Path(Attachment& from, Attachment& to, std::uint64_t seed)
    : from_(from), to_(to), stages_(seedStages(seed)), netem_(seed) {}

void Path::reseed(std::uint64_t seed) {
  stages_ = seedStages(seed);
  netem_.reseed(seed);
}

void Path::admit(Frame* frame, const Policy& policy, PathTools& tools) noexcept {
  while (due() <= frame->arrival) step(tools);
  if (policy.serial != policySerial_) adopt(policy);

  Sequence::Update update(account.sequence);
  account.admitted.add(frame->offload.segments);
  if (policy.netem) {
    admitToNetem(frame, *policy.netem, tools);
  } else if (isSuperFrame(*frame)) [[unlikely]] {
    admitSegments(frame, policy, tools);
  } else if (policy.impairments.empty()) {
    send(frame, 0, policy, tools);
  } else {
    Passage passage(tools.pool, frame);
    impair(passage, policy);
    conclude(passage, policy, tools);
  }
  countHeld();
}

// Segments that nothing happens to wait for the next to which something does, or for the last, and go on as
// one frame. An event that is due between two of them comes between them, as it does between frames.
void Path::admitSegments(Frame* superFrame, const Policy& policy, PathTools& tools) noexcept {
  const bool apart = policy.separates() || !line_.empty();
  if (!apart && policy.impairments.empty()) return send(superFrame, 0, policy, tools);
  Segmenter segmenter;
  if (!segmenter.start(*superFrame)) return drop(superFrame, DropReason::BadOffload, tools);

  std::uint32_t first = 0;  // of those that wait
  for (std::uint32_t segment = 0; segment < segmenter.segments(); ++segment) {
    while (due() <= superFrame->arrival) step(tools);
    Passage passage(tools.pool, segmenter, segment);
    impair(passage, policy);
    const bool untouched = !passage.frame() && !passage.dropped() && passage.copies() == 1;
    if (untouched && !apart) continue;
    sendTrain(segmenter, first, segment, policy, tools);
    first = segment + 1;
    if (!passage.dropped() && !passage.writable()) passage.drop(DropReason::NoBuffer);
    conclude(passage, policy, tools);
  }
  if (first == 0) return send(superFrame, 0, policy, tools);
  sendTrain(segmenter, first, segmenter.segments(), policy, tools);
  tools.pool.release(superFrame);
}

void Path::impair(Passage& passage, const Policy& policy) noexcept {
  for (const auto& impairment : policy.impairments) {
    impairment->apply(passage, stages_[static_cast<std::size_t>(impairment->stage())]);
    if (passage.dropped()) return;
  }
}

// Counts the fate of a wire frame, and sends it on as often as that says.
void Path::conclude(const Passage& passage, const Policy& policy, PathTools& tools) noexcept {
  Frame* frame = passage.frame();
  const std::uint32_t extra = passage.copies() - 1;
  account.duplicated.add(extra);
  if (const auto reason = passage.dropped()) {
    account.dropped.add(*reason, passage.copies());
    if (frame) tools.pool.release(frame);
    return;
  }
  if (extra != 0) frame->references.fetch_add(extra, std::memory_order_relaxed);
  for (std::uint32_t copy = 0; copy <= extra; ++copy) send(frame, copy, policy, tools);
}

// A policy takes hold with the first frame that it judges: loss models start anew, streams and what is held
// stay.
void Path::adopt(const Policy& policy) noexcept {
  settle(policy);
  policySerial_ = policy.serial;
  travelSettings_ = policy.travel;
  for (StageState& stage : stages_) stage.memory = 0;
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
    }
  }
}

// A frame that nothing holds back is staged at once. No path may hold more than what it leaves for all
// others, and all of them never the last quarter of the frames. Large buffers are few: a short frame moves
// out of one before it is held, if there is a small one.
void Path::send(Frame* frame, std::uint32_t copy, const Policy& policy, PathTools& tools) noexcept {
  const bool atOnce = !policy.line && policy.travel.delay == Duration{} && policy.travel.jitter == Duration{};
  if (atOnce && due() == Instant::never()) return stageNow(frame, tools);
  shrink(frame, tools);
  if (!hasShare(tools)) return drop(frame, DropReason::NoBuffer, tools);
  if (!FramePool::hold(*frame)) return sendUnheld(frame, policy, tools);
  Held* held = keep(frame, copy, tools);
  if (!held) return;
  if (!policy.line && line_.empty()) {
    depart(held, frame->arrival);
  } else if (!line_.offer(held, policy.line ? *policy.line : behind, frame->arrival)) {
    drop(take(held, tools), DropReason::Queue, tools);
  }
}

void Path::stageNow(Frame* frame, PathTools& tools) noexcept {
  account.staged.add(frame->offload.segments);
  tools.stage(tools.worker, to_, {frame, &account});
}

/// Moves a short frame out of a large buffer, if there is a small one.
void Path::shrink(Frame*& frame, PathTools& tools) noexcept {
  if (frame->bufferClass != BufferClass::Large || frame->length > FramePool::smallCapacity) return;
  if (Frame* small = tools.pool.copy(*frame)) tools.pool.release(std::exchange(frame, small));
}

bool Path::hasShare(const PathTools& tools) const noexcept {
  const std::size_t own = line_.waiting() + travel_.size() + netem_.size();
  return own <= tools.held.size() - tools.held.outstanding();
}

/// A slot for a frame that may be held; without one the frame is dropped.
Held* Path::keep(Frame* frame, std::uint32_t copy, PathTools& tools) noexcept {
  Held* held = tools.held.acquire();
  if (!held) {
    FramePool::unhold(*frame);
    drop(frame, DropReason::NoBuffer, tools);
    return nullptr;
  }
  held->frame = frame;
  held->copy = copy;
  return held;
}

// What may not be held as it is: of a super-frame, perhaps its wire frames may.
void Path::sendUnheld(Frame* frame, const Policy& policy, PathTools& tools) noexcept {
  Segmenter segmenter;
  if (!isSuperFrame(*frame) || !segmenter.start(*frame)) return drop(frame, DropReason::NoBuffer, tools);
  sendEach(segmenter, 0, segmenter.segments(), policy, tools);
  tools.pool.release(frame);
}

void Path::depart(Held* held, Instant at) noexcept {
  travel_.depart(held, travelSettings_, at, stages_[static_cast<std::size_t>(Stage::Jitter)],
                 stages_[static_cast<std::size_t>(Stage::Reorder)]);
}

void Path::step(PathTools& tools) noexcept {
  Sequence::Update update(account.sequence);
  const Instant at = due();
  if (line_.due() == at) {
    Held* held = line_.finish();
    depart(held, held->due);
  } else if (travel_.due() == at) {
    stageNow(take(travel_.arrive(), tools), tools);
  } else if (Held* held = netem_.dequeue()) {
    stageNow(take(held, tools), tools);
  }
  countHeld();
}

void Path::flush(PathTools& tools) noexcept {
  Sequence::Update update(account.sequence);
  for (Held* waiting = line_.flush(); waiting;) {
    Held* held = std::exchange(waiting, waiting->next);
    drop(take(held, tools), DropReason::Flush, tools);
  }
  if (!line_.empty()) drop(take(line_.finish(), tools), DropReason::Flush, tools);
  while (!travel_.empty()) drop(take(travel_.arrive(), tools), DropReason::Flush, tools);
  while (Held* held = netem_.take()) drop(take(held, tools), DropReason::Flush, tools);
  countHeld();
}

Frame* Path::take(Held* held, PathTools& tools) noexcept {
  Frame* frame = held->frame;
  tools.held.release(held);
  FramePool::unhold(*frame);
  return frame;
}

void Path::drop(Frame* frame, DropReason reason, PathTools& tools) noexcept {
  account.dropped.add(reason, frame->offload.segments);
  tools.pool.release(frame);
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
