// The delay of a port by itself: order, super-frames and memory. Its times with whole fabrics are tested in
// test/fabric/attachment.test.ts.
#include "pipeline/port_delay.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "pipeline_fixtures.hpp"
#include "super_frame_fixtures.hpp"

using namespace etherloom;

namespace {

struct DelayBench : SeatBench {
  explicit DelayBench(std::size_t memory = 16u << 20) : SeatBench(memory) { to.delay.set({100}); }
  ~DelayBench() {
    to.delay.flush(nullptr);
    CHECK(held.outstanding() == 0);
    for (const PathAccount* account : {&one, &other}) CHECK(balances(*account));
  }

  void admit(Frame* frame, std::int64_t at, PathAccount& account) {
    account.admitted.add(frame->offload.segments);
    account.staged.add(frame->offload.segments);
    to.delay.admit({frame, &account}, {at});
  }
  /// What is due until then, as it leaves: when, and how many wire frames each frame stands for.
  std::vector<std::pair<std::int64_t, unsigned>> run(std::int64_t until) {
    std::vector<std::pair<std::int64_t, unsigned>> left;
    while (to.delay.due() <= Instant{until}) {
      const std::int64_t at = to.delay.due().nanoseconds;
      const TxItem item = to.delay.release();
      left.emplace_back(at, item.frame->offload.segments);
      to.port->transmit({&item, 1});
    }
    return left;
  }

  Attachment& to = seat();
  PathAccount one, other;
};

using Left = std::vector<std::pair<std::int64_t, unsigned>>;
constexpr std::size_t gsoSize = 1000;
const IpFrame fiveSegments{.payload = 5 * gsoSize};

}  // namespace

TEST_CASE("port delay: a frame is due its delay after it left its path, and never before those in front") {
  DelayBench bench;
  bench.admit(bench.frame(), 10, bench.one);
  bench.admit(bench.frame(), 10, bench.other);
  bench.to.delay.set({5});
  bench.admit(bench.frame(), 20, bench.one);
  CHECK(bench.run(109).empty());
  CHECK(bench.run(110) == Left{{110, 1}, {110, 1}, {110, 1}});
  bench.to.delay.set({});
  CHECK_FALSE(bench.to.delay.holds());
}

TEST_CASE("port delay: a super-frame stays whole") {
  DelayBench bench;
  bench.admit(superFrameOf(*bench.pool, fiveSegments, gsoSize), 0, bench.one);
  CHECK(bench.one.staged.get() == 5);
  CHECK(bench.run(100) == Left{{100, 5}});
  CHECK(bench.one.delivered.get() == 5);
}

TEST_CASE("port delay: where no more large buffers may be held, a super-frame goes on as its wire frames") {
  DelayBench bench(1u << 20);
  Left expected;
  unsigned whole = 0;
  for (std::int64_t at = 0; at < 7; ++at) {
    Frame* frame = superFrameOf(*bench.pool, fiveSegments, gsoSize);
    const bool holdable = FramePool::hold(*frame);
    whole += holdable;
    for (unsigned segment = 0; segment < (holdable ? 1U : 5U); ++segment)
      expected.emplace_back(at + 100, holdable ? 5U : 1U);
    bench.admit(frame, at, bench.one);
  }
  REQUIRE(whole < 7);
  CHECK(bench.run(1000) == expected);
  CHECK(bench.one.delivered.get() == 35);
}

TEST_CASE("port delay: what may not be held is dropped as no-buffer, and the rest goes on") {
  DelayBench bench(1u << 20);
  std::uint64_t admitted = 0;
  while (Frame* frame = bench.pool->acquire(BufferClass::Small)) {
    frame->length = 60;
    bench.admit(frame, 0, bench.one);
    if (++admitted == bench.pool->size()) break;
  }
  const std::uint64_t lost = countOf(bench.one.dropped, DropReason::NoBuffer);
  CHECK(lost > 0);
  CHECK(countOf(bench.to.counters.dropped, DropReason::NoBuffer) == lost);
  CHECK(bench.run(100).size() == admitted - lost);
}

TEST_CASE("port delay: a flush of one account leaves the others in their order") {
  DelayBench bench;
  for (std::int64_t at = 0; at < 6; ++at)
    bench.admit(bench.frame(), at, at % 2 == 0 ? bench.one : bench.other);
  bench.to.delay.flush(&bench.one);
  CHECK(countOf(bench.one.dropped, DropReason::Flush) == 3);
  bench.admit(bench.frame(), 7, bench.one);
  CHECK(bench.run(1000) == Left{{101, 1}, {103, 1}, {105, 1}, {107, 1}});
}
