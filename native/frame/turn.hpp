// Where a worker is in its turn, and what the turn has cost so far. Written by the worker, its Io and its
// ports, on the worker's thread.
#pragma once

#include <cstdint>

#include "os/clock.hpp"

namespace etherloom {

struct Turn {
  Instant now;               ///< of what moves at present
  std::uint64_t frames = 0;  ///< of the wire, received and sent; what was refused is not in it
  std::uint64_t bytes = 0;   ///< of these
  std::uint64_t calls = 0;   ///< to the kernel
};

}  // namespace etherloom
