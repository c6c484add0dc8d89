// The addresses a switch knows: VLAN + MAC → port. Written by the fabric's home worker, read by any thread at
// once.
//
// Theory of operation. Entries lie in one array and hang in hash chains. Each chain has a sequence: the
// writer brackets every change of a chain with an Update, and a reader whose chain changed meanwhile walks it
// again. A reader can be led into another chain, by an entry that is being reused; then its own chain's
// sequence has moved, and what it found does not count. Every chain ends at every moment, so no walk circles.
//
// The writer keeps each entry in two lists, most recently refreshed first: of all entries, and of its port's.
// Ports with equally many entries share a list; a port's count changes by one at a time, so the highest count
// in use is always at most one step away. A new address takes the room of the entry that was refreshed
// longest ago, if that has expired; else free room; else that of the longest unrefreshed entry of the port
// that has most. A port that floods the table with addresses therefore ends up evicting its own.
//
// Cost. Reading: a walk of one chain, no store to shared memory. Writing: a constant number of list
// operations and a walk. A full table has at most two entries to a chain on average; nobody outside can make
// chains long, because the hash has a random multiplier. forget() costs its port's entries, rows() the table.
// Nothing is allocated after construction, and memory other than the heads of chains is touched only when it
// is first used.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "fabrics/fabric.hpp"
#include "fabrics/index_list.hpp"
#include "frame/counters.hpp"

namespace etherloom {

struct KnownAddress {
  Seat seat{};
  Instant refreshed;
};

class MacTable {
 public:
  static constexpr std::uint32_t portLimit = 65'536;

  /// `size` is 1 to 2^31; an entry is known until `ageing` has passed since it was refreshed.
  MacTable(std::uint32_t size, Duration ageing);

  /// Any thread.
  [[nodiscard]] std::optional<KnownAddress> find(AddressKey address, Instant now) const noexcept;
  /// Any thread. In the order of VLANs, then addresses.
  [[nodiscard]] std::vector<AddressRow> rows(Instant now) const;

  /// Writer only. Returns the port that the address was known on, if that was another. Seats from portLimit
  /// on are not learned.
  std::optional<Seat> learn(const Learned& learned) noexcept;
  /// Writer only. Removes what was learned from this port.
  void forget(Seat seat) noexcept;

 private:
  using Index = std::uint32_t;
  static constexpr Index none = ~Index{0};

  struct Entry {
    // For readers, under the sequence of the chain.
    std::atomic<std::uint64_t> address{0};
    std::atomic<std::int64_t> refreshed{0};
    std::atomic<Index> port{0};
    std::atomic<Index> next{none};  // in the chain, or in the free list
    // The writer's own.
    IndexLinks inTable{};
    IndexLinks onPort{};

    [[nodiscard]] Instant refreshedAt() const { return {refreshed.load(std::memory_order_relaxed)}; }
  };
  using TableList = IndexList<Entry, &Entry::inTable>;
  using PortList = IndexList<Entry, &Entry::onPort>;

  struct Port {
    std::uint32_t count;
    PortList entries;
    IndexLinks amongEquals;
  };
  using EqualsList = IndexList<Port, &Port::amongEquals>;

  struct Chain {
    Sequence sequence;
    std::atomic<Index> first{none};
  };

  [[nodiscard]] bool alive(Instant refreshed, Instant now) const noexcept {
    return now - refreshed < ageing_;
  }
  [[nodiscard]] Chain& chainOf(std::uint64_t address) const noexcept {
    return chains_[address * multiplier_ >> shift_];
  }
  /// Calls visit(index) along a chain until it returns true.
  template <typename Visit>
  void walk(const Chain& chain, Visit&& visit) const noexcept;
  [[nodiscard]] Index locate(std::uint64_t address) const noexcept;

  [[nodiscard]] Index takeRoom(Index port, Instant now) noexcept;
  void insert(Index index, const Learned& learned) noexcept;
  void erase(Index index) noexcept;
  void joinPort(Index index, Index port) noexcept;
  void leavePort(Index index) noexcept;
  void setCount(Index port, std::uint32_t count) noexcept;

  Duration ageing_;
  std::uint64_t multiplier_;
  int shift_;
  std::unique_ptr<Chain[]> chains_;
  std::size_t chainCount_;

  std::unique_ptr<std::byte[]> arena_;
  Entry* entries_;  // in the arena: `size_` of them, of which the first `used_` exist
  std::uint32_t size_;
  std::uint32_t used_ = 0;
  Index free_ = none;
  TableList all_ = TableList::nothing();

  std::unique_ptr<Port[]> ports_;  // by seat, of which the first `portsUsed_` are initialised
  std::uint32_t portsUsed_ = 0;
  std::unique_ptr<EqualsList[]> byCount_;  // ports by their count; initialised up to the highest `most_` ever
  std::uint32_t most_ = 0;                 // the highest count of any port
};

}  // namespace etherloom
