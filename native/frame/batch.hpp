// A burst of frames: the unit of every hot call. At most 64, so that a set of them is one 64-bit mask.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <span>

#include "frame/counters.hpp"
#include "frame/frame.hpp"
#include "frame/pool.hpp"

namespace etherloom {

inline constexpr unsigned burstSize = 64;

/// What a port may bring in at a time, unless a single frame comes to more: wire frames, or where frames go
/// to several ports, copies of these. Room for a burst of 64 KiB each in segments of an Ethernet's size; a
/// super-frame can stand for thousands, and a flood go to thousands of ports.
inline constexpr std::uint32_t burstWireFrames = 4096;

/// Some of the frames of a burst: bit i stands for frame i.
using FrameMask = std::uint64_t;

constexpr FrameMask allFrames(unsigned count) {
  return count == burstSize ? ~FrameMask{0} : (FrameMask{1} << count) - 1;
}

/// Calls `each` for every frame of the mask, lowest first.
template <typename Each>
void forEachFrame(FrameMask mask, Each&& each) {
  for (; mask != 0; mask &= mask - 1) each(static_cast<unsigned>(std::countr_zero(mask)));
}

/// Frames a port hands over at once. The receiver of the burst owns one reference to each.
class RxBurst {
 public:
  /// `limit` frames at most, up to burstSize.
  RxBurst(FramePool& framePool, Drops& portDrops, unsigned limit = burstSize)
      : pool(framePool), drops(portDrops), limit_(limit) {}

  FramePool& pool;
  Drops& drops;  ///< the port's, for what never became a frame
  Instant at;    ///< set by the worker after receive(): the arrival of every frame of the burst

  [[nodiscard]] unsigned count() const { return count_; }
  [[nodiscard]] unsigned room() const { return limit_ - count_; }
  void add(Frame* frame) noexcept { frames_[count_++] = frame; }
  [[nodiscard]] std::span<Frame* const> frames() const { return {frames_.data(), count_}; }
  [[nodiscard]] Frame* operator[](unsigned index) const { return frames_[index]; }
  /// Adds a frame with these bytes; without a buffer it is dropped.
  void copyIn(std::span<const std::uint8_t> bytes) noexcept {
    if (Frame* frame = pool.copyIn(bytes)) return add(frame);
    drops.add(DropReason::NoBuffer, 1);
  }
  /// Moves the frames from this one on to the front of `rest`, in their order.
  void postpone(unsigned first, Chain<Frame>& rest) noexcept {
    Chain<Frame> late;
    for (unsigned index = first; index < count_; ++index) late.push(*frames_[index]);
    count_ = first;
    late.splice(rest);
    rest = std::move(late);
  }
  /// Drops the frames of `mask` from the burst, releasing them.
  void remove(FrameMask mask) noexcept {
    unsigned kept = 0;
    for (unsigned index = 0; index < count_; ++index) {
      if (mask >> index & 1) {
        pool.release(frames_[index]);
      } else {
        frames_[kept++] = frames_[index];
      }
    }
    count_ = kept;
  }

 private:
  std::array<Frame*, burstSize> frames_;
  unsigned count_ = 0;
  unsigned limit_;
};

/// A frame on its way out of a port, with the path that pays for it. Whoever holds the item owns one
/// reference.
struct TxItem {
  Frame* frame;
  PathAccount* account;
};

}  // namespace etherloom
