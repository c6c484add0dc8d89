// A TAP device as a port: what its kernel side sends is received here, what is transmitted here arrives
// there. Made by the control thread from an open descriptor (os/tap.hpp), then used on its worker.
#pragma once

#include "frame/ethernet.hpp"
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

  /// The TAP has a filter attached, which goes with the port. Control thread, as the next, before open().
  void ownFilter() { ownsFilter_ = true; }
  /// Returns to the interface, whose address this is, what others send on it to that address or to a group.
  /// Where the port is alone and the TAP has no filter, the kernel keeps back all that is not returned.
  void writeBack(const MacAddress& own) { writeBackTo(readMac(own.data())); }

  [[nodiscard]] Result<void> open(Io& io, PortKey key) override;
  [[nodiscard]] RxState receive(RxBurst& burst) noexcept override;
  void transmit(std::span<const TxItem> items) noexcept override;
  void close(Io& io) noexcept override;
  [[nodiscard]] bool closesSlowly() const noexcept override { return true; }
  [[nodiscard]] Result<void> setCarrier(bool on) noexcept override { return etherloom::setCarrier(tap_, on); }
  void setAlone(bool alone) noexcept override;

 private:
  [[nodiscard]] DropReason refusal(int error) noexcept override;

  Fd tap_;
  std::uint16_t prefix_;
  bool ownsFilter_ = false;
  bool keepsBack_ = false;  // the kernel does, for setAlone()
  Io* io_ = nullptr;
  Reader* reader_ = nullptr;
};

}  // namespace etherloom
