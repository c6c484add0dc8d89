// A wire: two ports, cross-connected. With two ports, every other port is the other port.
#pragma once

#include "fabrics/hub.hpp"

namespace etherloom {

class Wire final : public Hub {
 public:
  [[nodiscard]] std::uint32_t portLimit() const override { return 2; }
};

}  // namespace etherloom
