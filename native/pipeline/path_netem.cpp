// What netem does to a frame on its way into its queue, in the kernel's order (Linux 6.18), as the part of a
// path that stands for impairments, line and travel under a policy with netem.
//
// Differences that remain: the kernel sees a super-frame as one packet and cuts it only to corrupt it, here
// its wire frames come one after the other, each judged by itself; the kernel corrupts the linear part of a
// packet, here any bit of the frame may be hit.
#include "frame/ecn.hpp"
#include "frame/offload.hpp"
#include "frame/segmentation.hpp"
#include "pipeline/path.hpp"
#include "pipeline/topology.hpp"

namespace etherloom {

void Path::admitToNetem(Frame* frame, const NetemSettings& settings, PathTools& tools) noexcept {
  if (!isSuperFrame(*frame)) {
    enterNetem(frame, false, settings, tools);
    return netem_.poke(frame->arrival);
  }
  Segmenter segmenter;
  if (!segmenter.start(*frame)) return drop(frame, DropReason::BadOffload, tools);
  while (!segmenter.done()) {
    while (due() <= frame->arrival) step(tools);
    if (Frame* segment = segmenter.next(tools.pool)) {
      enterNetem(segment, false, settings, tools);
      netem_.poke(frame->arrival);
    } else {
      account.dropped.add(DropReason::NoBuffer, 1);
    }
  }
  tools.pool.release(frame);
}

// Takes the reference. A duplicate enters by itself, before the frame it is of goes on, and is not duplicated
// again. Of a frame that is duplicated and lost, one remains: as if neither had happened.
void Path::enterNetem(Frame* frame, bool clone, const NetemSettings& settings, PathTools& tools) noexcept {
  Passage passage(tools.pool, frame);
  std::uint32_t copies = !clone && netem_.duplicates(settings) ? 2 : 1;
  if (netem_.loses(settings)) {
    const bool marked =
        settings.ecn && isEcnCapable(*frame) && passage.writable() && markCongestion(*passage.frame());
    if (!marked) --copies;
  }
  if (copies == 0) return drop(passage.frame(), DropReason::Loss, tools);

  Frame* duplicate = nullptr;
  if (copies == 2) {
    duplicate = passage.frame();
    duplicate->references.fetch_add(1, std::memory_order_relaxed);
    account.duplicated.add(1);
  }
  if (netem_.corrupts(settings)) {
    const std::uint64_t bit = netem_.corruptBit(passage.length());
    Frame* corrupted = passage.writable();
    if (!corrupted) {
      if (duplicate) drop(duplicate, DropReason::NoBuffer, tools);
      return drop(passage.frame(), DropReason::NoBuffer, tools);
    }
    corrupted->data[bit / 8] = static_cast<std::uint8_t>(corrupted->data[bit / 8] ^ 1u << bit % 8);
  }
  if (netem_.full(settings)) {
    if (duplicate) drop(duplicate, DropReason::Queue, tools);
    return drop(passage.frame(), DropReason::Queue, tools);
  }
  if (duplicate) enterNetem(duplicate, true, settings, tools);
  queueInNetem(passage.frame(), clone, duplicate != nullptr, settings, tools);
}

// A frame that the queue would let go at once, with no other beside it, need not be held.
void Path::queueInNetem(Frame* frame, bool clone, bool beside, const NetemSettings& settings,
                        PathTools& tools) noexcept {
  const Instant now = frame->arrival;
  const Netem::Place spot = netem_.place(settings, frame->length, now);
  const bool alone = !clone && !beside;
  if (alone && netem_.passes(spot, now) && due() == Instant::never()) return stageNow(frame, tools);
  shrink(frame, tools);
  if (!hasShare(tools) || !FramePool::hold(*frame)) return drop(frame, DropReason::NoBuffer, tools);
  if (Held* held = keep(frame, clone ? 0 : 1, tools)) netem_.put(held, spot);
}

// Gives the frames that wait under another policy the departures that they would have had.
void Path::settle(const Policy& policy) noexcept {
  while (netem_.size() != 0) {
    const Instant at = netem_.due();
    if (Held* held = netem_.dequeue()) travel_.arriveAt(held, at);
  }
  if (!policy.netem) return;
  while (!line_.empty()) {
    Held* held = line_.finish();
    depart(held, held->due);
  }
  netem_.configure(*policy.netem, travel_.latest());
}

}  // namespace etherloom
