// SinkPort: a null device. It takes every frame of any length, counts it, and never sends one. For
// benchmarks, tests, and as the end of what nobody is to receive. On the port's worker.
#pragma once

#include "ports/port.hpp"

namespace etherloom {

class SinkPort final : public Port {
 public:
  SinkPort() : Port(FramePool::largeCapacity) {}

  [[nodiscard]] Result<void> open(Io&, PortKey) override { return {}; }
  [[nodiscard]] RxState receive(RxBurst&) noexcept override { return RxState::Drained; }
  void transmit(std::span<const TxItem> items) noexcept override { sent(items); }
  void close(Io&) noexcept override {}
  [[nodiscard]] bool virtualClock() const noexcept override { return true; }
};

}  // namespace etherloom
