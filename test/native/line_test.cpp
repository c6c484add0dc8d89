// Line: when service ends, to the nanosecond, and which frame is the first that does not fit.
#include "lines/line.hpp"

#include <doctest/doctest.h>

#include <array>
#include <vector>

using namespace etherloom;

namespace {

/// The time that `frames` frames of this many bits take at a rate, rounded up to a nanosecond.
std::int64_t exactly(std::uint64_t frames, std::uint64_t bits, std::uint64_t rate) {
  const auto total = static_cast<unsigned __int128>(frames) * bits * 1'000'000'000;
  return static_cast<std::int64_t>((total + rate - 1) / rate);
}

/// A line, and frames to offer to it.
struct Bench {
  Line line;
  std::vector<std::unique_ptr<Frame>> frames;
  std::vector<std::unique_ptr<Held>> slots;

  Held* make(std::uint32_t length) {
    frames.push_back(std::make_unique<Frame>());
    frames.back()->length = length;
    slots.push_back(std::make_unique<Held>());
    slots.back()->frame = frames.back().get();
    return slots.back().get();
  }
  bool offer(std::uint32_t length, const LineSettings& settings, Instant at = {}) {
    return line.offer(make(length), settings, at);
  }
  /// Offers until one is refused; how many wait then.
  std::uint64_t fill(std::uint32_t length, const LineSettings& settings, Instant at = {}) {
    while (offer(length, settings, at)) {
    }
    return line.waiting();
  }
  /// Finishes everything; the instants when it was due.
  std::vector<std::int64_t> drain() {
    std::vector<std::int64_t> dues;
    while (!line.empty()) {
      dues.push_back(line.due().nanoseconds);
      CHECK(line.finish()->due.nanoseconds == dues.back());
    }
    return dues;
  }
};

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
  for (const Row& row : {Row{54'000'000, 1500, 0}, Row{7, 60, 0}, Row{1'000'000'000'000, 60, 0},
                         Row{999'999'999'989, 61, 24}, Row{1'000'000'007, 1514, 24}}) {
    CAPTURE(row.rate);
    constexpr std::uint64_t count = 1'000'000;
    const LineSettings settings{row.rate, row.overhead, {Limit::Unit::Frames, 1}};
    Line line;
    Frame frame;
    frame.length = row.length;
    std::array<Held, 2> slots;
    for (Held& held : slots) held.frame = &frame;
    REQUIRE(line.offer(&slots[0], settings, {}));
    REQUIRE(line.offer(&slots[1], settings, {}));
    std::uint64_t wrong = 0;
    for (std::uint64_t finished = 1; finished <= count; ++finished) {
      wrong += line.due().nanoseconds !=
               exactly(finished, (row.length + static_cast<std::uint32_t>(row.overhead)) * 8, row.rate);
      const Instant due = line.due();
      if (!line.offer(line.finish(), settings, due)) ++wrong;
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
  for (std::uint32_t length = 60; length < 70; ++length) CHECK(bench.line.finish()->frame->length == length);
  CHECK(bench.line.empty());
}

TEST_CASE("a queued frame keeps the rate it was queued under, and a fraction survives the change") {
  Bench bench;
  REQUIRE(bench.offer(10, at(3'000'000'000)));  // ends at 26 2/3
  REQUIRE(bench.offer(10, at(3'000'000'000)));  // at 53 1/3
  REQUIRE(bench.offer(1, at(6'000'000'000)));   // 8 bits, 1 1/3 ns: at 54 2/3
  REQUIRE(bench.offer(1, at(1'000'000'000)));   // at 62 2/3
  REQUIRE(bench.offer(1, at(3'000'000'000)));   // 2 2/3 ns: at 65 1/3
  CHECK(bench.drain() == Dues{27, 54, 55, 63, 66});
}

TEST_CASE("without a rate a frame takes no time, but overtakes nobody") {
  Bench bench;
  REQUIRE(bench.offer(60, at(0), {5}));
  CHECK(bench.drain() == Dues{5});
  REQUIRE(bench.offer(10, at(3'000'000'000), {100}));
  REQUIRE(bench.offer(60, at(0), {101}));
  REQUIRE(bench.offer(10, at(3'000'000'000), {102}));
  CHECK(bench.drain() == Dues{127, 127, 154});
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
  CHECK(bench.line.finish()->frame->length == 100);
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

TEST_CASE("a limit in time adds up frames of different rates and fractions") {
  Bench bench;
  const auto offer = [&](std::uint64_t rate, std::uint64_t wait) {
    return bench.offer(10, at(rate, {Limit::Unit::Nanoseconds, wait}));
  };
  REQUIRE(offer(3'000'000'000, 0));  // in service until 26 2/3
  CHECK_FALSE(offer(3'000'000'000, 26));
  REQUIRE(offer(3'000'000'000, 27));  // until 53 1/3
  REQUIRE(offer(1'000'000'000, 54));  // until 133 1/3
  CHECK_FALSE(offer(1'000'000'000, 133));
  REQUIRE(offer(1'000'000'000, 134));
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

TEST_CASE("flush gives up what waits, in order; the frame in service goes on") {
  Bench bench;
  const LineSettings settings = at(3'000'000'000, {Limit::Unit::Bytes, 1000});
  for (std::uint32_t length = 10; length < 14; ++length) REQUIRE(bench.offer(length, settings));
  std::vector<std::uint32_t> lengths;
  for (const Held* held = bench.line.flush(); held; held = held->next) lengths.push_back(held->frame->length);
  CHECK(lengths == std::vector<std::uint32_t>{11, 12, 13});
  CHECK(bench.line.waiting() == 0);
  CHECK(bench.line.flush() == nullptr);
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
  slots[1]->copy = 9;
  pool.release(slots[1]);
  CHECK(pool.outstanding() == 2);
  Held* again = pool.acquire();
  CHECK(again == slots[1]);
  CHECK(again->copy == 0);
  CHECK(pool.size() == 3);
}
