#include "ports/tap_port.hpp"

#include <linux/filter.h>

#include <bit>
#include <cstring>
#include <vector>

#include "frame/offload.hpp"
#include "frame/virtio_header.hpp"

namespace etherloom {

namespace {

/// Accepts what is to be written back to the host of this address, as Pipeline does (returningTo).
std::vector<sock_filter> writebackFilter(std::uint64_t own) {
  const auto upper = static_cast<std::uint32_t>(own >> 32);
  const auto lower = static_cast<std::uint32_t>(own);
  constexpr std::uint32_t all = 0x40000;
  return {
      BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 6),             // the source ...
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, upper, 0, 2),  //
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 8),             //
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, lower, 7, 0),  // ... is the host
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),             // the destination ...
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x01, 4, 0),  // ... is a group
      BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0),             //
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, upper, 0, 3),  //
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2),             //
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, lower, 0, 1),  // ... or the host
      BPF_STMT(BPF_RET | BPF_K, all),
      BPF_STMT(BPF_RET | BPF_K, 0),
  };
}

}  // namespace

Result<void> TapPort::open(Io& io, PortKey key) {
  // A super-frame may be as long as an IP packet, and the MTU may grow.
  Result<Reader*> reader =
      io.read(key, tap_.get(), {.prefix = prefix_, .limit = FramePool::largeCapacity - 1});
  if (!reader) return reader.error();
  io_ = &io;
  reader_ = *reader;
  return {};
}

RxState TapPort::receive(RxBurst& burst) noexcept {
  const unsigned first = burst.count();
  const RxState state = io_->take(*reader_, burst);
  if (state == RxState::Failed) fail(reader_->error);
  if (prefix_ == 0) return state;

  FrameMask contradictory = 0;
  for (unsigned index = first; index < burst.count(); ++index) {
    VirtioHeader claims;
    std::memcpy(&claims, burst[index]->data - virtioHeaderLength, sizeof claims);
    if (!acceptOffload(*burst[index], claims)) contradictory |= FrameMask{1} << index;
  }
  if (contradictory != 0) {
    burst.drops.add(DropReason::BadOffload, static_cast<std::uint64_t>(std::popcount(contradictory)));
    burst.remove(contradictory);
  }
  return state;
}

void TapPort::transmit(std::span<const TxItem> items) noexcept {
  for (const TxItem& item : items) {
    if (failure() != 0) {
      dropped(item, DropReason::PortDown);
    } else if (exceedsLimit(*item.frame)) {
      dropped(item, DropReason::Oversize);
    } else {
      write(*io_, tap_.get(), item, prefix_);
    }
  }
}

DropReason TapPort::refusal(int error) noexcept {
  switch (error) {
    case EAGAIN:
    case ENOBUFS:
    case ENOMEM:
      return DropReason::PortFull;
    case EIO:  // the interface is not up
      return DropReason::PortDown;
    case EINVAL:
      return DropReason::BadOffload;
    case EMSGSIZE:
      return DropReason::Oversize;
    default:  // EBADFD: the interface is gone
      fail(error);
      return DropReason::PortDown;
  }
}

// A failure costs nothing but the frames that are read in vain.
void TapPort::setAlone(bool alone) noexcept {
  if (!writesBackTo() || ownsFilter_ || keepsBack_ == alone) return;
  const std::vector<sock_filter> program =
      alone ? writebackFilter(*writesBackTo()) : std::vector<sock_filter>{};
  if (attachFilter(tap_, program)) keepsBack_ = alone;
}

// The TAP may be another's as well, and stay.
void TapPort::close(Io& io) noexcept {
  if (ownsFilter_ || keepsBack_) static_cast<void>(attachFilter(tap_, {}));
  io.forget(tap_.get());
}

}  // namespace etherloom
