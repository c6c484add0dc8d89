#include "pipeline/port_delay.hpp"

#include <algorithm>

#include "pipeline/attachment.hpp"
#include "pipeline/wire_frames.hpp"

namespace etherloom {

// The rules of a path for what it holds (Path::send) hold here, too.
void PortDelay::admit(TxItem item, Instant at) noexcept {
  FramePool::shrink(item.frame, host().pool);
  const bool hasShare = host().held.hasShare(size_, *item.frame);
  const bool holdable = hasShare && FramePool::hold(*item.frame);
  if (hasShare && !holdable && isSuperFrame(*item.frame)) {
    return toWireFrames(host().pool, *attachment_.port, item, [&](TxItem wire) { admit(wire, at); });
  }
  Held* held = holdable ? host().held.acquire() : nullptr;
  if (!held) return attachment_.port->refuse({&item, 1}, DropReason::NoBuffer);
  held->frame = item.frame;
  held->account = item.account;
  held->due = latest_ = std::max(at + delay_, latest_);
  waiting_.push(*held);
  ++size_;
}

TxItem PortDelay::release() noexcept {
  Held* held = waiting_.pop();
  if (host().lateness) host().lateness->add(std::max(host().now - held->due, Duration{}));
  return take(held);
}

void PortDelay::flush(const PathAccount* account) noexcept {
  waiting_.removeIf([&](Held& held) {
    if (account && held.account != account) return false;
    const TxItem item = take(&held);
    attachment_.port->refuse({&item, 1}, DropReason::Flush);
    return true;
  });
}

TxItem PortDelay::take(Held* held) noexcept {
  const TxItem item{held->frame, held->account};
  host().held.release(held);
  --size_;
  return item;
}

PathHost& PortDelay::host() const noexcept { return *attachment_.host; }

bool PortDelay::before(const PortDelay& other) const noexcept {
  return due() != other.due() ? due() < other.due() : attachment_.id < other.attachment_.id;
}

}  // namespace etherloom
