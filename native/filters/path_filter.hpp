// What the filters of a policy make of a frame together: programs that say what passes, and programs that say
// what does not. Built on the control thread; asked on any worker, once per frame whatever the number of
// paths.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "filters/program.hpp"

namespace etherloom {

class PathFilter {
 public:
  /// Frames pass only if the program accepts them.
  void require(FilterProgram program) { rules_.push_back({std::move(program), true}); }
  /// Frames that the program accepts do not pass. One that it cannot judge, because it reads beyond the
  /// frame, is not accepted and so passes: that is why this is not the program with its verdicts exchanged.
  void drop(FilterProgram program) { rules_.push_back({std::move(program), false}); }

  /// Whether there is no program, and everything passes.
  [[nodiscard]] bool empty() const { return rules_.empty(); }

  [[nodiscard]] bool accepts(const std::uint8_t* data, std::uint32_t length) const noexcept {
    return std::all_of(rules_.begin(), rules_.end(), [&](const Rule& rule) {
      return rule.program.accepts(data, length) == rule.acceptedPasses;
    });
  }

  /// As of a program: false only if the verdict on a super-frame is that on each of its segments.
  [[nodiscard]] bool readsBeyondHeaders() const {
    return std::any_of(rules_.begin(), rules_.end(),
                       [](const Rule& rule) { return rule.program.readsBeyondHeaders(); });
  }

 private:
  struct Rule {
    FilterProgram program;
    bool acceptedPasses;
  };

  std::vector<Rule> rules_;
};

}  // namespace etherloom
