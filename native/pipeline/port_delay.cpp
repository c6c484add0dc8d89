#include "pipeline/port_delay.hpp"

#include <algorithm>
#include <utility>

#include "pipeline/topology.hpp"
#include "pipeline/wire_frames.hpp"

namespace etherloom {

// The rules of a path for what it holds (Path::send) hold here, too.
void PortDelay::admit(TxItem item, Instant at, PathTools& tools) noexcept {
  FramePool::shrink(item.frame, tools.pool);
  const bool hasShare = tools.held.hasShare(size_, *item.frame);
  const bool holdable = hasShare && FramePool::hold(*item.frame);
  if (hasShare && !holdable && isSuperFrame(*item.frame)) {
    return toWireFrames(tools.pool, *seat_.port, item, [&](TxItem wire) { admit(wire, at, tools); });
  }
  Held* held = holdable ? tools.held.acquire() : nullptr;
  if (!held) return seat_.port->refuse({&item, 1}, DropReason::NoBuffer);
  held->frame = item.frame;
  held->account = item.account;
  held->due = latest_ = std::max(at + delay_, latest_);
  (first_ ? last_->next : first_) = held;
  last_ = held;
  ++size_;
}

TxItem PortDelay::release(PathTools& tools) noexcept {
  Held* held = std::exchange(first_, first_->next);
  if (tools.lateness) tools.lateness->add(std::max(tools.now - held->due, Duration{}));
  return take(held, tools);
}

void PortDelay::flush(const PathAccount* account, PathTools& tools) noexcept {
  Held** link = &first_;
  last_ = nullptr;
  while (Held* held = *link) {
    if (account && held->account != account) {
      last_ = held;
      link = &held->next;
      continue;
    }
    *link = held->next;
    const TxItem item = take(held, tools);
    seat_.port->refuse({&item, 1}, DropReason::Flush);
  }
}

TxItem PortDelay::take(Held* held, PathTools& tools) noexcept {
  const TxItem item{held->frame, held->account};
  tools.held.release(held);
  --size_;
  return item;
}

bool PortDelay::before(const PortDelay& other) const noexcept {
  return due() != other.due() ? due() < other.due() : seat_.id < other.seat_.id;
}

}  // namespace etherloom
