// A line by itself, and frames to offer to it: what the tests of lines and of their disciplines share.
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <vector>

#include "lines/line.hpp"

namespace etherloom {

struct LineBench {
  Line line{1};
  LineSettings settings;  // the line's
  Chain<Held> dropped;
  std::vector<std::unique_ptr<Frame>> frames;
  std::vector<std::unique_ptr<Held>> slots;

  Held* make(std::uint32_t length) {
    frames.push_back(std::make_unique<Frame>());
    frames.back()->length = length;
    slots.push_back(std::make_unique<Held>());
    slots.back()->frame = frames.back().get();
    return slots.back().get();
  }
  void adopt(const LineSettings& wanted, Instant at = {}) { line.adopt(settings = wanted, {}, at); }
  bool offer(std::uint32_t length, const LineSettings& wanted, Instant at = {}) {
    if (wanted != settings) adopt(wanted, at);
    return !line.offer(make(length), at);
  }
  Held* finish() { return line.finish(dropped); }
  /// Offers until one is refused; how many wait then.
  std::uint64_t fill(std::uint32_t length, const LineSettings& wanted, Instant at = {}) {
    while (offer(length, wanted, at)) {
    }
    return line.waiting();
  }
  /// Finishes what is due by then; the instants when it was.
  std::vector<std::int64_t> drain(Instant until = Instant{Instant::never().nanoseconds - 1}) {
    std::vector<std::int64_t> dues;
    while (line.due() <= until) {
      dues.push_back(line.due().nanoseconds);
      CHECK(finish()->due.nanoseconds == dues.back());
    }
    return dues;
  }
};

}  // namespace etherloom
