// The fates that a log recorded, to be met again by the frames of a path in their order. Immutable, shared by
// any number of policies and threads; an engine keeps it for its life. lib/capture/fates.ts lays the words
// out.
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
  /// What happened to one frame: bytes edited, and each of its copies delivered after a delay or dropped.
  struct Entry {
    std::uint32_t flipped;  ///< 1 + the bit; 0 for none
    std::uint32_t copies;   ///< how many ends follow
    std::size_t first;      ///< of them, in ends()
  };

  /// For each frame a word, copies in its lower half and flipped in its upper, and then a word for each copy:
  /// a delay in nanoseconds, or -1 - reason.
  explicit Fates(std::span<const std::uint8_t> bytes) {
    std::vector<std::int64_t> words(bytes.size() / sizeof(std::int64_t));
    if (!words.empty()) std::memcpy(words.data(), bytes.data(), words.size() * sizeof(std::int64_t));
    for (std::size_t at = 0; at < words.size();) {
      const auto head = static_cast<std::uint64_t>(words[at++]);
      entries_.push_back(
          {static_cast<std::uint32_t>(head >> 32), static_cast<std::uint32_t>(head), ends_.size()});
      for (std::uint32_t copy = 0; copy < entries_.back().copies; ++copy) ends_.push_back(words[at++]);
    }
  }

  [[nodiscard]] std::uint64_t size() const { return entries_.size(); }
  [[nodiscard]] const Entry& operator[](std::uint64_t index) const { return entries_[index]; }
  [[nodiscard]] std::span<const std::int64_t> ends(const Entry& entry) const {
    return std::span(ends_).subspan(entry.first, entry.copies);
  }
  [[nodiscard]] static bool drops(std::int64_t end) { return end < 0; }
  [[nodiscard]] static DropReason reasonOf(std::int64_t end) { return static_cast<DropReason>(-1 - end); }

 private:
  std::vector<Entry> entries_;
  std::vector<std::int64_t> ends_;
};

}  // namespace etherloom
