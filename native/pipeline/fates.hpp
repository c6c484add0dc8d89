// The fates that a log recorded, to be met again by the frames of a path in their order. Immutable, shared by
// any number of policies and threads. lib/policy/replay/fates.ts lays the
// words out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "frame/drop.hpp"
#include "os/clock.hpp"

namespace etherloom {

class Fates {
 public:
  /// The end of one copy of a frame.
  struct End {
    std::int64_t after;     ///< delivered after so many nanoseconds, or -1 - the reason of its drop
    std::uint32_t flipped;  ///< 1 + the bit that was edited; 0 for none
    std::uint32_t rank;     ///< the place of its delivery among all of the log

    [[nodiscard]] bool drops() const { return after < 0; }
    [[nodiscard]] DropReason reason() const { return static_cast<DropReason>(-1 - after); }
  };

  /// `bytes`: for each frame a 64-bit number, how many copies it had, and then an End for each of these.
  explicit Fates(std::span<const std::uint8_t> bytes) {
    firsts_.push_back(0);
    while (!bytes.empty()) {
      std::uint64_t copies = 0;
      std::memcpy(&copies, bytes.data(), sizeof copies);
      bytes = bytes.subspan(sizeof copies);
      const std::size_t first = ends_.size();
      ends_.resize(first + copies);
      if (copies != 0) std::memcpy(&ends_[first], bytes.data(), copies * sizeof(End));
      bytes = bytes.subspan(copies * sizeof(End));
      firsts_.push_back(ends_.size());
    }
  }

  /// How many frames.
  [[nodiscard]] std::uint64_t size() const { return firsts_.size() - 1; }
  /// How many copies, of all frames together.
  [[nodiscard]] std::uint64_t ends() const { return ends_.size(); }
  /// The fates of one frame, copy by copy.
  [[nodiscard]] std::span<const End> operator[](std::uint64_t frame) const {
    return std::span(ends_).subspan(firsts_[frame], firsts_[frame + 1] - firsts_[frame]);
  }

 private:
  /// Where the fates of each frame begin in ends_, and where those of the last one end.
  std::vector<std::size_t> firsts_;
  std::vector<End> ends_;
};
static_assert(sizeof(Fates::End) == 16);

}  // namespace etherloom
