// The last part of a path: frames on their way, each until its departure.
// Called by the pipeline on the worker of the path's to-port.
//
// Theory of operation. A frame that may not overtake is due no earlier than every frame before it, so a list
// keeps them in order for nothing. Frames that may overtake go into a heap. What leaves next is the earlier
// of the two heads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "impairments/chance.hpp"
#include "impairments/impairment.hpp"
#include "lines/delay_table.hpp"
#include "lines/held.hpp"
#include "lines/held_heap.hpp"

namespace etherloom {

struct TravelSettings {
  Duration delay;
  Duration jitter;  ///< not negative; half the width of a uniform distribution, else the sigma of `table`
  Chance reorder;   ///< of skipping the delay; if that is possible, frames may overtake each other
  std::uint64_t gap = 1;                      ///< at least gap - 1 frames are delayed before one may skip
  std::shared_ptr<const DelayTable> table{};  ///< the distribution's shape; none is uniform
  double correlation = 0;                     ///< of successive jitters, see jitterOf(); in [0, 1)

  bool operator==(const TravelSettings&) const = default;
};

class Travel {
 public:
  /// Sets out at `at`. With jitter, every frame draws it once, whether or not it skips the delay.
  void setOut(Held* held, const TravelSettings& settings, Instant at, StageState& jitter,
              StageState& reorder) noexcept;

  /// Takes a frame that leaves the path at `due`, behind all that it has already.
  void follow(Held* held, Instant due) noexcept;
  /// The departure of the last of all frames so far; long ago where there were none.
  [[nodiscard]] Instant latest() const noexcept { return latest_; }
  /// Takes a frame that leaves the path at `due`, whatever else travels.
  void overtake(Held* held, Instant due) noexcept;

  /// When the next frame leaves; never if none is on its way.
  [[nodiscard]] Instant due() const noexcept;
  /// The frame that leaves next, or nullptr.
  [[nodiscard]] const Held* head() const noexcept;
  /// Takes out the frame that leaves next, which there must be.
  [[nodiscard]] Held* take() noexcept;

  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  /// What travels, in frames of this process.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// What travels, in wire frames.
  [[nodiscard]] std::uint64_t segments() const noexcept { return segments_; }

 private:
  void count(const Held& held) noexcept;

  Chain<Held> inOrder_;
  HeldHeap overtaking_;
  Instant latest_ = Instant::longAgo();  // departure of the last of all frames so far
  std::size_t size_ = 0;
  std::uint64_t segments_ = 0;
};

}  // namespace etherloom
