// The decisions of netem: the generator's golden vectors, the loss models' closed forms, its correlations and
// the rounding of its arithmetic. Statistics: 10^6 draws, fixed seeds; the bounds are five standard
// deviations.
#include "lines/netem.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "pipeline_fixtures.hpp"

using namespace etherloom;

namespace {

constexpr int many = 1'000'000;

std::uint32_t percent(double value) {
  return static_cast<std::uint32_t>(std::rint(value / 100 * 4294967295.0));
}

Netem made(const NetemSettings& settings) {
  Netem netem(1);
  netem.configure(settings, {});
  return netem;
}

std::vector<int> lost(const NetemSettings& settings, int frames) {
  Netem netem = made(settings);
  std::vector<int> indices;
  for (int index = 0; index < frames; ++index) {
    if (netem.loses(settings)) indices.push_back(index);
  }
  return indices;
}

double lossRate(const NetemSettings& settings) {
  return static_cast<double>(lost(settings, many).size()) / many;
}

NetemSettings seeded(std::uint64_t seed) {
  NetemSettings settings;
  settings.seed = seed;
  return settings;
}

std::int64_t timeFor(const NetemSettings& settings, std::uint32_t length) {
  return made(settings).place(settings, length, {0}).at.nanoseconds;
}

}  // namespace

TEST_CASE("netem: the generator gives the kernel's numbers, and loss 10% drops the kernel's frames") {
  struct Vector {
    std::uint64_t seed;
    std::vector<std::uint32_t> first;
    std::vector<int> dropped;
  };
  const std::vector<Vector> vectors{
      {1,
       {276959246, 18909696, 2298495022, 9442690, 3222971081},
       {0, 1, 3, 8, 9, 15, 22, 28, 42, 54, 61, 73, 77, 80, 84}},
      {7, {1939238955, 132351680, 2080489641, 40923278, 541483087}, {1, 3, 11, 15, 39, 78, 82}},
      {123456789012345,
       {1480619323, 3699285094, 472550808, 1888243604, 1412564969},
       {10, 31, 36, 50, 53, 80, 81, 90, 94}}};
  CHECK(percent(10) == 429496730);
  for (const auto& [seed, first, dropped] : vectors) {
    Taus113 generator(seed);
    for (const std::uint32_t expected : first) CHECK(generator.next() == expected);
    NetemSettings settings = seeded(seed);
    settings.lossProbability = percent(10);
    CHECK(lost(settings, 100) == dropped);
  }
}

TEST_CASE("netem: loss of 0 draws nothing, loss of 100% loses all") {
  NetemSettings settings = seeded(1);
  CHECK(lost(settings, 1000).empty());
  settings.lossProbability = percent(100);
  CHECK(lost(settings, 1000).size() == 1000);
}

TEST_CASE("netem: correlated loss is what the kernel makes of it, not what was asked for") {
  struct Row {
    double probability, correlation, expected;
  };
  // The frames lost are not independent: the bound is five deviations times the mean burst length of 4.
  for (const auto& [probability, correlation, expected] :
       {Row{10, 0, 9.99}, Row{10, 25, 1.75}, Row{10, 50, 0.113}, Row{30, 25, 23.4}, Row{30, 50, 13.0},
        Row{50, 50, 50.05}, Row{5, 25, 0.19}}) {
    NetemSettings settings = seeded(20261121);
    settings.lossProbability = percent(probability);
    settings.lossCorrelation = percent(correlation);
    const double share = expected / 100;
    CHECK(std::abs(lossRate(settings) - share) < 20 * std::sqrt(share * (1 - share) / many) + 0.0001);
  }
}

// With the largest jitter, where the remainder that the kernel takes of what it drew changes (nearly)
// nothing.
TEST_CASE("netem: a correlation narrows what is drawn, by sqrt((1-c)/(1+c))") {
  for (const double correlation : {25.0, 50.0, 75.0, 90.0}) {
    NetemSettings settings = seeded(5);
    settings.delay = {1LL << 31};
    settings.jitter = 0x7fffffff;
    settings.delayCorrelation = percent(correlation);
    Netem netem = made(settings);
    double sum = 0, squares = 0;
    for (int index = 0; index < many; ++index) {
      const auto at = static_cast<double>(netem.place(settings, 60, {0}).at.nanoseconds) / 0x1p32;
      sum += at;
      squares += at * at;
    }
    const double deviation = std::sqrt(squares / many - sum / many * sum / many) * std::sqrt(12.0);
    const double c = correlation / 100;
    CHECK(deviation == doctest::Approx(std::sqrt((1 - c) / (1 + c))).epsilon(0.01));
  }
}

TEST_CASE("netem: gemodel and the four states lose what their closed forms say") {
  NetemSettings gemodel = seeded(3);
  gemodel.loss = NetemSettings::Loss::Gemodel;
  gemodel.p = percent(1);
  gemodel.r = percent(10);
  gemodel.h = 0xffffffff - percent(70);
  gemodel.k1 = percent(0.1);
  // Bursts of 1/r frames: the deviation of the share is about sqrt(2/r) times that of independent losses.
  CHECK(std::abs(lossRate(gemodel) - 0.064545) < 5 * std::sqrt(20 * 0.0645 * 0.9355 / many));

  NetemSettings states = seeded(4);
  states.loss = NetemSettings::Loss::FourState;
  states.p13 = percent(1), states.p31 = percent(30), states.p32 = percent(10), states.p23 = percent(50);
  states.p14 = percent(0.2);
  CHECK(std::abs(lossRate(states) - 0.03391) < 5 * std::sqrt(10 * 0.0339 * 0.9661 / many));
  states.p13 = percent(5), states.p31 = percent(95), states.p32 = 0, states.p23 = percent(100),
  states.p14 = 0;
  CHECK(std::abs(lossRate(states) - 0.05) < 5 * std::sqrt(2 * 0.05 * 0.95 / many));
}

TEST_CASE("netem: gemodel stays in its bad state for a geometric number of frames") {
  NetemSettings settings = seeded(11);
  settings.loss = NetemSettings::Loss::Gemodel;
  settings.p = percent(2);
  settings.r = percent(20);
  std::vector<int> lengths(31);
  int runs = 0, last = -2, length = 0;
  for (const int index : lost(settings, many)) {
    if (index != last + 1 && length != 0) {
      ++lengths[static_cast<std::size_t>(std::min(length, 30))];
      ++runs;
      length = 0;
    }
    ++length;
    last = index;
  }
  double chiSquare = 0;
  for (int k = 1; k < 20; ++k) {
    const double expected = runs * 0.2 * std::pow(0.8, k - 1);
    chiSquare += std::pow(lengths[static_cast<std::size_t>(k)] - expected, 2) / expected;
  }
  CHECK(chiSquare < 50);  // 18 degrees of freedom, 99.99 %
}

TEST_CASE("netem: jitter without a table is uniform from delay - jitter to delay + jitter - 1") {
  NetemSettings settings = seeded(8);
  settings.delay = {10};
  settings.jitter = 4;
  Netem netem = made(settings);
  std::vector<int> counts(20);
  for (int index = 0; index < many; ++index) {
    ++counts[static_cast<std::size_t>(netem.place(settings, 60, {0}).at.nanoseconds)];
  }
  for (std::size_t at = 0; at < counts.size(); ++at) {
    if (at < 6 || at > 13) {
      CHECK(counts[at] == 0);
    } else {
      CHECK(std::abs(counts[at] - many / 8) < 5 * std::sqrt(many / 8.0));
    }
  }
}

TEST_CASE("netem: a table's value is rounded away from zero and scaled as in C") {
  const auto table = std::make_shared<DelayTable>();
  table->values = {-8192};
  NetemSettings settings = seeded(1);
  settings.delay = {100'000};
  settings.jitter = 10'001;
  settings.table = table;
  CHECK(timeFor(settings, 60) == 89'999);
  table->values = {4096};  // half a sigma: 5000.5
  CHECK(timeFor(settings, 60) == 105'001);
  table->values = {-4096};
  CHECK(timeFor(settings, 60) == 94'999);
  table->values = {32'767};  // never more than 4 sigma
  CHECK(timeFor(settings, 60) == 140'003);
}

TEST_CASE("netem: a frame's time at a rate, and of its cells, is rounded down") {
  NetemSettings settings = seeded(1);
  settings.rate = 1'250'000;  // 10 Mbit/s
  CHECK(timeFor(settings, 1514) == 1'211'200);
  settings.rate = 7;
  CHECK(timeFor(settings, 100) == 14'285'714'285);
  settings.rate = 1'250'000;
  settings.packetOverhead = -14;
  CHECK(timeFor(settings, 1514) == 1'200'000);
  settings.packetOverhead = 0;
  settings.cellSize = 48;
  settings.cellOverhead = 5;
  CHECK(timeFor(settings, 96) == 2 * 53 * 800);
  CHECK(timeFor(settings, 97) == 3 * 53 * 800);
  settings = seeded(1);
  settings.rate = 125'000'000'000;  // 1 Tbit/s
  CHECK(timeFor(settings, 1514) == 12);
  settings.rate = 1;
  CHECK(timeFor(settings, 1514) == 1'514'000'000'000);
}

TEST_CASE("netem: with a gap every n-th frame goes first") {
  NetemSettings settings = seeded(1);
  settings.delay = {1000};
  settings.reorder = percent(100);
  settings.gap = 5;
  Netem netem = made(settings);
  for (int index = 0; index < 100; ++index) CHECK(netem.place(settings, 60, {0}).first == (index % 5 == 4));
}

TEST_CASE("netem: without a seed of its own, the stream follows from the path's") {
  NetemSettings settings;
  settings.lossProbability = percent(50);
  const auto losses = [&](std::uint64_t pathSeed) {
    Netem netem(pathSeed);
    netem.configure(settings, {});
    std::vector<bool> result;
    for (int index = 0; index < 64; ++index) result.push_back(netem.loses(settings));
    return result;
  };
  CHECK(losses(1) == losses(1));
  CHECK(losses(1) != losses(2));
}
