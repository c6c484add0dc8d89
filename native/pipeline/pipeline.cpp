#include "pipeline/pipeline.hpp"

#include <algorithm>
#include <bit>

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

void countDropped(Attachment& from, DropReason reason, std::uint64_t frames) {
  Sequence::Update update(from.port->counters().sequence);
  from.port->counters().dropped.add(reason, frames);
}

}  // namespace

void Pipeline::pass(Attachment& from, RxBurst& burst) noexcept {
  screen(from, burst);
  if (burst.count() == 0) return;

  const FabricVersion* version = from.fabric->version.load(std::memory_order_acquire);
  std::array<Verdict, burstSize> verdicts;
  LearnLog log;
  version->fabric->decide(from.slot, burst.frames(), burst.at, verdicts, log);
  if (!log.entries().empty()) sink_.learned(*from.fabric, log.entries());

  const FrameMask stranded = gather(from, *version, std::span(verdicts).first(burst.count()));
  if (stranded != 0) countDropped(from, DropReason::Unreachable, segmentsOf(burst, stranded));
  filter(burst);
  fanOut(burst);
}

// Counts and stamps what came in; what cannot be a frame ends here.
void Pipeline::screen(Attachment& from, RxBurst& burst) noexcept {
  PortCounters& counters = from.port->counters();
  const std::uint32_t limit = from.port->limit();
  std::uint64_t frames = 0, bytes = 0, runts = 0, oversize = 0;
  FrameMask refused = 0;
  for (unsigned index = 0; index < burst.count(); ++index) {
    Frame& frame = *burst[index];
    frame.arrival = burst.at;
    frame.from = from.id;
    frame.number = from.received++;
    if (frame.length < ethernetHeaderLength) {
      ++runts;
      refused |= FrameMask{1} << index;
    } else if (frame.length > limit && frame.offload.gsoType == 0) {
      ++oversize;
      refused |= FrameMask{1} << index;
    } else {
      frames += frame.offload.segments;
      bytes += frame.length;
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
FrameMask Pipeline::gather(Attachment& from, const FabricVersion& version,
                           std::span<const Verdict> verdicts) noexcept {
  targets_.clear();
  const auto at = static_cast<std::size_t>(from.slot);
  if (at >= version.members.size() || version.members[at] != &from) {
    return allFrames(static_cast<unsigned>(verdicts.size()));
  }
  FrameMask reached = 0;
  static const Row noRow;
  const Row& row = version.rows[at] ? *version.rows[at] : noRow;

  const auto add = [&](Attachment* to, const RowEntry* entry, FrameMask mask) {
    reached |= mask;
    if (entry) {
      targets_.push_back({to, entry->path, entry->policy, &entry->path->account, mask});
    } else {
      targets_.push_back({to, nullptr, nullptr, &from.defaults[to->worker], mask});
    }
  };

  FrameMask flooded = 0, direct = 0;
  for (unsigned index = 0; index < verdicts.size(); ++index) {
    const FrameMask bit = FrameMask{1} << index;
    if (verdicts[index].floods()) {
      flooded |= bit;
    } else if (verdicts[index].drops()) {
      countDropped(from, verdicts[index].reason(), 1);
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
      for (Attachment* to : version.members) {
        if (!to || to == &from) continue;
        while (entry != row.entries.end() && entry->to->slot < to->slot) ++entry;
        const bool explicitly = entry != row.entries.end() && entry->to == to;
        if (!explicitly) {
          add(to, nullptr, flooded);
        } else if (entry->policy->allowed) {
          add(to, &*entry, flooded);
        }
      }
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
    } else if (version.forwarding) {
      add(to, nullptr, mask);
    }
  }
  return wanted & ~reached;
}

// Takes from each target the frames that its path's filter refuses. A program runs once per frame of the
// burst.
void Pipeline::filter(const RxBurst& burst) noexcept {
  struct Judged {
    const FilterProgram* program;
    FrameMask asked, accepted;
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
      Judged* judged = std::find_if(cache.begin(), cache.begin() + cached,
                                    [&](const Judged& entry) { return entry.program == program; });
      if (judged == cache.begin() + cached) {
        judged = &cache[cached < cache.size() ? cached++ : cached - 1];
        *judged = {program, 0, 0};
      }
      forEachFrame(target.mask & ~judged->asked, [&](unsigned index) {
        const FrameMask bit = FrameMask{1} << index;
        judged->asked |= bit;
        if (program->accepts(burst[index]->data, burst[index]->length)) judged->accepted |= bit;
      });
      refused = segmentsOf(burst, target.mask & ~judged->accepted);
      target.mask &= judged->accepted;
    }
    PathOffer& offer = target.account->offer;
    Sequence::Update update(offer.sequence);
    offer.offered.add(offered);
    offer.refused.add(refused);
  }
}

// Sets each frame's references once, to the number of its copies, then hands the copies over target by
// target.
void Pipeline::fanOut(RxBurst& burst) noexcept {
  std::array<std::uint32_t, burstSize> copies{};
  FrameMask wanted = 0;
  for (const Target& target : targets_) {
    wanted |= target.mask;
    forEachFrame(target.mask, [&](unsigned index) { ++copies[index]; });
  }
  forEachFrame(allFrames(burst.count()), [&](unsigned index) {
    Frame* frame = burst[index];
    if (wanted >> index & 1) {
      frame->references.store(copies[index], std::memory_order_relaxed);
    } else {
      burst.pool.release(frame);
    }
  });

  std::array<Crossing, burstSize> crossings;
  for (const Target& target : targets_) {
    unsigned count = 0;
    forEachFrame(target.mask, [&](unsigned index) {
      crossings[count++] = {burst[index], target.to, target.path, target.policy, target.account};
    });
    if (count != 0) sink_.handOver(std::span(crossings).first(count));
  }
}

}  // namespace etherloom
