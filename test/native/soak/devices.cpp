#include "devices.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "frame/offload.hpp"

namespace etherloom::soak {
namespace {

/// What a sender leaves to the device, of a frame of this shape.
VirtioHeader claimsOf(const IpFrame& shape, std::size_t gsoSize) {
  const auto type = !shape.tcp ? GsoType::Udp : shape.ip6 ? GsoType::Tcp6 : GsoType::Tcp4;
  return {.flags = needsChecksum,
          .gsoType = static_cast<std::uint8_t>(gsoSize == 0 ? 0 : static_cast<unsigned>(type)),
          .headerLength = static_cast<std::uint16_t>(gsoSize == 0 ? 0 : shape.headerLength()),
          .gsoSize = static_cast<std::uint16_t>(gsoSize),
          .csumStart = static_cast<std::uint16_t>(shape.transportAt()),
          .csumOffset = static_cast<std::uint16_t>(shape.checksumAt() - shape.transportAt())};
}

}  // namespace

void Verdicts::judge(std::span<const std::uint8_t> bytes, bool complete) noexcept {
  if (corrupts_) return;
  const char* const fault = faultOf(bytes, complete);
  if (!fault || failed_.exchange(true)) return;
  const std::lock_guard lock(mutex_);
  fault_ = std::string(fault) + ':';
  for (std::size_t at = 0; at < std::min<std::size_t>(bytes.size(), 96); ++at) {
    static constexpr char digits[] = "0123456789abcdef";
    fault_ += {' ', digits[bytes[at] >> 4], digits[bytes[at] & 15]};
  }
  fault_ += " (" + std::to_string(bytes.size()) + " bytes)";
}

std::optional<std::string> Verdicts::fault() const {
  if (!failed_) return {};
  const std::lock_guard lock(mutex_);
  return fault_.empty() ? std::nullopt : std::optional(fault_);
}

// ---- the probe ----

Probe::Probe(std::shared_ptr<Ledger> ledger, Fd wishes, std::uint64_t seed, Offloads offloads)
    : Port(1518, offloads), ledger_(std::move(ledger)), wishes_(std::move(wishes)), random_(seed) {
  const IpFrame shapes[]{
      {.payload = 8000},
      {.ip6 = true, .payload = 5000},
      {.tcp = false, .payload = 4000},
      {.ip6 = true, .tcp = false, .payload = 3000},
      {.tags = {20}, .payload = 6000},
      {.payload = 900},
  };
  for (const IpFrame& shape : shapes) {
    const std::size_t gsoSize = shape.payload < 1000 ? 0 : 200 + random_.below(1200);
    SuperFrame& made = superFrames_.emplace_back(build(shape), claimsOf(shape, gsoSize));
    const Address from = station(ledger_->station);
    std::copy(from.begin(), from.end(), made.bytes.begin() + 6);
    if (random_.below(2) == 0) std::copy(everybody.begin(), everybody.end(), made.bytes.begin());
  }
}

RxState Probe::receive(RxBurst& burst) noexcept {
  std::uint64_t more = 0;
  if (::read(wishes_.get(), &more, sizeof more) == sizeof more) wanted_ += more;
  if (ledger_->calm.load(std::memory_order_relaxed)) wanted_ = 0;
  std::uint64_t handed = 0;
  for (; wanted_ > 0 && burst.room() > 0; --wanted_) {
    Frame* const frame = make();
    if (!frame) break;  // they come back
    handed += frame->offload.segments;
    burst.add(frame);
  }
  ledger_->handed.fetch_add(handed, std::memory_order_relaxed);
  return wanted_ > 0 ? RxState::More : RxState::Drained;
}

Frame* Probe::make() noexcept {
  const std::uint64_t kind = random_.below(64);
  if (kind < 3) {
    const auto& [bytes, claims] = superFrames_[random_.below(superFrames_.size())];
    Frame* const frame = pool().copyIn(bytes);
    if (!frame || acceptOffload(*frame, claims)) return frame;
    pool().release(frame);
    return nullptr;
  }
  Numbered numbered;
  const std::uint64_t to = random_.below(16);
  numbered.to = to == 0   ? everybody
                : to == 1 ? group(ledger_->station)
                          : station(static_cast<unsigned>(random_.below(16)));
  numbered.from = station(kind == 3 ? static_cast<unsigned>(random_.below(16)) : ledger_->station);
  numbered.number = std::uint64_t{ledger_->station} << 48 | ++number_;
  static constexpr std::uint32_t lengths[]{Numbered::shortest, 60, 60, 150, 900, 1514, 1514, 1518};
  numbered.length = kind == 4 ? 1519 + static_cast<std::uint32_t>(random_.below(2000))
                              : lengths[random_.below(std::size(lengths))];
  if (kind < 12) numbered.tag = static_cast<std::uint16_t>(random_.below(4) * 10);
  Frame* const frame = pool().acquire(FramePool::classFor(numbered.length + 4));
  if (!frame) return nullptr;
  frame->length = soak::write(numbered, frame->data);
  if (kind == 5) frame->length = 1 + static_cast<std::uint32_t>(random_.below(13));  // a runt
  return frame;
}

void Probe::transmit(std::span<const TxItem> items) noexcept {
  std::uint64_t taken = 0;
  for (const TxItem& item : items) {
    const Frame& frame = *item.frame;
    ledger_->verdicts->judge({frame.data, frame.length}, isPlain(frame));
    if (exceedsLimit(frame)) {
      dropped(item, DropReason::Oversize);
    } else if (random_.below(256) == 0) {
      dropped(item, DropReason::PortFull);
    } else {
      taken += frame.offload.segments;
      sent(item);
    }
  }
  ledger_->taken.fetch_add(taken, std::memory_order_relaxed);
}

// ---- the device of a socket ----

Result<void> IoPort::open(Io& io, PortKey key) {
  Result<Reader*> reader = io.read(key, socket_.get(), {.prefix = 0, .limit = 1522});
  if (!reader) return reader.error();
  io_ = &io;
  reader_ = *reader;
  return {};
}

RxState IoPort::receive(RxBurst& burst) noexcept {
  const RxState state = io_->take(*reader_, burst);
  if (state == RxState::Failed) fail(reader_->error);
  return state;
}

void IoPort::transmit(std::span<const TxItem> items) noexcept {
  for (const TxItem& item : items) {
    if (failure() != 0)
      dropped(item, DropReason::PortDown);
    else if (exceedsLimit(*item.frame))
      dropped(item, DropReason::Oversize);
    else
      write(*io_, socket_.get(), item, 0);
  }
}

DropReason IoPort::refusal(int error) noexcept {
  if (error == EAGAIN || error == ENOBUFS || error == ENOMEM) return DropReason::PortFull;
  return Port::refusal(error);
}

}  // namespace etherloom::soak
