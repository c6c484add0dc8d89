// What a port cannot take as it is, made into wire frames with complete checksums: the one place where this
// is done for ports. Called by the worker that stages frames for the port.
#pragma once

#include "frame/batch.hpp"
#include "frame/checksum.hpp"
#include "frame/offload.hpp"
#include "frame/segmentation.hpp"
#include "ports/port.hpp"

namespace etherloom {

/// Calls `put` with an item for each wire frame of the item, in order; takes the item. What there is no
/// buffer for is counted as no-buffer, on the port and on the path that pays.
template <typename Put>
void toWireFrames(FramePool& pool, Port& port, TxItem item, Put&& put) noexcept {
  Frame* frame = item.frame;
  if (isSuperFrame(*frame)) {
    Segmenter segmenter;
    if (!segmenter.start(*frame)) return port.refuse({&item, 1}, DropReason::BadOffload);
    std::uint64_t lost = 0;
    while (!segmenter.done()) {
      if (Frame* segment = segmenter.next(pool)) {
        put(TxItem{segment, item.account});
      } else {
        ++lost;
      }
    }
    if (lost != 0) port.lose(*item.account, lost, DropReason::NoBuffer);
    return pool.release(frame);
  }
  if (frame->references.load(std::memory_order_acquire) != 1) {
    frame = pool.copy(*frame);
    if (!frame) return port.refuse({&item, 1}, DropReason::NoBuffer);
    pool.release(item.frame);
  }
  static_cast<void>(completeChecksum(*frame));  // within the frame, or it had not been accepted
  put(TxItem{frame, item.account});
}

}  // namespace etherloom
