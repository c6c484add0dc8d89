// The ring between two threads: order, bounds, and every item exactly once.
#include "runtime/ring.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <thread>
#include <vector>

using namespace etherloom;

TEST_CASE("ring: gives back what was put in, in order, and says no when full") {
  Ring<int> ring(5);  // rounded up to 8
  CHECK(ring.empty());
  for (int round = 0; round < 3; ++round) {
    for (int item = 0; item < 8; ++item) CHECK(ring.push(item));
    CHECK_FALSE(ring.push(99));
    CHECK_FALSE(ring.empty());
    std::vector<int> items;
    ring.drain([&](int item) { items.push_back(item); });
    CHECK(items == std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7});
    CHECK(ring.empty());
  }
}

TEST_CASE("ring: takes of a span what it has room for, and gives it back in spans that do not wrap") {
  Ring<int> ring(256);
  std::vector<int> items(200), seen;
  std::iota(items.begin(), items.end(), 0);
  for (const int expected : {200, 56, 0}) {
    CHECK(ring.push(std::span<const int>(items)) == static_cast<std::size_t>(expected));
  }
  const auto look = [&](std::span<const int> run) { seen.insert(seen.end(), run.begin(), run.end()); };
  ring.drainRuns(look);
  CHECK(seen.size() == 256);
  CHECK(std::equal(items.begin(), items.end(), seen.begin()));
  CHECK(std::equal(items.begin(), items.begin() + 56, seen.begin() + 200));

  seen.clear();
  for (int round = 0; round < 3; ++round) {
    CHECK(ring.push(std::span<const int>(items)) == 200);
    ring.drainRuns(look);
    CHECK(ring.empty());
  }
  CHECK(seen.size() == 600);
  CHECK(std::equal(items.begin(), items.end(), seen.begin() + 400));
}

TEST_CASE("ring: what is pushed while it is drained waits for the next time") {
  Ring<int> ring(8);
  CHECK(ring.push(1));
  int seen = 0;
  ring.drain([&](int) {
    ++seen;
    CHECK(ring.push(2));
  });
  CHECK(seen == 1);
  ring.drain([&](int item) { CHECK(item == 2); });
  CHECK(ring.empty());
}

TEST_CASE("ring: carries every item once and in order from one thread to another") {
  struct Item {
    std::uint64_t number, square;
  };
  constexpr std::uint64_t count = 200'000;
  Ring<Item> ring(64);
  std::thread producer([&] {
    for (std::uint64_t number = 0; number < count; ++number) {
      while (!ring.push({number, number * number})) std::this_thread::yield();
    }
  });
  std::uint64_t next = 0, wrong = 0;
  while (next < count) {
    ring.drain([&](const Item& item) {
      if (item.number != next || item.square != next * next) ++wrong;
      ++next;
    });
    std::this_thread::yield();
  }
  producer.join();
  CHECK(wrong == 0);
  CHECK(ring.empty());
}
