// Doubly linked lists of array elements, by index. Called by the MAC table's writer.
#pragma once

#include <cstdint>

namespace etherloom {

struct IndexLinks {
  std::uint32_t before, after;
};

/// A list through the member `links` of the elements it names. Left uninitialised by design, so that arrays
/// of lists touch no memory until they are used: assign nothing() first.
template <typename Node, IndexLinks Node::*links>
struct IndexList {
  static constexpr std::uint32_t none = ~std::uint32_t{0};

  std::uint32_t first, last;

  static constexpr IndexList nothing() { return {none, none}; }
  [[nodiscard]] bool empty() const { return first == none; }

  void prepend(Node* nodes, std::uint32_t index) {
    nodes[index].*links = {none, first};
    (first == none ? last : (nodes[first].*links).before) = index;
    first = index;
  }

  void remove(Node* nodes, std::uint32_t index) {
    const IndexLinks at = nodes[index].*links;
    (at.before == none ? first : (nodes[at.before].*links).after) = at.after;
    (at.after == none ? last : (nodes[at.after].*links).before) = at.before;
  }
};

}  // namespace etherloom
