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
  if (!segmenter.start(*frame)) return drop(frame, DropReason::BadOffload, "offload", tools);
  for (std::uint64_t index = note_.index; !segmenter.done(); ++index) {
    while (due() <= frame->arrival) step(tools);
    note_ = {index, 1, 0};
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
    if (marked) {
      account.marked.add(1);
    } else {
      --copies;
    }
  }
  copy_ = 0;
  note_.flipped = 0;
  if (copies == 0) return drop(passage.frame(), DropReason::Loss, "loss", tools);

  Frame* duplicate = nullptr;
  if (copies == 2) {
    duplicate = passage.frame();
    duplicate->references.fetch_add(1, std::memory_order_relaxed);
    account.duplicated.add(1);
    note_.copies = 2;
  }
  const auto dropBoth = [&](DropReason reason, const char* stage) {
    if (duplicate) drop(duplicate, reason, stage, tools);
    copy_ = duplicate ? 1 : 0;
    drop(passage.frame(), reason, stage, tools);
  };
  if (netem_.corrupts(settings)) {
    passage.flip(netem_.corruptBit(passage.length()));
    if (passage.dropped()) return dropBoth(DropReason::NoBuffer, "memory");
    account.corrupted.add(1);
    note_.flipped = passage.flipped();
  }
  if (netem_.full(settings)) return dropBoth(DropReason::Queue, "limit");
  if (duplicate) enterNetem(duplicate, true, settings, tools);
  copy_ = duplicate ? 1 : 0;
  note_.flipped = passage.flipped();
  queueInNetem(passage.frame(), clone || duplicate, settings, tools);
}

// A frame that the queue would let go at once, with no other `beside` it, need not be held.
void Path::queueInNetem(Frame* frame, bool beside, const NetemSettings& settings, PathTools& tools) noexcept {
  const Instant now = frame->arrival;
  const Netem::Place spot = netem_.place(settings, frame->length, now);
  if (!beside && netem_.passes(spot, now) && due() == Instant::never()) return leave(frame, {}, tools);
  FramePool::shrink(frame, tools.pool);
  if (!hasShare(*frame, tools) || !FramePool::hold(*frame))
    return drop(frame, DropReason::NoBuffer, "memory", tools);
  if (Held* held = keep(frame, copy_, tools)) netem_.put(held, spot);
}

// Gives the frames that wait under another policy the departures that they would have had.
void Path::settle(const Policy& policy, PathTools& tools) noexcept {
  while (netem_.size() != 0) {
    const Instant at = netem_.due();
    if (Held* held = netem_.dequeue()) travel_.arriveAt(held, at);
  }
  if (!policy.netem) return;
  while (!line_.empty()) leaveLine(tools);
  netem_.configure(*policy.netem, travel_.latest());
}

}  // namespace etherloom
