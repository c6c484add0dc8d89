// A line by itself, and frames to offer to it: what the tests of lines and of their disciplines share.
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <vector>

#include "lines/line.hpp"

namespace etherloom {

struct LineBench {
  StageStates stages = seedStages(1);
  Line line{stages};
  std::vector<std::unique_ptr<Frame>> frames;
  std::vector<std::unique_ptr<Held>> slots;

  Held* make(std::uint32_t length) {
    frames.push_back(std::make_unique<Frame>());
    frames.back()->length = length;
    slots.push_back(std::make_unique<Held>());
    slots.back()->frame = frames.back().get();
    return slots.back().get();
  }
  bool offer(std::uint32_t length, const LineSettings& settings, Instant at = {}) {
    return !line.offer(make(length), settings, at);
  }
  /// Offers until one is refused; how many wait then.
  std::uint64_t fill(std::uint32_t length, const LineSettings& settings, Instant at = {}) {
    while (offer(length, settings, at)) {
    }
    return line.waiting();
  }
  /// Finishes what is due by then; the instants when it was.
  std::vector<std::int64_t> drain(Instant until = Instant{Instant::never().nanoseconds - 1}) {
    std::vector<std::int64_t> dues;
    while (line.due() <= until) {
      dues.push_back(line.due().nanoseconds);
      CHECK(line.finish()->due.nanoseconds == dues.back());
    }
    return dues;
  }
};

}  // namespace etherloom
