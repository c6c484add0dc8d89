// What the tests of ports and of Io share: a worker's belongings without the worker, on the test's own
// thread.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <set>
#include <vector>

#include "frame/offload.hpp"
#include "frame_fixtures.hpp"
#include "io/epoll_io.hpp"
#include "io/uring_io.hpp"
#include "os/doorbell.hpp"
#include "ports/port.hpp"

namespace etherloom {

enum class BenchIo { Epoll, Uring };

/// A test case that calls this runs once with each. It belongs on the test's own thread.
inline BenchIo eachIo() {
  BenchIo kind = BenchIo::Epoll;
  SUBCASE("epoll") { kind = BenchIo::Epoll; }
  SUBCASE("io_uring") { kind = BenchIo::Uring; }
  return kind;
}

class PortBench : public ReadySink {
 public:
  static constexpr Duration patience{60'000'000'000};  // guards against a hang

  Clock clock{Clock::Kind::Real};
  std::unique_ptr<FramePool> pool;
  Doorbell doorbell = *Doorbell::create();
  std::unique_ptr<Io> io;
  std::multiset<std::uint32_t> reported;  // indices of the ports that the last turn() found ready
  std::vector<Offload> offloads;          // of the frames that the last receive() gave
  PortCounters counters;
  PathAccount account;
  Turn current;

  explicit PortBench(std::size_t poolBytes = 16 << 20, BenchIo kind = eachIo())
      : pool(*FramePool::create(poolBytes)) {
    auto made =
        kind == BenchIo::Epoll ? EpollIo::create(doorbell.fd()) : UringIo::create(doorbell.fd(), *pool);
    if (!made && kind == BenchIo::Uring) {
      MESSAGE("on epoll again: ", made.error().message);
      made = EpollIo::create(doorbell.fd());
    }
    REQUIRE(made);
    io = *std::move(made);
    leaveTraces();
  }

  void ready(PortKey key) noexcept override { reported.insert(key.index); }

  void open(Port& port, PortKey key = {1, 1}) {
    port.enter(*pool, *this, current, counters);
    REQUIRE(port.open(*io, key));
  }
  /// One turn that ends at once, or when something is ready.
  void turn(Duration wait) {
    reported.clear();
    current.now = clock.now();
    io->turn(current.now, current.now + wait, *this);
  }

  /// The frames of `wanted` that the port receives: waits for `expected` of them, then takes what else is
  /// there.
  std::vector<Bytes> receive(Port& port, std::size_t expected,
                             const std::function<bool(const Bytes&)>& wanted = fromTest) {
    std::vector<Bytes> frames;
    offloads.clear();
    for (;;) {
      RxBurst burst(*pool, counters.dropped);
      const RxState state = port.receive(burst);
      for (Frame* frame : burst.frames()) {
        const auto zero = [](auto byte) { return byte == 0; };
        CHECK(std::all_of(frame->data - virtioHeaderLength, frame->data, zero) == isPlain(*frame));
        Bytes bytes(frame->data, frame->data + frame->length);
        if (wanted(bytes)) {
          frames.push_back(std::move(bytes));
          offloads.push_back(frame->offload);
        }
        pool->release(frame);
      }
      if (state == RxState::More) continue;
      if (state == RxState::Failed || frames.size() >= expected) return frames;
      turn(patience);
      if (reported.empty()) return frames;
    }
  }
  static bool fromTest(const Bytes& frame) {
    return frame.size() >= 14 && std::equal(testSource.begin(), testSource.end(), frame.begin() + 6);
  }

  /// Has the port transmit frames, as one call; they are paid from `account`.
  void transmit(Port& port, const std::vector<Bytes>& frames) {
    std::vector<TxItem> items;
    for (const Bytes& bytes : frames) {
      Frame* frame =
          pool->acquire(bytes.size() <= FramePool::smallCapacity ? BufferClass::Small : BufferClass::Large);
      REQUIRE(frame);
      std::copy(bytes.begin(), bytes.end(), frame->data);
      frame->length = static_cast<std::uint32_t>(bytes.size());
      items.push_back({frame, &account});
    }
    account.staged.add(items.size());
    port.transmit(items);
    port.flush();
    if (!port.drained()) settle();
  }
  /// Lets the kernel have what was written, and look for what there is to read.
  void settle() { io->turn(clock.now(), clock.now(), *this); }
  /// Frames that somebody still has, when the Io is gone too.
  [[nodiscard]] std::size_t leaked() {
    io.reset();
    return pool->outstanding();
  }

  [[nodiscard]] std::uint64_t delivered() const { return account.delivered.get(); }
  [[nodiscard]] std::uint64_t dropped(DropReason reason) const {
    return account.dropped.get(static_cast<std::size_t>(reason));
  }
  /// Of the port: what never became a frame, and what it transmitted in vain.
  [[nodiscard]] std::uint64_t portDropped(DropReason reason) const {
    return counters.dropped.get(static_cast<std::size_t>(reason));
  }

 private:
  /// Leaves the buffers that are used next as a forerunner may have left them.
  void leaveTraces() {
    std::vector<Frame*> used;
    for (unsigned count = 0; count < burstSize; ++count) {
      Frame* frame = used.emplace_back(pool->acquire(BufferClass::Small));
      std::fill(frame->data - FramePool::headroom, frame->data + FramePool::smallCapacity,
                std::uint8_t{0xaa});
      frame->offload.flags = frame->offload.gsoType = 0xff;
    }
    for (Frame* frame : used) pool->release(frame);
  }
};

/// A frame of `length` bytes, of an EtherType for experiments, that `mark` tells from others.
inline Bytes plainFrame(std::uint8_t mark, std::size_t length = 60) {
  Bytes bytes(length);
  bytes[0] = 0x02, bytes[5] = 0x99;
  std::copy(testSource.begin(), testSource.end(), bytes.begin() + 6);
  put16(bytes, 12, 0x88b5);
  for (std::size_t at = 14; at < length; ++at)
    bytes[at] = static_cast<std::uint8_t>(mark + at * 7 + at / 256);
  return bytes;
}

/// What a user of a device with a virtio-net header of 10 bytes writes: the header, the frame.
inline Bytes behindHeader(const VirtioHeader& header, const Bytes& frame) {
  Bytes bytes(sizeof header + frame.size());
  std::memcpy(bytes.data(), &header, sizeof header);
  std::copy(frame.begin(), frame.end(), bytes.begin() + sizeof header);
  return bytes;
}

inline std::vector<Bytes> plainFrames(std::size_t count) {
  std::vector<Bytes> frames;
  for (std::size_t index = 0; index < count; ++index)
    frames.push_back(plainFrame(static_cast<std::uint8_t>(index)));
  return frames;
}

}  // namespace etherloom
