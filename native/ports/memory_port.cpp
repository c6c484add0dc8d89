#include "ports/memory_port.hpp"

#include <cstring>
#include <limits>
#include <optional>

namespace etherloom {

bool MemoryBridge::move(std::size_t room) noexcept {
  const std::uint64_t published = inbound.published();
  std::uint64_t position = inbound.consumed();
  for (unsigned records = 0; position != published && records < pollLimit && waiting_ < room; ++records) {
    RecordHead head;
    std::memcpy(&head, inbound.at(position), sizeof head);
    if (head.port == RecordHead::skip) {
      position += head.length;
      continue;
    }
    if (const auto port = ports_.find(head.port); port != ports_.end()) {
      port->second->deliver({inbound.at(position) + sizeof head, head.length});
    }
    position += ByteRing::recordSize(head.length);
  }
  inbound.consume(position);
  return position != published;
}

void MemoryBridge::collect() noexcept {
  while (move(std::numeric_limits<std::size_t>::max())) {
  }
}

bool MemoryBridge::write(std::uint32_t number, const Frame& frame, Instant now) noexcept {
  std::byte* place = outbound.claim(written_, frame.length);
  if (!place && makeRoom_) {
    outbound.publish(written_);
    makeRoom_();
    place = outbound.claim(written_, frame.length);
  }
  if (!place) return false;
  const RecordHead head{number, frame.length, now.nanoseconds};
  std::memcpy(place, &head, sizeof head);
  std::memcpy(place + sizeof head, frame.data, frame.length);
  return true;
}

void MemoryBridge::flush() noexcept {
  if (outbound.published() == written_) return;
  outbound.publish(written_);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (asleep_.exchange(false, std::memory_order_acq_rel)) wake_();
}

bool MemoryBridge::rearm() noexcept {
  asleep_.store(true, std::memory_order_seq_cst);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (outbound.published() == outbound.consumed()) return true;
  asleep_.store(false, std::memory_order_relaxed);
  return false;
}

Result<void> MemoryPort::open(Io&, PortKey key) {
  key_ = key;
  bridge_.join(number_, *this);
  return {};
}

void MemoryPort::close(Io&) noexcept {
  bridge_.leave(number_);
  for (Frame* frame = inbox_.pop(); frame; frame = inbox_.pop()) {
    pool().release(frame);
    bridge_.left(1);
  }
}

void MemoryPort::deliver(std::span<const std::byte> bytes) noexcept {
  const bool tooLong = bytes.size() > limit();
  // SAFETY: both are bytes.
  const auto* start = reinterpret_cast<const std::uint8_t*>(bytes.data());
  Frame* frame = tooLong ? nullptr : pool().copyIn({start, bytes.size()});
  if (!frame) {
    Sequence::Update update(counters().sequence);
    counters().dropped.add(tooLong ? DropReason::Oversize : DropReason::NoBuffer, 1);
    return;
  }
  inbox_.push(*frame);
  bridge_.entered();
  announce(key_);
}

RxState MemoryPort::receive(RxBurst& burst) noexcept {
  const unsigned before = burst.count();
  while (!inbox_.empty() && burst.room() > 0) burst.add(inbox_.pop());
  bridge_.left(burst.count() - before);
  return inbox_.empty() ? RxState::Drained : RxState::More;
}

void MemoryPort::transmit(std::span<const TxItem> items) noexcept {
  const std::uint64_t taken = taken_.load(std::memory_order_acquire);
  const auto refusal = [&](const Frame& frame) -> std::optional<DropReason> {
    if (frame.length > limit()) return DropReason::Oversize;
    if (handed_ - taken >= quota_ || !bridge_.write(number_, frame, now())) return DropReason::PortFull;
    ++handed_;
    return {};
  };
  std::size_t first = 0;  // of those that were written and have not ended yet
  for (std::size_t index = 0; index < items.size(); ++index) {
    const std::optional<DropReason> reason = refusal(*items[index].frame);
    if (!reason) continue;
    sent(items.subspan(first, index - first));
    dropped(items[index], *reason);
    first = index + 1;
  }
  sent(items.subspan(first));
}

}  // namespace etherloom
