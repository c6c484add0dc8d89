// Frames in the order in which they leave, whatever the order in which they came: a pairing heap (Fredman,
// Sedgewick, Sleator, Tarjan, Algorithmica 1, 1986), linked through the frames themselves. Insertion O(1),
// removal O(log n) amortised. Used by what holds frames of a path, on the worker of its to-port.
#pragma once

#include "lines/held.hpp"

namespace etherloom {

class HeldHeap {
 public:
  void push(Held* held) noexcept;
  /// The frame that leaves first; nullptr if there is none.
  [[nodiscard]] Held* top() const noexcept { return root_; }
  /// Takes out the frame that leaves first, which there must be.
  Held* pop() noexcept;
  [[nodiscard]] bool empty() const noexcept { return !root_; }

 private:
  Held* root_ = nullptr;
};

}  // namespace etherloom
