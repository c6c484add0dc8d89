#include "pipeline/pipeline.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "frame/checksum.hpp"
#include "frame/ethernet.hpp"
#include "frame/offload.hpp"
#include "frame/segmentation.hpp"

namespace etherloom {
namespace {

/// Calls `each` for every frame of the mask, lowest first.
template <typename Each>
void forEachFrame(FrameMask mask, Each&& each) {
  for (; mask != 0; mask &= mask - 1) each(static_cast<unsigned>(std::countr_zero(mask)));
}

std::uint64_t segmentsOf(const RxBurst& burst, FrameMask mask) {
  std::uint64_t segments = 0;
  forEachFrame(mask, [&](unsigned index) { segments += burst[index]->offload.segments; });
  return segments;
}

/// The frames that go back to the host behind their port: for it or for a group, and not from it.
FrameMask returningTo(std::optional<std::uint64_t> host, const RxBurst& burst) {
  if (!host) [[likely]]
    return 0;
  FrameMask returning = 0;
  for (unsigned index = 0; index < burst.count(); ++index) {
    const std::uint64_t destination = destinationOf(*burst[index]);
    if ((destination == *host || isGroup(destination)) && sourceOf(*burst[index]) != *host)
      returning |= FrameMask{1} << index;
  }
  return returning;
}

void countDropped(PortQueue& from, DropReason reason, std::uint64_t frames) {
  Sequence::Update update(from.port->counters().sequence);
  from.port->counters().dropped.add(reason, frames);
}

}  // namespace

void Pipeline::pass(PortQueue& from, RxBurst& burst) noexcept {
  screen(from, burst);
  if (burst.count() == 0) return;
  if (const CaptureTaps* all = from.seat.taps.load(std::memory_order_acquire)) [[unlikely]] {
    for (const CaptureTap& tap : *all) {
      for (const Frame* frame : burst.frames())
        recordAt(tap, worker_, burst.at, pcapng::Direction::In, *frame);
    }
  }

  FabricSeat& fabric = *from.seat.fabric;
  const FabricVersion* version = fabric.version.load(std::memory_order_acquire);
  std::span<const std::uint16_t> vlans;
  if (version->hasVlans) [[unlikely]] {
    classify(from, burst);
    if (burst.count() == 0) return;
    vlans = std::span(vlans_.ofFrame).first(burst.count());
  }
  std::array<Verdict, burstSize> verdicts;
  LearnLog log;
  version->fabric->decide(from.seat.slot, burst.frames(), vlans, burst.at, verdicts, log);
  if (!log.entries().empty()) sink_.learned(fabric, log.entries());

  const FrameMask stranded = gather(from, *version, burst, std::span(verdicts).first(burst.count()));
  if (stranded != 0) {
    const bool refused = from.port->writesBackTo().has_value();
    countDropped(from, refused ? DropReason::NotForUs : DropReason::Unreachable, segmentsOf(burst, stranded));
  }
  if (version->hasVlans) [[unlikely]]
    retag(burst);
  filter(burst);
  fanOut(burst);
}

// Counts and stamps what came in; what cannot be a frame ends here.
void Pipeline::screen(PortQueue& from, RxBurst& burst) noexcept {
  PortCounters& counters = from.port->counters();
  std::uint64_t frames = 0, bytes = 0, runts = 0, oversize = 0;
  FrameMask refused = 0;
  for (unsigned index = 0; index < burst.count(); ++index) {
    Frame& frame = *burst[index];
    frame.arrival = burst.at;
    frame.from = from.seat.id;
    frame.number = from.received++;
    if (frame.length < ethernetHeaderLength) {
      ++runts;
      refused |= FrameMask{1} << index;
    } else if (from.port->exceedsLimit(frame)) {
      oversize += frame.offload.segments;
      refused |= FrameMask{1} << index;
    } else {
      frames += frame.offload.segments;
      bytes += wireBytes(frame);
    }
  }
  Sequence::Update update(counters.sequence);
  counters.receivedFrames.add(frames);
  counters.receivedBytes.add(bytes);
  if (refused == 0) return;
  counters.dropped.add(DropReason::Runt, runts);
  counters.dropped.add(DropReason::Oversize, oversize);
  burst.remove(refused);
}

// Says to which VLAN each frame belongs (IEEE 802.1Q, 6.9.1 and 8.6.2): its tag's, or its port's where it has
// none or one of priority alone. Frames of VLANs that the port is not in end here. What has a needless tag,
// that of the port's own VLAN without a priority, loses it, so that frames of one VLAN and priority leave in
// their order.
void Pipeline::classify(PortQueue& from, RxBurst& burst) noexcept {
  const PortVlans& port = from.seat.itsVlans();
  FrameMask refused = 0;
  std::uint64_t wires = 0;
  unsigned kept = 0;
  vlans_.count = 0;
  vlans_.tagged = 0;
  for (unsigned index = 0; index < burst.count(); ++index) {
    Frame& frame = *burst[index];
    std::uint16_t vlan = port.untagged();
    bool tagged = isTagged(frame);
    if (tagged) {
      const bool whole = frame.length >= ethernetHeaderLength + vlanTagLength;
      const std::uint16_t control = whole ? tagOf(frame) : std::uint16_t{vlanIdMask};
      if ((control & vlanIdMask) != 0) vlan = control & vlanIdMask;
      if (vlan == port.untagged() && vlan != 0) {
        const unsigned priority = control & ~unsigned{vlanIdMask};
        tagged = priority != 0;
        tagged ? setTag(frame, static_cast<std::uint16_t>(priority | vlan)) : popTag(frame);
      }
    }
    if (vlan == 0 || !port.has(vlan)) {
      refused |= FrameMask{1} << index;
      wires += frame.offload.segments;
      continue;
    }
    const FrameMask bit = FrameMask{1} << kept;
    if (tagged) vlans_.tagged |= bit;
    vlans_.ofFrame[kept++] = vlan;
    const auto parts = std::span(vlans_.parts).first(vlans_.count);
    const auto part =
        std::find_if(parts.begin(), parts.end(), [&](const auto& each) { return each.vlan == vlan; });
    if (part != parts.end()) {
      part->mask |= bit;
    } else {
      vlans_.parts[vlans_.count++] = {vlan, bit};
    }
  }
  if (refused == 0) return;
  burst.remove(refused);
  countDropped(from, DropReason::Vlan, wires);
}

// Turns verdicts into targets: for each to-port that paths allow, which frames of the burst it gets.
// Returns the frames that should go somewhere and that no path would carry.
FrameMask Pipeline::gather(PortQueue& queue, const FabricVersion& version, const RxBurst& burst,
                           std::span<const Verdict> verdicts) noexcept {
  Attachment& from = queue.seat;
  targets_.clear();
  const auto at = static_cast<std::size_t>(from.slot);
  if (at >= version.members.size() || version.members[at] != &from) {
    return allFrames(static_cast<unsigned>(verdicts.size()));
  }
  FrameMask reached = 0;
  static const Row noRow;
  const Row& row = version.rows[at] ? *version.rows[at] : noRow;

  const auto put = [&](Attachment* to, const RowEntry* entry, Frame* const* frames, FrameMask mask) {
    reached |= mask;
    PathAccount& account = entry ? entry->path->account : from.defaults[to->worker];
    PathOffer& offer = account.offerOf(queue.index);
    if (entry) {
      targets_.push_back({to, entry->path, entry->policy, &account, &offer, frames, mask, 0});
    } else {
      targets_.push_back({to, nullptr, nullptr, &account, &offer, frames, mask, 0});
    }
  };
  Frame* const* asTheyCame = burst.frames().data();
  const auto add = [&](Attachment* to, const RowEntry* entry, FrameMask mask) {
    if (!version.hasVlans) [[likely]]
      return put(to, entry, asTheyCame, mask);
    // Of the VLANs that the port is in; with a tag, or without in that which it has untagged.
    const PortVlans& port = to->itsVlans();
    FrameMask same = 0, changed = 0;
    for (const auto& part : std::span(vlans_.parts).first(vlans_.count)) {
      if (!port.has(part.vlan)) continue;
      const FrameMask differing = part.vlan == port.untagged() ? vlans_.tagged : ~vlans_.tagged;
      same |= mask & part.mask & ~differing;
      changed |= mask & part.mask & differing;
    }
    if (same != 0) put(to, entry, asTheyCame, same);
    if (changed != 0) put(to, entry, retagged_.data(), changed);
  };

  const FrameMask returning = returningTo(queue.port->writesBackTo(), burst);
  FrameMask flooded = 0, direct = 0;
  for (unsigned index = 0; index < verdicts.size(); ++index) {
    const FrameMask bit = FrameMask{1} << index;
    if (verdicts[index].floods()) {
      flooded |= bit;
    } else if (verdicts[index].drops()) {
      if (returning & bit) continue;
      countDropped(queue, verdicts[index].reason(), burst[index]->offload.segments);
    } else {
      direct |= bit;
    }
  }

  if (flooded != 0) {
    if (!version.forwarding) {
      for (const RowEntry& entry : row.entries) {
        if (entry.policy->allowed) add(entry.to, &entry, flooded);
      }
    } else {
      auto entry = row.entries.begin();
      const auto addExplicit = [&] {
        if (entry->policy->allowed) add(entry->to, &*entry, flooded);
        ++entry;
      };
      for (Attachment* to : version.reachOf(from)) {
        if (!to || to == &from) continue;
        while (entry != row.entries.end() && entry->to->slot < to->slot) addExplicit();  // within the group
        if (entry != row.entries.end() && entry->to == to) {
          addExplicit();
        } else {
          add(to, nullptr, flooded);
        }
      }
      while (entry != row.entries.end()) addExplicit();
    }
  }

  const FrameMask wanted = flooded | direct;
  while (direct != 0) {
    const Slot slot = verdicts[static_cast<unsigned>(std::countr_zero(direct))].slot();
    FrameMask mask = 0;
    forEachFrame(direct, [&](unsigned index) {
      if (verdicts[index].slot() == slot) mask |= FrameMask{1} << index;
    });
    direct &= ~mask;
    const auto place = static_cast<std::size_t>(slot);
    Attachment* to = place < version.members.size() ? version.members[place] : nullptr;
    if (!to) continue;
    const auto entry =
        std::lower_bound(row.entries.begin(), row.entries.end(), slot,
                         [](const RowEntry& left, Slot right) { return left.to->slot < right; });
    if (entry != row.entries.end() && entry->to == to) {
      if (entry->policy->allowed) add(to, &*entry, mask);
    } else if (version.forwards(from, *to)) {
      add(to, nullptr, mask);
    }
  }
  if (returning != 0) add(&from, nullptr, returning);
  return wanted & ~reached;
}

// Puts tags in or takes them out where targets want that: once for each frame, in a copy if others get it as
// it came, else in place. What there is no buffer for is lost to those targets.
void Pipeline::retag(const RxBurst& burst) noexcept {
  FrameMask same = 0, lost = 0;
  for (const Target& target : targets_) (isRetagged(target) ? changed_ : same) |= target.mask;
  moved_ = changed_ & ~same;
  forEachFrame(changed_, [&](unsigned index) {
    const FrameMask bit = FrameMask{1} << index;
    const bool inPlace = moved_ & bit;
    Frame* frame = inPlace ? burst[index] : burst.pool.copy(*burst[index]);
    retagged_[index] = frame;
    if (frame && (vlans_.tagged & bit)) return popTag(*frame);
    if (frame && pushTag(*frame, vlans_.ofFrame[index])) return;
    if (frame && !inPlace) burst.pool.release(frame);
    lost |= bit;
  });
  if (lost == 0) [[likely]]
    return;
  moved_ &= ~lost;
  changed_ &= ~lost;
  for (Target& target : targets_) {
    if (!isRetagged(target)) continue;
    const std::uint64_t wires = segmentsOf(burst, target.mask & lost);
    target.mask &= ~lost;
    Sequence::Update update(target.offer->sequence);
    target.offer->offered.add(wires);
    target.offer->lostOnTheWay.add(wires);
  }
}

// Takes from each target the frames that its path's filter refuses. A program runs once per frame of the
// burst. One that reads more than what all segments of a super-frame share is given wire frames, complete:
// checksums are done here, super-frames left to the hand-over.
void Pipeline::filter(const RxBurst& burst) noexcept {
  struct Judged {
    const FilterProgram* program;
    Frame* const* frames;
    FrameMask asked, accepted, cut;
  };
  std::array<Judged, 8> cache{};
  unsigned cached = 0;
  FrameMask counted = 0;
  std::uint64_t offered = 0;
  for (Target& target : targets_) {
    if (target.mask != counted) {
      counted = target.mask;
      offered = segmentsOf(burst, counted);
    }
    std::uint64_t refused = 0;
    if (target.policy && target.policy->filter) {
      const FilterProgram* program = target.policy->filter.get();
      Judged* judged = std::find_if(cache.begin(), cache.begin() + cached, [&](const Judged& entry) {
        return entry.program == program && entry.frames == target.frames;
      });
      if (judged == cache.begin() + cached) {
        judged = &cache[cached < cache.size() ? cached++ : cached - 1];
        *judged = {program, target.frames, 0, 0, 0};
      }
      forEachFrame(target.mask & ~judged->asked, [&](unsigned index) {
        const FrameMask bit = FrameMask{1} << index;
        Frame& frame = *target.frames[index];
        judged->asked |= bit;
        if (program->readsBeyondHeaders() && !isPlain(frame)) {
          if (isSuperFrame(frame)) {
            judged->cut |= bit;
            return;
          }
          static_cast<void>(completeChecksum(frame));  // the frame is ours alone until it fans out
        }
        if (program->accepts(frame.data, frame.length)) judged->accepted |= bit;
      });
      const FrameMask out = target.mask & ~judged->accepted & ~judged->cut;
      refused = segmentsOf(burst, out);
      forEachFrame(out, [&](unsigned index) { recordRefused(target, *target.frames[index], burst.at); });
      target.cut = target.mask & judged->cut;
      target.mask &= judged->accepted;
    }
    PathOffer& offer = *target.offer;
    Sequence::Update update(offer.sequence);
    offer.offered.add(offered);
    offer.refused.add(refused);
  }
}

void Pipeline::recordRefused(const Target& target, const Frame& frame, Instant at) const noexcept {
  const CaptureTaps* all = target.path->taps.load(std::memory_order_acquire);
  if (!all) [[likely]]
    return;
  Fate fate;
  fate.kind = Fate::Kind::Dropped;
  fate.reason = DropReason::Filter;
  fate.stage = "filter";
  fate.counted = false;
  for (const CaptureTap& tap : *all) {
    if (tap.kind == CaptureTap::Kind::Fates)
      recordAt(tap, worker_, at, pcapng::Direction::Unknown, frame, fate);
  }
}

// Sets the references of these frames once, to the number of their copies. Where a super-frame is cut its
// reference lasts until it is.
void Pipeline::share(FramePool& pool, Frame* const* frames, FrameMask mask) noexcept {
  std::array<std::uint32_t, burstSize> copies{};
  FrameMask wanted = 0;
  for (const Target& target : targets_) {
    if (target.frames != frames) continue;
    wanted |= target.mask | target.cut;
    forEachFrame(target.mask | target.cut, [&](unsigned index) { ++copies[index]; });
  }
  forEachFrame(mask, [&](unsigned index) {
    Frame* frame = frames[index];
    if (wanted >> index & 1) {
      frame->references.store(copies[index], std::memory_order_relaxed);
    } else {
      pool.release(frame);
    }
  });
}

// Gives each frame its references, then hands the copies over target by target.
void Pipeline::fanOut(RxBurst& burst) noexcept {
  share(burst.pool, burst.frames().data(), allFrames(burst.count()) & ~moved_);
  if (changed_ != 0) [[unlikely]]
    share(burst.pool, retagged_.data(), changed_);
  moved_ = changed_ = 0;

  std::array<Crossing, burstSize> crossings;
  for (const Target& target : targets_) {
    if (target.cut != 0) {
      handOverCut(burst, target);
      continue;
    }
    unsigned count = 0;
    forEachFrame(target.mask, [&](unsigned index) {
      crossings[count++] = {target.frames[index], target.to, target.path, target.policy, target.account};
    });
    if (count != 0) sink_.handOver(std::span(crossings).first(count), *target.offer);
  }
}

// Hands over to one target whose filter judges the segments of some super-frames: those that it accepts take
// the super-frame's place in the order.
void Pipeline::handOverCut(const RxBurst& burst, const Target& target) noexcept {
  std::array<Crossing, burstSize> crossings;
  unsigned count = 0;
  std::uint64_t refused = 0, lost = 0;
  const auto put = [&](Frame* frame) {
    crossings[count++] = {frame, target.to, target.path, target.policy, target.account};
    if (count == burstSize)
      sink_.handOver(std::span(crossings).first(std::exchange(count, 0U)), *target.offer);
  };
  forEachFrame(target.mask | target.cut, [&](unsigned index) {
    Frame* frame = target.frames[index];
    if (!(target.cut >> index & 1)) return put(frame);
    Segmenter segmenter;
    if (!segmenter.start(*frame)) lost += frame->offload.segments;
    while (!segmenter.done()) {
      Frame* segment = segmenter.next(burst.pool);
      if (!segment) {
        ++lost;
      } else if (target.policy->filter->accepts(segment->data, segment->length)) {
        put(segment);
      } else {
        ++refused;
        recordRefused(target, *segment, burst.at);
        burst.pool.release(segment);
      }
    }
    burst.pool.release(frame);
  });
  PathOffer& offer = *target.offer;
  if (count != 0) sink_.handOver(std::span(crossings).first(count), offer);
  Sequence::Update update(offer.sequence);
  offer.refused.add(refused);
  offer.lostOnTheWay.add(lost);
}

}  // namespace etherloom
