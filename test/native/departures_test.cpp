// The heap of paths against a sorted reference, under random changes.
#include "pipeline/departures.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "impairments/random.hpp"

using namespace etherloom;

namespace {

struct Node {
  std::int64_t time = Instant::never().nanoseconds;
  int number = 0;  // breaks ties
  std::uint32_t place = Departures<Node>::nowhere;

  [[nodiscard]] Instant due() const { return {time}; }
  [[nodiscard]] bool before(const Node& other) const {
    return time != other.time ? time < other.time : number < other.number;
  }
};

/// The node that is due first, by looking at all of them.
Node* firstOf(std::vector<Node>& nodes) {
  const auto first = std::min_element(nodes.begin(), nodes.end(),
                                      [](const Node& left, const Node& right) { return left.before(right); });
  return first->due() == Instant::never() ? nullptr : &*first;
}

}  // namespace

TEST_CASE("departures: nothing is due when nothing is in it") {
  Departures<Node> departures;
  CHECK(departures.next() == Instant::never());
  CHECK(departures.top() == nullptr);
  Node idle;
  departures.update(idle);
  CHECK(departures.top() == nullptr);
}

TEST_CASE("departures: the top is always the node that is due first, whatever changes") {
  Random random(3);
  std::vector<Node> nodes(300);
  for (std::size_t index = 0; index < nodes.size(); ++index) nodes[index].number = static_cast<int>(index);
  Departures<Node> departures;
  departures.reserve(nodes.size());
  for (int step = 0; step < 50'000; ++step) {
    Node& node = nodes[random.below(nodes.size())];
    node.time =
        random.hit(0.3) ? Instant::never().nanoseconds : static_cast<std::int64_t>(random.below(1000));
    departures.update(node);
    Node* first = firstOf(nodes);
    REQUIRE(departures.top() == first);
    REQUIRE(departures.next() == (first ? first->due() : Instant::never()));
  }
}

TEST_CASE("departures: taken out one by one, the nodes come in order, and are nowhere afterwards") {
  Random random(4);
  std::vector<Node> nodes(1000);
  Departures<Node> departures;
  for (std::size_t index = 0; index < nodes.size(); ++index) {
    nodes[index].number = static_cast<int>(index);
    nodes[index].time = static_cast<std::int64_t>(random.below(100));
    departures.update(nodes[index]);
  }
  std::vector<std::pair<std::int64_t, int>> order;
  while (Node* node = departures.top()) {
    order.emplace_back(node->time, node->number);
    node->time = Instant::never().nanoseconds;
    departures.update(*node);
    CHECK(node->place == Departures<Node>::nowhere);
  }
  CHECK(order.size() == nodes.size());
  CHECK(std::is_sorted(order.begin(), order.end()));
}
