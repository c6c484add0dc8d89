#include "fabrics/switch.hpp"

#include <algorithm>

#include "frame/ethernet.hpp"

namespace etherloom {
namespace {

/// So a steady flow costs the home worker one entry a second, and a short ageing time is kept alive all the
/// same.
Duration refreshInterval(Duration ageing) {
  return std::min(Duration{1'000'000'000}, Duration{ageing.nanoseconds / 4});
}

}  // namespace

Switch::Switch(const SwitchSettings& settings)
    : forwardReserved_(settings.forwardReserved),
      refreshAfter_(refreshInterval(settings.ageing)),
      table_(settings.addresses, settings.ageing) {}

void Switch::decide(Seat from, std::span<Frame* const> frames, std::span<const std::uint16_t> vlans,
                    Instant now, std::span<Verdict> verdicts, LearnLog& log) const noexcept {
  for (std::size_t index = 0; index < frames.size(); ++index) {
    const Frame& frame = *frames[index];
    const std::uint16_t vlan = vlans.empty() ? vlanOf(frame) : vlans[index];
    const std::uint64_t source = sourceOf(frame);
    const AddressKey sourceKey = AddressKey::of(source, vlan);
    if (!isGroup(source) && worthLearning(sourceKey, from, now)) log.add({sourceKey, from, now});
    verdicts[index] = route(destinationOf(frame), vlan, from, now);
  }
}

bool Switch::worthLearning(AddressKey source, Seat from, Instant now) const noexcept {
  const std::optional<KnownAddress> known = table_.find(source, now);
  return !known || known->seat != from || now - known->refreshed > refreshAfter_;
}

Verdict Switch::route(std::uint64_t destination, std::uint16_t vlan, Seat from, Instant now) const noexcept {
  if (isReserved(destination) && !forwardReserved_) return Verdict::drop(DropReason::Reserved);
  if (isGroup(destination)) return Verdict::flood();
  const std::optional<KnownAddress> known = table_.find(AddressKey::of(destination, vlan), now);
  if (!known) return Verdict::flood();
  return known->seat == from ? Verdict::drop(DropReason::NotForUs) : Verdict::to(known->seat);
}

void Switch::learn(std::span<const Learned> log, const std::function<void(const AddressMove&)>& moved) {
  for (const Learned& learned : log) {
    const std::optional<Seat> before = table_.learn(learned);
    if (!before) continue;
    const Flapping::News news = flapping_.moved(learned.address, learned.at);
    if (news != Flapping::News::None)
      moved({learned.address, *before, learned.seat, news == Flapping::News::Flaps});
  }
}

}  // namespace etherloom
