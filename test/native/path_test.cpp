// A path by itself: the order of its parts, its one next event, what it keeps through changes, and its
// accounts.
#include "pipeline/path.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>

#include "impairment_fixtures.hpp"
#include "pipeline_fixtures.hpp"

using namespace etherloom;

namespace {

/// One path from one seat to another, and everything that left it.
struct PathBench : SeatBench {
  struct Departure {
    std::int64_t at;
    std::uint32_t number;
    bool operator==(const Departure&) const = default;
  };

  explicit PathBench(std::size_t memory = 4u << 20) : SeatBench(memory) {
    host.stage = stage;
    host.worker = this;
  }
  ~PathBench() {
    path.flush();
    CHECK(held.outstanding() == 0);
  }

  static std::shared_ptr<Policy> policy() {
    static std::vector<std::shared_ptr<Policy>> all;  // so that no two have one address
    return all.emplace_back(std::make_shared<Policy>());
  }
  static std::shared_ptr<Policy> delayed(std::int64_t nanoseconds) {
    auto made = policy();
    made->travel.delay = {nanoseconds};
    return made;
  }

  /// Frames arrive with these numbers, at this instant.
  void admit(const Policy& by, std::int64_t at, std::initializer_list<std::uint32_t> numbers,
             std::uint32_t length = 60) {
    run(at);
    for (const std::uint32_t number : numbers) {
      now = at;
      given.admit(frame(at, number, length), by);
      check();
    }
  }
  /// Carries out everything that is due until then.
  void run(std::int64_t until) {
    while (path.due() <= Instant{until}) {
      now = path.due().nanoseconds;
      path.step();
      check();
    }
  }
  void check() const { CHECK(balances(path.account)); }
  static void stage(void* self, Attachment& to, TxItem item, Instant) noexcept {
    auto& bench = *static_cast<PathBench*>(self);
    CHECK(&to == &bench.to);
    bench.left.push_back({bench.now, item.frame->number});
    to.port->transmit({&item, 1});
  }

  Attachment& to = seat();
  GivenPath given{to};
  Path& path = given.path;
  std::int64_t now = 0;
  std::vector<Departure> left;
};

using Left = std::vector<PathBench::Departure>;

}  // namespace

TEST_CASE("path: a frame that nothing holds back leaves at once and holds nothing") {
  PathBench bench;
  bench.admit(*PathBench::policy(), 5, {1, 2});
  CHECK(bench.left == Left{{5, 1}, {5, 2}});
  CHECK(bench.path.due() == Instant::never());
  CHECK(bench.path.account.delivered.get() == 2);
}

TEST_CASE("path: line, then travel") {
  PathBench bench;
  auto policy = PathBench::delayed(1000);
  policy->line = LineSettings{480'000'000'000, 0, {}};  // 60 bytes in 1 ns
  bench.admit(*policy, 0, {1, 2});
  CHECK(bench.path.due() == Instant{1});
  bench.run(5000);
  CHECK(bench.left == Left{{1001, 1}, {1002, 2}});
}

TEST_CASE("path: an event is carried out at its own instant, however late") {
  PathBench bench;
  auto policy = PathBench::delayed(10);
  policy->line = LineSettings{480'000'000'000, 0, {}};
  bench.admit(*policy, 0, {1, 2, 3});
  // The frame at 1000 finds the line free since 3: lateness has not added up.
  bench.given.admit(bench.frame(1000, 4), *policy);
  CHECK(bench.path.account.delivered.get() == 3);
  CHECK(bench.path.due() == Instant{1001});
  bench.run(2000);
  CHECK(bench.left.back() == PathBench::Departure{1011, 4});
}

TEST_CASE("path: new frames never overtake what was held under an older policy") {
  PathBench bench;
  bench.admit(*PathBench::delayed(1000), 0, {1});
  bench.admit(*PathBench::delayed(10), 100, {2});
  bench.admit(*PathBench::policy(), 200, {3});
  bench.run(5000);
  CHECK(bench.left == Left{{1000, 1}, {1000, 2}, {1000, 3}});
  bench.admit(*PathBench::policy(), 6000, {4});
  CHECK(bench.left.back() == PathBench::Departure{6000, 4});
}

TEST_CASE("path: a lost frame loses all its copies, a corrupted one hurts nobody else") {
  PathBench bench;
  auto policy = PathBench::policy();
  policy->impairments.push_back(makeDuplicate(1));
  policy->impairments.push_back(makeLoss(1));
  bench.admit(*policy, 0, {1, 2});
  CHECK(bench.left.empty());
  CHECK(bench.path.account.duplicated.get() == 2);
  CHECK(countOf(bench.path.account.dropped, DropReason::Loss) == 4);

  auto corrupting = PathBench::policy();
  corrupting->impairments.push_back(makeCorrupt(1));
  Frame* shared = bench.frame(1, 3);
  std::memset(shared->data, 0, shared->length);
  shared->references = 2;
  bench.given.admit(shared, *corrupting);
  CHECK(std::all_of(shared->data, shared->data + shared->length, [](auto byte) { return byte == 0; }));
  CHECK(shared->references == 1);
  bench.pool->release(shared);
}

TEST_CASE("path: a flush drops what waits, what is on the line and what travels") {
  PathBench bench;
  auto policy = PathBench::delayed(1000);
  policy->line = LineSettings{480'000'000'000, 0, {}};
  bench.admit(*policy, 0, {1, 2, 3, 4});
  bench.run(2);
  CHECK(bench.path.account.waiting.get() == 1);
  CHECK(bench.path.account.travelling.get() == 3);
  bench.path.flush();
  bench.check();
  CHECK(bench.path.due() == Instant::never());
  CHECK(countOf(bench.path.account.dropped, DropReason::Flush) == 4);
  CHECK(bench.held.outstanding() == 0);
}

TEST_CASE(
    "path: without memory for what is held, frames are dropped and counted, and the rest is untouched") {
  PathBench bench(1u << 20);
  const auto policy = PathBench::delayed(1000);
  for (std::uint32_t number = 0; number < 300; ++number) bench.admit(*policy, 0, {number});
  const std::uint64_t dropped = countOf(bench.path.account.dropped, DropReason::NoBuffer);
  CHECK(dropped > 0);
  CHECK(bench.path.account.travelling.get() == 300 - dropped);
  bench.pool->release(bench.frame());  // still room to receive
  bench.run(1000);
  CHECK(bench.path.account.delivered.get() == 300 - dropped);
}

TEST_CASE("path: netem holds no more than there is memory for, and counts the rest") {
  PathBench bench(1u << 20);
  const auto policy = PathBench::policy();
  policy->netem.emplace();
  policy->netem->delay = {1000};
  policy->netem->limit = 1000;
  policy->netem->duplicate = 0x7fffffff;
  for (std::uint32_t number = 0; number < 300; ++number) bench.admit(*policy, 0, {number});
  const std::uint64_t dropped = countOf(bench.path.account.dropped, DropReason::NoBuffer);
  CHECK(dropped > 0);
  CHECK(bench.path.account.waiting.get() == 300 + bench.path.account.duplicated.get() - dropped);
  bench.pool->release(bench.frame());  // still room to receive
  bench.run(1000);
  CHECK(bench.path.account.waiting.get() == 0);
}

TEST_CASE("path: what is on a line goes on as it would have, and before what netem lets go") {
  PathBench bench;
  auto exact = PathBench::delayed(10);
  exact->line = LineSettings{480'000'000, 0, {}};  // 60 bytes in 1000 ns
  bench.admit(*exact, 0, {1, 2, 3});
  const auto netem = PathBench::policy();
  netem->netem.emplace();
  netem->netem->rate = 60'000'000;  // 60 bytes in 1000 ns
  bench.admit(*netem, 500, {4, 5});
  bench.admit(*exact, 600, {6});
  bench.run(10'000);
  CHECK(bench.left == Left{{1010, 1}, {2010, 2}, {3010, 3}, {4010, 4}, {5010, 5}, {5010, 6}});
}

TEST_CASE("path: what follows depends on the seed, and starts anew when it is given again") {
  const auto losses = [](std::uint64_t seed, bool again) {
    PathBench bench;
    auto policy = PathBench::policy();
    policy->impairments.push_back(makeLoss(0.5));
    bench.path.setSeed(seed);
    for (std::uint32_t number = 0; number < 64; ++number) {
      if (again && number == 32) bench.path.reseed(seed);
      bench.admit(*policy, number, {number});
    }
    std::vector<std::uint32_t> numbers;
    for (const auto& departure : bench.left) numbers.push_back(departure.number);
    return numbers;
  };
  CHECK(losses(1, false) == losses(1, false));
  CHECK(losses(1, false) != losses(2, false));
  const auto repeated = losses(1, true);
  std::vector<std::uint32_t> first, second;
  for (const std::uint32_t number : repeated) (number < 32 ? first : second).push_back(number % 32);
  CHECK(first == second);
}

TEST_CASE("path: seeds differ by engine, fabric and direction, and are the same on every machine") {
  CHECK(pathSeed(1, "hub", "a", "b") == pathSeed(1, "hub", "a", "b"));
  CHECK(pathSeed(1, "hub", "a", "b") != pathSeed(1, "hub", "b", "a"));
  CHECK(pathSeed(1, "hub", "a", "b") != pathSeed(2, "hub", "a", "b"));
  CHECK(pathSeed(1, "hub", "a", "b") != pathSeed(1, "hub2", "a", "b"));
  CHECK(pathSeed(1, "ab", "c", "d") != pathSeed(1, "a", "bc", "d"));
}

TEST_CASE("path: frames judged before a change that come after it meet the policy of after") {
  PathBench bench;
  const auto older = PathBench::delayed(1000), newer = PathBench::delayed(10);
  // Passes the first frame, and loses all others.
  const GilbertElliott worsening{.toBad = 1, .toGood = 0};
  for (Policy* policy : {older.get(), newer.get()}) policy->add(makeLoss(worsening));
  const RowEntry before{&bench.to, &bench.path, older.get(), 1, {}};
  const RowEntry after{&bench.to, &bench.path, newer.get(), 2, {}};
  bench.path.prepare(*older);
  bench.path.prepare(*newer);
  const auto lost = [&] { return countOf(bench.path.account.dropped, DropReason::Loss); };
  // As from two queues of a port that see the change one after the other.
  for (std::uint32_t number = 0; number < 6; ++number)
    bench.path.admit(bench.frame(0, number), number % 2 == 0 ? after : before);
  CHECK(lost() == 5);

  const auto plain = PathBench::delayed(10);
  bench.path.adopt({&bench.to, &bench.path, plain.get(), 3, {}});
  bench.path.flush();
  bench.path.admit(bench.frame(0, 7), before);
  CHECK(bench.path.due() == Instant{10});
}

TEST_CASE(
    "path: a change holds from its instant, without a frame that says so, and what was due by then is done") {
  PathBench bench;
  auto slow = PathBench::policy(), fast = PathBench::policy();
  slow->line = LineSettings{480'000'000, 0, {}};  // 60 bytes in 1000 ns
  fast->line = LineSettings{4'800'000'000, 0, {}};
  bench.admit(*slow, 0, {1, 2, 3});
  bench.now = 1500;
  bench.given.give(*fast, {1500});
  CHECK(bench.left.size() == 1);
  bench.run(5000);
  CHECK(bench.left.back() == PathBench::Departure{1650, 3});
}

TEST_CASE("path: the order of two paths is by time, then by the frames that are due") {
  PathBench one, two;
  const auto policy = PathBench::delayed(10);
  one.admit(*policy, 0, {1});
  two.admit(*policy, 5, {0});
  CHECK(one.path.before(two.path));
  CHECK_FALSE(two.path.before(one.path));
  one.path.flush();
  one.admit(*policy, 5, {1});
  CHECK(two.path.before(one.path));
}
