// Loss models, outages and bit errors against their closed forms, at a million frames with fixed seeds. Every
// bound is five standard deviations of what is measured, where not said otherwise.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "frame/pool.hpp"
#include "impairment_fixtures.hpp"

using namespace etherloom;

namespace {

constexpr int million = 1'000'000;

/// Which of many frames were lost. One frame stands for all.
struct Bench {
  std::unique_ptr<FramePool> pool = *FramePool::create(1u << 20);
  Frame* frame = pool->acquire(BufferClass::Small);

  explicit Bench(std::uint32_t length = 60) { frame->length = length; }
  ~Bench() { pool->release(frame); }

  std::vector<bool> lost(const Impairment& impairment, int frames = million, Duration apart = {1000},
                         std::uint64_t seed = 1) {
    StageState state{Random(seed)};
    std::vector<bool> lost(static_cast<std::size_t>(frames));
    frame->arrival = {};
    for (std::size_t at = 0; at < lost.size(); ++at, frame->arrival = frame->arrival + apart) {
      Passage passage(*pool, frame);
      impairment.apply(passage, state);
      if (passage.dropped()) {
        REQUIRE(*passage.dropped() == DropReason::Loss);
        lost[at] = true;
      }
    }
    return lost;
  }
};

double rateOf(const std::vector<bool>& lost) {
  return static_cast<double>(std::count(lost.begin(), lost.end(), true)) / static_cast<double>(lost.size());
}

/// Of what happens to frames that are `apart` from each other.
double correlationOf(const std::vector<bool>& lost, std::size_t apart = 1) {
  const double rate = rateOf(lost);
  double both = 0;
  for (std::size_t at = apart; at < lost.size(); ++at) both += lost[at] && lost[at - apart];
  both /= static_cast<double>(lost.size() - apart);
  return (both - rate * rate) / (rate * (1 - rate));
}

/// The lengths of runs of frames with this fate, the first and the last left out.
std::vector<int> runsOf(const std::vector<bool>& lost, bool fate) {
  std::vector<int> runs;
  int length = 0;
  for (const bool each : lost) {
    if (each == fate) {
      ++length;
    } else if (length > 0) {
      runs.push_back(length);
      length = 0;
    }
  }
  runs.erase(runs.begin());
  return runs;
}

double meanOf(const std::vector<int>& values) {
  double sum = 0;
  for (const int value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

/// The deviation of the mean rate of n frames whose correlation falls by `c` with each frame.
double deviation(double rate, double c, double frames = million) {
  return std::sqrt(rate * (1 - rate) / frames * (1 + c) / (1 - c));
}

/// Chi-square of lengths against a geometric distribution: 1, 2, ... `classes` and longer.
double geometricChiSquare(const std::vector<int>& runs, double end, int classes) {
  std::vector<double> counts(static_cast<std::size_t>(classes) + 1);
  for (const int run : runs) ++counts[static_cast<std::size_t>(std::min(run - 1, classes))];
  double sum = 0;
  double left = 1;
  for (int length = 0; length <= classes; ++length) {
    const double share = length == classes ? left : left * end;
    left -= share;
    const double expected = share * static_cast<double>(runs.size());
    const double off = counts[static_cast<std::size_t>(length)] - expected;
    sum += off * off / expected;
  }
  return sum;
}

constexpr double chiSquare10 = 35.6;  // 99.99 % quantile for 10 degrees of freedom

Chance correlated(double rate, double c) { return {rate, rate + c * (1 - rate), rate * (1 - c)}; }
Chance inBursts(double rate, double burst) { return {rate, 1 - 1 / burst, rate / (burst * (1 - rate))}; }

}  // namespace

TEST_CASE("loss by itself: the rate, and nothing else from frame to frame") {
  for (const double rate : {0.001, 0.1, 0.5, 0.999}) {
    CAPTURE(rate);
    Bench bench;
    const auto lost = bench.lost(*makeLoss(rate));
    CHECK(std::abs(rateOf(lost) - rate) < 5 * deviation(rate, 0));
    CHECK(std::abs(correlationOf(lost)) < 5 / std::sqrt(million));
  }
}

TEST_CASE("correlated loss keeps the rate, with the correlation asked for at any distance") {
  for (const double rate : {0.01, 0.1, 0.5}) {
    for (const double c : {0.25, 0.5, 0.9}) {
      CAPTURE(rate);
      CAPTURE(c);
      Bench bench;
      const auto lost = bench.lost(*makeLoss(correlated(rate, c)));
      CHECK(std::abs(rateOf(lost) - rate) < 5 * deviation(rate, c));
      // The deviation of a measured correlation of rare events is larger by 1 / sqrt(rate) at most.
      const double bound = 5 / std::sqrt(million * rate) * std::sqrt((1 + c) / (1 - c));
      for (const std::size_t apart : {1u, 2u, 3u}) {
        CHECK(std::abs(correlationOf(lost, apart) - std::pow(c, apart)) < bound);
      }
      CHECK(geometricChiSquare(runsOf(lost, true), (1 - rate) * (1 - c), 10) < chiSquare10);
    }
  }
}

TEST_CASE("no correlation picks the same frames as the probability alone") {
  Bench bench;
  CHECK(bench.lost(*makeLoss(correlated(0.1, 0)), 10'000) == bench.lost(*makeLoss(0.1), 10'000));
}

TEST_CASE("loss in bursts: the rate, and geometric bursts and gaps of the mean asked for") {
  for (const auto& [rate, burst] : {std::pair{0.01, 5.0}, {0.2, 1.5}, {0.1, 20.0}, {0.5, 3.0}}) {
    CAPTURE(rate);
    CAPTURE(burst);
    Bench bench;
    const auto lost = bench.lost(*makeLoss(inBursts(rate, burst)));
    const double begin = rate / (burst * (1 - rate));
    CHECK(std::abs(rateOf(lost) - rate) < 5 * deviation(rate, 1 - 1 / burst - begin));
    const auto runs = runsOf(lost, true);
    CHECK(std::abs(meanOf(runs) - burst) <
          5 * std::sqrt(burst * (burst - 1) / static_cast<double>(runs.size())));
    CHECK(geometricChiSquare(runs, 1 / burst, 10) < chiSquare10);
    CHECK(geometricChiSquare(runsOf(lost, false), begin, 10) < chiSquare10);
  }
}

TEST_CASE("bursts of one frame never touch, and the highest rate alternates") {
  Bench bench;
  for (const int run : runsOf(bench.lost(*makeLoss(inBursts(0.3, 1)), 100'000), true)) REQUIRE(run == 1);
  const auto highest = bench.lost(*makeLoss(inBursts(0.5, 1)), 1000);
  for (std::size_t at = 1; at < highest.size(); ++at) REQUIRE(highest[at] != highest[at - 1]);
}

TEST_CASE("chains begin in their long run: the first frame is lost as often as any") {
  constexpr int seeds = 20'000;
  int first = 0;
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    StageState state{Random(seed)};
    first += inBursts(0.2, 10).hit(state.random, state.memory);
  }
  CHECK(std::abs(first / double{seeds} - 0.2) < 5 * deviation(0.2, 0, seeds));
}

TEST_CASE("runs of exactly so many frames: the rate, and no other lengths than multiples") {
  constexpr double rate = 0.1;
  constexpr int length = 4;
  Bench bench;
  const auto lost = bench.lost(*makeRunLoss(rate / (rate + length * (1 - rate)), length));
  CHECK(std::abs(rateOf(lost) - rate) < 5 * std::sqrt(length) * deviation(rate, 0));
  for (const int run : runsOf(lost, true)) REQUIRE(run % length == 0);
  for (const bool each : bench.lost(*makeRunLoss(1, 3), 100)) CHECK(each);
}

TEST_CASE("Gilbert-Elliott: the closed form, and bad times of mean 1/r") {
  // p = 1 %, r = 10 %, 1-h = 70 %, 1-k = 0.1 %: 6.4545 %
  Bench bench;
  const auto lost = bench.lost(*makeLoss(GilbertElliott{0.01, 0.1, 0.7, 0.001}));
  CHECK(std::abs(rateOf(lost) - 0.064545) < 5 * deviation(0.064545, 1 - 0.11));

  // With certain loss in the bad state and none in the good, bursts are the bad times.
  const auto simple = bench.lost(*makeLoss(GilbertElliott{0.02, 0.25, 1, 0}));
  CHECK(std::abs(rateOf(simple) - 0.02 / 0.27) < 5 * deviation(0.02 / 0.27, 1 - 0.27));
  CHECK(geometricChiSquare(runsOf(simple, true), 0.25, 10) < chiSquare10);
  CHECK(geometricChiSquare(runsOf(simple, false), 0.02, 10) < chiSquare10);
}

TEST_CASE("Gilbert-Elliott: the state before the step decides, and 0 and 1 are exact") {
  Bench bench;
  const auto lost = bench.lost(*makeLoss(GilbertElliott{1, 1, 1, 0}), 100);  // good, bad, good, ...
  for (std::size_t at = 0; at < lost.size(); ++at) REQUIRE(lost[at] == (at % 2 == 1));
  for (const bool each : bench.lost(*makeLoss(GilbertElliott{0, 1, 1, 0}), 1000)) REQUIRE_FALSE(each);
  for (const bool each : bench.lost(*makeLoss(GilbertElliott{0.5, 0.5, 1, 1}), 1000)) REQUIRE(each);
}

TEST_CASE("four states: the closed form") {
  const auto expected = [](const FourState& m) {
    return (m.p13 * m.p23 + m.p14 * m.p23 * m.p31) /
           (m.p13 * m.p23 + m.p23 * m.p31 + m.p14 * m.p23 * m.p31 + m.p13 * m.p32);
  };
  for (const FourState& model : {FourState{0.01, 0.3, 0.1, 0.5, 0.002}, FourState{0.05, 0.95, 0, 1, 0},
                                 FourState{0.1, 0.2, 0.3, 0.4, 0.05}}) {
    const double rate = expected(model);
    CAPTURE(rate);
    Bench bench;
    // Bursts end with p31 at least, so no correlation falls more slowly than 1 - p31 with each frame.
    CHECK(std::abs(rateOf(bench.lost(*makeLoss(model))) - rate) < 5 * deviation(rate, 1 - model.p31 * 0.5));
  }
  CHECK(expected({0.01, 0.3, 0.1, 0.5, 0.002}) == doctest::Approx(0.03391).epsilon(0.001));
}

TEST_CASE("four states: certain steps go round exactly") {
  Bench bench;
  const auto pattern = [&](const FourState& model, int frames) {
    std::string text;
    for (const bool lost : bench.lost(*makeLoss(model), frames)) text += lost ? 'x' : '.';
    return text;
  };
  CHECK(pattern({0, 1, 0, 1, 0}, 8) == "........");
  CHECK(pattern({1, 1, 0, 1, 0}, 8) == "x.x.x.x.");  // 3 1 3 1
  CHECK(pattern({1, 0, 0, 1, 0}, 8) == "xxxxxxxx");  // 3 for ever
  CHECK(pattern({1, 0, 1, 1, 0}, 8) == "x.x.x.x.");  // 3 2 3 2
  CHECK(pattern({1, 0, 1, 0, 0}, 8) == "x.......");  // 3 2 2 2
  CHECK(pattern({0, 1, 0, 1, 1}, 8) == "x.x.x.x.");  // 4 1 4 1
}

TEST_CASE("bit errors: the probability of a frame follows from its length, however small") {
  for (const std::uint32_t length : {60u, 1500u}) {
    for (const double rate : {1e-6, 1e-4}) {
      CAPTURE(length);
      CAPTURE(rate);
      Bench bench(length);
      const double expected = 1 - std::pow(1 - rate, 8.0 * length);
      CHECK(std::abs(rateOf(bench.lost(*makeBitErrors(rate))) - expected) < 5 * deviation(expected, 0));
    }
  }
  Bench bench;
  for (const bool each : bench.lost(*makeBitErrors(1), 100)) REQUIRE(each);
  // 1 - 1e-18 is 1 in doubles; 480 bits at 1e-18 must still have a probability.
  CHECK(rateOf(bench.lost(*makeBitErrors(1e-18), 10'000)) == 0);
  CHECK(rateOf(bench.lost(*makeBitErrors(0), 10'000)) == 0);
}

TEST_CASE("a periodic outage is dead from its beginning to its end, to the nanosecond") {
  Bench bench;
  const auto lost = bench.lost(*makeOutage(10, 3, 4), 100, {1});
  for (std::size_t at = 0; at < lost.size(); ++at) {
    REQUIRE(lost[at] == (at % 10 >= 4 && at % 10 < 7));
  }
  const auto across = bench.lost(*makeOutage(10, 3, 8), 100, {1});  // over the end of a period
  for (std::size_t at = 0; at < across.size(); ++at) {
    REQUIRE(across[at] == (at % 10 == 8 || at % 10 == 9 || at % 10 == 0));
  }
  for (const bool each : bench.lost(*makeOutage(10, 10, 0), 100, {1})) REQUIRE(each);
}

TEST_CASE("a random outage is down for its share, in exponential times") {
  // Every 1 ms for 0.2 ms on average, looked at each microsecond.
  Bench bench;
  const auto lost = bench.lost(*makeRandomOutage(1'000'000, 200'000));
  const double step = 1 / 200.0 + 1 / 800.0;
  CHECK(std::abs(rateOf(lost) - 0.2) < 5 * deviation(0.2, std::exp(-step)));
  // A time seen down at each look is geometric: it goes on with the probability of being down again.
  const double stays = 1 - 0.8 * -std::expm1(-step);
  const auto runs = runsOf(lost, true);
  const double mean = 1 / (1 - stays);
  CHECK(std::abs(meanOf(runs) - mean) < 5 * mean / std::sqrt(static_cast<double>(runs.size())));
  CHECK(geometricChiSquare(runs, 1 - stays, 10) < chiSquare10);
}

TEST_CASE("a random outage: looking seldom sees the share, and looking at once sees the same") {
  Bench bench;
  const auto seldom = bench.lost(*makeRandomOutage(1'000'000, 200'000), 100'000, {1'000'000'000});
  CHECK(std::abs(rateOf(seldom) - 0.2) < 5 * deviation(0.2, 0, 100'000));
  CHECK(std::abs(correlationOf(seldom)) < 5 / std::sqrt(100'000));
  const auto atOnce = bench.lost(*makeRandomOutage(1'000'000, 200'000), 1000, {0});
  for (const bool each : atOnce) REQUIRE(each == atOnce.front());
  for (const bool each : bench.lost(*makeRandomOutage(10, 10), 1000)) REQUIRE(each);
}

TEST_CASE("loss that marks: a frame that is capable is kept with CE, any other is lost") {
  Bench bench;
  for (const int ecn : {0, 1, 2, 3}) {
    CAPTURE(ecn);
    std::uint8_t* data = bench.frame->data;
    std::fill_n(data, bench.frame->length, std::uint8_t{0});
    data[12] = 0x08;
    data[14] = 0x45;
    data[15] = static_cast<std::uint8_t>(ecn);
    data[17] = 46;  // total length
    bench.frame->references = 1;
    Passage passage(*bench.pool, bench.frame);
    StageState state{Random(1)};
    makeLoss(1, WhenLost::Mark)->apply(passage, state);
    CHECK(passage.marked() == (ecn != 0));
    CHECK(passage.dropped().has_value() == (ecn == 0));
    CHECK((passage.frame()->data[15] & 3) == (ecn == 0 ? 0 : 3));
  }
}
