#include "program.hpp"

#include <algorithm>

#include "impairments/random.hpp"

namespace etherloom::soak {
namespace {

class Writer {
 public:
  Writer(Random& random, std::vector<Step>& steps) : random_(random), steps_(steps) {}

  void write() {
    const std::uint64_t fabrics = 1 + below(3);
    for (unsigned fabric = 0; fabric < fabrics; ++fabric) {
      add({What::Fabric, fabric});
      add({What::Probe, fabric, port(fabric)});
      for (std::uint64_t more = 1 + below(3); more > 0; --more) addPort(fabric);
      // To one before it: links alone never make a loop, which sockets would not end.
      if (fabric > 0) link(static_cast<unsigned>(below(fabric)), fabric);
    }
    if (fabrics > 1 && below(6) == 0) loop();
    for (const unsigned some : {10, 15, 15}) {
      for (std::uint64_t storms = below(4); storms > 0; --storms) {
        const auto any = static_cast<unsigned>(below(fabricOf_.size()));
        add({What::Storm, fabricOf_[any], any});
      }
      for (std::uint64_t steps = some + below(15); steps > 0; --steps) addAny();
      if (below(8) != 0) add({What::Stop});
    }
  }

 private:
  std::uint64_t below(std::uint64_t bound) { return random_.below(bound); }
  void add(Step step) {
    step.seed = random_.next();
    steps_.push_back(step);
  }
  unsigned port(unsigned fabric) {
    fabricOf_.push_back(fabric);
    return static_cast<unsigned>(fabricOf_.size() - 1);
  }
  void addPort(unsigned fabric) {
    static constexpr What kinds[]{What::Probe,  What::Probe,  What::Generator, What::Sink,
                                  What::Memory, What::Memory, What::Outside};
    add({kinds[below(std::size(kinds))], fabric, port(fabric)});
  }
  void link(unsigned fabric, unsigned other) {
    const unsigned left = port(fabric);
    add({What::Link, fabric, left, other, port(other)});
  }
  /// Two patches between the same fabrics, which end what goes round by the number of its hops. The second is
  /// a patch because the first is one: both draw their kind from the same seed.
  void loop() {
    const auto first =
        std::find_if(steps_.begin(), steps_.end(), [](const Step& step) { return step.what == What::Link; });
    Step second = *first;
    second.port = port(second.fabric);
    second.otherPort = port(second.otherFabric);
    first->seed = second.seed = 0;
    steps_.push_back(second);
  }
  void addAny() {
    const auto any = static_cast<unsigned>(below(fabricOf_.size()));
    const unsigned fabric = fabricOf_[any];
    switch (below(24)) {
      case 0:
      case 1:
      case 2:
        return add({What::Send, fabric, any});
      case 3:
      case 4:
      case 5:
        return add({What::Storm, fabric, any});
      case 6:
        return add({What::Calm, fabric, any});
      case 7:
      case 8:
      case 9:
      case 10:
        return add({What::Apply, fabric});
      case 11:
        return add({What::Configure, fabric, any});
      case 12:
        return add({What::Carrier, fabric, any});
      case 13:
        return add({below(12) == 0 ? What::Remove : What::Detach, fabric, any});
      case 14:
        return addPort(fabric);
      case 15:
        return add({What::Break, fabric, any});
      case 16:
        return add({What::Revive, fabric, any});
      case 17:
        return add({What::Capture, fabric, any, fabric, static_cast<unsigned>(below(fabricOf_.size()))});
      case 18:
        return add({What::EndCapture});
      default:
        return add({What::Pass});
    }
  }

  Random& random_;
  std::vector<Step>& steps_;
  std::vector<unsigned> fabricOf_;  // by the numbers of ports
};

}  // namespace

Program generate(std::uint64_t seed, std::uint64_t round, unsigned workers) {
  Program program;
  program.seed = mixBits(mixBits(seed) + round);
  Random random(program.seed);
  static constexpr std::size_t memories[]{2, 4, 8, 32};
  program.workers = 1 + static_cast<unsigned>(random.below(4));
  if (workers != 0) program.workers = workers;
  program.memory = memories[random.below(std::size(memories))] << 20;
  program.epoll = random.below(2) == 0;
  program.corrupts = random.below(4) == 0;
  Writer(random, program.steps).write();
  return program;
}

std::string inWords(const Step& step) {
  std::string words(stepNames[static_cast<std::size_t>(step.what)]);
  switch (step.what) {
    case What::EndCapture:
    case What::Pass:
    case What::Stop:
      return words;
    case What::Fabric:
    case What::Apply:
    case What::Remove:
      return words + " fabric" + std::to_string(step.fabric);
    case What::Link:
      words += " port" + std::to_string(step.otherPort) + " fabric" + std::to_string(step.otherFabric);
      break;
    case What::Capture:
      words += " to port" + std::to_string(step.otherPort);
      break;
    default:
      break;
  }
  return words + " port" + std::to_string(step.port) + " fabric" + std::to_string(step.fabric);
}

}  // namespace etherloom::soak
