// A path as the kernel's netem makes it: what `tc qdisc ... netem` would do to the same frames at the same
// instants, with the same draws. Called by the pipeline on the worker of the path's to-port.
//
// Theory of operation. The path runs the kernel's order of operations (Path::enterNetem); this class is the
// parts of it: the decisions, each of which draws what the kernel draws and no more, and the queue. Decisions
// draw from one Taus113 per path; what the kernel draws from its unseeded generator (where a correlation
// starts, which bit is corrupted, how long a slot is) comes from a stream of the path's own, so that a run
// can be repeated. Arithmetic is the kernel's, in integers, with its roundings.
//
// The queue is two: frames that were reordered leave first, the last of them before the others; all others by
// their time to send, ties as they came. After each frame that comes, and whenever it asked for it, the
// kernel tries to dequeue until nothing leaves. An attempt matters even when nothing leaves, because it may
// begin a new slot. wake_ is the instant of the next attempt, so due() is not always a departure.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>

#include "impairments/random.hpp"
#include "impairments/taus113.hpp"
#include "lines/delay_table.hpp"
#include "lines/held.hpp"
#include "lines/held_heap.hpp"
#include "lines/shaper.hpp"

namespace etherloom {

/// What the words of tc come to. Probabilities and correlations are of 2^32 - 1; tables live as long as the
/// engine.
struct NetemSettings {
  enum class Loss : std::uint8_t { Random, FourState, Gemodel };

  struct Slot {
    Duration least, most;     ///< without a table: a slot begins so long after the one before
    Duration delay;           ///< with a table
    std::int32_t jitter = 0;  ///< ns
    std::shared_ptr<const DelayTable> table{};
    std::int32_t packets = 0;  ///< that leave in a slot; 0: any number
    std::int32_t bytes = 0;

    [[nodiscard]] bool any() const { return least.nanoseconds != 0 || most.nanoseconds != 0 || jitter != 0; }
  };

  std::optional<std::uint64_t> seed;
  std::uint32_t limit = 1000;  ///< frames that may wait, whatever for

  Duration delay;
  std::int32_t jitter = 0;                    ///< ns
  std::shared_ptr<const DelayTable> table{};  ///< uniform without
  std::uint32_t delayCorrelation = 0;

  Loss loss = Loss::Random;
  std::uint32_t lossProbability = 0;  ///< Random
  std::uint32_t lossCorrelation = 0;
  std::uint32_t p13 = 0, p31 = 0, p32 = 0, p23 = 0, p14 = 0;  ///< FourState
  std::uint32_t p = 0, r = 0, h = 0, k1 = 0;                  ///< Gemodel; k1 is 1-k
  bool ecn = false;                                           ///< mark instead of losing, where possible

  std::uint32_t duplicate = 0, duplicateCorrelation = 0;
  std::uint32_t corrupt = 0, corruptCorrelation = 0;
  std::uint32_t reorder = 0, reorderCorrelation = 0;
  std::uint32_t gap = 0;  ///< 0: no reordering

  std::uint64_t rate = 0;  ///< bytes per second; 0: takes no time
  std::int32_t packetOverhead = 0;
  std::uint32_t cellSize = 0;  ///< 0: no cells
  std::int32_t cellOverhead = 0;

  Slot slot;
};

class Netem final : public Shaper {
 public:
  explicit Netem(std::uint64_t pathSeed) { reseed(pathSeed); }

  /// Starts both streams anew.
  void reseed(std::uint64_t pathSeed) noexcept;
  /// Starts anew as a qdisc that was just added, before its first frame. The queue must be empty. What
  /// comes now leaves no earlier than `notBefore`.
  void configure(const NetemSettings& settings, Instant notBefore) noexcept;

  // The decisions about a frame, in the order in which the kernel takes them.
  [[nodiscard]] bool duplicates(const NetemSettings& settings) noexcept;
  [[nodiscard]] bool loses(const NetemSettings& settings) noexcept;
  [[nodiscard]] bool corrupts(const NetemSettings& settings) noexcept;
  /// The bit to invert of so many bytes.
  [[nodiscard]] std::uint32_t corruptBit(std::uint32_t length) noexcept;
  [[nodiscard]] bool full(const NetemSettings& settings) const noexcept { return size_ >= settings.limit; }
  /// When a frame of this length that comes now is to be sent, and whether before everything that waits.
  struct Place {
    bool first;
    Instant at;
  };
  [[nodiscard]] Place place(const NetemSettings& settings, std::uint32_t length, Instant now) noexcept;

  /// True for a frame that the next attempt to dequeue, at `now`, would let go and that nothing waits with.
  [[nodiscard]] bool passes(const Place& place, Instant now) const noexcept {
    return size_ == 0 && !slotted_ && place.at <= now;
  }
  /// Takes a frame that is due, and foremost, as place() said.
  std::optional<Ending> offer(Held* held, Instant at) noexcept override;
  /// The attempts to dequeue that follow the arrival of a frame, whatever became of it, are due.
  void poke(Instant now) noexcept;

  /// When the next attempt to dequeue is; never if nothing waits.
  Instant due() const noexcept override { return std::max(wake_, notBefore_); }
  const Held* head() const noexcept override { return first_.empty() ? delayed_.top() : first_.front(); }
  /// Tries to dequeue at due().
  Outcome take() noexcept override;
  Outcome flush() noexcept override;

  std::size_t size() const noexcept override { return size_; }
  std::uint64_t waiting() const noexcept override { return size_; }
  std::uint64_t travelling() const noexcept override { return 0; }

 private:
  [[nodiscard]] std::uint32_t draw(std::uint32_t correlation, std::uint32_t& last) noexcept;
  [[nodiscard]] bool losesByState(const NetemSettings& settings) noexcept;
  [[nodiscard]] bool losesByGemodel(const NetemSettings& settings) noexcept;
  [[nodiscard]] bool opens(Instant now) noexcept;
  [[nodiscard]] Held* pop() noexcept;
  void nextSlot(Instant now) noexcept;

  Taus113 generator_;
  Random unseeded_;  // what the kernel leaves to chance

  std::uint32_t lastDelay_ = 0, lastLoss_ = 0, lastDuplicate_ = 0, lastReorder_ = 0, lastCorrupt_ = 0;
  std::uint8_t lossState_ = 0;
  std::uint32_t delayedSince_ = 0;  // frames delayed since the last that was reordered

  Chain<Held> first_;  // reordered, the last in front
  HeldHeap delayed_;   // by time to send
  Instant latest_;     // time to send of the last of those
  std::size_t size_ = 0;
  Instant wake_ = Instant::never();
  Instant notBefore_;

  NetemSettings::Slot slot_;  // a copy: what waits may outlive its policy
  bool slotted_ = false;
  Instant slotNext_;
  std::int64_t packetsLeft_ = 0, bytesLeft_ = 0;
};

}  // namespace etherloom
