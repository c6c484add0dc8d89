// Chains: their order, what their members say of themselves, and what builds with asserts do not let pass.
#include "frame/chain.hpp"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <functional>
#include <vector>

#include "frame/pool.hpp"

using namespace etherloom;

namespace {

struct Item : Chain<Item>::Link {
  explicit Item(int itsNumber) : number(itsNumber) {}
  int number;
};

struct Bench {
  std::vector<Item> items{Item(0), Item(1), Item(2), Item(3), Item(4)};
  Chain<Item> chain, other;

  static std::vector<int> numbersOf(const Chain<Item>& chain) {
    std::vector<int> numbers;
    chain.each([&](const Item& item) { numbers.push_back(item.number); });
    CHECK(chain.empty() == numbers.empty());
    CHECK((chain.front() ? chain.front()->number : -1) == (numbers.empty() ? -1 : numbers.front()));
    CHECK((chain.back() ? chain.back()->number : -1) == (numbers.empty() ? -1 : numbers.back()));
    return numbers;
  }
};

#ifndef NDEBUG
/// How a process that does this ends: with 0, or by a signal.
int signalOf(const std::function<void()>& act) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    close(STDERR_FILENO);
    std::signal(SIGABRT, SIG_DFL);
    act();
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}
#endif

}  // namespace

TEST_CASE("chain: gives its members back in order, and says of each whether it is in a chain") {
  Bench bench;
  auto& [items, chain, other] = bench;
  CHECK(chain.pop() == nullptr);
  CHECK(Bench::numbersOf(chain).empty());
  for (Item& item : items) {
    CHECK_FALSE(Chain<Item>::linked(item));
    chain.push(item);
    CHECK(Chain<Item>::linked(item));
  }
  CHECK(Bench::numbersOf(chain) == std::vector{0, 1, 2, 3, 4});
  for (Item& item : items) {
    CHECK(chain.pop() == &item);
    CHECK_FALSE(Chain<Item>::linked(item));
  }
  CHECK(chain.pop() == nullptr);

  for (Item& item : items) chain.pushFront(item);
  CHECK(Bench::numbersOf(chain) == std::vector{4, 3, 2, 1, 0});
  chain.push(*chain.pop());
  CHECK(Bench::numbersOf(chain) == std::vector{3, 2, 1, 0, 4});
}

TEST_CASE("chain: moves whole into another, or behind what is in it") {
  Bench bench;
  auto& [items, chain, other] = bench;
  chain.splice(other);
  CHECK(chain.empty());
  other.push(items[0]);
  chain.splice(other);
  CHECK(other.empty());
  other.push(items[1]);
  other.push(items[2]);
  chain.splice(other);
  CHECK(other.empty());
  chain.push(items[3]);
  CHECK(Bench::numbersOf(chain) == std::vector{0, 1, 2, 3});
  other = std::move(chain);
  CHECK(chain.empty());
  chain.push(items[4]);
  CHECK(Bench::numbersOf(other) == std::vector{0, 1, 2, 3});
  CHECK(Bench::numbersOf(chain) == std::vector{4});
}

TEST_CASE("chain: loses members from any place, which may go elsewhere at once") {
  for (const auto& leaving : {std::vector<int>{}, {0}, {4}, {1, 3}, {0, 1, 2, 3, 4}}) {
    Bench bench;
    auto& [items, chain, other] = bench;
    for (Item& item : items) chain.push(item);
    std::vector<int> staying;
    chain.removeIf([&](Item& item) {
      const bool leaves = std::find(leaving.begin(), leaving.end(), item.number) != leaving.end();
      leaves ? other.push(item) : staying.push_back(item.number);
      return leaves;
    });
    CHECK(Bench::numbersOf(chain) == staying);
    CHECK(Bench::numbersOf(other) == leaving);
  }
}

#ifndef NDEBUG
TEST_CASE("chain: with asserts, what is in a chain goes into no other and not back to its pool") {
  Bench bench;
  CHECK(signalOf([&] { bench.chain.push(bench.items[0]); }) == 0);
  CHECK(signalOf([&] {
          bench.chain.push(bench.items[0]);
          bench.other.push(bench.items[0]);
        }) == SIGABRT);
  CHECK(signalOf([&] {
          bench.chain.push(bench.items[0]);
          bench.chain.pushFront(bench.items[0]);
        }) == SIGABRT);
  const auto pool = *FramePool::create(1 << 20);
  Chain<Frame> frames;
  frames.push(*pool->acquire(BufferClass::Small));
  CHECK(signalOf([&] { pool->release(frames.front()); }) == SIGABRT);
  CHECK(signalOf([&] { pool->release(frames.pop()); }) == 0);
}
#endif
