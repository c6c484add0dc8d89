// Queue disciplines: CoDel against the code of RFC 8289, RED against its paper, and what a path does with
// their verdicts.
#include "pipeline/path.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <deque>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "frame_fixtures.hpp"
#include "line_fixtures.hpp"
#include "lines/codel.hpp"
#include "lines/red.hpp"
#include "pipeline_fixtures.hpp"

using namespace etherloom;

namespace {

/// A queue with CoDel, in the shape of RFC 8289, section 5: one call takes the next frame to send.
struct ModelCodel {
  struct Entry {
    int number;
    std::int64_t queued;
    std::uint32_t length;
  };
  std::int64_t target = 5'000'000, interval = 100'000'000;
  std::deque<Entry> queue{};
  std::uint64_t bytes = 0;
  std::vector<std::pair<int, std::int64_t>> drops{};
  std::uint32_t maxPacket = 0;
  std::int64_t firstAbove = 0, dropNext = 0;
  std::uint32_t count = 0, lastCount = 0;
  bool dropping = false;

  struct Result {
    std::optional<Entry> entry;
    bool okToDrop;
  };
  Result doDequeue(std::int64_t now) {
    if (queue.empty()) {
      firstAbove = 0;
      return {std::nullopt, false};
    }
    const Entry entry = queue.front();
    queue.pop_front();
    bytes -= entry.length;
    maxPacket = std::max(maxPacket, entry.length);
    bool ok = false;
    if (now - entry.queued < target || bytes <= maxPacket) {
      firstAbove = 0;
    } else if (firstAbove == 0) {
      firstAbove = now + interval;
    } else if (now >= firstAbove) {
      ok = true;
    }
    return {entry, ok};
  }
  std::int64_t law(std::int64_t from) const {
    return from + static_cast<std::int64_t>(static_cast<double>(interval) / std::sqrt(count));
  }
  std::optional<Entry> dequeue(std::int64_t now) {
    Result next = doDequeue(now);
    if (dropping) {
      if (!next.okToDrop) dropping = false;
      while (dropping && now >= dropNext) {
        drops.push_back({next.entry->number, now});
        ++count;
        next = doDequeue(now);
        if (next.okToDrop) {
          dropNext = law(dropNext);
        } else {
          dropping = false;
        }
      }
    } else if (next.okToDrop) {
      drops.push_back({next.entry->number, now});
      next = doDequeue(now);
      dropping = true;
      const std::uint32_t delta = count - lastCount;
      count = delta > 1 && now - dropNext < 16 * interval ? delta : 1;
      dropNext = law(now);
      lastCount = count;
    }
    return next.entry;
  }
};

constexpr std::int64_t ms = 1'000'000;

/// Frames of 1000 bytes at 8 Mbit/s, 1 ms each, arriving at these instants: what CoDel drops, and when.
struct CodelRun {
  std::vector<std::pair<int, std::int64_t>> dropped;
  std::vector<std::int64_t> left;
  bool operator==(const CodelRun&) const = default;
};

constexpr std::uint64_t rate = 8'000'000;

std::shared_ptr<const Discipline> codelOf(const CodelSettings& settings) {
  return std::make_shared<Codel>(settings);
}
std::shared_ptr<const Discipline> redOf(const RedSettings& settings) {
  return std::make_shared<Red>(settings);
}

/// RED as a line asks it.
struct RedBench {
  explicit RedBench(const RedSettings& settings) : red(settings) { red.start(memory); }
  QueueVerdict decide(const Discipline::Queue& queue) { return red.onQueue(memory, frame, queue, random); }
  double average() { return memory.as<Red::Memory>().average; }

  Red red;
  DisciplineMemory memory;
  Frame frame;
  Random random{3};
};

CodelRun runLine(const std::vector<std::int64_t>& arrivals, CodelSettings codel) {
  LineBench bench;
  const LineSettings settings{
      .rate = rate, .limit = {Limit::Unit::Frames, 1'000'000}, .discipline = codelOf(codel)};
  bench.adopt(settings);
  CodelRun outcome;
  const auto run = [&](std::int64_t until) {
    while (bench.line.due() <= Instant{until}) {
      const std::int64_t now = bench.line.due().nanoseconds;
      outcome.left.push_back(now);
      static_cast<void>(bench.finish());
      while (const Held* held = bench.dropped.pop())
        outcome.dropped.push_back({static_cast<int>(held->frame->number), now});
    }
  };
  for (std::size_t number = 0; number < arrivals.size(); ++number) {
    run(arrivals[number]);
    Held* held = bench.make(1000);
    held->frame->number = static_cast<std::uint32_t>(number);
    REQUIRE_FALSE(bench.line.offer(held, {arrivals[number]}));
  }
  run(Instant::never().nanoseconds - 1);
  return outcome;
}

CodelRun runModel(const std::vector<std::int64_t>& arrivals, CodelSettings codel) {
  ModelCodel model{.target = codel.target.nanoseconds, .interval = codel.interval.nanoseconds};
  CodelRun outcome;
  std::int64_t free = 0;
  bool busy = false;
  std::size_t next = 0;
  const auto sendNext = [&](std::int64_t now) {
    busy = model.dequeue(now).has_value();
    free = now + ms;
  };
  while (busy || next < arrivals.size()) {
    if (busy && (next == arrivals.size() || free <= arrivals[next])) {
      outcome.left.push_back(free);
      sendNext(free);
    } else {
      model.queue.push_back({static_cast<int>(next), arrivals[next], 1000});
      model.bytes += 1000;
      if (!busy) sendNext(arrivals[next]);
      ++next;
    }
  }
  outcome.dropped = model.drops;
  return outcome;
}

}  // namespace

TEST_CASE("codel: under a constant overload the drops come by the control law") {
  std::vector<std::int64_t> arrivals;
  for (int frame = 0; frame < 20'000; ++frame) arrivals.push_back(frame * ms * 8 / 10);
  const CodelRun outcome = runLine(arrivals, {});
  CHECK(outcome == runModel(arrivals, {}));
  REQUIRE(outcome.dropped.size() > 100);
  // By hand: frame n is taken at n ms and has waited n / 5 ms, so that of frame 25 is the first of 5 ms; an
  // interval later comes the first drop, and then 100 ms / sqrt(1), / sqrt(2), / sqrt(3) after it.
  const auto ceilMs = [](double at) { return static_cast<std::int64_t>(std::ceil(at)) * ms; };
  double at = 125;
  for (std::size_t drop = 0; drop < 6; ++drop) {
    CHECK(outcome.dropped[drop].second == ceilMs(at));
    at += 100 / std::sqrt(static_cast<double>(drop + 1));
  }
}

TEST_CASE("codel: meets the RFC's code in bursts, pauses and returns") {
  std::mt19937_64 random(8);
  for (const CodelSettings& codel : {CodelSettings{}, CodelSettings{{1 * ms}, {10 * ms}},
                                     CodelSettings{{20 * ms}, {3 * ms}}, CodelSettings{{0}, {1 * ms}}}) {
    std::vector<std::int64_t> arrivals;
    std::int64_t at = 0;
    std::uint64_t load = 10;
    for (int frame = 0; frame < 30'000; ++frame) {
      if (random() % 700 == 0) load = 5 + random() % 12;  // tenths of a frame's time between two
      if (random() % 5000 == 0) at += 300 * ms;
      at += static_cast<std::int64_t>(random() % (load * 200'000));
      arrivals.push_back(at);
    }
    const CodelRun outcome = runLine(arrivals, codel);
    CHECK(outcome.dropped.size() > 50);
    CHECK(outcome == runModel(arrivals, codel));
  }
}

TEST_CASE("codel: a short queue is left alone, however slow the line") {
  std::vector<std::int64_t> arrivals;
  for (int frame = 0; frame < 1000; ++frame) arrivals.insert(arrivals.end(), 2, frame * 10 * ms);
  CHECK(runLine(arrivals, {{0}, {1}}).dropped.empty());
}

namespace {

/// One path with a line, and frames of IP for it.
struct MarkBench : SeatBench {
  explicit MarkBench(std::shared_ptr<const Discipline> discipline, std::uint64_t limit = 1'000'000) {
    host.stage = stage;
    host.worker = this;
    policy.line = LineSettings{.rate = rate, .limit = {Limit::Unit::Frames, limit}, .discipline = discipline};
  }

  Frame* ip(std::int64_t at, unsigned ecn) {
    const IpFrame shape{.tcp = false, .payload = 958};  // 1000 bytes
    Bytes bytes = shape.build();
    bytes[15] = static_cast<std::uint8_t>(ecn);
    put16(bytes, 24, 0);
    put16(bytes, 24, ~naiveSum(std::span(bytes).subspan(14, 20)) & 0xffff);
    Frame* made = frame(at, 0, static_cast<std::uint32_t>(bytes.size()));
    std::copy(bytes.begin(), bytes.end(), made->data);
    return made;
  }
  void admit(Frame* made) {
    given.admit(made, policy);
    CHECK(balances(path.account));
  }
  void finish() {
    while (path.due() != Instant::never()) path.step();
    CHECK(balances(path.account));
  }
  std::uint64_t marked() const { return path.account.marked.get(); }
  std::uint64_t aqm() const { return countOf(path.account.dropped, DropReason::Aqm); }

  static void stage(void* self, Attachment& to, TxItem item, Instant) noexcept {
    auto& bench = *static_cast<MarkBench*>(self);
    if (item.frame->data[15] == 3) ++bench.seen;
    CHECK(naiveSum(std::span(item.frame->data + 14, 20)) == 0xffff);
    to.port->transmit({&item, 1});
  }

  Attachment& to = seat();
  Policy policy;
  GivenPath given{to};
  Path& path = given.path;
  std::uint64_t seen = 0;
};

}  // namespace

TEST_CASE("codel and red: capable frames are marked, others dropped, and both counted") {
  const std::shared_ptr<const Discipline> disciplines[]{
      codelOf({.ecn = true}), redOf({.min = 10'000, .max = 30'000, .probability = 0.5, .ecn = true})};
  for (const auto& discipline : disciplines) {
    for (const unsigned ecn : {0u, 2u}) {
      MarkBench bench(discipline);
      for (std::int64_t frame = 0; frame < 1500; ++frame) bench.admit(bench.ip(frame * ms * 8 / 10, ecn));
      bench.finish();
      CHECK((bench.aqm() > 5) == (ecn == 0));
      CHECK((bench.marked() > 5) == (ecn == 2));
      CHECK(bench.seen == bench.marked());
    }
  }
}

TEST_CASE("codel: marks come when drops would, and let the marked frame pass") {
  MarkBench bench(codelOf({.ecn = true}));
  for (std::int64_t frame = 0; frame < 1000; ++frame) bench.admit(bench.ip(frame * ms * 8 / 10, 1));
  bench.finish();
  CHECK(bench.aqm() == 0);
  CHECK(bench.path.account.delivered.get() == 1000);
  // From 125 ms to 1000 ms, where the backlog ends: marks after 100 ms / sqrt(n) each.
  std::uint64_t expected = 0;
  for (double at = 125; at < 1000; at += 100 / std::sqrt(static_cast<double>(expected))) ++expected;
  CHECK(bench.marked() >= expected - 1);
  CHECK(bench.marked() <= expected + 1);
}

TEST_CASE("a marked frame that others share is copied first") {
  MarkBench bench(redOf({.min = 1, .max = 2, .weightShift = 1, .ecn = true}));
  std::vector<Frame*> shared;
  for (int frame = 0; frame < 5; ++frame) {
    shared.push_back(bench.ip(0, 2));
    shared.back()->references = 2;
    bench.admit(shared.back());
  }
  bench.finish();
  CHECK(bench.marked() == 3);  // the first is in service and the second finds nobody waiting
  for (Frame* frame : shared) {
    CHECK(frame->data[15] == 2);
    CHECK(frame->references == 1);
    bench.pool->release(frame);
  }
}

TEST_CASE("red: the average is the paper's, and falls while the line is idle") {
  RedBench red({.min = 1'000'000, .max = 2'000'000, .weightShift = 3});
  double average = 0;
  for (std::uint64_t backlog = 0; backlog < 200'000; backlog += 997) {
    CHECK(red.decide({.backlog = backlog}) == QueueVerdict::Pass);
    average = (1 - 0.125) * average + 0.125 * static_cast<double>(backlog);
    CHECK(red.average() == doctest::Approx(average));
  }
  for (const std::uint64_t idle : {0ull, 1ull, 2ull, 37ull}) {
    CHECK(red.decide({.idle = true, .idleBits = idle * 8000}) == QueueVerdict::Pass);
    average *= std::pow(0.875, static_cast<double>(idle));
    CHECK(red.average() == doctest::Approx(average));
  }
  CHECK(red.decide({.idle = true, .idleBits = ~0ull}) == QueueVerdict::Pass);
  CHECK(red.average() == 0);
}

TEST_CASE("red: at a constant average the distance between drops is uniform in 1 to 1 / b") {
  // Half way from min to max, with probability 0.1: b = 0.05, distances from 1 to 20, mean 10.5.
  RedBench red({.min = 10'000, .max = 30'000, .probability = 0.1, .weightShift = 1});
  constexpr int frames = 1'000'000;
  std::vector<int> distances(21);
  int last = -1, drops = 0;
  for (int number = 0; number < frames; ++number) {
    const auto verdict = red.decide({.backlog = 20'000});
    if (number < 100 || verdict == QueueVerdict::Pass) continue;  // the average gets there first
    REQUIRE(verdict == QueueVerdict::Drop);
    if (last >= 0) {
      REQUIRE(number - last <= 20);
      ++distances[static_cast<std::size_t>(number - last)];
      ++drops;
    }
    last = number;
  }
  const double each = drops / 20.0;
  double chiSquare = 0;  // 19 degrees of freedom: 49.4 at p = 0.0002
  for (std::size_t distance = 1; distance <= 20; ++distance)
    chiSquare += (distances[distance] - each) * (distances[distance] - each) / each;
  CHECK(chiSquare < 49.4);
}

TEST_CASE("red: below min nothing, from max on everything") {
  RedBench red({.min = 10'000, .max = 30'000, .probability = 1, .weightShift = 1});
  for (int number = 0; number < 200; ++number) CHECK(red.decide({.backlog = 9'999}) == QueueVerdict::Pass);
  for (int number = 0; number < 100; ++number) static_cast<void>(red.decide({.backlog = 40'000}));
  for (int number = 0; number < 200; ++number) CHECK(red.decide({.backlog = 40'000}) == QueueVerdict::Drop);
}

TEST_CASE("red: an idle line lets its average fall by the frames it could have sent") {
  MarkBench bench(redOf({.min = 2'000, .max = 4'000, .probability = 0, .weightShift = 1}));
  for (int frame = 0; frame < 8; ++frame) bench.admit(bench.ip(0, 0));
  CHECK(bench.aqm() > 0);
  const std::uint64_t before = bench.aqm();
  bench.finish();
  // The average stands at about 4000 bytes; idle for 1 ms per halving.
  bench.admit(bench.ip(6 * ms, 0));
  bench.admit(bench.ip(20 * ms, 0));
  bench.finish();
  CHECK(bench.aqm() <= before + 1);
  CHECK(countOf(bench.path.account.dropped, DropReason::Queue) == 0);
}

namespace {

/// Drops every frame that comes while this many bytes wait, and marks the one after.
class Toy final : public Discipline {
 public:
  [[nodiscard]] ClassMark mark() const noexcept override { return markOf<Toy>(); }
  struct Memory {
    bool dropped = false;
  };
  explicit Toy(std::uint64_t most) : most_(most) {}

  void start(DisciplineMemory& memory) const noexcept override { memory.start<Memory>(); }
  QueueVerdict onQueue(DisciplineMemory& memory, const Frame&, const Queue& queue,
                       Random&) const noexcept override {
    bool& dropped = memory.as<Memory>().dropped;
    if (queue.backlog >= most_) {
      dropped = true;
      return QueueVerdict::Drop;
    }
    return std::exchange(dropped, false) ? QueueVerdict::Mark : QueueVerdict::Pass;
  }

 private:
  std::uint64_t most_;
};

const DisciplineKind toyKind("toy", [](std::span<const std::uint64_t> words) {
  return std::shared_ptr<const Discipline>(std::make_shared<Toy>(words[0]));
});

}  // namespace

TEST_CASE("toy discipline: a line asks one that nothing in native/ knows of, and keeps its memory") {
  REQUIRE(DisciplineKind::find("toy") == &toyKind);
  CHECK(DisciplineKind::find("toys") == nullptr);
  CHECK(DisciplineKind::find("codel"));
  const auto settings = [](std::uint64_t most) {
    return LineSettings{
        .rate = rate, .limit = {Limit::Unit::Frames, 100}, .discipline = toyKind.make({&most, 1})};
  };
  LineBench bench;
  bench.adopt(settings(2000));
  for (int frame = 0; frame < 3; ++frame) REQUIRE_FALSE(bench.line.offer(bench.make(1000), {}));
  CHECK(bench.line.offer(bench.make(1000), {}) == DropReason::Aqm);
  bench.adopt(settings(5000));  // other settings, one memory
  Held* next = bench.make(1000);
  REQUIRE_FALSE(bench.line.offer(next, {}));
  CHECK(next->marked);
}
