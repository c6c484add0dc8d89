// A frame that a path or the delay of its to-port keeps: waiting for its line, on it, or travelling. The
// places come from a slab per worker. Called by lines, travels and the pipeline, on the worker of the
// to-port.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <tuple>

#include "frame/chain.hpp"
#include "frame/counters.hpp"
#include "frame/pool.hpp"

namespace etherloom {

/// What a path knows of a wire frame in its hands: which one it is, and what has happened to it.
struct FrameNote {
  std::uint64_t index = 0;    ///< its number on the path, from 0; of a train, that of its first frame
  std::uint32_t copies = 1;   ///< how many copies of it leave
  std::uint32_t copy = 0;     ///< which of these copies this is, from 0
  std::uint32_t flipped = 0;  ///< 1 + the bit that was flipped; 0 for none
};

/// One copy of a frame on one path. On a line it is always a wire frame; a super-frame may travel. Whoever
/// has the Held owns one reference to the frame.
struct Held : Chain<Held>::Link {
  Frame* frame = nullptr;
  Held* sibling = nullptr;  ///< in a HeldHeap
  Held* child = nullptr;    ///< in a HeldHeap, the first child
  Instant due;              ///< on the line, when its service ends; travelling, when it leaves the path
  Instant queued;           ///< when the line took it
  std::uint64_t rank = 0;   ///< in a replay, its place in the log among those that are due with it
  PathAccount* account = nullptr;  ///< in the delay of a port, where it counts
  FrameNote note;
  bool marked = false;    ///< the line's discipline wants congestion marked in it
  bool foremost = false;  ///< in netem: was reordered, so it goes before all that waits
  bool stuck = false;     ///< waited for a trace that had stopped for good, when its line was taken away
};

/// The order of frames that leave at the same time: one that no schedule of threads can change.
inline bool cameBefore(const Held& a, const Held& b) {
  const auto key = [](const Held& held) {
    return std::tuple(held.frame->arrival, held.frame->from, held.frame->number, held.frame->segment,
                      held.note.copy);
  };
  return key(a) < key(b);
}

/// The order in which frames leave one path: by time, then as a log says or as they came.
inline bool leavesBefore(const Held& a, const Held& b) {
  if (a.due != b.due) return a.due < b.due;
  return a.rank != b.rank ? a.rank < b.rank : cameBefore(a, b);
}

/// The places of one worker. Address space at creation, pages with use; nothing is allocated later.
class HeldPool {
 public:
  /// A worker has so many places for each buffer. So a flood to as many paths with delays, whose copies share
  /// one buffer, finds places for all copies.
  static constexpr std::size_t copiesPerFrame = 16;

  explicit HeldPool(std::size_t size)
      : arena_(std::make_unique_for_overwrite<std::byte[]>(size * sizeof(Held))), size_(size) {}

  /// A place with nothing in it; nullptr when all are in use.
  [[nodiscard]] Held* acquire() noexcept {
    // SAFETY: new aligns bytes for any fundamental alignment, and places never used before are disjoint.
    void* place = free_.pop();
    if (!place) {
      if (used_ == size_) return nullptr;
      place = arena_.get() + used_++ * sizeof(Held);
    }
    ++outstanding_;
    return new (place) Held;
  }

  void release(Held* held) noexcept {
    free_.pushFront(*held);
    --outstanding_;
  }

  /// Whether a keeper that has `own` frames already may keep this one, too. Nobody may have more places, or
  /// more buffers, than are left for all others.
  [[nodiscard]] bool hasShare(std::size_t own, const Frame& frame) const noexcept {
    return own <= std::min(size_ - outstanding_, FramePool::unheld(frame));
  }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t outstanding() const noexcept { return outstanding_; }

 private:
  std::unique_ptr<std::byte[]> arena_;
  std::size_t size_;
  std::size_t used_ = 0;  // places that were in use at any time
  std::size_t outstanding_ = 0;
  Chain<Held> free_;
};

}  // namespace etherloom
