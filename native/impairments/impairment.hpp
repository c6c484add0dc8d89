// The contract of an impairment: what happens to a frame on a path before the line, as an edit of its
// passage. Called by the pipeline on the worker of the path's to-port.
//
// An impairment is settings only: immutable, shared by any number of paths and threads. What it remembers
// from frame to frame is the path's StageState, passed in. It never queues, sleeps, allocates or reads a
// clock. A new one is a file beside this one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <tuple>

#include "frame/checksum.hpp"
#include "frame/drop.hpp"
#include "frame/pool.hpp"
#include "frame/segmentation.hpp"
#include "impairments/random.hpp"
#include "os/class_mark.hpp"
#include "os/registered.hpp"

namespace etherloom {

class Impairment;

/// A kind of impairment, which its file declares as a constant of static storage: that registers it, and
/// nothing else knows it. all() has them in the order in which a frame meets them.
struct ImpairmentKind : Registered<ImpairmentKind> {
  using Make = std::unique_ptr<const Impairment> (*)(std::span<const double> settings);

  ImpairmentKind(std::string_view itsName, const char* itsStage, int itsPlace, Make itsMake)
      : name(itsName), stage(itsStage), place(itsPlace), make(itsMake) {
    std::ranges::sort(list(), {},
                      [](const ImpairmentKind* kind) { return std::tuple(kind->place, kind->name); });
    for (std::size_t at = 0; at < list().size(); ++at) list()[at]->index = at;
  }

  const std::string_view name;    ///< of the option, which crosses from lib/
  const char* const stage;        ///< in fate logs; the seed of its stream is derived from it
  const int place;                ///< where a frame meets it: those with less come before
  const Make make;                ///< from the numbers of lib/policy/impairments/
  mutable std::size_t index = 0;  ///< among all kinds, in the order in which a frame meets them
};

/// What one stage of one path carries from frame to frame.
struct StageState {
  Random random;
  std::uint64_t memory = 0;   ///< the state of a model with memory; 0 is where such a model starts
  ClassMark model = nullptr;  ///< whose memory it is
};

/// One wire frame's way through the impairments of a path: a frame by itself, or a segment that is cut out of
/// its super-frame only when its bytes are needed.
class Passage {
 public:
  /// Holds the caller's reference to the frame, and may exchange it for a reference to a copy.
  Passage(FramePool& pool, Frame* frame) noexcept
      : pool_(pool), frame_(frame), length_(frame->length), arrival_(frame->arrival) {}
  Passage(FramePool& pool, const Segmenter& segmenter, std::uint32_t segment, Instant arrival) noexcept
      : pool_(pool),
        length_(segmenter.lengthOf(segment)),
        arrival_(arrival),
        segmenter_(&segmenter),
        segment_(segment) {}

  /// Bytes of the wire frame.
  [[nodiscard]] std::uint32_t length() const noexcept { return length_; }
  /// When the frame, or its super-frame, arrived at its port.
  [[nodiscard]] Instant arrival() const noexcept { return arrival_; }
  /// The frame as edited so far; nullptr while it is a part of its super-frame. Its reference is the caller's
  /// to pass on or release, dropped or not.
  [[nodiscard]] Frame* frame() const noexcept { return frame_; }
  /// The same frame, but nobody else's and with its checksums complete: cut out or copied first where need
  /// be. nullptr when there was no buffer.
  [[nodiscard]] Frame* writable() noexcept {
    if (!frame_) return frame_ = segmenter_->cut(pool_, segment_, 1);
    if (frame_->references.load(std::memory_order_acquire) != 1) {
      Frame* copy = pool_.copy(*frame_);
      if (!copy) return nullptr;
      pool_.release(frame_);
      frame_ = copy;
    }
    static_cast<void>(completeChecksum(*frame_));  // within the frame, or it had not been accepted
    return frame_;
  }

  /// Flips one bit of the frame, counted from the first byte's lowest. Drops the frame where there is no
  /// buffer for a copy of its own.
  void flip(std::uint32_t bit) noexcept {
    Frame* own = writable();
    if (!own) return drop(DropReason::NoBuffer);
    own->data[bit / 8] = static_cast<std::uint8_t>(own->data[bit / 8] ^ 1u << bit % 8);
    flipped_ = bit + 1;
  }
  /// 1 + the bit that was flipped last; 0 for none.
  [[nodiscard]] std::uint32_t flipped() const noexcept { return flipped_; }

  /// How many times the frame leaves; all copies are identical and share the frame.
  [[nodiscard]] std::uint32_t copies() const noexcept { return copies_; }
  void duplicate() noexcept { ++copies_; }

  /// Set when congestion was marked in the frame instead of losing it.
  [[nodiscard]] bool marked() const noexcept { return marked_; }
  void mark() noexcept { marked_ = true; }

  /// Set when the frame ends here, with all its copies.
  [[nodiscard]] std::optional<DropReason> dropped() const noexcept { return dropped_; }
  void drop(DropReason reason) noexcept { dropped_ = reason; }

  /// The stage that has the frame; where it was dropped, the one that dropped it.
  void enter(const char* stage) noexcept { stage_ = stage; }
  [[nodiscard]] const char* stage() const noexcept { return stage_; }
  /// The frame, or the super-frame that it is a part of.
  [[nodiscard]] const Frame& bytes() const noexcept { return frame_ ? *frame_ : segmenter_->whole(); }

 private:
  FramePool& pool_;
  Frame* frame_ = nullptr;
  std::uint32_t length_;
  Instant arrival_;
  const Segmenter* segmenter_ = nullptr;
  std::uint32_t segment_ = 0;
  std::uint32_t copies_ = 1;
  bool marked_ = false;
  std::uint32_t flipped_ = 0;
  const char* stage_ = "";
  std::optional<DropReason> dropped_;
};

class Impairment {
 public:
  explicit Impairment(const ImpairmentKind& kind) noexcept : kind_(kind) {}
  virtual ~Impairment() = default;

  [[nodiscard]] const ImpairmentKind& kind() const noexcept { return kind_; }
  /// markOf() its class.
  [[nodiscard]] virtual ClassMark mark() const noexcept = 0;
  /// Edits a passage that is not dropped yet. `state` is the path's for this kind. Its memory lasts from
  /// policy to policy, for as long as they have an impairment of the same class.
  virtual void apply(Passage& passage, StageState& state) const noexcept = 0;

 private:
  const ImpairmentKind& kind_;
};

}  // namespace etherloom
