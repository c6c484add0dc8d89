// Paces, episodes, and the storm guard of a port: exact numbers, super-frames, and several inlets at once.
#include "pipeline/storm_guard.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <thread>
#include <vector>

#include "frame/pool.hpp"

using namespace etherloom;

namespace {

constexpr std::uint64_t everybody = 0xffffffffffff, group = 0x01005e000001, stranger = 0x020000000009;

constexpr Instant at(std::int64_t milliseconds) { return {milliseconds * 1'000'000}; }

/// A guard, and bursts for it.
struct GuardBench {
  std::unique_ptr<FramePool> pool = *FramePool::create(4u << 20);
  Drops drops;
  StormGuard guard;

  explicit GuardBench(std::optional<std::uint32_t> broadcast, std::optional<std::uint32_t> multicast = {},
                      std::optional<std::uint32_t> unknown = {}) {
    set(broadcast, multicast, unknown);
  }
  ~GuardBench() { CHECK(pool->outstanding() == 0); }

  void set(std::optional<std::uint32_t> broadcast, std::optional<std::uint32_t> multicast = {},
           std::optional<std::uint32_t> unknown = {}) {
    guard.set({{broadcast, multicast, unknown}});
  }
  /// Judges one burst of frames to these destinations, all of them flooded.
  StormGuard::Judgement judge(const std::vector<std::uint64_t>& destinations, Instant now,
                              std::uint16_t segments = 1) {
    RxBurst burst(*pool, drops);
    burst.at = now;
    for (const std::uint64_t destination : destinations) {
      Frame* frame = pool->acquire(BufferClass::Small);
      REQUIRE(frame);
      frame->length = 60;
      frame->offload.segments = segments;
      for (int byte = 0; byte < 6; ++byte)
        frame->data[byte] = static_cast<std::uint8_t>(destination >> (40 - 8 * byte));
      burst.add(frame);
    }
    const auto judgement = guard.judge(burst, allFrames(burst.count()));
    burst.remove(allFrames(burst.count()));
    return judgement;
  }
  /// How many of so many broadcasts pass.
  unsigned pass(unsigned count, Instant now) {
    unsigned passed = 0;
    for (unsigned left = count; left > 0;) {
      const unsigned some = std::min(left, burstSize);
      passed += some - static_cast<unsigned>(std::popcount(judge(std::vector(some, everybody), now).refused));
      left -= some;
    }
    return passed;
  }
};

}  // namespace

TEST_CASE("a pace lets through what comes together within its burst at once, and then one each interval") {
  constexpr Pace pace = Pace::perSecond(100, Duration{50'000'000});
  Allowance allowance;
  for (int count = 0; count < 5; ++count) CHECK(allowance.take(pace, at(0)));
  CHECK_FALSE(allowance.take(pace, at(0)));
  CHECK_FALSE(allowance.take(pace, {9'999'999}));
  CHECK(allowance.take(pace, at(10)));
  CHECK_FALSE(allowance.take(pace, at(10)));
  for (int count = 0; count < 5; ++count) CHECK(allowance.take(pace, at(1000)));
  CHECK_FALSE(allowance.take(pace, at(1000)));
}

TEST_CASE("a slow pace lets one through at once; none a second lets none through") {
  Allowance slow, never;
  CHECK(slow.take(Pace::perSecond(1, Duration{100'000'000}), at(0)));
  CHECK_FALSE(slow.take(Pace::perSecond(1, Duration{100'000'000}), {999'999'999}));
  CHECK(slow.take(Pace::perSecond(1, Duration{100'000'000}), at(1000)));
  CHECK_FALSE(never.take(Pace::perSecond(0, Duration{100'000'000}), at(0)));
}

TEST_CASE("an episode begins once, goes on while it happens, and ends once") {
  Episode episode;
  CHECK_FALSE(episode.note(at(1), 0, 5));
  CHECK(episode.note(at(2), 1, 3));
  CHECK_FALSE(episode.note(at(3), 2, 4));
  CHECK_FALSE(episode.note(at(4), 0, 2));
  EpisodeState state = episode.end({at(3).nanoseconds - 1});
  CHECK(state.goesOn == 1);
  CHECK(state.last == at(3).nanoseconds);
  state = episode.end(at(3));
  CHECK(state.goesOn == 0);
  CHECK(state.hits == 3);
  CHECK(state.seen == 9);
  CHECK_FALSE(episode.goesOn());
  CHECK_FALSE(episode.note(at(5), 0, 7));
  CHECK(episode.note(at(6), 1, 1));
  CHECK(episode.end(at(6)).seen == 1);
}

TEST_CASE("an episode that is ended while it goes on has an end for each beginning, and loses no hit") {
  constexpr std::uint64_t each = 200'000;
  Episode episode;
  std::atomic<std::uint64_t> begun{0};
  std::atomic<int> running{2};
  std::vector<std::thread> workers;
  for (int worker = 0; worker < 2; ++worker) {
    workers.emplace_back([&] {
      for (std::uint64_t count = 0; count < each; ++count) begun += episode.note(at(1), 1, 1) ? 1 : 0;
      --running;
    });
  }
  std::uint64_t ended = 0, hits = 0;
  const auto end = [&] {
    if (!episode.goesOn()) return;
    const EpisodeState state = episode.end(at(1));
    ended += state.goesOn == 0 ? 1 : 0;
    hits += state.hits;
  };
  while (running != 0) end();
  for (std::thread& worker : workers) worker.join();
  end();
  CHECK(ended == begun);
  CHECK(hits == 2 * each);
}

TEST_CASE("a guard lets a tenth of a second's worth through at once, and then its limit, to the nanosecond") {
  GuardBench bench(1000);
  CHECK(bench.pass(300, at(0)) == 100);
  CHECK(bench.pass(1, {999'999}) == 0);
  CHECK(bench.pass(2, at(1)) == 1);
  CHECK(bench.pass(64, at(11)) == 10);
  CHECK(bench.pass(300, at(5000)) == 100);
  unsigned passed = 0;
  for (int millisecond = 5001; millisecond <= 6000; ++millisecond) passed += bench.pass(10, at(millisecond));
  CHECK(passed == 1000);
}

TEST_CASE("each kind of traffic has its own limit, and what has none is not touched") {
  GuardBench bench(10, {}, 20);
  const auto judgement =
      bench.judge({everybody, group, stranger, everybody, group, stranger, stranger}, at(0));
  CHECK(judgement.refused == 0b1001000);
  CHECK(judgement.dropped == 2);
  CHECK(judgement.begins == std::array{true, false, true});
  CHECK(bench.judge({everybody}, at(0)).begins == std::array{false, false, false});
  CHECK(bench.guard.end(Traffic::Broadcast, at(0)).hits == 2);
  CHECK(bench.guard.end(Traffic::Unknown, at(0)).seen == 3);
  CHECK(bench.judge({everybody}, at(50)).begins == std::array{true, false, false});
}

TEST_CASE("a limit of 0 lets nothing through") {
  GuardBench bench(0);
  CHECK(bench.pass(10, at(0)) == 0);
  CHECK(bench.pass(10, at(100'000)) == 0);
}

TEST_CASE("a super-frame counts as its wire frames, passes whole, and what it took too much is missing") {
  GuardBench bench(100);
  auto judgement = bench.judge({everybody, everybody}, at(0), 45);
  CHECK(judgement.refused == 0b10);
  CHECK(judgement.dropped == 45);
  CHECK(bench.pass(1, {359'999'999}) == 0);  // 45 take 450 ms, of which 100 ms less one interval are ahead
  CHECK(bench.pass(2, at(360)) == 1);
  CHECK(bench.guard.end(Traffic::Broadcast, at(360)).hits == 45 + 1 + 1);
}

TEST_CASE("another limit holds from the next burst on, with all of it left; the same limit changes nothing") {
  GuardBench bench(10);
  CHECK(bench.pass(5, at(0)) == 1);
  bench.set(10);
  CHECK(bench.pass(5, at(0)) == 0);
  bench.set(100);
  CHECK(bench.pass(50, at(0)) == 10);
  bench.set({});
  CHECK(bench.pass(500, at(0)) == 500);
  CHECK(bench.guard.end(Traffic::Broadcast, at(0)).hits == 4 + 5 + 40);
}

TEST_CASE("a limit is that of the port, however many inlets it has") {
  constexpr std::uint64_t inlets = 4, bursts = 8000, atOnce = 1'000'000;
  GuardBench bench(10'000'000);
  std::atomic<std::uint64_t> passed{0}, begun{0}, ready{0};
  std::vector<std::thread> workers;
  for (std::uint64_t inlet = 0; inlet < inlets; ++inlet) {
    workers.emplace_back([&] {
      Drops drops;
      const auto pool = *FramePool::create(1u << 20);
      RxBurst burst(*pool, drops);
      burst.at = at(0);
      while (burst.room() != 0) burst.copyIn(std::vector<std::uint8_t>(60, 0xff));
      std::uint64_t let = 0, begins = 0;
      ++ready;
      while (ready != inlets) std::this_thread::yield();
      for (std::uint64_t count = 0; count < bursts; ++count) {
        const auto judgement = bench.guard.judge(burst, allFrames(burst.count()));
        let += burst.count() - judgement.dropped;
        begins += judgement.begins[0] ? 1 : 0;
      }
      burst.remove(allFrames(burst.count()));
      passed += let;
      begun += begins;
    });
  }
  for (std::thread& worker : workers) worker.join();
  CHECK(passed == atOnce);
  CHECK(begun == 1);
  CHECK(bench.guard.end(Traffic::Broadcast, at(0)).hits == inlets * bursts * burstSize - atOnce);
}
