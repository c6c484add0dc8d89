// A TAP device as a port: what its kernel side sends is received here, what is transmitted here arrives
// there. Made by the control thread from an open descriptor (os/tap.hpp), then used on its worker.
#pragma once

#include "os/fd.hpp"
#include "os/tap.hpp"
#include "ports/port.hpp"

namespace etherloom {

class TapPort final : public Port {
 public:
  /// `virtioHeader`: the TAP puts 12 bytes before each frame. `offloads`: those that are on, none without the
  /// header.
  TapPort(Fd tap, std::uint32_t limit, bool virtioHeader, Offloads offloads)
      : Port(limit, offloads),
        tap_(std::move(tap)),
        prefix_(virtioHeader ? std::uint16_t{virtioHeaderLength} : std::uint16_t{0}) {}

  [[nodiscard]] Result<void> open(Io& io, PortKey key) override;
  [[nodiscard]] RxState receive(RxBurst& burst) noexcept override;
  void transmit(std::span<const TxItem> items) noexcept override;
  void written(std::span<const TxItem> items) noexcept override;
  void failed(TxItem item, int error) noexcept override;
  void close(Io& io) noexcept override;
  [[nodiscard]] Result<void> setCarrier(bool on) noexcept override { return etherloom::setCarrier(tap_, on); }
  [[nodiscard]] bool drained() const noexcept override { return inFlight_ == 0; }

 private:
  Fd tap_;
  std::uint16_t prefix_;
  std::uint32_t inFlight_ = 0;
  Io* io_ = nullptr;
  Reader* reader_ = nullptr;
};

}  // namespace etherloom
