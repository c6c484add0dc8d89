#include "lines/netem.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace etherloom {
namespace {

constexpr std::int64_t unlimited = std::numeric_limits<std::int32_t>::max();
/// Nothing leaves later than this, 146 years from the clock's origin.
constexpr std::int64_t horizon = std::numeric_limits<std::int64_t>::max() / 2;

/// The states of the 4-state model, and of Gilbert-Elliott's. Both begin in 0.
enum State : std::uint8_t { GapReceived = 0, BurstReceived, BurstLost, GapLost };
enum Gilbert : std::uint8_t { Good = 0, Bad };

/// A delay from a draw: `sigma` to either side of `mu`, or in the shape of the table.
std::int64_t shapedDelay(std::int64_t mu, std::int32_t sigma, const DelayTable* table, std::uint32_t drawn) {
  if (!table) return mu - sigma + drawn % (2 * static_cast<std::uint32_t>(sigma));
  return mu + table->deviation({sigma}, drawn % table->values.size()).nanoseconds;
}

/// How long so many bytes take, rounded down; the settings' ranges keep it within 64 bits.
std::int64_t serviceTime(const NetemSettings& settings, std::uint32_t length) {
  auto bytes =
      static_cast<std::uint64_t>(std::max<std::int64_t>(0, length + std::int64_t{settings.packetOverhead}));
  if (settings.cellSize != 0) {
    const std::uint64_t cells = (bytes + settings.cellSize - 1) / settings.cellSize;
    bytes = cells * static_cast<std::uint64_t>(settings.cellSize + std::int64_t{settings.cellOverhead});
  }
  return static_cast<std::int64_t>(
      std::min<std::uint64_t>(bytes * nanosecondsPerSecond / settings.rate, horizon));
}

}  // namespace

void Netem::reseed(std::uint64_t pathSeed) noexcept {
  generator_ = Taus113(deriveSeed(pathSeed, "netem", "seeded"));
  unseeded_ = Random(deriveSeed(pathSeed, "netem", "unseeded"));
}

void Netem::configure(const NetemSettings& settings, Instant notBefore) noexcept {
  if (settings.seed) generator_ = Taus113(*settings.seed);
  for (std::uint32_t* last : {&lastDelay_, &lastLoss_, &lastDuplicate_, &lastReorder_, &lastCorrupt_}) {
    *last = static_cast<std::uint32_t>(unseeded_.next() >> 32);
  }
  lossState_ = 0;
  delayedSince_ = 0;
  notBefore_ = notBefore;
  slot_ = settings.slot;
  slotted_ = slot_.any();
  slotNext_ = Instant::longAgo();
}

bool Netem::duplicates(const NetemSettings& settings) noexcept {
  return settings.duplicate != 0 && settings.duplicate >= draw(settings.duplicateCorrelation, lastDuplicate_);
}

bool Netem::loses(const NetemSettings& settings) noexcept {
  switch (settings.loss) {
    case NetemSettings::Loss::Random:
      return settings.lossProbability != 0 &&
             settings.lossProbability >= draw(settings.lossCorrelation, lastLoss_);
    case NetemSettings::Loss::FourState:
      return losesByState(settings);
    case NetemSettings::Loss::Gemodel:
      return losesByGemodel(settings);
  }
  return false;
}

bool Netem::losesByState(const NetemSettings& settings) noexcept {
  const std::uint32_t drawn = generator_.next();
  const auto go = [&](State state) {
    lossState_ = state;
    return state == BurstLost || state == GapLost;
  };
  switch (lossState_) {
    case GapReceived:
      if (drawn < settings.p14) return go(GapLost);
      return go(drawn < settings.p13 + settings.p14 ? BurstLost : GapReceived);
    case BurstReceived:
      return go(drawn < settings.p23 ? BurstLost : BurstReceived);
    case BurstLost:
      if (drawn < settings.p32) return go(BurstReceived);
      return go(drawn < settings.p31 + settings.p32 ? GapReceived : BurstLost);
    default:
      return go(GapReceived);
  }
}

// The state before the transition decides.
bool Netem::losesByGemodel(const NetemSettings& settings) noexcept {
  if (lossState_ == Good) {
    if (generator_.next() < settings.p) lossState_ = Bad;
    return generator_.next() < settings.k1;
  }
  if (generator_.next() < settings.r) lossState_ = Good;
  return generator_.next() > settings.h;
}

bool Netem::corrupts(const NetemSettings& settings) noexcept {
  return settings.corrupt != 0 && settings.corrupt >= draw(settings.corruptCorrelation, lastCorrupt_);
}

std::uint32_t Netem::corruptBit(std::uint32_t length) noexcept {
  return static_cast<std::uint32_t>(unseeded_.below(std::uint64_t{length} * 8));
}

Netem::Place Netem::place(const NetemSettings& settings, std::uint32_t length, Instant now) noexcept {
  const bool delays = settings.gap == 0 || delayedSince_ < settings.gap - 1 ||
                      settings.reorder < draw(settings.reorderCorrelation, lastReorder_);
  if (!delays) {
    delayedSince_ = 0;
    return {true, now};
  }
  ++delayedSince_;
  std::int64_t delay = settings.delay.nanoseconds;
  if (settings.jitter != 0) {
    const std::uint32_t drawn = draw(settings.delayCorrelation, lastDelay_);
    delay = shapedDelay(delay, settings.jitter, settings.table.get(), drawn);
  }
  Instant from = now;
  if (settings.rate != 0) {
    // Behind whatever leaves last; the configured delay is what is left of it by then.
    Instant last = Instant::longAgo();
    if (const Held* first = first_.back()) last = first->due;
    if (!delayed_.empty()) last = std::max(last, latest_);
    if (notBefore_ > now) last = std::max(last, notBefore_);
    if (last != Instant::longAgo()) {
      delay = std::max<std::int64_t>(0, delay - (last - now).nanoseconds);
      from = last;
    }
    delay += serviceTime(settings, length);
  }
  return {false, {std::min(from.nanoseconds + std::min(delay, horizon), horizon)}};
}

std::optional<Ending> Netem::offer(Held* held, Instant) noexcept {
  ++size_;
  if (held->foremost) {
    first_.pushFront(*held);
  } else {
    latest_ = delayed_.empty() ? held->due : std::max(latest_, held->due);
    delayed_.push(held);
  }
  return {};
}

Outcome Netem::take() noexcept {
  const Instant now = due();
  if (first_.empty() && !opens(now)) return {};
  Held* held = pop();
  poke(now);
  return {held, {}};
}

/// Whether the first of the delayed frames may leave. Begins slots, and takes the frame from their budgets.
bool Netem::opens(Instant now) noexcept {
  if (delayed_.empty()) return false;
  const Held& head = *delayed_.top();
  if (slotted_ && slotNext_ < head.due) nextSlot(now);
  if (head.due > now || (slotted_ && slotNext_ > now)) {
    wake_ = slotted_ ? std::max(head.due, slotNext_) : head.due;
    return false;
  }
  if (slotted_) {
    bytesLeft_ -= head.frame->length;
    if (--packetsLeft_ <= 0 || bytesLeft_ <= 0) nextSlot(now);
  }
  return true;
}

// Without slots an attempt that lets nothing go changes nothing, and may be left out.
void Netem::poke(Instant now) noexcept {
  if (size_ == 0) return;
  wake_ = slotted_ || !first_.empty() ? now : std::max(now, delayed_.top()->due);
}

Outcome Netem::flush() noexcept {
  if (size_ == 0) return {};
  return {pop(), Ending{DropReason::Flush, "netem"}};
}

Held* Netem::pop() noexcept {
  Held* held = first_.empty() ? delayed_.pop() : first_.pop();
  if (--size_ == 0) wake_ = Instant::never();
  return held;
}

/// A value for a decision: uniform, or an average of that and the one before it.
std::uint32_t Netem::draw(std::uint32_t correlation, std::uint32_t& last) noexcept {
  const std::uint64_t drawn = generator_.next();
  if (correlation == 0) return static_cast<std::uint32_t>(drawn);
  const std::uint64_t weight = std::uint64_t{correlation} + 1;
  return last =
             static_cast<std::uint32_t>((drawn * ((std::uint64_t{1} << 32) - weight) + last * weight) >> 32);
}

void Netem::nextSlot(Instant now) noexcept {
  std::int64_t wait = 0;
  if (slot_.table) {
    wait = slot_.delay.nanoseconds;
    if (slot_.jitter != 0) wait = shapedDelay(wait, slot_.jitter, slot_.table.get(), generator_.next());
  } else {
    const std::uint64_t spread = static_cast<std::uint64_t>((slot_.most - slot_.least).nanoseconds);
    const auto extra = static_cast<unsigned __int128>(unseeded_.next() >> 32) * spread >> 32;
    wait = slot_.least.nanoseconds + static_cast<std::int64_t>(extra);
  }
  slotNext_ = {std::min(now.nanoseconds + wait, horizon)};
  packetsLeft_ = slot_.packets == 0 ? unlimited : slot_.packets;
  bytesLeft_ = slot_.bytes == 0 ? unlimited : slot_.bytes;
}

}  // namespace etherloom
