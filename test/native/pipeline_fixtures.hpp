// What the tests of paths, pipelines and ports of this process share: seats, frames and a stage without a
// worker.
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <vector>

#include "pipeline/fabric_version.hpp"

namespace etherloom {

/// A port that takes everything and keeps it.
class KeepingPort final : public Port {
 public:
  explicit KeepingPort(std::uint32_t limit = 1518) : Port(limit) {}

  Result<void> open(Io&, PortKey) override { return {}; }
  RxState receive(RxBurst&) noexcept override { return RxState::Drained; }
  void transmit(std::span<const TxItem> items) noexcept override {
    for (const TxItem& item : items) sent(item);
  }
  void close(Io&) noexcept override {}
};

/// The Io of ports of this process: never asked for anything.
class NoIo : public Io {
  Result<Reader*> read(PortKey, int, ReadShape) override { return Error{}; }
  Result<void> watch(PortKey, int) override { return Error{}; }
  void whenWritable(PortKey, int) noexcept override {}
  void forget(int) noexcept override {}
  RxState take(Reader&, RxBurst&) noexcept override { return RxState::Drained; }
  void write(Completions&, int, TxItem, std::uint16_t) noexcept override {}
  void turn(Instant, Instant, ReadySink&) noexcept override {}
  const char* name() const noexcept override { return "none"; }
};

/// One worker's pool and seats, on the test's thread. Every frame must be back in the end.
class SeatBench : public ReadySink {
 public:
  explicit SeatBench(std::size_t memory = 8u << 20) : pool(*FramePool::create(memory)), held(pool->size()) {}
  ~SeatBench() { CHECK(pool->outstanding() == 0); }

  void ready(PortKey key) noexcept override { reported.push_back(key); }

  Attachment& seat(std::unique_ptr<Port> port = std::make_unique<KeepingPort>()) {
    auto made = std::make_unique<Attachment>();
    made->id = PortId{static_cast<std::uint32_t>(seats.size())};
    made->key = {static_cast<std::uint32_t>(seats.size()), 1};
    made->seat = Seat{static_cast<std::uint32_t>(seats.size())};
    made->port = std::move(port);
    made->port->enter(*pool, *this, current, made->counters);
    made->defaults = std::vector<PathAccount>(1);
    made->host = &host;
    made->up = true;
    seats.push_back(std::move(made));
    return *seats.back();
  }
  /// A frame that arrived at this instant; the number tells frames apart.
  Frame* frame(std::int64_t arrival = 0, std::uint32_t number = 0, std::uint32_t length = 60) {
    Frame* made = pool->acquire(length <= FramePool::smallCapacity ? BufferClass::Small : BufferClass::Large);
    REQUIRE(made);
    made->length = length;
    made->arrival = {arrival};
    made->number = number;
    return made;
  }

  std::unique_ptr<FramePool> pool;
  HeldPool held;
  PathHost host{*pool, held};  // of the benches' paths, which say where frames go that leave them
  std::vector<std::unique_ptr<Attachment>> seats;
  std::vector<PortKey> reported;
  Turn current;
};

/// A path, and policies that it gets from the first frame on that is admitted under them. They have to live
/// as long as the next of them has not come.
class GivenPath {
 public:
  explicit GivenPath(Attachment& to, std::uint64_t seed = 7) : path(to, seed) {}
  ~GivenPath() { path.flush(); }

  void give(const Policy& policy, Instant since) {
    path.prepare(policy);
    entry_ = {&path.to(), &path, &policy, ++changes_, since};
    path.adopt(entry_);
  }
  void admit(Frame* frame, const Policy& policy) {
    if (entry_.policy != &policy) give(policy, frame->arrival);
    path.admit(frame, entry_);
  }

  Path path;

 private:
  RowEntry entry_{};
  std::uint64_t changes_ = 0;
};

inline std::uint64_t totalOf(const Drops& drops) {
  std::uint64_t frames = 0;
  for (std::size_t reason = 0; reason < dropReasonCount; ++reason) frames += drops.get(reason);
  return frames;
}

/// admitted + duplicated = delivered + dropped + waiting + travelling + staged.
inline bool balances(const PathAccount& account) {
  return account.admitted.get() + account.duplicated.get() ==
         account.delivered.get() + totalOf(account.dropped) + account.waiting.get() +
             account.travelling.get() + account.staged.get();
}

inline std::uint64_t countOf(const Drops& drops, DropReason reason) {
  return drops.get(static_cast<std::size_t>(reason));
}

}  // namespace etherloom
