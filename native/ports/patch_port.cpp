#include "ports/patch_port.hpp"

namespace etherloom {

Result<void> PatchPort::open(Io&, PortKey key) {
  key_ = key;
  open_ = true;
  return {};
}

RxState PatchPort::receive(RxBurst& burst) noexcept {
  for (; !inbox_.empty() && burst.room() > 0; --waiting_) burst.add(inbox_.pop());
  return inbox_.empty() ? RxState::Drained : RxState::More;
}

void PatchPort::transmit(std::span<const TxItem> items) noexcept {
  for (const TxItem& item : items) {
    if (item.frame->hops >= hopLimit) {
      dropped(item, DropReason::HopLimit);
    } else if (wireLength(*item.frame) > limit()) {
      dropped(item, DropReason::Oversize);
    } else if (!peer_ || peer_->full()) {
      dropped(item, !peer_ || !peer_->open_ ? DropReason::PortDown : DropReason::PortFull);
    } else if (Frame* frame = own(*item.frame)) {
      ++frame->hops;
      peer_->put(frame);
      sent(item);
    } else {
      dropped(item, DropReason::NoBuffer);
    }
  }
}

// The other fabric stamps the frame anew, so it gets one of its own: this one, with a reference more, if
// nobody else has it. An inbox keeps no more than it leaves to all others: loops fill theirs.
Frame* PatchPort::own(Frame& frame) noexcept {
  if (peer_->waiting_ >= pool().unused(FramePool::classFor(frame.length))) return nullptr;
  if (frame.references.load(std::memory_order_acquire) != 1) return pool().copy(frame);
  frame.references.store(2, std::memory_order_relaxed);
  return &frame;
}

void PatchPort::put(Frame* frame) noexcept {
  inbox_.push(*frame);
  ++waiting_;
  announce(key_);
}

void PatchPort::close(Io&) noexcept {
  open_ = false;
  while (Frame* frame = inbox_.pop()) pool().release(frame);
  waiting_ = 0;
  if (peer_) peer_->peer_ = nullptr;
  peer_ = nullptr;
}

}  // namespace etherloom
