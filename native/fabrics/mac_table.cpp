#include "fabrics/mac_table.hpp"

#include <algorithm>
#include <bit>
#include <new>
#include <random>

namespace etherloom {
namespace {

/// Odd and unpredictable: multiply-shift hashing (M. Dietzfelbinger, T. Hagerup, J. Katajainen, M. Penttonen,
/// "A reliable randomized algorithm for the closest-pair problem", Journal of Algorithms 25, 1997).
std::uint64_t randomMultiplier() {
  std::random_device device;
  return std::uint64_t{device()} << 32 | device() | 1;
}

}  // namespace

MacTable::MacTable(std::uint32_t size, Duration ageing)
    : ageing_(ageing),
      multiplier_(randomMultiplier()),
      chainCount_(std::bit_ceil(std::max<std::size_t>(size / 2, 2))),
      arena_(std::make_unique_for_overwrite<std::byte[]>(size * sizeof(Entry))),
      size_(size),
      ports_(std::make_unique_for_overwrite<Port[]>(portLimit)),
      byCount_(std::make_unique_for_overwrite<EqualsList[]>(std::size_t{size} + 1)) {
  shift_ = 64 - std::countr_zero(chainCount_);
  chains_ = std::make_unique<Chain[]>(chainCount_);
  // SAFETY: new aligns bytes for any fundamental alignment. An entry is constructed by takeRoom() before any
  // chain leads to it, and needs no destructor.
  entries_ = reinterpret_cast<Entry*>(arena_.get());
  byCount_[0] = EqualsList::nothing();
}

template <typename Visit>
void MacTable::walk(const Chain& chain, Visit&& visit) const noexcept {
  Index index = chain.first.load(std::memory_order_acquire);
  while (index != none && !visit(index)) index = entries_[index].next.load(std::memory_order_acquire);
}

std::optional<KnownAddress> MacTable::find(AddressKey address, Instant now) const noexcept {
  const Chain& chain = chainOf(address.value);
  std::optional<KnownAddress> known;
  chain.sequence.read([&] {
    known.reset();
    walk(chain, [&](Index index) {
      const Entry& entry = entries_[index];
      if (entry.address.load(std::memory_order_relaxed) != address.value) return false;
      known = {Seat{entry.port.load(std::memory_order_relaxed)}, entry.refreshedAt()};
      return true;
    });
  });
  if (known && !alive(known->refreshed, now)) known.reset();
  return known;
}

std::vector<AddressRow> MacTable::rows(Instant now) const {
  std::vector<AddressRow> rows;
  for (std::size_t at = 0; at < chainCount_; ++at) {
    const std::size_t before = rows.size();
    chains_[at].sequence.read([&] {
      rows.resize(before);
      walk(chains_[at], [&](Index index) {
        const Entry& entry = entries_[index];
        rows.push_back({{entry.address.load(std::memory_order_relaxed)},
                        Seat{entry.port.load(std::memory_order_relaxed)},
                        now - entry.refreshedAt()});
        return false;
      });
    });
  }
  std::erase_if(rows, [&](const AddressRow& row) { return row.age >= ageing_; });
  std::sort(rows.begin(), rows.end(),
            [](const AddressRow& a, const AddressRow& b) { return a.address.value < b.address.value; });
  return rows;
}

std::optional<Seat> MacTable::learn(const Learned& learned) noexcept {
  const auto port = static_cast<Index>(learned.seat);
  if (port >= portLimit) return {};
  while (portsUsed_ <= port) ports_[portsUsed_++] = {0, PortList::nothing(), {}};

  const Index index = locate(learned.address.value);
  if (index == none) {
    insert(takeRoom(port, learned.at), learned);
    return {};
  }

  Entry& entry = entries_[index];
  const Index before = entry.port.load(std::memory_order_relaxed);
  const bool moved = before != port && alive(entry.refreshedAt(), learned.at);
  leavePort(index);
  {
    Sequence::Update update(chainOf(learned.address.value).sequence);
    entry.refreshed.store(learned.at.nanoseconds, std::memory_order_relaxed);
    entry.port.store(port, std::memory_order_relaxed);
  }
  joinPort(index, port);
  all_.remove(entries_, index);
  all_.prepend(entries_, index);
  return moved ? std::optional(Seat{before}) : std::nullopt;
}

void MacTable::forget(Seat seat) noexcept {
  const auto port = static_cast<Index>(seat);
  if (port >= portsUsed_) return;
  while (!ports_[port].entries.empty()) erase(ports_[port].entries.first);
}

MacTable::Index MacTable::locate(std::uint64_t address) const noexcept {
  Index found = none;
  walk(chainOf(address), [&](Index index) {
    if (entries_[index].address.load(std::memory_order_relaxed) != address) return false;
    found = index;
    return true;
  });
  return found;
}

/// An entry for a new address of this port: free, fresh, or somebody's (see the theory of operation).
MacTable::Index MacTable::takeRoom(Index port, Instant now) noexcept {
  if (!all_.empty() && !alive(entries_[all_.last].refreshedAt(), now)) {
    erase(all_.last);
  } else if (free_ == none && used_ == size_) {
    const Index fullest = ports_[port].count == most_ ? port : byCount_[most_].first;
    erase(ports_[fullest].entries.last);
  }
  if (free_ == none) {
    new (&entries_[used_]) Entry;
    return used_++;
  }
  const Index index = free_;
  free_ = entries_[index].next.load(std::memory_order_relaxed);
  return index;
}

void MacTable::insert(Index index, const Learned& learned) noexcept {
  const auto port = static_cast<Index>(learned.seat);
  Chain& chain = chainOf(learned.address.value);
  Entry& entry = entries_[index];
  {
    Sequence::Update update(chain.sequence);
    entry.address.store(learned.address.value, std::memory_order_relaxed);
    entry.refreshed.store(learned.at.nanoseconds, std::memory_order_relaxed);
    entry.port.store(port, std::memory_order_relaxed);
    // A reader may still stand on it, from when it was in another chain: what it is led to is constructed.
    entry.next.store(chain.first.load(std::memory_order_relaxed), std::memory_order_release);
    chain.first.store(index, std::memory_order_release);
  }
  joinPort(index, port);
  all_.prepend(entries_, index);
}

/// Takes an entry out of its chain and its lists; it is free afterwards.
void MacTable::erase(Index index) noexcept {
  Entry& entry = entries_[index];
  Chain& chain = chainOf(entry.address.load(std::memory_order_relaxed));
  std::atomic<Index>* link = &chain.first;
  while (link->load(std::memory_order_relaxed) != index)
    link = &entries_[link->load(std::memory_order_relaxed)].next;
  {
    Sequence::Update update(chain.sequence);
    link->store(entry.next.load(std::memory_order_relaxed), std::memory_order_release);
    entry.next.store(free_, std::memory_order_release);
  }
  free_ = index;
  leavePort(index);
  all_.remove(entries_, index);
}

void MacTable::joinPort(Index index, Index port) noexcept {
  ports_[port].entries.prepend(entries_, index);
  setCount(port, ports_[port].count + 1);
}

void MacTable::leavePort(Index index) noexcept {
  const Index port = entries_[index].port.load(std::memory_order_relaxed);
  ports_[port].entries.remove(entries_, index);
  setCount(port, ports_[port].count - 1);
}

/// Moves a port to the list of its new count, one more or one less than before.
void MacTable::setCount(Index port, std::uint32_t count) noexcept {
  Port& changed = ports_[port];
  if (changed.count > 0) byCount_[changed.count].remove(ports_.get(), port);
  changed.count = count;
  if (count > most_) {
    most_ = count;
    byCount_[most_] = EqualsList::nothing();
  }
  if (count > 0) byCount_[count].prepend(ports_.get(), port);
  if (most_ > 0 && byCount_[most_].empty()) --most_;
}

}  // namespace etherloom
