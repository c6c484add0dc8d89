#include "runtime/snapshots.hpp"

#include <algorithm>
#include <bit>
#include <functional>

namespace etherloom {
namespace {

void readDrops(const Drops& drops, std::array<std::uint64_t, dropReasonCount>& into) {
  for (std::size_t reason = 0; reason < dropReasonCount; ++reason) into[reason] = drops.get(reason);
}

template <typename Snapshot>
void addTo(Snapshot& sum, const Snapshot& part) {
  using Words = std::array<std::uint64_t, sizeof(Snapshot) / sizeof(std::uint64_t)>;
  auto words = std::bit_cast<Words>(sum);
  const auto more = std::bit_cast<Words>(part);
  std::transform(words.begin(), words.end(), more.begin(), words.begin(), std::plus());
  sum = std::bit_cast<Snapshot>(words);
}

}  // namespace

// The to-side is read first: what it has admitted was handed over before, so the difference is never
// negative.
PathSnapshot snapshotOf(const PathAccount& account) {
  PathSnapshot snapshot;
  std::uint64_t admitted = 0, held = 0, handedOver = 0, refused = 0, lost = 0, crowded = 0;
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
    std::array<std::uint64_t, 5> read{};
    offer.sequence.read([&] {
      read = {offer.offered.get(), offer.refused.get(), offer.lostOnTheWay.get(), offer.crowdedOut.get(),
              offer.handedOver.get()};
    });
    snapshot.offered += read[0];
    refused += read[1];
    lost += read[2];
    crowded += read[3];
    handedOver += read[4];
  };
  addOffer(account.offer);
  if (account.furtherOffers) {
    for (const PathOffer& offer : *account.furtherOffers) addOffer(offer);
  }
  snapshot.dropped[static_cast<std::size_t>(DropReason::Filter)] += refused;
  snapshot.dropped[static_cast<std::size_t>(DropReason::NoBuffer)] += lost;
  snapshot.dropped[static_cast<std::size_t>(DropReason::WorkerFull)] += crowded;
  const std::uint64_t beingJudged = snapshot.offered - refused - lost - crowded - handedOver;
  snapshot.inFlight = beingJudged + (handedOver - admitted) + held;
  return snapshot;
}

PortSnapshot snapshotOf(Attachment& port) {
  PortSnapshot sum;
  port.eachInlet([&sum](const Inlet& inlet) {
    const PortCounters& counters = inlet.counters;
    PortSnapshot part;
    counters.sequence.read([&] {
      part.receivedFrames = counters.receivedFrames.get();
      part.receivedBytes = counters.receivedBytes.get();
      part.transmittedFrames = counters.transmittedFrames.get();
      part.transmittedBytes = counters.transmittedBytes.get();
      readDrops(counters.dropped, part.dropped);
    });
    addTo(sum, part);
  });
  for (const PathAccount& account : port.defaults) addTo(sum.defaults, snapshotOf(account));
  return sum;
}

}  // namespace etherloom
