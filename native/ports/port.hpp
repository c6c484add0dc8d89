// The contract of a port kind: where frames enter and leave a fabric.
//
// Life: constructed and configured on the control thread with its device already open; from open() to the end
// of close() every method runs on the one worker that owns the port. Rules:
//  1. receive() hands over what is already ours, at most room(); it never waits. The worker stamps arrival,
//  from and number.
//  2. transmit() takes ALL items. Each ends exactly once, through sent() or dropped(), or through write(),
//  perhaps in a later turn.
//  3. No method blocks, allocates, locks, logs or reads a clock.
//  4. A device that is gone is reported once through fail(); what is transmitted from then on is dropped as
//  port-down.
//  5. close() lets go of the device in the Io. The port is destroyed, and what it has of the device with it,
//  when drained() says that every write has ended: by the control thread, or where closesSlowly(), for it.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>

#include "frame/batch.hpp"
#include "frame/ethernet.hpp"
#include "frame/offload.hpp"
#include "frame/turn.hpp"
#include "io/io.hpp"
#include "os/class_mark.hpp"

namespace etherloom {

class Port : public Completions {
 public:
  virtual ~Port() = default;

  [[nodiscard]] virtual Result<void> open(Io& io, PortKey key) = 0;
  [[nodiscard]] virtual RxState receive(RxBurst& burst) noexcept = 0;
  virtual void transmit(std::span<const TxItem> items) noexcept = 0;
  void written(std::span<const TxItem> items) noexcept final {
    writing_ -= static_cast<std::uint32_t>(items.size());
    sent(items);
  }
  void failed(TxItem item, int error) noexcept final {
    --writing_;
    dropped(item, refusal(error));
  }
  /// Once per turn, after the last transmit() of that turn.
  virtual void flush() noexcept {}
  virtual void close(Io& io) noexcept = 0;
  /// Whether every write() has ended.
  [[nodiscard]] bool drained() const noexcept { return writing_ == 0; }
  /// Whether the kernel takes long to let go of the device, so that the port is destroyed on a thread for
  /// that.
  [[nodiscard]] virtual bool closesSlowly() const noexcept { return false; }
  /// What whoever is at the other end of the device sees as the state of the cable; devices that have none
  /// show nothing. Only while the port is open.
  [[nodiscard]] virtual Result<void> setCarrier(bool) noexcept { return {}; }
  /// Whether it is the only port of its fabric, so that nobody else wants its frames. Only while it is open.
  virtual void setAlone(bool) noexcept {}
  /// Where the port returns to the host behind its device what others send to that host or to a group
  /// (writeback): the host's address. Elsewhere nothing, for no frame returns to the port it came from.
  [[nodiscard]] std::optional<std::uint64_t> writesBackTo() const { return writesBackTo_; }
  /// Of a class that portAs() is asked for: its mark.
  [[nodiscard]] virtual ClassMark mark() const noexcept { return nullptr; }
  /// False for ports of the outside world, which a virtual clock refuses.
  [[nodiscard]] virtual bool virtualClock() const noexcept { return false; }

  /// Set by the worker after close(), once drained(): the control thread may destroy the port.
  void setGone() noexcept { gone_.store(true, std::memory_order_release); }
  [[nodiscard]] bool gone() const noexcept { return gone_.load(std::memory_order_acquire); }

  /// The longest wire frame that enters or leaves, in bytes.
  [[nodiscard]] std::uint32_t limit() const { return limit_; }
  /// Whether the frame, or a wire frame that it stands for, is longer than that.
  [[nodiscard]] bool exceedsLimit(const Frame& frame) const noexcept {
    const std::uint32_t length = wireLength(frame);
    if (length <= limit_) [[likely]]
      return false;
    return length > limit_ + tagRoom_ || !isVlanTag(readBig16(frame.data + 12));
  }
  /// Of an interface, in bytes. Passes what a bridge of the kernel's passes: the MTU, the Ethernet header and
  /// a VLAN tag, and one tag more in front, which the kernel keeps beside the frame.
  void setMtu(std::uint32_t mtu) noexcept {
    limit_ = mtu + ethernetHeaderLength + vlanTagLength;
    tagRoom_ = vlanTagLength;
  }
  /// What transmit() can be given beyond plain wire frames. Whatever else goes to the port is cut and
  /// completed before.
  [[nodiscard]] Offloads offloads() const { return offloads_; }
  /// Bytes that a frame has at least when it goes out; what is missing is zeros. For devices of emulated
  /// cards.
  static constexpr std::uint32_t paddedLength = 60;

  /// Whether transmit() can be given the frame as it is.
  [[nodiscard]] bool takesAsIs(const Frame& frame) const noexcept {
    return takes(offloads_, frame) && (!completesChecksums_ || isSuperFrame(frame) || isPlain(frame));
  }
  /// Wire frames go out with their checksums done, though the device could do them: for those who read frames
  /// raw at its other end. Control thread, before open().
  void completeChecksums() { completesChecksums_ = true; }
  /// The errno of the device's end, 0 while it works.
  [[nodiscard]] int failure() const { return failure_; }
  [[nodiscard]] PortCounters& counters() { return *counters_; }

  /// The worker that owns the port, as its pool, its list of ports to receive from and its turn, and where
  /// the port counts. Once, before open().
  void enter(FramePool& pool, ReadySink& sink, Turn& turn, PortCounters& counters) {
    pool_ = &pool;
    sink_ = &sink;
    turn_ = &turn;
    counters_ = &counters;
  }
  /// Ends items that shall not reach the device: each is dropped for this reason.
  void refuse(std::span<const TxItem> items, DropReason reason) noexcept {
    for (const TxItem& item : items) dropped(item, reason);
  }
  /// Counts wire frames as dropped that are no frames of their own yet: segments of a super-frame that was
  /// not cut.
  void lose(PathAccount& account, std::uint64_t frames, DropReason reason) noexcept;

 protected:
  explicit Port(std::uint32_t limit, Offloads offloads = Offloads::None)
      : limit_(limit), offloads_(offloads) {}

  /// Has the Io write the frame, with the `prefix` bytes that stand before its data. The Io ends the item
  /// when the write has ended.
  void write(Io& io, int fd, TxItem item, std::uint16_t prefix) noexcept {
    ++writing_;
    io.write(*this, fd, item, prefix);
  }
  /// The reason of the drop when the device did not take a frame, by the errno. Calls fail() if the device is
  /// gone.
  [[nodiscard]] virtual DropReason refusal(int error) noexcept {
    fail(error);
    return DropReason::PortDown;
  }
  void sent(TxItem item) noexcept { sent(std::span<const TxItem>(&item, 1)); }
  /// For items that end together: the counters of a path are changed once for each run of items that count
  /// there.
  void sent(std::span<const TxItem> items) noexcept;
  void dropped(TxItem item, DropReason reason) noexcept;
  void fail(int error) noexcept {
    if (failure_ == 0) failure_ = error;
  }
  [[nodiscard]] FramePool& pool() { return *pool_; }
  [[nodiscard]] Instant now() const { return turn_->now; }
  /// To be called for each system call that the port makes itself, beside the Io.
  void called() noexcept { ++turn_->calls; }
  /// Sets writesBackTo(). On the control thread.
  void writeBackTo(std::uint64_t address) { writesBackTo_ = address; }
  /// For ports whose frames come from this process, with no descriptor to poll: asks for a receive().
  void announce(PortKey key) noexcept { sink_->ready(key); }

 private:
  std::uint32_t limit_;
  std::uint32_t tagRoom_ = 0;  // bytes that a frame with a VLAN tag may be longer
  Offloads offloads_;
  bool completesChecksums_ = false;
  int failure_ = 0;
  std::uint32_t writing_ = 0;  // items whose write has not ended
  std::optional<std::uint64_t> writesBackTo_;
  std::atomic<bool> gone_{false};
  FramePool* pool_ = nullptr;
  ReadySink* sink_ = nullptr;
  Turn* turn_ = nullptr;
  PortCounters* counters_ = nullptr;
};

/// The port as one of that class; nullptr where it is of another.
template <typename Class>
[[nodiscard]] Class* portAs(Port& port) noexcept {
  return port.mark() == markOf<Class>() ? static_cast<Class*>(&port) : nullptr;
}

inline void Port::sent(std::span<const TxItem> items) noexcept {
  std::uint64_t frames = 0, bytes = 0;
  for (auto item = items.begin(); item != items.end();) {
    PathAccount& account = *item->account;
    std::uint64_t framesOfRun = 0, bytesOfRun = 0;
    for (; item != items.end() && item->account == &account; ++item) {
      framesOfRun += item->frame->offload.segments;
      bytesOfRun += wireBytes(*item->frame);
      pool_->release(item->frame);
    }
    Sequence::Update update(account.sequence);
    account.staged.subtract(framesOfRun);
    account.delivered.add(framesOfRun);
    account.deliveredBytes.add(bytesOfRun);
    frames += framesOfRun;
    bytes += bytesOfRun;
  }
  Sequence::Update update(counters_->sequence);
  counters_->transmittedFrames.add(frames);
  counters_->transmittedBytes.add(bytes);
  turn_->frames += frames;
  turn_->bytes += bytes;
}

inline void Port::dropped(TxItem item, DropReason reason) noexcept {
  lose(*item.account, item.frame->offload.segments, reason);
  pool_->release(item.frame);
}

inline void Port::lose(PathAccount& account, std::uint64_t frames, DropReason reason) noexcept {
  {
    Sequence::Update update(counters_->sequence);
    counters_->dropped.add(reason, frames);
  }
  {
    Sequence::Update update(account.sequence);
    account.staged.subtract(frames);
    account.dropped.add(reason, frames);
  }
}

}  // namespace etherloom
