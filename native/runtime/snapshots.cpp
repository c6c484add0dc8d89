#include "runtime/snapshots.hpp"

namespace etherloom {
namespace {

void readDrops(const Drops& drops, std::array<std::uint64_t, dropReasonCount>& into) {
  for (std::size_t reason = 0; reason < dropReasonCount; ++reason) into[reason] = drops.get(reason);
}

void addDrops(std::array<std::uint64_t, dropReasonCount>& sum,
              const std::array<std::uint64_t, dropReasonCount>& part) {
  for (std::size_t reason = 0; reason < dropReasonCount; ++reason) sum[reason] += part[reason];
}

void addTo(PathSnapshot& sum, const PathSnapshot& part) {
  sum.offered += part.offered;
  sum.duplicated += part.duplicated;
  sum.delivered += part.delivered;
  sum.deliveredBytes += part.deliveredBytes;
  sum.waiting += part.waiting;
  sum.inFlight += part.inFlight;
  sum.marked += part.marked;
  sum.delayed += part.delayed;
  sum.reordered += part.reordered;
  sum.corrupted += part.corrupted;
  addDrops(sum.dropped, part.dropped);
}

}  // namespace

// The to-side is read first: what it has admitted was handed over before, so the difference is never
// negative.
PathSnapshot snapshotOf(const PathAccount& account) {
  PathSnapshot snapshot;
  std::uint64_t admitted = 0, held = 0, handedOver = 0, refused = 0, lost = 0;
  account.sequence.read([&] {
    admitted = account.admitted.get();
    snapshot.duplicated = account.duplicated.get();
    snapshot.delivered = account.delivered.get();
    snapshot.deliveredBytes = account.deliveredBytes.get();
    snapshot.waiting = account.waiting.get();
    snapshot.marked = account.marked.get();
    snapshot.delayed = account.delayed.get();
    snapshot.reordered = account.reordered.get();
    snapshot.corrupted = account.corrupted.get();
    held = account.travelling.get() + account.staged.get();
    readDrops(account.dropped, snapshot.dropped);
  });
  const auto addOffer = [&](const PathOffer& offer) {
    std::array<std::uint64_t, 4> read{};
    offer.sequence.read([&] {
      read = {offer.offered.get(), offer.refused.get(), offer.lostOnTheWay.get(), offer.handedOver.get()};
    });
    snapshot.offered += read[0];
    refused += read[1];
    lost += read[2];
    handedOver += read[3];
  };
  addOffer(account.offer);
  for (const PathOffer& offer : account.furtherOffers) addOffer(offer);
  snapshot.dropped[static_cast<std::size_t>(DropReason::Filter)] += refused;
  snapshot.dropped[static_cast<std::size_t>(DropReason::NoBuffer)] += lost;
  const std::uint64_t beingJudged = snapshot.offered - refused - lost - handedOver;
  snapshot.inFlight = beingJudged + (handedOver - admitted) + held;
  return snapshot;
}

PortSnapshot snapshotOf(Attachment& port) {
  PortSnapshot sum;
  port.eachQueue([&sum](const PortQueue& queue) {
    const PortCounters& counters = queue.counters;
    PortSnapshot part;
    counters.sequence.read([&] {
      part.receivedFrames = counters.receivedFrames.get();
      part.receivedBytes = counters.receivedBytes.get();
      part.transmittedFrames = counters.transmittedFrames.get();
      part.transmittedBytes = counters.transmittedBytes.get();
      readDrops(counters.dropped, part.dropped);
    });
    sum.receivedFrames += part.receivedFrames;
    sum.receivedBytes += part.receivedBytes;
    sum.transmittedFrames += part.transmittedFrames;
    sum.transmittedBytes += part.transmittedBytes;
    addDrops(sum.dropped, part.dropped);
  });
  for (const PathAccount& account : port.defaults) addTo(sum.defaults, snapshotOf(account));
  return sum;
}

}  // namespace etherloom
