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

constexpr Ending byFilter{DropReason::Filter, "filter"};

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

void countDropped(Inlet& from, DropReason reason, std::uint64_t frames) {
  Sequence::Update update(from.port->counters().sequence);
  from.port->counters().dropped.add(reason, frames);
}

/// The ports that a flood goes to: all but the sender that its row allows, or that forwarding reaches and its
/// row does not deny; in the order of their seats within a group. `each` is told the explicit pair, or
/// nullptr.
template <typename Each>
void forEachFlooded(const FabricVersion& version, const Attachment& from, const Row& row, Each each) {
  auto entry = row.entries.begin();
  const auto end = row.entries.end();
  const auto explicitOne = [&] {
    if (entry->policy->allowed) each(entry->to, &*entry);
    ++entry;
  };
  if (version.forwarding) {
    for (Attachment* to : version.reachOf(from)) {
      if (!to || to == &from) continue;
      while (entry != end && entry->to->seat < to->seat) explicitOne();  // within the group
      if (entry != end && entry->to == to) {
        explicitOne();
      } else {
        each(to, nullptr);
      }
    }
  }
  while (entry != end) explicitOne();
}

}  // namespace

// Most bursts are small enough whoever they go to. Of others the fabric is asked here, before anything is
// counted: frames that are postponed have not been received as far as anybody can see.
void Pipeline::confine(Inlet& from, RxBurst& burst) noexcept {
  judged_ = 0;  // of a burst that was not passed
  version_ = from.attachment.fabric->version.load(std::memory_order_acquire);
  const FabricVersion& version = *version_;
  std::uint64_t wires = 0;
  for (const Frame* frame : burst.frames()) wires += frame->offload.segments;
  const bool isIn = version.has(from.attachment);
  const std::size_t most = isIn ? version.mostReceivers(from.attachment) : 1;
  if (wires * most <= burstWireFrames) [[likely]]
    return;

  std::array<Frame*, burstSize> whole;
  unsigned count = 0;
  for (Frame* frame : burst.frames()) {
    if (frame->length >= ethernetHeaderLength) whole[count++] = frame;
  }
  Copies copies{};
  if (isIn && most > 1)
    copies = copiesOf(from.attachment, version, version.rowOf(from.attachment), std::span(whole).first(count),
                      burst.at);
  std::uint64_t all = 0;
  for (unsigned index = 0, next = 0; index < burst.count(); ++index) {
    const bool isWhole = next < count && burst[index] == whole[next];
    const std::uint32_t each = isWhole ? std::max(copies[next++], 1U) : 1;
    all += std::uint64_t{burst[index]->offload.segments} * each;
    if (all > burstWireFrames && index != 0) return burst.postpone(index, from.postponed);
  }
}

// Before filters and what else may happen on a path.
Pipeline::Copies Pipeline::copiesOf(const Attachment& from, const FabricVersion& version, const Row& row,
                                    std::span<Frame* const> frames, Instant at) noexcept {
  std::span<const std::uint16_t> vlans;
  if (version.hasVlans()) {
    vlans_.look(version.vlansOf(from), frames);
    vlans = vlans_.ofFrames(static_cast<unsigned>(frames.size()));
  }
  log_ = {};
  version.fabric->decide(from.seat, frames, vlans, at, verdicts_, log_);
  judged_ = static_cast<unsigned>(frames.size());
  Copies copies{};
  FrameMask flooded = 0;
  for (unsigned index = 0; index < frames.size(); ++index) {
    if (verdicts_[index].floods()) flooded |= FrameMask{1} << index;
  }
  if (flooded == 0) return copies;

  // Ports that stand together mostly get the same frames.
  FrameMask same = flooded;
  std::uint32_t ports = 0;
  const auto add = [&] { forEachFrame(same, [&](unsigned index) { copies[index] += ports; }); };
  forEachFlooded(version, from, row, [&](const Attachment* to, const RowEntry*) {
    FrameMask its = flooded;
    if (version.hasVlans()) its = vlans_.shareOf(version.vlansOf(*to), flooded).all();
    if (its != same) {
      add();
      same = its;
      ports = 0;
    }
    ++ports;
  });
  add();
  return copies;
}

void Pipeline::pass(Inlet& from, RxBurst& burst) noexcept {
  const unsigned judged = std::exchange(judged_, 0U);
  const FabricVersion* version = std::exchange(version_, nullptr);
  screen(from, burst);
  if (burst.count() == 0) return;
  if (const Listeners* all = from.attachment.listeners.load(std::memory_order_acquire)) [[unlikely]] {
    for (const Listener& listener : *all) {
      for (const Frame* frame : burst.frames())
        recordAt(listener, worker_, burst.at, pcapng::Direction::In, *frame);
    }
  }

  EngineFabric& fabric = *from.attachment.fabric;
  if (!version) version = fabric.version.load(std::memory_order_acquire);
  std::span<const std::uint16_t> vlans;
  if (version->hasVlans()) [[unlikely]] {
    if (const auto refused = vlans_.classify(version->vlansOf(from.attachment), burst); refused != 0)
      countDropped(from, DropReason::Vlan, refused);
    if (burst.count() == 0) return;
    vlans = vlans_.ofFrames(burst.count());
  }
  // All that are left were judged, if any: so none is missing where there are as many.
  if (judged != burst.count()) {
    log_ = {};
    version->fabric->decide(from.attachment.seat, burst.frames(), vlans, burst.at, verdicts_, log_);
  }
  if (!log_.entries().empty()) sink_.learned(fabric, log_.entries());

  const FrameMask stranded = gather(from, *version, burst, std::span(verdicts_).first(burst.count()));
  if (stranded != 0) {
    const bool refused = from.port->writesBackTo().has_value();
    countDropped(from, refused ? DropReason::NotForUs : DropReason::Unreachable, segmentsOf(burst, stranded));
  }
  if (version->hasVlans()) [[unlikely]]
    retag(burst);
  filter(burst);
  fanOut(burst);
}

// Counts and stamps what came in; what cannot be a frame ends here.
void Pipeline::screen(Inlet& from, RxBurst& burst) noexcept {
  PortCounters& counters = from.port->counters();
  std::uint64_t frames = 0, bytes = 0, runts = 0, oversize = 0;
  FrameMask refused = 0;
  for (unsigned index = 0; index < burst.count(); ++index) {
    Frame& frame = *burst[index];
    frame.arrival = burst.at;
    frame.from = from.attachment.id;
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

// Turns verdicts into targets: for each to-port that paths allow, which frames of the burst it gets.
// Returns the frames that should go somewhere and that no path would carry.
FrameMask Pipeline::gather(Inlet& inlet, const FabricVersion& version, const RxBurst& burst,
                           std::span<const Verdict> verdicts) noexcept {
  targets_.clear();
  if (!version.has(inlet.attachment)) return allFrames(static_cast<unsigned>(verdicts.size()));
  Gathering gathering{inlet, version, burst, version.rowOf(inlet.attachment)};

  const FrameMask returning = returningTo(inlet.port->writesBackTo(), burst);
  FrameMask flooded = 0, direct = 0;
  for (unsigned index = 0; index < verdicts.size(); ++index) {
    const FrameMask bit = FrameMask{1} << index;
    if (verdicts[index].floods()) {
      flooded |= bit;
    } else if (!verdicts[index].drops()) {
      direct |= bit;
    } else if (!(returning & bit)) {
      countDropped(inlet, verdicts[index].reason(), burst[index]->offload.segments);
    }
  }
  if (StormGuard* guard = inlet.attachment.guard.load(std::memory_order_acquire)) [[unlikely]]
    flooded &= ~stormOf(inlet, *guard, burst, flooded);
  if (flooded != 0) flood(gathering, flooded);
  if (direct != 0) sendDirect(gathering, direct, verdicts);
  if (returning != 0) add(gathering, &inlet.attachment, nullptr, returning);
  return (flooded | direct) & ~gathering.reached;
}

// The flooded frames that the port's storm guard refuses.
FrameMask Pipeline::stormOf(Inlet& from, StormGuard& guard, const RxBurst& burst,
                            FrameMask flooded) noexcept {
  const StormGuard::Judgement judgement = guard.judge(burst, flooded);
  if (judgement.refused != 0) countDropped(from, DropReason::Storm, judgement.dropped);
  for (std::size_t kind = 0; kind < trafficKinds; ++kind) {
    if (judgement.begins[kind]) sink_.stormBegins(from.attachment, static_cast<Traffic>(kind), burst.at);
  }
  return judgement.refused;
}

void Pipeline::flood(Gathering& gathering, FrameMask frames) noexcept {
  forEachFlooded(gathering.version, gathering.inlet.attachment, gathering.row,
                 [&](Attachment* to, const RowEntry* entry) { add(gathering, to, entry, frames); });
}

// To the ports of their verdicts, one port after the other.
void Pipeline::sendDirect(Gathering& gathering, FrameMask frames,
                          std::span<const Verdict> verdicts) noexcept {
  const auto& ports = gathering.version.ports;
  const auto& entries = gathering.row.entries;
  while (frames != 0) {
    const Seat seat = verdicts[static_cast<unsigned>(std::countr_zero(frames))].seat();
    FrameMask mask = 0;
    forEachFrame(frames, [&](unsigned index) {
      if (verdicts[index].seat() == seat) mask |= FrameMask{1} << index;
    });
    frames &= ~mask;
    const auto place = static_cast<std::size_t>(seat);
    Attachment* to = place < ports.size() ? ports[place] : nullptr;
    if (!to) continue;
    const auto entry =
        std::lower_bound(entries.begin(), entries.end(), seat,
                         [](const RowEntry& left, Seat right) { return left.to->seat < right; });
    if (entry != entries.end() && entry->to == to) {
      if (entry->policy->allowed) add(gathering, to, &*entry, mask);
    } else if (gathering.version.forwards(gathering.inlet.attachment, *to)) {
      add(gathering, to, nullptr, mask);
    }
  }
}

// Where the fabric has VLANs: those frames whose VLAN the port is in, some as they came and some the other
// way.
void Pipeline::add(Gathering& gathering, Attachment* to, const RowEntry* entry, FrameMask frames) noexcept {
  Frame* const* asTheyCame = gathering.burst.frames().data();
  if (!gathering.version.hasVlans()) [[likely]]
    return put(gathering, to, entry, asTheyCame, frames);
  const auto [same, changed] = vlans_.shareOf(gathering.version.vlansOf(*to), frames);
  if (same != 0) put(gathering, to, entry, asTheyCame, same);
  if (changed != 0) put(gathering, to, entry, vlans_.retagged(), changed);
}

void Pipeline::put(Gathering& gathering, Attachment* to, const RowEntry* entry, Frame* const* frames,
                   FrameMask mask) noexcept {
  gathering.reached |= mask;
  PathAccount& account = entry ? entry->path->account : gathering.inlet.attachment.defaults[to->worker];
  targets_.push_back({to, entry, &account, &account.offerOf(gathering.inlet.index), frames, mask, 0});
}

// Has tags put in or taken out where targets want that. What there is no buffer for is lost to those targets.
void Pipeline::retag(const RxBurst& burst) noexcept {
  FrameMask same = 0, changed = 0;
  for (const Target& target : targets_) (isRetagged(target) ? changed : same) |= target.mask;
  const FrameMask lost = vlans_.retag(burst, changed, same);
  if (lost == 0) [[likely]]
    return;
  for (Target& target : targets_) {
    if (!isRetagged(target)) continue;
    const std::uint64_t wires = segmentsOf(burst, target.mask & lost);
    target.mask &= ~lost;
    Sequence::Update update(target.offer->sequence);
    target.offer->offered.add(wires);
    target.offer->lostOnTheWay.add(wires);
  }
}

// Takes from each target the frames that its path's filter refuses. A filter is asked once per frame of the
// burst. One that looks beyond the headers that all segments of a super-frame have in common must see
// wire frames: unfinished checksums are completed here, and super-frames are cut in handOverCut().
void Pipeline::filter(const RxBurst& burst) noexcept {
  struct Judged {
    const PathFilter* filter;
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
    if (target.entry && !target.entry->policy->filter.empty()) {
      const PathFilter* filter = &target.entry->policy->filter;
      Judged* judged = std::find_if(cache.begin(), cache.begin() + cached, [&](const Judged& entry) {
        return entry.filter == filter && entry.frames == target.frames;
      });
      if (judged == cache.begin() + cached) {
        judged = &cache[cached < cache.size() ? cached++ : cached - 1];
        *judged = {filter, target.frames, 0, 0, 0};
      }
      forEachFrame(target.mask & ~judged->asked, [&](unsigned index) {
        const FrameMask bit = FrameMask{1} << index;
        Frame& frame = *target.frames[index];
        judged->asked |= bit;
        if (filter->readsBeyondHeaders() && !isPlain(frame)) {
          if (isSuperFrame(frame)) {
            judged->cut |= bit;
            return;
          }
          static_cast<void>(completeChecksum(frame));  // the frame is ours alone until it fans out
        }
        if (filter->accepts(frame.data, frame.length)) judged->accepted |= bit;
      });
      const FrameMask out = target.mask & ~judged->accepted & ~judged->cut;
      refused = segmentsOf(burst, out);
      forEachFrame(out, [&](unsigned index) {
        target.entry->path->recordUnadmitted(*target.frames[index], byFilter, worker_, burst.at);
      });
      target.cut = target.mask & judged->cut;
      target.mask &= judged->accepted;
    }
    PathOffer& offer = *target.offer;
    Sequence::Update update(offer.sequence);
    offer.offered.add(offered);
    offer.refused.add(refused);
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
  share(burst.pool, burst.frames().data(), allFrames(burst.count()) & ~vlans_.moved());
  if (vlans_.changed() != 0) [[unlikely]]
    share(burst.pool, vlans_.retagged(), vlans_.changed());
  vlans_.forgetRetagged();

  std::array<Crossing, burstSize> crossings;
  for (const Target& target : targets_) {
    if (target.cut != 0) {
      handOverCut(burst, target);
      continue;
    }
    unsigned count = 0;
    forEachFrame(target.mask, [&](unsigned index) {
      crossings[count++] = {target.frames[index], target.to, target.entry, target.account};
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
    crossings[count++] = {frame, target.to, target.entry, target.account};
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
      } else if (target.entry->policy->filter.accepts(segment->data, segment->length)) {
        put(segment);
      } else {
        ++refused;
        target.entry->path->recordUnadmitted(*segment, byFilter, worker_, burst.at);
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
