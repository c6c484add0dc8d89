// The soak without Node: rounds of random programs on engines with a real clock. `npm run soak -- --native`
// runs `native_tests --soak`; the tests run a few rounds.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "program.hpp"

namespace etherloom::soak {

struct Outcome {
  std::uint64_t offered = 0;         ///< frames to paths
  std::optional<std::string> fault;  ///< what went wrong first
};
/// Executes a program, or only the steps of these numbers.
[[nodiscard]] Outcome play(const Program& program, const std::optional<std::set<std::size_t>>& only = {});

/// `native_tests --soak NAME=NUMBER...`, see soak.cpp. The process's exit code.
int main(int count, char** arguments);

}  // namespace etherloom::soak
