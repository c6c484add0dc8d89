// The delay of a port: frames that have left their paths and are still on their way into the port.
// Part of the port's attachment; called by the worker that owns the port.
//
// Theory of operation. Every frame travels the same time, so one list in the order in which they left their
// paths is enough, whatever paths those were. A frame is due its delay after the instant at which it left its
// path, however late the worker is, and never before those in front of it: a shorter delay lets nobody
// overtake, and who is on the way keeps his departure. For its path a frame on this way is in flight.
#pragma once

#include "frame/batch.hpp"
#include "lines/held.hpp"
#include "pipeline/departures.hpp"
#include "pipeline/path.hpp"

namespace etherloom {

class PortDelay {
 public:
  explicit PortDelay(Attachment& attachment) : attachment_(attachment) {}

  /// The delay of frames that leave their paths from now on; not negative.
  void set(Duration delay) noexcept { delay_ = delay; }
  /// Whether a frame that leaves its path has to wait here.
  [[nodiscard]] bool holds() const noexcept { return delay_.nanoseconds != 0 || !waiting_.empty(); }

  /// Takes an item that left its path at this instant. A super-frame that may not be held as it is is cut.
  void admit(TxItem item, Instant at) noexcept;
  /// Hands back the item that is due next. There must be one.
  [[nodiscard]] TxItem release() noexcept;
  /// Drops what it holds, or only what this account pays for, counted as `flush`.
  void flush(const PathAccount* account) noexcept;

  [[nodiscard]] Attachment& attachment() const noexcept { return attachment_; }
  [[nodiscard]] Instant due() const noexcept {
    return waiting_.empty() ? Instant::never() : waiting_.front()->due;
  }
  [[nodiscard]] bool before(const PortDelay& other) const noexcept;
  std::uint32_t place = Departures<PortDelay>::nowhere;

 private:
  [[nodiscard]] TxItem take(Held* held) noexcept;
  [[nodiscard]] PathHost& host() const noexcept;

  Duration delay_;
  Chain<Held> waiting_;
  Instant latest_ = Instant::longAgo();  // the latest due time given out so far: none after it is due earlier
  std::size_t size_ = 0;
  Attachment& attachment_;
};

}  // namespace etherloom
