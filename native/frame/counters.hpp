// Counters that one worker writes and anybody reads, without either waiting for the other.
//
// Theory of operation. A block of counters has one writer. The writer brackets each group of changes with an
// Update, which makes the block's sequence odd; a reader copies the block and starts again if the sequence
// was odd or moved. Every word is a relaxed atomic, so a torn read is impossible and the writer pays plain
// loads and stores.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "frame/drop.hpp"

namespace etherloom {

class Counter {
 public:
  void add(std::uint64_t amount) noexcept { set(get() + amount); }
  void subtract(std::uint64_t amount) noexcept { set(get() - amount); }
  void set(std::uint64_t value) noexcept { value_.store(value, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t get() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

class Drops {
 public:
  void add(DropReason reason, std::uint64_t frames) noexcept {
    counters_[static_cast<std::size_t>(reason)].add(frames);
  }
  [[nodiscard]] std::uint64_t get(std::size_t reason) const noexcept { return counters_[reason].get(); }

 private:
  std::array<Counter, dropReasonCount> counters_;
};

/// The sequence of one block of counters.
class Sequence {
 public:
  /// Brackets a group of changes by the block's one writer. Nests: only the outermost counts.
  class Update {
   public:
    explicit Update(Sequence& sequence) noexcept : sequence_(sequence) {
      if (sequence_.depth_++ == 0) sequence_.begin();
    }
    ~Update() {
      if (--sequence_.depth_ == 0) sequence_.end();
    }
    Update(const Update&) = delete;
    Update& operator=(const Update&) = delete;

   private:
    Sequence& sequence_;
  };

  /// Calls `copy` until it ran beside no change.
  template <typename Copy>
  void read(Copy&& copy) const {
    for (;;) {
      const std::uint32_t before = value_.load(std::memory_order_acquire);
      copy();
      std::atomic_thread_fence(std::memory_order_acquire);
      if ((before & 1) == 0 && value_.load(std::memory_order_relaxed) == before) return;
    }
  }

 private:
  void begin() noexcept {
    value_.store(value_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_release);
  }
  void end() noexcept { value_.store(value_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }

  std::atomic<std::uint32_t> value_{0};
  std::uint32_t depth_ = 0;  // the writer's own
};

/// What one port, or a further inlet of one, counts. A super-frame counts as the wire frames it stands for,
/// here and below. Writer: its worker.
struct PortCounters {
  Sequence sequence;
  Counter receivedFrames, receivedBytes, transmittedFrames, transmittedBytes;
  Drops dropped;
};

/// What one path counts on the side of one inlet of its from-port. Writer: that inlet's worker.
struct PathOffer {
  Sequence sequence;
  /// Refused by the filter; lost for want of a buffer; lost for want of room in the other worker's ring;
  /// handed over.
  Counter offered, refused, lostOnTheWay, crowdedOut, handedOver;
};

/// What one path counts. Beside the offers, on the side of its to-port; writer: that port's worker.
/// admitted + duplicated = delivered + dropped + waiting + travelling + staged, always.
struct PathAccount {
  struct alignas(64) FurtherOffer : PathOffer {};

  PathOffer offer;  ///< by the from-port's first inlet
  /// By its others, from before any is counted; nullptr where it has none.
  std::unique_ptr<std::vector<FurtherOffer>> furtherOffers;
  void addOffers(std::size_t inlets) {
    if (inlets != 0) furtherOffers = std::make_unique<std::vector<FurtherOffer>>(inlets);
  }
  [[nodiscard]] PathOffer& offerOf(unsigned inlet) {
    return inlet == 0 ? offer : (*furtherOffers)[inlet - 1];
  }

  alignas(64) Sequence sequence;
  Counter admitted, duplicated, delivered, deliveredBytes, waiting, travelling, staged;
  Counter marked;  ///< frames in which congestion was marked instead of dropping them
  /// What happened to frames besides: held back by line or travel, overtaken by a later one (RFC 4737),
  /// edited.
  Counter delayed, reordered, corrupted;
  Drops dropped;
};

}  // namespace etherloom
