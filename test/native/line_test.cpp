// Line: when service ends, to the nanosecond, and which frame is the first that does not fit.
#include "lines/line.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <map>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "line_fixtures.hpp"

using namespace etherloom;

namespace {

/// The time that `frames` frames of this many bits take at a rate, rounded up to a nanosecond.
std::int64_t exactly(std::uint64_t frames, std::uint64_t bits, std::uint64_t rate) {
  const auto total = static_cast<unsigned __int128>(frames) * bits * 1'000'000'000;
  return static_cast<std::int64_t>((total + rate - 1) / rate);
}

using Bench = LineBench;

LineSettings at(std::uint64_t rate, Limit limit = {Limit::Unit::Frames, 1'000'000}) {
  return {rate, 0, limit};
}

using Dues = std::vector<std::int64_t>;

}  // namespace

TEST_CASE("a million frames back to back take exactly their time, and so does each on the way") {
  struct Row {
    std::uint64_t rate;
    std::uint32_t length;
    std::int32_t overhead;
  };
  for (const Row& row :
       {Row{1, 14, -13}, Row{1'000, 1514, 0}, Row{54'000'000, 1500, 0}, Row{7, 60, 0},
        Row{1'000'000'000'000, 60, 0}, Row{999'999'999'989, 61, 24}, Row{1'000'000'007, 1514, 24}}) {
    CAPTURE(row.rate);
    constexpr std::uint64_t count = 1'000'000;
    const auto bits = static_cast<std::uint64_t>(row.length + static_cast<std::uint32_t>(row.overhead)) * 8;
    const LineSettings settings{row.rate, row.overhead, {Limit::Unit::Frames, 1}};
    Line line(1);
    line.adopt(settings, {}, {});
    Chain<Held> dropped;
    Frame frame;
    frame.length = row.length;
    std::array<Held, 2> slots;
    for (Held& held : slots) held.frame = &frame;
    REQUIRE_FALSE(line.offer(&slots[0], {}));
    REQUIRE_FALSE(line.offer(&slots[1], {}));
    std::uint64_t wrong = 0;
    for (std::uint64_t finished = 1; finished <= count; ++finished) {
      wrong += line.due().nanoseconds != exactly(finished, bits, row.rate);
      const Instant due = line.due();
      if (line.offer(line.finish(dropped), due)) ++wrong;
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("hand-computed: three frames of 10 bytes at 3 bit/ns and overhead") {
  Bench bench;
  const LineSettings settings{3'000'000'000, 0, {}};
  for (int frame = 0; frame < 3; ++frame) REQUIRE(bench.offer(10, settings, {100}));
  CHECK(bench.line.waiting() == 2);
  CHECK(bench.drain() == Dues{127, 154, 180});  // 100 + 26 2/3, 53 1/3, 80, rounded up

  REQUIRE(bench.offer(6, {3'000'000'000, 24, {}}, {1000}));
  CHECK(bench.drain() == Dues{1080});
}

TEST_CASE("an idle line begins anew: no fraction, no credit for the time it rested") {
  Bench bench;
  REQUIRE(bench.offer(10, at(3'000'000'000), {0}));
  CHECK(bench.drain() == Dues{27});
  REQUIRE(bench.offer(10, at(3'000'000'000), {27}));
  CHECK(bench.drain() == Dues{54});
  CHECK(bench.line.due() == Instant::never());
  CHECK(bench.line.inService() == nullptr);
}

TEST_CASE("frames come out in the order they went in") {
  Bench bench;
  for (std::uint32_t length = 60; length < 70; ++length) REQUIRE(bench.offer(length, at(1'000'000)));
  for (std::uint32_t length = 60; length < 70; ++length) CHECK(bench.finish()->frame->length == length);
  CHECK(bench.line.empty());
}

TEST_CASE("a new rate holds for what waits and for what is left of the frame in service") {
  Bench bench;
  REQUIRE(bench.offer(10, at(3'000'000'000)));  // would end at 26 2/3
  REQUIRE(bench.offer(10, at(3'000'000'000)));
  REQUIRE(bench.offer(1, at(1'000'000'000), {20}));  // 20 bits are left: until 40, then 80 and 8 more
  CHECK(bench.drain() == Dues{40, 120, 128});

  REQUIRE(bench.offer(10, at(3'000'000'000), {1000}));
  REQUIRE(bench.offer(10, at(3'000'000'000), {1000}));
  bench.adopt(at(6'000'000'000), {1010});  // 50 bits are left: until 1018 1/3, then 13 1/3 more
  CHECK(bench.drain() == Dues{1019, 1032});
}

TEST_CASE("without a rate a frame takes no time and overtakes nobody; what waited leaves at once") {
  Bench bench;
  REQUIRE(bench.offer(60, at(0), {5}));
  CHECK(bench.drain() == Dues{5});
  REQUIRE(bench.offer(10, at(3'000'000'000), {100}));
  REQUIRE(bench.offer(10, at(3'000'000'000), {100}));
  REQUIRE(bench.offer(60, at(0), {101}));
  CHECK(bench.drain() == Dues{101, 101, 101});
  REQUIRE(bench.offer(10, at(3'000'000'000), {102}));
  CHECK(bench.drain() == Dues{129});
}

TEST_CASE("a bucket keeps its tokens through a change of the rate, up to its new size") {
  Bench bench;
  const auto bucket = [](std::uint64_t rate, std::uint64_t burst) {
    return LineSettings{.rate = rate, .limit = {Limit::Unit::Frames, 10}, .burst = burst};
  };
  REQUIRE(
      bench.offer(100, bucket(8'000'000'000, 1000), {5000}));  // 100 ns each; 900 bytes of tokens are left
  CHECK(bench.drain() == Dues{5000});
  bench.adopt(bucket(1'000'000'000, 300), {5000});  // 800 ns each
  for (int frame = 0; frame < 4; ++frame) {
    REQUIRE(bench.offer(100, bench.settings, {5000}));
    CHECK(bench.drain({5000}) == (frame < 3 ? Dues{5000} : Dues{}));
  }
  CHECK(bench.drain() == Dues{5800});
}

TEST_CASE("a line that a trace stopped for ever serves again when the next policy comes, whatever that is") {
  Trace::Columns columns;
  columns.at = {0};
  columns.rate = {1'000'000'000};
  const auto ended = std::make_shared<const Trace>(std::move(columns), Trace::End::Stop,
                                                   100);  // 100 bits, and nothing any more
  const auto settings = at(1'000'000'000);
  const auto stopped = [&](Bench& bench) {
    bench.line.adopt(settings, {ended, {}}, {});
    REQUIRE_FALSE(bench.line.offer(bench.make(10), {}));
    REQUIRE_FALSE(bench.line.offer(bench.make(10), {}));  // 60 bits of it are left
    CHECK(bench.finish()->due == Instant{80});
    CHECK(bench.line.due() == Instant::never());
  };
  SUBCASE("a rate: what is left takes its time") {
    Bench bench;
    stopped(bench);
    bench.adopt(settings, {1000});
    CHECK(bench.drain() == Dues{1060});
  }
  SUBCASE("the same trace from its beginning") {
    Bench bench;
    stopped(bench);
    bench.line.adopt(settings, {ended, {1000}}, {1000});
    CHECK(bench.drain() == Dues{1060});
  }
  SUBCASE("slots") {
    Bench bench;
    stopped(bench);
    auto slotted = at(0);
    slotted.slots = {.delay = {50}};
    bench.adopt(slotted, {1000});
    CHECK(bench.drain() == Dues{1050});
  }
  SUBCASE("nothing of it is left after a flush") {
    Bench bench;
    stopped(bench);
    static_cast<void>(bench.finish());
    auto slotted = settings;
    slotted.slots = {.delay = {50}};
    REQUIRE(bench.offer(10, slotted, {1000}));
    CHECK(bench.drain() == Dues{1130});
  }
}

TEST_CASE("the slowest line and the largest frame do not overflow") {
  Bench bench;
  const LineSettings settings{1, 1000, {Limit::Unit::Frames, 10}};
  REQUIRE(bench.offer(68 * 1024, settings));
  REQUIRE(bench.offer(68 * 1024, settings));
  const std::int64_t one = (68 * 1024 + 1000) * 8 * 1'000'000'000LL;
  CHECK(bench.drain() == Dues{one, 2 * one});
}

TEST_CASE("a limit in frames counts the frames that wait, not the one in service") {
  Bench bench;
  CHECK(bench.fill(60, at(1'000'000, {Limit::Unit::Frames, 3})) == 3);
  CHECK(bench.slots.size() == 5);  // one in service, three waiting, one refused

  Bench none;
  CHECK(none.fill(60, at(1'000'000, {Limit::Unit::Frames, 0})) == 0);
  CHECK(none.slots.size() == 2);
}

TEST_CASE("a limit in bytes is reached exactly, and makes room as service begins") {
  Bench bench;
  const LineSettings settings{1'000'000, 24, {Limit::Unit::Bytes, 300}};
  CHECK(bench.fill(100, settings) == 3);  // overhead does not count
  CHECK(bench.finish()->frame->length == 100);
  CHECK(bench.line.waiting() == 2);
  CHECK_FALSE(bench.offer(101, settings));
  CHECK(bench.offer(99, settings));
  CHECK(bench.offer(1, settings));
  CHECK_FALSE(bench.offer(1, settings));
}

TEST_CASE("a limit in time refuses who would wait longer, to the nanosecond") {
  // 1000 bits at 1 Mbit/s: 1 ms of service for each frame.
  const auto wait = [](std::uint64_t nanoseconds) {
    return at(1'000'000, {Limit::Unit::Nanoseconds, nanoseconds});
  };
  Bench bench;
  REQUIRE(bench.offer(125, wait(0)));
  CHECK_FALSE(bench.offer(125, wait(999'999)));
  CHECK(bench.offer(125, wait(1'000'000)));
  CHECK_FALSE(bench.offer(125, wait(1'999'999)));
  CHECK(bench.offer(125, wait(2'000'000)));
  // Half of the first service is over: the next would wait 2.5 ms.
  CHECK_FALSE(bench.offer(125, wait(2'499'999), {500'000}));
  CHECK(bench.offer(125, wait(2'500'000), {500'000}));
}

TEST_CASE("a limit in time adds up fractions, and asks how long it takes at the rate of now") {
  Bench bench;
  const auto offer = [&](std::uint64_t rate, std::uint64_t wait) {
    return bench.offer(10, at(rate, {Limit::Unit::Nanoseconds, wait}));
  };
  REQUIRE(offer(3'000'000'000, 0));  // in service until 26 2/3
  CHECK_FALSE(offer(3'000'000'000, 26));
  REQUIRE(offer(3'000'000'000, 27));  // until 53 1/3
  CHECK_FALSE(offer(3'000'000'000, 53));
  REQUIRE(offer(3'000'000'000, 54));
  CHECK_FALSE(offer(1'000'000'000, 239));  // three times 80 ns, now
  REQUIRE(offer(1'000'000'000, 240));
  bench.drain();
  REQUIRE(bench.offer(10, at(1'000'000'000), {1000}));  // what waited has left nothing behind
  CHECK(bench.offer(10, at(1'000'000'000, {Limit::Unit::Nanoseconds, 80}), {1000}));
}

TEST_CASE("by default a queue is full only beyond both 1000 frames and 100 ms") {
  SUBCASE("a slow line: 1000 frames are more than 100 ms") {
    Bench bench;
    CHECK(bench.fill(1250, at(1'000'000, {})) == 1000);
  }
  SUBCASE("a fast line: 100 ms are more than 1000 frames") {
    // 10,000 bits at 1 Gbit/s: 10 µs each. The frame in service and 9,999 before it make 100 ms.
    Bench bench;
    CHECK(bench.fill(1250, at(1'000'000'000, {})) == 10'000);
  }
}

TEST_CASE("a refused frame changes nothing") {
  Bench bench;
  const LineSettings settings = at(3'000'000'000, {Limit::Unit::Frames, 1});
  REQUIRE(bench.offer(10, settings));
  REQUIRE(bench.offer(10, settings));
  REQUIRE_FALSE(bench.offer(10, settings));
  CHECK(bench.line.waiting() == 1);
  CHECK(bench.drain() == Dues{27, 54});
}

TEST_CASE("a frame that comes late from another worker waits for the line as long as that was busy") {
  Bench bench;
  REQUIRE(bench.offer(10, at(1'000'000'000), {100}));
  CHECK(bench.drain() == Dues{180});
  REQUIRE(bench.offer(10, at(1'000'000'000), {150}));
  CHECK(bench.drain() == Dues{260});
}

TEST_CASE("it gives up what waits, in order; the frame in service goes on") {
  Bench bench;
  const LineSettings settings = at(3'000'000'000, {Limit::Unit::Bytes, 1000});
  for (std::uint32_t length = 10; length < 14; ++length) REQUIRE(bench.offer(length, settings));
  std::vector<std::uint32_t> lengths;
  while (const Held* held = bench.line.takeWaiting()) lengths.push_back(held->frame->length);
  CHECK(lengths == std::vector<std::uint32_t>{11, 12, 13});
  CHECK(bench.line.waiting() == 0);
  // Neither bytes nor time are left of them: 26 2/3 ns of the frame in service remain.
  REQUIRE(bench.offer(10, at(3'000'000'000, {Limit::Unit::Nanoseconds, 27})));
  CHECK(bench.drain() == Dues{27, 54});
  CHECK(bench.fill(100, settings) == 10);
}

TEST_CASE("a slab gives each slot once, then nothing, then what came back") {
  HeldPool pool(3);
  Held* slots[]{pool.acquire(), pool.acquire(), pool.acquire()};
  CHECK(pool.acquire() == nullptr);
  CHECK(pool.outstanding() == 3);
  CHECK(slots[0] != slots[1]);
  CHECK(slots[1] != slots[2]);
  slots[1]->note.copy = 9;
  pool.release(slots[1]);
  CHECK(pool.outstanding() == 2);
  Held* again = pool.acquire();
  CHECK(again == slots[1]);
  CHECK(again->note.copy == 0);
  CHECK(pool.size() == 3);
}

namespace {

/// A token bucket that counts tokens, in 1 / rate of a bit-nanosecond, as tc-tbf(8) describes one: the model.
class TokenBucket {
 public:
  TokenBucket(std::uint64_t rate, std::uint64_t burst)
      : rate_(rate), full_(__int128{1'000'000'000} * 8 * burst) {}

  /// When a frame leaves that comes at `at`, behind all before it: a whole nanosecond, or later by `late_`.
  std::int64_t leave(std::int64_t at, std::uint32_t length) {
    const __int128 cost = __int128{1'000'000'000} * 8 * length;
    if (at > now_) {  // `now_` is where tokens_ held, rounded up
      tokens_ = std::min(full_, tokens_ + __int128{at - now_} * rate_);
      now_ = at;
    }
    if (cost > tokens_) {
      const __int128 wait = (cost - tokens_ + rate_ - 1) / rate_;
      tokens_ += wait * rate_;  // may hold more than the frame needs: a fraction of a nanosecond is not lost
      now_ += static_cast<std::int64_t>(wait);
    }
    tokens_ -= cost;
    return now_;
  }

 private:
  __int128 rate_;
  __int128 full_;
  __int128 tokens_ = full_;
  std::int64_t now_ = 0;
};

}  // namespace

TEST_CASE("a token bucket lets out what a counter of tokens does, to the nanosecond") {
  std::mt19937_64 random(4);
  for (const std::uint64_t rate : {std::uint64_t{999'983}, std::uint64_t{1'000'000'007}, std::uint64_t{3}}) {
    for (const std::uint64_t burst : {1514u, 3000u, 65536u}) {
      CAPTURE(rate);
      CAPTURE(burst);
      Bench bench;
      const LineSettings settings{.rate = rate, .limit = {Limit::Unit::Frames, 1'000'000}, .burst = burst};
      bench.adopt(settings);
      TokenBucket model(rate, burst);
      Dues dues, expected;
      const auto service = 1514ull * 8 * 1'000'000'000 / rate;
      std::int64_t at = 0;
      for (int frame = 0; frame < 20'000; ++frame) {
        if (random() % 40 == 0) at += static_cast<std::int64_t>(random() % (60 * service));  // it rests
        const auto length = static_cast<std::uint32_t>(14 + random() % 1501);
        for (const std::int64_t due : bench.drain({at})) dues.push_back(due);
        REQUIRE(bench.offer(length, settings, {at}));
        expected.push_back(model.leave(at, length));
      }
      for (const std::int64_t due : bench.drain()) dues.push_back(due);
      CHECK(dues == expected);
    }
  }
}

TEST_CASE("a bucket starts full, and in the long run the rate is exact") {
  Bench bench;
  const LineSettings settings{.rate = 7'000'000, .limit = {Limit::Unit::Frames, 1'000'000}, .burst = 10'000};
  bench.adopt(settings);
  // Of 1000 bytes each, ten find their tokens; the n-th after them waits for n times 8000 bits.
  Dues expected;
  for (std::uint64_t frame = 1; frame <= 2000; ++frame)
    expected.push_back(frame <= 10 ? 5 : 5 + exactly(frame - 10, 8000, 7'000'000));
  Dues dues;
  for (int frame = 0; frame < 2000; ++frame) {
    for (const std::int64_t due : bench.drain({5})) dues.push_back(due);
    REQUIRE(bench.offer(1000, settings, {5}));
  }
  for (const std::int64_t due : bench.drain()) dues.push_back(due);
  CHECK(dues == expected);
}

TEST_CASE(
    "a frame that no bucket of this size can let out is refused as oversize; overhead and cells count") {
  Bench bench;
  LineSettings settings{.rate = 1'000'000, .overhead = 24, .burst = 1538};
  bench.adopt(settings);
  CHECK(bench.line.offer(bench.make(1515), {}) == DropReason::Oversize);
  CHECK_FALSE(bench.line.offer(bench.make(1514), {}));
  settings.cells = {48, 5};  // 33 cells of 53 bytes
  bench.adopt(settings);
  CHECK(bench.line.offer(bench.make(1514), {}) == DropReason::Oversize);
}

TEST_CASE("frames that find no tokens queue, and limits count them to the k-th") {
  for (const auto& [limit, waiting] :
       {std::pair{Limit{Limit::Unit::Frames, 7}, 7u}, std::pair{Limit{Limit::Unit::Bytes, 7999}, 7u},
        std::pair{Limit{Limit::Unit::Bytes, 8000}, 8u},
        // 1000 bytes are 8 ms: the n-th that waits begins after 8 n ms.
        std::pair{Limit{Limit::Unit::Nanoseconds, 55'999'999}, 6u},
        std::pair{Limit{Limit::Unit::Nanoseconds, 56'000'000}, 7u}}) {
    Bench bench;
    const LineSettings settings{.rate = 1'000'000, .limit = limit, .burst = 5000};
    bench.adopt(settings);
    for (int frame = 0; frame < 5; ++frame) {
      REQUIRE(bench.offer(1000, settings));
      CHECK(bench.drain({}) == Dues{0});
    }
    CHECK(bench.fill(1000, settings) == waiting);
    CHECK(bench.slots.size() == 5 + 1 + waiting + 1);
  }
}

TEST_CASE("cells: padded to whole ones, each with its overhead") {
  const auto bits = [](std::uint32_t length, std::int32_t overhead, Cells cells) {
    return lineBits(length, {.overhead = overhead, .cells = cells});
  };
  CHECK(bits(96, 0, {48, 5}) == 2 * 53 * 8);
  CHECK(bits(97, 0, {48, 5}) == 3 * 53 * 8);
  CHECK(bits(89, 8, {48, 5}) == 3 * 53 * 8);
  CHECK(bits(110, -14, {48, 5}) == 2 * 53 * 8);
  CHECK(bits(1, 0, {48, 0}) == 48 * 8);
  CHECK(bits(14, -20, {48, 5}) == 0);
  CHECK(bits(14, -20, {}) == 0);
  CHECK(bits(68 * 1024, 1000, {1, 1000}) == (68 * 1024 + 1000) * 1001 * 8);
}

TEST_CASE("slots: frames leave together, so many or so much at a time") {
  const auto line = [](SlotSettings slots, std::uint64_t rate = 0) {
    return LineSettings{.rate = rate, .limit = {Limit::Unit::Frames, 1000}, .slots = slots};
  };
  SUBCASE("the first frame opens one, whoever is through by then leaves with it") {
    Bench bench;
    const auto settings = line({.delay = {100}});
    bench.adopt(settings);
    for (const std::int64_t at : {10, 50, 110, 111}) {
      const Dues left = bench.drain({at - 1});
      CHECK(left == (at == 111 ? Dues{110, 110, 110} : Dues{}));
      REQUIRE(bench.offer(60, settings, {at}));
    }
    CHECK(bench.drain() == Dues{211});
  }
  SUBCASE("three frames at a time") {
    Bench bench;
    const auto settings = line({.delay = {100}, .frames = 3});
    bench.adopt(settings);
    for (int frame = 0; frame < 8; ++frame) REQUIRE(bench.offer(60, settings));
    CHECK(bench.drain() == Dues{100, 100, 100, 200, 200, 200, 300, 300});
  }
  SUBCASE("150 bytes at a time, with the frame that reaches them") {
    Bench bench;
    const auto settings = line({.delay = {100}, .bytes = 150});
    bench.adopt(settings);
    for (int frame = 0; frame < 7; ++frame) REQUIRE(bench.offer(60, settings));
    CHECK(bench.drain() == Dues{100, 100, 100, 200, 200, 200, 300});
  }
  SUBCASE("behind a rate: who is through after the slot opened waits for another") {
    Bench bench;
    const auto settings = line({.delay = {100}}, 8'000'000'000);  // 60 ns each
    bench.adopt(settings);
    for (int frame = 0; frame < 6; ++frame) REQUIRE(bench.offer(60, settings));
    // Through at 60, 120, 180, 240, 300, 360; slots open at 160, 280, 400.
    CHECK(bench.drain() == Dues{160, 160, 280, 280, 400, 400});
  }
  SUBCASE("min to max later, evenly") {
    Bench bench;
    const auto settings = line({.delay = {100}, .spread = {99}, .frames = 1});
    bench.adopt(settings);
    std::vector<int> seen(100);
    constexpr int draws = 10'000;
    for (int frame = 0; frame < 1000; ++frame) REQUIRE(bench.offer(60, settings));
    std::int64_t before = 0;
    for (int frame = 0; frame < draws; ++frame) {
      const std::int64_t due = bench.line.due().nanoseconds;
      REQUIRE_FALSE(bench.line.offer(bench.finish(), {due}));
      const auto step = static_cast<std::size_t>(due - before);
      REQUIRE(step >= 100);
      REQUIRE(step <= 199);
      ++seen[step - 100];
      before = due;
    }
    double chiSquare = 0;  // 99 degrees of freedom: 156 at p = 0.0002
    for (const int count : seen) chiSquare += (count - 100.0) * (count - 100.0) / 100.0;
    CHECK(chiSquare < 156);
  }
  SUBCASE("as a table has it, and never before the slot before") {
    Bench bench;
    const auto table =
        std::make_shared<const DelayTable>(std::vector<std::int16_t>{-32'768, -8192, 4095, 12'288});
    constexpr int draws = 10'000;
    auto settings = line({.delay = {20}, .spread = {10}, .table = table, .frames = 1});
    settings.limit.amount = draws;
    bench.adopt(settings);
    std::map<std::int64_t, int> seen;
    for (int frame = 0; frame < draws; ++frame) REQUIRE(bench.offer(60, settings));
    std::int64_t before = 0;
    for (const std::int64_t due : bench.drain()) ++seen[due - std::exchange(before, due)];
    // 20 - 40 is no time at all; 10 · 4095 / 8192 is rounded up to 5.
    CHECK(seen.size() == 4);
    for (const std::int64_t step : {0, 10, 25, 35})
      CHECK(std::abs(seen[step] - draws / 4) < 5 * std::sqrt(draws * 3 / 16.0));
  }
}
