// MemoryPort: frames to and from JavaScript. All memory ports of a worker share one MemoryBridge, a pair of
// byte rings.
//
// MemoryBridge::poll and MemoryPort run on the worker; the rings' far ends and taken() belong to the
// JavaScript thread. A port whose reader is slow uses up its own quota and nobody else's: the far side copies
// records out at once, and reports with taken() what the reader has really read.
#pragma once

#include <atomic>
#include <functional>
#include <unordered_map>

#include "ports/byte_ring.hpp"
#include "ports/port.hpp"
#include "ports/source.hpp"

namespace etherloom {

class MemoryPort;

class MemoryBridge : public Source {
 public:
  static constexpr unsigned pollLimit = 1024;  ///< records per poll, so that no port waits long for its turn

  /// `wake` tells JavaScript that frames are there; called at most once until rearm(). `makeRoom` has
  /// JavaScript read all of them now: on a virtual clock, where both sides are one thread, so that no ring
  /// ever decides what is lost.
  MemoryBridge(std::span<std::byte> fromJavaScript, std::span<std::byte> toJavaScript,
               std::function<void()> wake, std::function<void()> makeRoom = {})
      : inbound(fromJavaScript),
        outbound(toJavaScript),
        wake_(std::move(wake)),
        makeRoom_(std::move(makeRoom)) {}

  ByteRing inbound;   ///< written by JavaScript
  ByteRing outbound;  ///< read by JavaScript

  /// Worker: moves what JavaScript published into the inboxes of its ports, until they hold pollLimit frames.
  /// What is left the ring holds: who finds that full is told so, and no frames are used up.
  void poll() noexcept override { static_cast<void>(move(pollLimit)); }
  [[nodiscard]] bool arm() noexcept override { return inbound.published() == inbound.consumed(); }
  /// On a virtual clock: moves all that JavaScript published.
  void collect() noexcept;
  /// Worker: a frame went into an inbox, and frames came out.
  void entered() { ++waiting_; }
  void left(std::size_t frames) { waiting_ -= frames; }
  /// Worker: publishes what the ports wrote in this turn, and wakes JavaScript if it sleeps.
  void flush() noexcept;
  /// JavaScript: about to sleep. False if frames came in the meantime.
  [[nodiscard]] bool rearm() noexcept;

  void join(std::uint32_t number, MemoryPort& port) { ports_.emplace(number, &port); }
  void leave(std::uint32_t number) { ports_.erase(number); }
  /// Worker: one frame for the reader of a port, which learns the instant. False when the ring is full.
  [[nodiscard]] bool write(std::uint32_t number, const Frame& frame, Instant now) noexcept;

 private:
  /// Moves until the inboxes hold `room` frames. True while something is left.
  bool move(std::size_t room) noexcept;

  std::unordered_map<std::uint32_t, MemoryPort*> ports_;
  std::function<void()> wake_;
  std::function<void()> makeRoom_;
  std::uint64_t written_ = 0;
  std::size_t waiting_ = 0;  // frames in all inboxes
  std::atomic<bool> asleep_{true};
};

class MemoryPort final : public Port {
 public:
  /// `quota`: frames that may wait for the reader.
  MemoryPort(MemoryBridge& bridge, std::uint32_t number, std::uint32_t limit, std::uint32_t quota)
      : Port(limit), bridge_(bridge), number_(number), quota_(quota) {}

  [[nodiscard]] ClassMark mark() const noexcept override { return markOf<MemoryPort>(); }
  [[nodiscard]] Result<void> open(Io& io, PortKey key) override;
  [[nodiscard]] RxState receive(RxBurst& burst) noexcept override;
  void transmit(std::span<const TxItem> items) noexcept override;
  void flush() noexcept override { bridge_.flush(); }
  void close(Io& io) noexcept override;
  [[nodiscard]] bool virtualClock() const noexcept override { return true; }

  /// The bridge, on the worker: a frame that JavaScript sent.
  void deliver(std::span<const std::byte> bytes) noexcept;
  /// JavaScript: so many frames were read.
  void taken(std::uint64_t frames) noexcept { taken_.fetch_add(frames, std::memory_order_release); }

 private:
  MemoryBridge& bridge_;
  std::uint32_t number_;
  std::uint32_t quota_;
  PortKey key_;
  Chain<Frame> inbox_;
  std::uint64_t handed_ = 0;
  std::atomic<std::uint64_t> taken_{0};
};

}  // namespace etherloom
