// Which path has something due next: one 4-ary heap per worker, of the paths that hold frames.
// A path knows its place, so its key can change in place. An idle path is not in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "os/clock.hpp"

namespace etherloom {

/// `Node` offers `Instant due() const`, `bool before(const Node&) const` (a total order that starts with due)
/// and a `std::uint32_t place` that belongs to the heap.
template <typename Node>
class Departures {
 public:
  static constexpr std::uint32_t nowhere = ~std::uint32_t{0};

  [[nodiscard]] Instant next() const { return nodes_.empty() ? Instant::never() : nodes_.front()->due(); }
  [[nodiscard]] Node* top() const { return nodes_.empty() ? nullptr : nodes_.front(); }

  /// Puts the node where its key belongs; takes it out when it has nothing due. Set-up reserves the room.
  void update(Node& node) noexcept {
    const bool inside = node.place != nowhere;
    if (node.due() == Instant::never()) {
      if (inside) remove(node);
    } else if (inside) {
      sink(rise(node.place));
    } else {
      nodes_.push_back(&node);
      node.place = static_cast<std::uint32_t>(nodes_.size() - 1);
      rise(node.place);
    }
  }
  /// Room for this many nodes, so that update() never allocates. Before the node can hold frames.
  void reserve(std::size_t nodes) { nodes_.reserve(nodes); }

 private:
  void remove(Node& node) noexcept {
    const std::size_t at = node.place;
    Node* last = nodes_.back();
    nodes_.pop_back();
    node.place = nowhere;
    if (last == &node) return;
    put(last, at);
    sink(rise(at));
  }
  std::size_t rise(std::size_t at) noexcept {
    Node* node = nodes_[at];
    while (at > 0) {
      const std::size_t parent = (at - 1) / 4;
      if (!node->before(*nodes_[parent])) break;
      put(nodes_[parent], at);
      at = parent;
    }
    put(node, at);
    return at;
  }
  void sink(std::size_t at) noexcept {
    Node* node = nodes_[at];
    for (;;) {
      const std::size_t first = at * 4 + 1;
      if (first >= nodes_.size()) break;
      std::size_t least = first;
      for (std::size_t child = first + 1; child < first + 4 && child < nodes_.size(); ++child) {
        if (nodes_[child]->before(*nodes_[least])) least = child;
      }
      if (!nodes_[least]->before(*node)) break;
      put(nodes_[least], at);
      at = least;
    }
    put(node, at);
  }
  void put(Node* node, std::size_t at) noexcept {
    nodes_[at] = node;
    node->place = static_cast<std::uint32_t>(at);
  }

  std::vector<Node*> nodes_;
};

}  // namespace etherloom
