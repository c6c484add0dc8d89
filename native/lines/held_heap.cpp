#include "lines/held_heap.hpp"

#include <utility>

namespace etherloom {
namespace {

/// Joins two heaps: the later root becomes the first child of the earlier. Either may be empty.
Held* meld(Held* a, Held* b) {
  if (!a) return b;
  if (!b) return a;
  if (leavesBefore(*b, *a)) std::swap(a, b);
  b->sibling = a->child;
  a->child = b;
  return a;
}

/// One heap from the children of a removed root: melded in pairs from the left, the pairs from the right.
Held* meldSiblings(Held* first) {
  Held* pairs = nullptr;
  while (first) {
    Held* second = first->sibling;
    Held* rest = second ? second->sibling : nullptr;
    first->sibling = nullptr;
    if (second) second->sibling = nullptr;
    Held* pair = meld(first, second);
    pair->sibling = pairs;
    pairs = pair;
    first = rest;
  }
  Held* root = nullptr;
  while (pairs) {
    Held* rest = std::exchange(pairs->sibling, nullptr);
    root = meld(root, pairs);
    pairs = rest;
  }
  return root;
}

}  // namespace

void HeldHeap::push(Held* held) noexcept { root_ = meld(root_, held); }

Held* HeldHeap::pop() noexcept {
  Held* held = std::exchange(root_, meldSiblings(root_->child));
  held->child = nullptr;
  held->sibling = nullptr;
  return held;
}

}  // namespace etherloom
