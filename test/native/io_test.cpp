// Both Ios: how frames are read into buffers, how writes end, and what ends a wait.
#include "io/epoll_io.hpp"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <thread>

#include "os_fixtures.hpp"
#include "port_fixtures.hpp"

using namespace etherloom;

namespace {

/// A message socket stands for a frame device: one read is one frame.
struct Device {
  Fd ours, theirs;

  Device() {
    int ends[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    ours = Fd(ends[0]);
    theirs = Fd(ends[1]);
  }
  void send(const Bytes& bytes) const {
    REQUIRE(::write(theirs.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }
};

struct Ended : Completions {
  PortBench& bench;
  std::vector<int> results;  // 0 or the errno

  explicit Ended(PortBench& owner) : bench(owner) {}
  void written(std::span<const TxItem> items) noexcept override {
    for (const TxItem& item : items) {
      results.push_back(0);
      bench.pool->release(item.frame);
    }
  }
  void failed(TxItem item, int error) noexcept override {
    results.push_back(error);
    bench.pool->release(item.frame);
  }
};

struct TakenFrame {
  Bytes bytes;  // the prefix included
  BufferClass bufferClass;
};

/// Everything that one take() hands over.
std::pair<RxState, std::vector<TakenFrame>> take(PortBench& bench, Reader& reader, std::size_t prefix = 0) {
  bench.settle();
  RxBurst burst(*bench.pool, bench.counters.dropped);
  const RxState state = bench.io->take(reader, burst);
  std::vector<TakenFrame> frames;
  for (Frame* frame : burst.frames()) {
    frames.push_back({Bytes(frame->data - prefix, frame->data + frame->length), frame->bufferClass});
    bench.pool->release(frame);
  }
  return {state, std::move(frames)};
}

/// The next frames of a reader that `count` were sent to, in as many bursts as it takes.
std::vector<TakenFrame> takeAll(PortBench& bench, Reader& reader, std::size_t count, std::size_t prefix = 0) {
  std::vector<TakenFrame> all;
  while (all.size() < count) {
    auto [state, frames] = take(bench, reader, prefix);
    REQUIRE(state != RxState::Failed);
    CHECK(frames.size() <= burstSize);
    std::move(frames.begin(), frames.end(), std::back_inserter(all));
  }
  CHECK(take(bench, reader, prefix).second.empty());
  return all;
}

/// A frame in the pool with these bytes.
TxItem itemOf(PortBench& bench, const Bytes& bytes, std::size_t prefix = 0) {
  Frame* frame = bench.pool->acquire(BufferClass::Small);
  REQUIRE(frame);
  std::copy(bytes.begin(), bytes.end(), frame->data - prefix);
  frame->length = static_cast<std::uint32_t>(bytes.size() - prefix);
  return {frame, nullptr};
}

std::vector<Frame*> exhaust(FramePool& pool, BufferClass bufferClass) {
  std::vector<Frame*> taken;
  while (Frame* frame = pool.acquire(bufferClass)) taken.push_back(frame);
  return taken;
}

}  // namespace

TEST_CASE("io: frames of every length come out whole") {
  const BenchIo kind = eachIo();
  for (const std::uint16_t prefix : {std::uint16_t{0}, std::uint16_t{12}}) {
    PortBench bench(16 << 20, kind);
    const Device device;
    auto reader = bench.io->read({1, 1}, device.ours.get(), {.prefix = prefix, .limit = 9018});
    REQUIRE(reader);
    const std::vector<std::size_t> lengths{14, 1919, 1920, 1921, 9018, 60, 5000, 9018};
    for (const std::size_t length : lengths) device.send(plainFrame(3, prefix + length));
    const auto frames = takeAll(bench, **reader, lengths.size(), prefix);
    for (std::size_t index = 0; index < frames.size(); ++index) {
      CAPTURE(lengths[index]);
      CHECK(frames[index].bytes == plainFrame(3, prefix + lengths[index]));
      if (kind == BenchIo::Epoll) {
        CHECK(frames[index].bufferClass ==
              (lengths[index] <= 1920 ? BufferClass::Small : BufferClass::Large));
      }
    }
    CHECK(bench.leaked() == 0);
  }
}

TEST_CASE("io: a frame over the limit shows by its length") {
  const BenchIo kind = eachIo();
  for (const std::uint32_t limit : {1514U, 1919U, 1920U, 1921U, 9014U}) {
    CAPTURE(limit);
    PortBench bench(16 << 20, kind);
    const Device device;
    auto reader = bench.io->read({1, 1}, device.ours.get(), {.limit = limit});
    REQUIRE(reader);
    for (const std::uint32_t over : {0U, 1U, 100U}) device.send(plainFrame(3, limit + over));
    const auto frames = takeAll(bench, **reader, 3);
    CHECK(frames[0].bytes == plainFrame(3, limit));
    CHECK(frames[1].bytes == plainFrame(3, limit + 1));
    CHECK(frames[2].bytes.size() > limit);
  }
}

TEST_CASE("io: a limit that no buffer holds is refused") {
  PortBench bench;
  const Device device;
  CHECK_FALSE(bench.io->read({1, 1}, device.ours.get(), {.limit = FramePool::largeCapacity}));
  CHECK(bench.io->read({1, 1}, device.ours.get(), {.limit = FramePool::largeCapacity - 1}));
}

TEST_CASE("io: many frames come in order, at most a burst at once") {
  PortBench bench;
  const Device device;
  auto reader = bench.io->read({1, 1}, device.ours.get(), {.limit = 1514});
  REQUIRE(reader);
  for (unsigned index = 0; index < burstSize + 5; ++index)
    device.send(plainFrame(static_cast<std::uint8_t>(index)));
  const auto all = takeAll(bench, **reader, burstSize + 5);
  for (unsigned index = 0; index < all.size(); ++index)
    CHECK(all[index].bytes == plainFrame(static_cast<std::uint8_t>(index)));
}

TEST_CASE("io: a device that wakes while another is busy is read in the same turn") {
  PortBench bench;
  const Device busy, calm;
  auto reader = bench.io->read({1, 1}, busy.ours.get(), {.limit = 1514});
  auto other = bench.io->read({2, 1}, calm.ours.get(), {.limit = 1514});
  REQUIRE(reader);
  REQUIRE(other);
  constexpr std::size_t count = 100;
  for (std::size_t index = 0; index < count; ++index) busy.send(plainFrame(3, 60));
  std::size_t taken = 0;
  while (taken < count / 4) taken += take(bench, **reader).second.size();
  calm.send(plainFrame(3, 60));
  bench.turn({});
  CHECK(bench.reported == std::multiset<std::uint32_t>{1, 2});
  RxBurst burst(*bench.pool, bench.counters.dropped);
  CHECK(bench.io->take(**other, burst) == RxState::Drained);
  CHECK(burst.count() == 1);
  burst.remove(allFrames(burst.count()));
}

TEST_CASE("io: without buffers frames wait in their device, on io_uring") {
  PortBench bench(300 << 10, BenchIo::Uring);
  if (bench.io->name() != std::string_view("io_uring")) return;
  const auto taken = exhaust(*bench.pool, BufferClass::Small);
  const Device device;
  auto reader = bench.io->read({1, 1}, device.ours.get(), {.limit = 1514});
  REQUIRE(reader);
  for (unsigned index = 0; index < burstSize; ++index) device.send(plainFrame(1));
  CHECK(take(bench, **reader).second.empty());
  for (Frame* frame : taken) bench.pool->release(frame);
  std::size_t came = 0;
  while (came < burstSize) came += take(bench, **reader).second.size();
  CHECK(bench.portDropped(DropReason::NoBuffer) == 0);
  bench.io->forget(device.ours.get());
  CHECK(bench.leaked() == 0);
}

TEST_CASE("io: without buffers the device is drained all the same, and counted, on epoll") {
  PortBench bench(300 << 10, BenchIo::Epoll);
  const Device device;
  auto reader = bench.io->read({1, 1}, device.ours.get(), {.prefix = 12, .limit = 9018});
  REQUIRE(reader);
  SUBCASE("no small one") {
    const auto taken = exhaust(*bench.pool, BufferClass::Small);
    for (unsigned index = 0; index < burstSize + 1; ++index) device.send(plainFrame(1, 12 + 60));
    device.send(plainFrame(1, 12 + 9018));
    CHECK(take(bench, **reader).first == RxState::More);  // one burst's worth, then the other ports' turn
    CHECK(bench.portDropped(DropReason::NoBuffer) == burstSize);
    CHECK(take(bench, **reader).first == RxState::Drained);
    CHECK(bench.portDropped(DropReason::NoBuffer) == burstSize + 2);
    for (Frame* frame : taken) bench.pool->release(frame);
  }
  SUBCASE("no large one: short frames still come") {
    const auto taken = exhaust(*bench.pool, BufferClass::Large);
    device.send(plainFrame(1, 12 + 9018));
    device.send(plainFrame(2, 12 + 60));
    const auto [state, frames] = take(bench, **reader, 12);
    CHECK(state == RxState::Drained);
    REQUIRE(frames.size() == 1);
    CHECK(frames[0].bytes == plainFrame(2, 12 + 60));
    CHECK(bench.portDropped(DropReason::NoBuffer) == 1);
    for (Frame* frame : taken) bench.pool->release(frame);
  }
  CHECK(bench.leaked() == 0);
}

TEST_CASE("io: the end of a device says why") {
  PortBench bench;
  Device device;
  auto reader = bench.io->read({1, 1}, device.ours.get(), {.limit = 1514});
  REQUIRE(reader);
  device.send(plainFrame(1));
  const Bytes unread = plainFrame(2);
  REQUIRE(::write(device.ours.get(), unread.data(), unread.size()) == 60);
  device.theirs.reset();  // with a message unread: a reset
  for (;;) {
    const auto [state, frames] = take(bench, **reader);
    if (state == RxState::More) continue;
    CHECK(state == RxState::Failed);
    break;
  }
  CHECK((*reader)->error == ECONNRESET);
  CHECK(bench.leaked() == 0);
}

TEST_CASE("io: each write ends once, well or with its error") {
  PortBench bench;
  const Device device;
  Ended ended(bench);
  Bytes received(100);
  bench.io->write(ended, device.ours.get(), itemOf(bench, plainFrame(1)), 0);
  bench.settle();
  CHECK(ended.results == std::vector{0});
  REQUIRE(::read(device.theirs.get(), received.data(), received.size()) == 60);
  CHECK(std::equal(received.begin(), received.begin() + 60, plainFrame(1).begin()));

  bench.io->write(ended, device.ours.get(), itemOf(bench, plainFrame(2, 72), 12), 12);
  bench.settle();
  CHECK(ended.results == std::vector{0, 0});
  REQUIRE(::read(device.theirs.get(), received.data(), received.size()) == 72);
  CHECK(std::equal(received.begin(), received.begin() + 72, plainFrame(2, 72).begin()));

  for (int guard = 0; ended.results.back() == 0 && guard < 100'000; ++guard) {
    bench.io->write(ended, device.ours.get(), itemOf(bench, plainFrame(3)), 0);
    bench.settle();
  }
  CHECK(ended.results.back() == EAGAIN);
  CHECK(bench.leaked() == 0);
}

TEST_CASE("io: what is written before a descriptor is forgotten is sent, and its end is told") {
  PortBench bench;
  Device device;
  Ended ended(bench);
  REQUIRE(bench.io->read({1, 1}, device.ours.get(), {.limit = 1514}));
  SUBCASE("before the first turn") {}
  SUBCASE("while it waits for frames") { bench.turn({0}); }
  bench.io->write(ended, device.ours.get(), itemOf(bench, plainFrame(1)), 0);
  bench.io->write(ended, device.ours.get(), itemOf(bench, plainFrame(2)), 0);
  bench.io->forget(device.ours.get());
  CHECK(ended.results == std::vector{0, 0});
  // Whatever has the descriptor's number next gets none of it.
  const Device other;
  REQUIRE(dup2(other.ours.get(), device.ours.get()) == device.ours.get());
  bench.settle();
  Bytes received(100);
  CHECK(::read(other.theirs.get(), received.data(), received.size()) < 0);
  for (const std::uint8_t mark : {std::uint8_t{1}, std::uint8_t{2}}) {
    REQUIRE(::read(device.theirs.get(), received.data(), received.size()) == 60);
    CHECK(std::equal(received.begin(), received.begin() + 60, plainFrame(mark).begin()));
  }
  CHECK(bench.leaked() == 0);
}

TEST_CASE("io: more writes than the ring has room for all end") {
  PortBench bench;
  const Device device;
  Ended ended(bench);
  const Fd null(open("/dev/null", O_WRONLY | O_CLOEXEC));
  for (unsigned index = 0; index < 3000; ++index)
    bench.io->write(ended, null.get(), itemOf(bench, plainFrame(1, 60 + index % 1000)), 0);
  bench.settle();
  CHECK(ended.results == std::vector(3000, 0));
  CHECK(bench.leaked() == 0);
}

TEST_CASE("io: a kernel or container that refuses io_uring says so") {
  for (const long call : {SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register}) {
    for (const int error : {ENOSYS, EPERM}) {
      CAPTURE(call);
      CAPTURE(error);
      PortBench bench(1 << 20, BenchIo::Epoll);
      bool refused = false;
      std::optional<Error> found;
      std::thread([&] {
        refused = refuseCall(call, error);
        const auto made = UringIo::create(bench.doorbell.fd(), *bench.pool);
        if (!made) found = made.error();
      }).join();
      if (!refused) {
        MESSAGE("skipped: seccomp is not available");
        return;
      }
      REQUIRE(found);
      CHECK(found->number == error);
      CHECK(found->message.find("refuses io_uring") != std::string::npos);
    }
  }
}

TEST_CASE("io: the doorbell ends a wait without end, and is no port") {
  PortBench bench;
  std::thread ringer([&bench] { bench.doorbell.ring(); });
  bench.io->turn(bench.clock.now(), Instant::never(), bench);
  ringer.join();
  CHECK(bench.reported.empty());
}

TEST_CASE("io: what is ready is reported by its key, until it is forgotten") {
  PortBench bench;
  const Device read, watched;
  auto reader = bench.io->read({7, 3}, read.ours.get(), {.limit = 1514});
  REQUIRE(reader);
  REQUIRE(bench.io->watch({0xfffffffe, 0xffffffff}, watched.ours.get()));
  bench.turn({0});
  CHECK(bench.reported.empty());
  read.send(plainFrame(1));
  watched.send(plainFrame(1));
  std::set<std::uint32_t> seen;
  while (seen.size() < 2) {
    bench.turn(PortBench::patience);
    seen.insert(bench.reported.begin(), bench.reported.end());
  }
  CHECK(seen == std::set<std::uint32_t>{7, 0xfffffffe});
  takeAll(bench, **reader, 1);

  bench.io->forget(watched.ours.get());
  watched.send(plainFrame(2));
  read.send(plainFrame(2));
  bench.turn(PortBench::patience);
  CHECK(bench.reported == std::multiset<std::uint32_t>{7});
  takeAll(bench, **reader, 1);
  bench.turn({-5});  // a deadline that has passed: only a look
  CHECK(bench.reported.empty());
}

TEST_CASE("io: more ready ports than one turn reports are all reported soon") {
  PortBench bench;
  std::vector<Fd> always;
  for (std::uint32_t index = 0; index < 600; ++index) {
    const Fd& fd = always.emplace_back(eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC));
    REQUIRE(bench.io->watch({index, 1}, fd.get()));
  }
  std::set<std::uint32_t> seen;
  for (int turns = 0; turns < 100 && seen.size() < 600; ++turns) {
    bench.turn({0});
    seen.insert(bench.reported.begin(), bench.reported.end());
  }
  CHECK(seen.size() == 600);
}

TEST_CASE("io: a wait for a deadline does not end before it") {
  const auto neverEarly = [](BenchIo kind) {
    PortBench bench(16 << 20, kind);
    bool early = false;
    for (const std::int64_t wait : {1, 50'000, 999'999, 1'000'000, 1'000'001, 3'500'000}) {
      const Instant deadline = bench.clock.now() + Duration{wait};
      bench.io->turn(bench.clock.now(), deadline, bench);
      early |= bench.clock.now() < deadline;
    }
    return !early;
  };
  SUBCASE("to the nanosecond") {
    // On a thread of its own: the end of another test's ring may interrupt a wait of this one.
    bool kept = false;
    std::thread([&, kind = eachIo()] { kept = neverEarly(kind); }).join();
    CHECK(kept);
  }
  SUBCASE("on a kernel without epoll_pwait2") {
    bool forgot = false, kept = false;
    std::thread([&] {
      forgot = refuseCall(SYS_epoll_pwait2, ENOSYS);
      kept = forgot && neverEarly(BenchIo::Epoll);
    }).join();
    if (!forgot) {
      MESSAGE("skipped: seccomp is not available");
      return;
    }
    CHECK(kept);
  }
}
