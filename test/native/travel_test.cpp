// Travel: when frames arrive, in which order, and how often they overtake.
#include "lines/travel.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <vector>

using namespace etherloom;

namespace {

/// A travel, and frames to send on it.
struct Bench {
  Travel travel;
  StageState jitter{Random(1)};
  StageState reorder{Random(2)};
  std::vector<std::unique_ptr<Frame>> frames;
  std::vector<std::unique_ptr<Held>> slots;

  /// Frames are numbered from 0 in the order they depart, and arrived at their port when they depart.
  void depart(const TravelSettings& settings, Instant at) { depart(settings, at, at); }
  void depart(const TravelSettings& settings, Instant at, Instant arrival, std::uint32_t copy = 0) {
    frames.push_back(std::make_unique<Frame>());
    frames.back()->arrival = arrival;
    frames.back()->number = static_cast<std::uint32_t>(frames.size() - 1);
    slots.push_back(std::make_unique<Held>());
    slots.back()->frame = frames.back().get();
    slots.back()->note.copy = copy;
    travel.setOut(slots.back().get(), settings, at, jitter, reorder);
  }
  struct Arrival {
    std::uint32_t number;
    std::int64_t due;
    bool operator==(const Arrival&) const = default;
  };
  std::vector<Arrival> drain() {
    std::vector<Arrival> arrivals;
    while (!travel.empty()) {
      const Instant due = travel.due();
      CHECK(travel.head()->due == due);
      const Held* held = travel.take();
      CHECK(held->due == due);
      CHECK_FALSE(Chain<Held>::linked(*held));
      arrivals.push_back({held->frame->number, due.nanoseconds});
    }
    CHECK(travel.due() == Instant::never());
    CHECK(travel.head() == nullptr);
    return arrivals;
  }
};

using Arrivals = std::vector<Bench::Arrival>;

}  // namespace

TEST_CASE("a constant delay is exact and keeps the order") {
  Bench bench;
  for (const std::int64_t at : {0, 1, 1, 5}) bench.depart({{100}, {0}, 0}, {at});
  CHECK(bench.travel.size() == 4);
  CHECK(bench.drain() == Arrivals{{0, 100}, {1, 101}, {2, 101}, {3, 105}});
}

TEST_CASE("jitter is uniform over the whole range, ends included") {
  Bench bench;
  constexpr int frames = 110'000;
  constexpr int values = 11;
  std::array<int, values> counts{};
  for (int frame = 0; frame < frames; ++frame) {
    const Instant at{frame * 1000LL};  // far apart, so that none waits for the one before
    bench.depart({{100}, {5}, 0}, at);
    const std::int64_t travelled = (bench.travel.take()->due - at).nanoseconds;
    REQUIRE(travelled >= 95);
    REQUIRE(travelled <= 105);
    ++counts[static_cast<std::size_t>(travelled - 95)];
  }
  double chiSquare = 0;
  constexpr double expected = double{frames} / values;
  for (const int count : counts) chiSquare += (count - expected) * (count - expected) / expected;
  CHECK(chiSquare < 29.6);  // 99.9 % quantile for 10 degrees of freedom
}

TEST_CASE("jitter wider than the delay never sends a frame into the past") {
  Bench bench;
  int atOnce = 0;
  for (int frame = 0; frame < 1000; ++frame) {
    const Instant at{frame * 1000LL};
    bench.depart({{10}, {20}, 0}, at);
    const Instant due = bench.travel.take()->due;
    REQUIRE(due >= at);
    atOnce += due == at;
  }
  CHECK(atOnce > 200);  // 11 of 41 values are at or before the start
  CHECK(atOnce < 340);
}

TEST_CASE("jitter alone never reorders") {
  Bench bench;
  for (int frame = 0; frame < 5000; ++frame) bench.depart({{10'000}, {9'000}, 0}, {frame * 10LL});
  const Arrivals arrivals = bench.drain();
  REQUIRE(arrivals.size() == 5000);
  for (std::uint32_t number = 0; number < arrivals.size(); ++number) {
    REQUIRE(arrivals[number].number == number);
    if (number > 0) REQUIRE(arrivals[number].due >= arrivals[number - 1].due);
  }
}

TEST_CASE("with reorder, jitter may reorder too, and arrivals stay in the order of time") {
  Bench bench;
  for (int frame = 0; frame < 5000; ++frame) bench.depart({{10'000}, {9'000}, 0.001}, {frame * 10LL});
  const Arrivals arrivals = bench.drain();
  REQUIRE(arrivals.size() == 5000);
  std::vector<bool> seen(5000);
  int overtaken = 0;
  for (std::size_t place = 0; place < arrivals.size(); ++place) {
    REQUIRE_FALSE(seen[arrivals[place].number]);
    seen[arrivals[place].number] = true;
    if (place == 0) continue;
    REQUIRE(arrivals[place].due >= arrivals[place - 1].due);
    overtaken += arrivals[place].number < arrivals[place - 1].number;
  }
  CHECK(overtaken > 1000);
}

TEST_CASE("a reorder hit skips the delay, as often as asked for") {
  Bench bench;
  constexpr int frames = 20'000;
  for (int frame = 0; frame < frames; ++frame) bench.depart({{1'000'000}, {0}, 0.25}, {frame * 10LL});
  int skipped = 0;
  for (const auto& arrival : bench.drain()) {
    const std::int64_t travelled = arrival.due - arrival.number * 10LL;
    REQUIRE((travelled == 0 || travelled == 1'000'000));
    skipped += travelled == 0;
  }
  CHECK(skipped > 4'798);  // 99.9 % interval of the binomial distribution
  CHECK(skipped < 5'202);
}

TEST_CASE("certain reorder is no delay at all") {
  Bench bench;
  for (const std::int64_t at : {3, 4}) bench.depart({{100}, {7}, 1}, {at});
  CHECK(bench.drain() == Arrivals{{0, 3}, {1, 4}});
}

TEST_CASE("whether a frame skips its delay does not change the jitter of the others") {
  Bench plain, reordering;
  for (int frame = 0; frame < 1000; ++frame) {
    plain.depart({{1000}, {100}, 0}, {frame * 10'000LL});
    reordering.depart({{1000}, {100}, 0.5}, {frame * 10'000LL});
  }
  const Arrivals jittered = plain.drain();
  int compared = 0;
  for (const auto& arrival : reordering.drain()) {
    if (arrival.due == arrival.number * 10'000LL) continue;
    REQUIRE(arrival == jittered[arrival.number]);
    ++compared;
  }
  CHECK(compared > 400);
}

TEST_CASE("a shorter delay does not let new frames overtake old ones, unless reorder is asked for") {
  Bench bench;
  bench.depart({{100}, {0}, 0}, {0});
  bench.depart({{10}, {0}, 0}, {1});
  bench.depart({{100}, {0}, 1e-9}, {2});  // hits one in a billion: keeps its delay, but may overtake
  bench.depart({{10}, {0}, 1e-9}, {3});
  bench.depart({{10}, {0}, 0}, {4});  // and after that everything is behind the latest again
  CHECK(bench.drain() == Arrivals{{3, 13}, {0, 100}, {1, 100}, {2, 102}, {4, 102}});
}

TEST_CASE("ties arrive in the order of arrival, number and copy, whatever the order of departure") {
  Bench bench;
  const TravelSettings atOnce{{100}, {0}, 1};
  bench.depart(atOnce, {50}, {20}, 1);  // number 0
  bench.depart(atOnce, {50}, {10}, 0);  // number 1
  bench.depart(atOnce, {50}, {10}, 0);  // number 2
  bench.depart(atOnce, {50}, {5}, 0);   // number 3
  bench.frames[2]->number = 1;          // the second copy of number 1
  bench.slots[2]->note.copy = 1;
  bench.slots[1]->note.copy = 0;
  std::vector<const Held*> order;
  while (!bench.travel.empty()) order.push_back(bench.travel.take());
  CHECK(order == std::vector<const Held*>{bench.slots[3].get(), bench.slots[1].get(), bench.slots[2].get(),
                                          bench.slots[0].get()});
}

TEST_CASE("a tie between a frame that may overtake and one that may not goes by the same order") {
  Bench bench;
  bench.depart({{100}, {0}, 0}, {0}, {0});
  bench.depart({{50}, {0}, 1e-9}, {50}, {50});
  bench.depart({{50}, {0}, 1e-9}, {50}, {-1});
  CHECK(bench.drain() == Arrivals{{2, 100}, {0, 100}, {1, 100}});
}

TEST_CASE("frames that come and go in any pattern arrive sorted") {
  Bench bench;
  Random random(3);
  std::vector<std::int64_t> expected, arrived;
  std::int64_t now = 0;
  for (int step = 0; step < 20'000; ++step) {
    now += static_cast<std::int64_t>(random.below(50));
    while (bench.travel.due() <= Instant{now}) arrived.push_back(bench.travel.take()->due.nanoseconds);
    bench.depart({{1000}, {900}, 0.1}, {now});
    expected.push_back(bench.slots.back()->due.nanoseconds);
  }
  for (const auto& arrival : bench.drain()) arrived.push_back(arrival.due);
  std::sort(expected.begin(), expected.end());
  CHECK(arrived == expected);
}

namespace {

/// The jitters of many frames, far apart so that none waits for the one before.
std::vector<std::int64_t> jittersOf(const TravelSettings& settings, int frames) {
  Bench bench;
  std::vector<std::int64_t> jitters;
  for (int frame = 0; frame < frames; ++frame) {
    const Instant at{frame * 10'000'000'000'000LL};
    bench.depart(settings, at);
    jitters.push_back((bench.travel.take()->due - at - settings.delay).nanoseconds);
    bench.frames.clear();
    bench.slots.clear();
  }
  return jitters;
}

TravelSettings shaped(Duration jitter, std::shared_ptr<const DelayTable> table, double correlation = 0) {
  TravelSettings settings{{4'000'000'000'000}, jitter, 0};
  settings.table = std::move(table);
  settings.correlation = correlation;
  return settings;
}

/// Values, few of them, with unequal steps.
std::shared_ptr<const DelayTable> tableOf(std::vector<std::int16_t> values) {
  return std::make_shared<const DelayTable>(std::move(values));
}
std::shared_ptr<const DelayTable> someTable() {
  return tableOf({-32'768, -9000, -4097, -1, 0, 1, 5, 8192, 20'000, 32'767});
}

/// Ranks from 0 to 1 of values that rarely repeat.
std::vector<double> ranksOf(const std::vector<std::int64_t>& values) {
  std::vector<std::size_t> order(values.size());
  for (std::size_t at = 0; at < order.size(); ++at) order[at] = at;
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    ranks[order[rank]] = static_cast<double>(rank) / static_cast<double>(order.size());
  }
  return ranks;
}

/// Of uniform values in [0, 1), with those so far behind them.
double correlationOf(const std::vector<double>& values, std::size_t apart) {
  double sum = 0;
  for (std::size_t at = apart; at < values.size(); ++at)
    sum += (values[at] - 0.5) * (values[at - apart] - 0.5);
  return 12 * sum / static_cast<double>(values.size() - apart);
}

}  // namespace

TEST_CASE("a table gives its values, each as often, rounded as netem rounds") {
  const auto table = someTable();
  constexpr std::int64_t sigma = 3 * 8192 + 1000;
  std::vector<std::int64_t> expected;
  for (const std::int64_t value : table->values) {
    const std::int64_t fine = 1000 * value;
    expected.push_back((fine >= 0 ? fine + 4096 : fine - 4096) / 8192 + 3 * value);
  }
  constexpr int frames = 100'000;
  std::vector<int> counts(expected.size());
  for (const std::int64_t jitter : jittersOf(shaped({sigma}, table), frames)) {
    const auto found = std::find(expected.begin(), expected.end(), jitter);
    REQUIRE(found != expected.end());
    ++counts[static_cast<std::size_t>(found - expected.begin())];
  }
  double chiSquare = 0;
  const double each = frames / static_cast<double>(expected.size());
  for (const int count : counts) chiSquare += (count - each) * (count - each) / each;
  CHECK(chiSquare < 33.7);  // 99.99 % quantile for 9 degrees of freedom
}

TEST_CASE("a table of one value is a constant, at any sigma") {
  for (const std::int16_t value : {std::int16_t{-32'768}, std::int16_t{8192}, std::int16_t{32'767}}) {
    const auto table = tableOf({value});
    for (const std::int64_t sigma : {1LL, 8191LL, 8192LL, 1'000'000LL, 365LL * 24 * 3'600'000'000'000LL}) {
      TravelSettings settings{{0}, {sigma}, 0};
      settings.table = table;
      Bench bench;
      bench.depart(settings, {0});
      const std::int64_t due = bench.drain().front().due;
      const double exact = static_cast<double>(sigma) * value / 8192;
      CHECK(std::abs(static_cast<double>(due) - std::max(0.0, exact)) <= 0.5 + std::abs(exact) * 1e-15);
    }
  }
}

TEST_CASE("correlated delays have the same distribution, and the rank correlation asked for") {
  std::vector<std::int16_t> values;  // a line, so that places are seen
  for (int value = -32'000; value < 32'000; value += 10) values.push_back(static_cast<std::int16_t>(value));
  for (const auto& shape : {std::shared_ptr<const DelayTable>(), tableOf(values)}) {
    for (const double asked : {0.25, 0.9}) {
      CAPTURE(asked);
      constexpr int frames = 100'000;
      const double ofScores = 2 * std::sin(std::numbers::pi * asked / 6);
      const auto jitters = jittersOf(shaped({1'000'000}, shape, ofScores), frames);
      const auto ranks = ranksOf(jitters);
      // The deviation of a correlation is below 1 / sqrt(n) for independent pairs; these depend on each
      // other.
      const double pairs = frames * (1 - ofScores) / (1 + ofScores);
      for (const std::size_t apart : {1u, 2u}) {
        const double expected = 6 / std::numbers::pi * std::asin(std::pow(ofScores, apart) / 2);
        CHECK(std::abs(correlationOf(ranks, apart) - expected) < 4 / std::sqrt(pairs));
      }
      // Kolmogorov and Smirnov against uniform: 1.95 is the 99.9 % value for independent draws.
      auto sorted = jitters;
      std::sort(sorted.begin(), sorted.end());
      const double half = shape ? 32'000.0 / 8192 * 1e6 : 1e6;
      double farthest = 0;
      for (std::size_t at = 0; at < sorted.size(); ++at) {
        const double place = (static_cast<double>(sorted[at]) + half) / (2 * half);
        farthest = std::max(farthest, std::abs(place - static_cast<double>(at) / frames));
      }
      CHECK(farthest < 1.95 / std::sqrt(pairs) + 1e-3);  // and the steps of the table
    }
  }
}

TEST_CASE("a gap with certain reorder: every Nth frame skips, at exact positions") {
  for (const std::uint64_t gap : {1u, 2u, 5u}) {
    CAPTURE(gap);
    Bench bench;
    TravelSettings settings{{1'000'000}, {0}, 1};
    settings.gap = gap;
    for (int frame = 0; frame < 100; ++frame) bench.depart(settings, {frame});
    for (const auto& arrival : bench.drain()) {
      const bool skipped = arrival.due - arrival.number == 0;
      REQUIRE(skipped == ((arrival.number + 1) % gap == 0));
    }
  }
}

TEST_CASE("a gap with a probability: none skips too early, then each with it") {
  constexpr std::uint32_t gap = 4;
  constexpr int frames = 100'000;
  Bench bench;
  TravelSettings settings{{1'000'000'000}, {0}, 0.25};
  settings.gap = gap;
  std::vector<bool> skipped(frames);
  for (int frame = 0; frame < frames; ++frame) {
    bench.depart(settings, {frame});
    skipped[static_cast<std::size_t>(frame)] = bench.slots.back()->due == Instant{frame};
  }
  int delayed = 0, skips = 0, asked = 0;
  for (const bool each : skipped) {
    if (delayed >= static_cast<int>(gap) - 1) ++asked;
    if (each) {
      REQUIRE(delayed >= static_cast<int>(gap) - 1);
      ++skips;
      delayed = 0;
    } else {
      ++delayed;
    }
  }
  CHECK(std::abs(skips - asked * 0.25) < 5 * std::sqrt(asked * 0.25 * 0.75));
  bench.drain();
}

TEST_CASE("reordering in runs keeps its rate") {
  constexpr int frames = 100'000;
  Bench bench;
  TravelSettings settings{{1'000'000'000}, {0}, Chance(0.1, 0.8, 0.1 / (5 * 0.9))};  // bursts of 5
  int skips = 0, begun = 0;
  bool before = false;
  for (int frame = 0; frame < frames; ++frame) {
    bench.depart(settings, {frame});
    const bool skipped = bench.slots.back()->due == Instant{frame};
    skips += skipped;
    begun += skipped && !before;
    before = skipped;
  }
  CHECK(std::abs(skips / double{frames} - 0.1) < 5 * std::sqrt(0.09 / frames * 9));
  CHECK(std::abs(skips / double(begun) - 5) < 5 * std::sqrt(20.0 / begun));
  bench.drain();
}
