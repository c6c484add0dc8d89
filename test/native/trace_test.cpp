// Trace: what a line can do under it, against models that count nanosecond by nanosecond and opportunity by
// opportunity; what follows its end; delays and losses of a path.
#include "lines/trace.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <deque>
#include <memory>
#include <vector>

#include "impairments/loss.hpp"
#include "impairments/random.hpp"
#include "lines/line.hpp"
#include "pipeline_fixtures.hpp"

using namespace etherloom;

namespace {

using Times = std::vector<std::int64_t>;

/// The trace, which outlives whoever it is given to.
std::shared_ptr<const Trace> lent(const Trace& trace) { return {std::shared_ptr<const Trace>(), &trace}; }

constexpr std::int64_t ms = 1'000'000;
constexpr std::int64_t never = Instant::never().nanoseconds;

Trace rates(Times at, std::vector<std::uint64_t> rate, Trace::End end, std::int64_t period) {
  Trace::Columns columns;
  columns.at = std::move(at);
  columns.rate = std::move(rate);
  return {std::move(columns), end, period};
}

/// What a Mahimahi file of these milliseconds says.
Trace opportunities(const Times& milliseconds, Trace::End end, std::uint64_t bytes = 1500) {
  Trace::Columns columns;
  for (const std::int64_t at : milliseconds) {
    if (columns.at.empty() || columns.at.back() != at * ms) {
      columns.at.push_back(at * ms);
      columns.jump.push_back(0);
    }
    columns.jump.back() += bytes * 8;
  }
  return {std::move(columns), end, milliseconds.back() * ms};
}

struct Arrival {
  std::int64_t at;
  std::uint32_t length;
};

/// When a line gives up each of these frames, or never.
Times departures(const Trace& trace, const std::vector<Arrival>& arrivals, std::int64_t zero = 0,
                 std::int32_t overhead = 0) {
  Line line(1);
  line.adopt({1, overhead, {Limit::Unit::Frames, 1'000'000}}, {lent(trace), {zero}}, {zero});
  Chain<Held> dropped;
  std::vector<std::unique_ptr<Frame>> frames;
  std::vector<std::unique_ptr<Held>> slots;
  Times left;
  for (const Arrival& arrival : arrivals) {
    while (line.due() <= Instant{arrival.at}) left.push_back(line.finish(dropped)->due.nanoseconds);
    frames.push_back(std::make_unique<Frame>());
    frames.back()->length = arrival.length;
    slots.push_back(std::make_unique<Held>());
    slots.back()->frame = frames.back().get();
    REQUIRE_FALSE(line.offer(slots.back().get(), {arrival.at}));
  }
  while (!line.empty()) left.push_back(line.finish(dropped)->due.nanoseconds);
  return left;
}

/// The same by counting: in each nanosecond the line can do rate(t), and what one frame leaves of it is for
/// the next that waits.
template <typename RateAt>
Times counted(const RateAt& rateAt, const std::vector<Arrival>& arrivals, std::int64_t until) {
  Times left;
  std::deque<std::uint64_t> queue;  // bits times 10^9 still to do
  auto arriving = arrivals.begin();
  for (std::int64_t now = 0; now < until; ++now) {
    for (; arriving != arrivals.end() && arriving->at == now; ++arriving)
      queue.push_back(std::uint64_t{arriving->length} * 8 * 1'000'000'000);
    std::uint64_t can = rateAt(now);
    while (!queue.empty() && can > 0) {
      const std::uint64_t done = std::min(can, queue.front());
      can -= done;
      queue.front() -= done;
      if (queue.front() > 0) continue;
      queue.pop_front();
      left.push_back(now + 1);
    }
  }
  for (std::size_t rest = queue.size(); rest > 0; --rest) left.push_back(never);
  return left;
}

/// Mahimahi's rule, opportunity by opportunity: each serves what has arrived before it, and what it does not
/// use is lost.
Times mahimahi(const Times& milliseconds, const std::vector<Arrival>& arrivals, std::uint32_t bytes) {
  Times left;
  std::size_t next = 0;
  std::int64_t base = 0;
  std::deque<std::uint32_t> queue;
  for (std::size_t place = 0; left.size() < arrivals.size();) {
    const std::int64_t now = (base + milliseconds[place]) * ms;
    for (; next < arrivals.size() && arrivals[next].at < now; ++next) queue.push_back(arrivals[next].length);
    for (std::uint32_t room = bytes; room > 0 && !queue.empty();) {
      const std::uint32_t sent = std::min(room, queue.front());
      room -= sent;
      queue.front() -= sent;
      if (queue.front() > 0) continue;
      queue.pop_front();
      left.push_back(now);
    }
    if (++place == milliseconds.size()) {
      place = 0;
      base += milliseconds.back();
    }
  }
  return left;
}

std::vector<Arrival> randomArrivals(Random& random, std::size_t count, std::uint64_t gap) {
  std::vector<Arrival> arrivals;
  std::int64_t at = 0;
  for (std::size_t frame = 0; frame < count; ++frame) {
    if (random.below(3) == 0) at += static_cast<std::int64_t>(random.below(gap));
    arrivals.push_back({at, static_cast<std::uint32_t>(14 + random.below(1501))});
  }
  return arrivals;
}

}  // namespace

TEST_CASE("trace: hand-computed departures across changes of the rate") {
  // 1500 bytes are 12,000 bits. 1 bit/ns for 5 us, nothing until 10 us, then 3 bit/ns.
  const Trace trace = rates({0, 5000, 10'000}, {1'000'000'000, 0, 3'000'000'000}, Trace::End::Hold, 20'000);
  // 5000 bits by 5 us, 7000 at 3 bit/ns: 10,000 + 2333 1/3. The next two pass the third on: + 4000 each.
  CHECK(departures(trace, {{0, 1500}, {0, 1500}, {0, 1500}}) == Times{12'334, 16'334, 20'334});
  // 5000 bits exactly are through when the rate falls; one bit more waits.
  CHECK(departures(trace, {{0, 625}}) == Times{5000});
  CHECK(departures(trace, {{1, 625}}) == Times{10'001});
  CHECK(departures(trace, {{7000, 3}}) == Times{10'008});
  // The trace begins when it begins, and a frame before that waits for it.
  CHECK(departures(trace, {{1000, 125}}, 1000) == Times{2000});
}

TEST_CASE("trace: random rates against a count of every nanosecond, for every end") {
  Random random(11);
  for (int round = 0; round < 150; ++round) {
    CAPTURE(round);
    Times at{0};
    std::vector<std::uint64_t> rate;
    const std::size_t steps = 1 + random.below(12);
    for (std::size_t step = 0; step < steps; ++step) {
      const std::uint64_t choice = random.below(4);
      rate.push_back(choice == 0   ? 0
                     : choice == 1 ? random.below(1'000'000'000'001)
                     : choice == 2 ? 1 + random.below(9)
                                   : random.below(20'000'000'000));
      at.push_back(at.back() + 1 + static_cast<std::int64_t>(random.below(1500)));
    }
    const std::int64_t period = at.back();
    at.pop_back();
    const auto arrivals = randomArrivals(random, 60, 1500);
    for (const Trace::End end : {Trace::End::Loop, Trace::End::Hold, Trace::End::Stop}) {
      const Trace trace = rates(at, rate, end, period);
      const auto rateAt = [&](std::int64_t now) -> std::uint64_t {
        if (end == Trace::End::Loop) now %= period;
        if (end == Trace::End::Stop && now >= period) return 0;
        return rate[static_cast<std::size_t>(std::upper_bound(at.begin(), at.end(), now) - at.begin()) - 1];
      };
      constexpr std::int64_t until = 200'000;
      Times expected = counted(rateAt, arrivals, until);
      Times actual = departures(trace, arrivals);
      for (Times* times : {&expected, &actual})
        for (std::int64_t& time : *times) time = std::min(time, until + 1);
      CHECK(actual == expected);
    }
  }
}

TEST_CASE("trace: a million frames at alternating rates take exactly the time of their bits") {
  // 7 bit/s and 1 bit/s below 10^12, in turn; a period allows for a number of bits that no frame divides.
  const Trace trace = rates({0, 3}, {999'999'999'999, 7'000'000'001}, Trace::End::Loop, 10);
  Line line(1);
  line.adopt({1, 0, {Limit::Unit::Frames, 1}}, {lent(trace), {}}, {});
  Chain<Held> dropped;
  Frame frame;
  frame.length = 61;
  std::array<Held, 2> slots;
  for (Held& held : slots) {
    held.frame = &frame;
    REQUIRE_FALSE(line.offer(&held, {}));
  }
  const unsigned __int128 perPeriod = 3 * std::uint64_t{999'999'999'999} + 7 * std::uint64_t{7'000'000'001};
  std::uint64_t wrong = 0;
  for (std::uint64_t finished = 1; finished <= 1'000'000; ++finished) {
    const unsigned __int128 need = static_cast<unsigned __int128>(finished) * 61 * 8 * 1'000'000'000;
    auto exact = static_cast<std::int64_t>((need - 1) / perPeriod) * 10;
    for (unsigned __int128 have = (need - 1) / perPeriod * perPeriod; have < need; ++exact)
      have += exact % 10 < 3 ? 999'999'999'999 : 7'000'000'001;
    wrong += line.due().nanoseconds != exact;
    const Instant due = line.due();
    if (line.offer(line.finish(dropped), due)) ++wrong;
  }
  CHECK(wrong == 0);
}

TEST_CASE("trace: Mahimahi's rule, opportunity by opportunity") {
  Random random(5);
  for (int round = 0; round < 200; ++round) {
    CAPTURE(round);
    Times file;
    std::int64_t at = static_cast<std::int64_t>(random.below(3));
    for (std::uint64_t line = 1 + random.below(40); line > 0; --line) {
      file.push_back(at);
      at += static_cast<std::int64_t>(random.below(3) * random.below(4));
    }
    if (file.back() == 0) file.push_back(1);
    const auto arrivals = randomArrivals(random, 80, 9'000'000);
    const auto bytes = static_cast<std::uint32_t>(round % 2 ? 1500 : 1514);
    CHECK(departures(opportunities(file, Trace::End::Loop, bytes), arrivals) ==
          mahimahi(file, arrivals, bytes));
  }
}

TEST_CASE("trace: an opportunity that comes with the frame is lost, leftovers are for those that wait") {
  const Trace trace = opportunities({0, 1, 1, 5}, Trace::End::Loop);
  CHECK(departures(trace, {{0, 1500}}) == Times{1 * ms});
  CHECK(departures(trace, {{1 * ms, 1500}}) == Times{5 * ms});
  CHECK(departures(trace, {{0, 700}, {0, 700}, {0, 1600}, {0, 1500}}) == Times{ms, ms, ms, 5 * ms});
  CHECK(departures(trace, {{0, 100}, {1 * ms, 100}}) == Times{ms, 5 * ms});
  // The last of one pass and the first of the next come together.
  CHECK(departures(trace, {{4 * ms, 1500}, {4 * ms, 1500}, {4 * ms, 1500}}) == Times{5 * ms, 5 * ms, 6 * ms});
  // As mm-link counts: 4 bytes more than the IP packet, of 1504.
  CHECK(departures(opportunities({1, 2}, Trace::End::Loop, 1504), {{0, 1514}, {0, 1514}}, 0, -10) ==
        Times{ms, 2 * ms});
  const Trace once = opportunities({0, 1, 1, 5}, Trace::End::Stop);
  CHECK(departures(once, {{4 * ms, 1500}, {4 * ms, 14}}) == Times{5 * ms, never});
}

TEST_CASE("trace: far ahead, and with steps that are not next to each other") {
  const Trace trace = rates({0, 1}, {1, 0}, Trace::End::Loop, 1'000'000'000);  // 10^-9 bit each second
  Trace::Cursor cursor;
  CHECK(trace.reach(1, cursor) == Duration{1});
  CHECK(trace.reach(1'000'000'000, cursor) == Duration{999'999'999'000'000'001});
  CHECK(trace.reach(Trace::Work{20} * 1'000'000'000, cursor) == Trace::never());
  const Duration late{9'000'000'000'000'000'000};
  CHECK(trace.workAt(late, cursor) == 9'000'000'000);
  CHECK(trace.workAt({1}, cursor) == 1);
  const Trace nothing = rates({0}, {0}, Trace::End::Hold, 1);
  CHECK(nothing.reach(1, cursor) == Trace::never());
}

TEST_CASE("trace: limits count what waits, a limit in time what the trace will let pass") {
  // 1500 bytes take 12 us, then nothing for a second.
  const Trace trace = rates({0, 100'000}, {1'000'000'000, 0}, Trace::End::Loop, 1'000'000'000);
  const auto taken = [&](Limit limit) {
    Line line(1);
    line.adopt({1, 0, limit}, {lent(trace), {}}, {});
    Frame frame;
    frame.length = 1500;
    std::vector<std::unique_ptr<Held>> slots;
    for (;;) {
      slots.push_back(std::make_unique<Held>());
      slots.back()->frame = &frame;
      if (line.offer(slots.back().get(), {})) return slots.size() - 1;
    }
  };
  CHECK(taken({Limit::Unit::Frames, 5}) == 6);
  CHECK(taken({Limit::Unit::Bytes, 4500}) == 4);
  // Services begin at 0, 12, ... 96 us; the one after that in the next pass.
  CHECK(taken({Limit::Unit::Nanoseconds, 95'999}) == 8);
  CHECK(taken({Limit::Unit::Nanoseconds, 96'000}) == 9);
  CHECK(taken({Limit::Unit::Nanoseconds, 999'999'999}) == 9);
  CHECK(taken({}) == 1001);
}

namespace {

struct TraceBench : SeatBench {
  TraceBench() {
    host.stage = stage;
    host.worker = this;
  }
  void send(const Policy& policy, std::int64_t at, std::uint32_t count = 1) {
    run(at);
    now = at;
    for (; count > 0; --count) {
      given.admit(frame(at, number++, 1500), policy);
      CHECK(balances(path.account));
    }
  }
  void run(std::int64_t until) {
    while (path.due() <= Instant{until}) {
      now = path.due().nanoseconds;
      path.step();
    }
  }
  static void stage(void* self, Attachment& to, TxItem item, Instant) noexcept {
    auto& bench = *static_cast<TraceBench*>(self);
    bench.left.push_back(bench.now);
    to.port->transmit({&item, 1});
  }
  static Policy driven(const Trace& trace, std::int64_t offset = 0) {
    Policy policy;
    policy.trace = {lent(trace), {offset}};
    if (trace.hasRate()) policy.line = LineSettings{1, 0, {}};
    if (trace.hasDelay()) policy.travel.delay = {1};
    if (trace.hasLoss()) policy.impairments.push_back(makeTraceLoss());
    return policy;
  }

  Attachment& to = seat();
  GivenPath given{to};
  Path& path = given.path;
  std::int64_t now = 0;
  std::uint32_t number = 0;
  Times left;
};

}  // namespace

TEST_CASE("trace: a path takes the delay of when a frame leaves its line, and frames never overtake") {
  Trace::Columns columns;
  columns.at = {0, 10'000, 20'000};
  columns.rate = {1'000'000'000, 1'000'000'000, 1'000'000'000};
  columns.delay = {50'000, 1'000, 0};
  const Trace trace(std::move(columns), Trace::End::Hold, 30'000);
  TraceBench bench;
  const Policy policy = TraceBench::driven(trace);
  bench.given.give(policy, {1'000'000});
  bench.send(policy, 1'000'000, 3);  // leave the line after 12, 24, 36 us: delays 1, 0 and 0 us
  bench.send(policy, 1'040'000);
  bench.run(2'000'000);
  CHECK(bench.left == Times{1'013'000, 1'024'000, 1'036'000, 1'052'000});

  bench.left.clear();
  Trace::Columns falling;
  falling.at = {0, 5'000};
  falling.delay = {50'000, 1'000};
  const Trace delays(std::move(falling), Trace::End::Hold, 10'000);
  const Policy second = TraceBench::driven(delays);
  bench.given.give(second, {3'000'000});
  bench.send(second, 3'004'999);
  bench.send(second, 3'005'000);
  bench.send(second, 3'060'000);
  bench.run(4'000'000);
  CHECK(bench.left == Times{3'054'999, 3'054'999, 3'061'000});
}

TEST_CASE("trace: loss is that of the arrival, one draw for each frame whatever it is") {
  const auto lossy = [](std::vector<double> loss) {
    Trace::Columns columns;
    columns.at = {0, 1000, 2000};
    columns.loss = std::move(loss);
    return Trace(std::move(columns), Trace::End::Loop, 3000);
  };
  const auto passed = [](const Trace& trace) {
    TraceBench bench;
    const Policy policy = TraceBench::driven(trace);
    std::vector<bool> came;
    for (std::int64_t at = 0; at < 3'000'000; at += 500) {
      bench.send(policy, at);
      came.push_back(!bench.left.empty());
      bench.left.clear();
    }
    return came;
  };
  const auto even = passed(lossy({0.5, 0.5, 0.5}));
  const auto mixed = passed(lossy({0.5, 1, 0}));
  std::size_t wrong = 0, lost = 0;
  for (std::size_t frame = 0; frame < mixed.size(); ++frame) {
    const std::size_t step = frame / 2 % 3;
    wrong += mixed[frame] != (step == 0 ? even[frame] : step == 2);
    lost += step == 0 && !even[frame];
  }
  CHECK(wrong == 0);
  CHECK(lost > 1000 - 5 * 23);  // 2000 draws: five standard deviations of 22.4
  CHECK(lost < 1000 + 5 * 23);
}

TEST_CASE("trace: a line that follows serves what waits; without one, what would wait for ever is flushed") {
  const Trace slow = rates({0}, {1'000'000'000}, Trace::End::Hold, 1);
  const Trace ended = rates({0}, {1'000'000'000}, Trace::End::Stop, 12'000);
  const Policy slowly = TraceBench::driven(slow), stopping = TraceBench::driven(ended), none;
  Policy faster;
  faster.line = LineSettings{12'000'000'000, 0, {}};  // 1 us each
  TraceBench bench;
  bench.send(slowly, 0, 2);
  bench.send(faster, 6'000, 2);  // half of the first is left
  bench.run(20'000);
  CHECK(bench.left == Times{6'500, 7'500, 8'500, 9'500});
  bench.left.clear();
  bench.send(stopping, 25'500, 2);
  bench.run(1'000'000);
  CHECK(bench.left == Times{37'500});
  CHECK(bench.path.due() == Instant::never());
  CHECK(bench.path.account.travelling.get() == 1);
  bench.send(none, 2'000'000);
  bench.run(3'000'000);
  CHECK(bench.left == Times{37'500, 2'000'000});
  CHECK(bench.path.account.dropped.get(static_cast<std::size_t>(DropReason::Flush)) == 1);
}
