// PatchPort: one end of a cable between two fabrics of one engine. Both ends belong to the same worker, so
// that what one transmits lies in the other's inbox for the next turn, at the same instant of a virtual
// clock.
#pragma once

#include "ports/port.hpp"

namespace etherloom {

class PatchPort final : public Port {
 public:
  static constexpr unsigned inboxSize = 1024;  ///< frames
  static constexpr unsigned hopLimit = 16;  ///< patch ports a frame may cross, so that loops of fabrics end

  explicit PatchPort(std::uint32_t limit) : Port(limit, Offloads::All) {}
  /// Joins two ends. Control thread, before the second is attached.
  static void join(PatchPort& left, PatchPort& right) {
    left.peer_ = &right;
    right.peer_ = &left;
  }

  [[nodiscard]] ClassMark mark() const noexcept override { return markOf<PatchPort>(); }
  [[nodiscard]] Result<void> open(Io& io, PortKey key) override;
  [[nodiscard]] RxState receive(RxBurst& burst) noexcept override;
  void transmit(std::span<const TxItem> items) noexcept override;
  void close(Io& io) noexcept override;
  [[nodiscard]] bool virtualClock() const noexcept override { return true; }

 private:
  [[nodiscard]] bool full() const { return waiting_ == inboxSize || !open_; }
  /// A frame for the peer's inbox; nullptr without a buffer.
  [[nodiscard]] Frame* own(Frame& frame) noexcept;
  void put(Frame* frame) noexcept;

  PatchPort* peer_ = nullptr;
  PortKey key_;
  bool open_ = false;
  Chain<Frame> inbox_;
  unsigned waiting_ = 0;  // frames in it
};

}  // namespace etherloom
