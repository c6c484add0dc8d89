// Random policies and settings of ports, each from a seed of its own. Called on the control thread.
#pragma once

#include <memory>
#include <string>

#include "impairments/random.hpp"
#include "pipeline/attachment.hpp"
#include "pipeline/policy.hpp"

namespace etherloom::soak {

struct DrawnPolicy {
  std::shared_ptr<const Policy> policy;  ///< nullptr: none
  std::string words;
};
/// `corrupts`: it may flip bits.
DrawnPolicy drawPolicy(Random& random, bool corrupts);

/// `vlans`: the port is on a switch with VLANs, and is told its own.
PortSettings drawSettings(Random& random, bool vlans);

}  // namespace etherloom::soak
