// What `native_tests --soak` is told, in any order, each as NAME=NUMBER: `seed` (0), `minutes` (1), `frames`
// (no end), `workers` (of all rounds; else 1 to 4), `round` (this one only) and with it `steps` (these only:
// 0,3,4).
//
// What it says is read by test/soak/native.ts. Before a round `round NUMBER STEPS`, so that it is known where
// the process died; after it `done FRAMES RSS DESCRIPTORS THREADS`, frames that were offered and what the
// process has then; and of what is wrong `fault WORDS`, with which it ends. Of a round with `steps`, `step
// NUMBER WORDS` each.
#include "soak.hpp"

#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <string_view>
#include <thread>

#include "network.hpp"

namespace etherloom::soak {
namespace {

std::size_t countOf(const char* directory) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(directory), {}));
}

/// In bytes.
std::size_t residentSize() {
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages >> pages;
  return pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

/// A joined thread is in /proc for a moment longer.
std::size_t threadsAtRest() {
  static std::size_t fewest = ~std::size_t{0};
  std::size_t threads = countOf("/proc/self/task");
  for (int look = 0; look < 40 && threads > fewest; ++look) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    threads = countOf("/proc/self/task");
  }
  return fewest = std::min(fewest, threads), threads;
}

std::optional<std::uint64_t> numberOf(std::string_view word) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (error != std::errc() || end != word.data() + word.size()) return {};
  return number;
}

struct Asked {
  std::map<std::string, std::uint64_t, std::less<>> numbers{{"seed", 0},
                                                            {"minutes", 1},
                                                            {"frames", ~std::uint64_t{0}},
                                                            {"workers", 0},
                                                            {"round", ~std::uint64_t{0}}};
  std::optional<std::set<std::size_t>> steps;
};

/// Nothing where it is not understood.
std::optional<Asked> read(std::span<char*> arguments) {
  Asked asked;
  for (const std::string_view argument : arguments) {
    const std::size_t equals = argument.find('=');
    if (equals == std::string_view::npos) return {};
    const auto name = argument.substr(0, equals);
    auto value = argument.substr(equals + 1);
    if (name == "steps") {
      for (asked.steps.emplace(); !value.empty();) {
        const std::size_t comma = std::min(value.find(','), value.size());
        const auto step = numberOf(value.substr(0, comma));
        if (!step) return {};
        asked.steps->insert(*step);
        value.remove_prefix(std::min(comma + 1, value.size()));
      }
      continue;
    }
    const auto known = asked.numbers.find(name);
    const auto number = numberOf(value);
    if (known == asked.numbers.end() || !number) return {};
    known->second = *number;
  }
  return asked;
}

}  // namespace

Outcome play(const Program& program, const std::optional<std::set<std::size_t>>& only) {
  Outcome outcome;
  std::string at = "the beginning";
  try {
    Network network(program);
    for (std::size_t number = 0; number < program.steps.size(); ++number) {
      if (only && !only->contains(number)) continue;
      at = "step " + std::to_string(number) + ", " + inWords(program.steps[number]);
      network.take(program.steps[number]);
      outcome.offered = network.offered();
    }
    at = "closing";
    network.close();
  } catch (const std::exception& fault) {
    outcome.fault = "at " + at + ": " + fault.what();
  }
  return outcome;
}

int main(int count, char** arguments) {
  const auto asked = read(std::span(arguments, static_cast<std::size_t>(count)));
  if (!asked) {
    std::fputs("native_tests --soak takes NAME=NUMBER, as test/native/soak/soak.cpp says\n", stderr);
    return 2;
  }
  const auto number = [&](const char* name) { return asked->numbers.find(name)->second; };
  const bool once = number("round") != ~std::uint64_t{0};
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(number("minutes"));
  std::uint64_t offered = 0;
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  for (std::uint64_t round = once ? number("round") : 0;; ++round) {
    const Program program = generate(number("seed"), round, static_cast<unsigned>(number("workers")));
    std::printf("round %llu %zu\n", static_cast<unsigned long long>(round), program.steps.size());
    if (asked->steps) {
      std::printf("engine of %u workers, %zu MiB each%s%s\n", program.workers, program.memory >> 20,
                  program.epoll ? ", epoll" : "", program.corrupts ? ", bits are flipped" : "");
      for (const std::size_t step : *asked->steps)
        if (step < program.steps.size())
          std::printf("step %zu %s\n", step, inWords(program.steps[step]).c_str());
    }
    const Outcome outcome = play(program, asked->steps);
    offered += outcome.offered;
    if (outcome.fault) {
      std::printf("fault %s\n", outcome.fault->c_str());
      return 1;
    }
    std::printf("done %llu %zu %zu %zu\n", static_cast<unsigned long long>(outcome.offered), residentSize(),
                countOf("/proc/self/fd"), threadsAtRest());
    if (once || offered >= number("frames") || std::chrono::steady_clock::now() >= end) return 0;
  }
}

}  // namespace etherloom::soak
