// What netem does to a frame on its way into its queue, in the kernel's order (Linux 6.18), as the part of a
// path that stands for impairments, line and travel under a policy with netem.
//
// Differences that remain: the kernel sees a super-frame as one packet and cuts it only to corrupt it, here
// its wire frames come one after the other, each judged by itself; the kernel corrupts the linear part of a
// packet, here any bit of the frame may be hit.
#include "frame/ecn.hpp"
#include "frame/offload.hpp"
#include "frame/segmentation.hpp"
#include "pipeline/attachment.hpp"
#include "pipeline/path_shaping.hpp"

namespace etherloom {

void Path::admitToNetem(Frame* frame, FrameNote note) noexcept {
  Netem& netem = *shaping()->netem();
  if (!isSuperFrame(*frame)) {
    const Instant now = frame->arrival;
    enterNetem(frame, false, note);
    return netem.poke(now);
  }
  Segmenter segmenter;
  if (!segmenter.start(*frame)) return drop(frame, {DropReason::BadOffload, "offload"}, note);
  for (; !segmenter.done(); ++note.index) {
    refresh();
    while (due_ <= frame->arrival) step();
    if (Frame* segment = segmenter.next(host().pool)) {
      enterNetem(segment, false, note);
      netem.poke(frame->arrival);
    } else {
      account.dropped.add(DropReason::NoBuffer, 1);
    }
  }
  host().pool.release(frame);
}

// Takes the reference. A duplicate enters by itself, before the frame it is of goes on, and is not duplicated
// again. Of a frame that is duplicated and lost, one remains: as if neither had happened.
void Path::enterNetem(Frame* frame, bool clone, FrameNote note) noexcept {
  const NetemSettings& settings = *policy_->netem;
  Netem& netem = *shaping()->netem();
  Passage passage(host().pool, frame);
  std::uint32_t copies = !clone && netem.duplicates(settings) ? 2 : 1;
  if (netem.loses(settings)) {
    const bool marked =
        settings.ecn && isEcnCapable(*frame) && passage.writable() && markCongestion(*passage.frame());
    if (marked) {
      account.marked.add(1);
    } else {
      --copies;
    }
  }
  if (copies == 0) return drop(passage.frame(), {DropReason::Loss, "loss"}, note);

  Frame* duplicate = nullptr;
  FrameNote first = note;  // of the duplicate, which is the first copy
  if (copies == 2) {
    duplicate = passage.frame();
    duplicate->references.fetch_add(1, std::memory_order_relaxed);
    account.duplicated.add(1);
    first.copies = note.copies = 2;
    note.copy = 1;
  }
  const auto dropBoth = [&](const Ending& ending) {
    if (duplicate) drop(duplicate, ending, first);
    drop(passage.frame(), ending, note);
  };
  if (netem.corrupts(settings)) {
    passage.flip(netem.corruptBit(passage.length()));
    if (passage.dropped()) return dropBoth({DropReason::NoBuffer, "memory"});
    account.corrupted.add(1);
    note.flipped = passage.flipped();
  }
  if (netem.full(settings)) return dropBoth({DropReason::Queue, "limit"});
  if (duplicate) enterNetem(duplicate, true, first);
  queueInNetem(passage.frame(), clone || duplicate, note);
}

// A frame that the queue would let go at once, with no other `beside` it, need not be held.
void Path::queueInNetem(Frame* frame, bool beside, const FrameNote& note) noexcept {
  Shaping& shapes = *shaping();
  Netem& netem = *shapes.netem();
  const Instant now = frame->arrival;
  const Netem::Place spot = netem.place(*policy_->netem, frame->length, now);
  if (!beside && netem.passes(spot, now) && shapes.size() == 0) return leave(frame, {}, note);
  FramePool::shrink(frame, host().pool);
  Held* held = keep(frame, note);
  if (!held) return;
  held->due = spot.at;
  held->foremost = spot.first;
  offer(netem, held, now);
}

}  // namespace etherloom
