// The Io of a virtual clock, on which there is no outside world: it has no descriptors and nothing to wait
// for. Made by the control thread, which also runs the workers.
#pragma once

#include <cerrno>

#include "io/io.hpp"

namespace etherloom {

class VirtualIo final : public Io {
 public:
  [[nodiscard]] Result<Reader*> read(PortKey, int, ReadShape) override { return refusal(); }
  [[nodiscard]] Result<void> watch(PortKey, int) override { return refusal(); }
  void whenWritable(PortKey, int) noexcept override {}
  void forget(int) noexcept override {}
  [[nodiscard]] RxState take(Reader&, RxBurst&) noexcept override { return RxState::Drained; }
  void write(Completions& port, int, TxItem item, std::uint16_t) noexcept override {
    port.failed(item, ENODEV);
  }
  void turn(Instant, Instant, ReadySink&) noexcept override {}
  [[nodiscard]] const char* name() const noexcept override { return "virtual"; }

 private:
  [[nodiscard]] static Error refusal() { return {ENODEV, "", "a virtual clock has no outside world"}; }
};

}  // namespace etherloom
