// The receive filter of a port: which frames it takes out of its fabric, as the address filter of a network
// card does. Immutable once it is made; asked for each frame on its way into the port, by the port's worker.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "frame/ethernet.hpp"

namespace etherloom {

struct ReceiveFilter {
  static constexpr std::uint64_t broadcastAddress = 0xffffffffffff;

  bool broadcast = true;
  bool multicast = true;                 ///< every group address but broadcast
  std::vector<std::uint64_t> addresses;  ///< these too, stations and groups alike; sorted

  [[nodiscard]] bool accepts(const Frame& frame) const noexcept {
    const std::uint64_t destination = destinationOf(frame);
    if (destination == broadcastAddress) return broadcast;
    if (multicast && isGroup(destination)) return true;
    return std::binary_search(addresses.begin(), addresses.end(), destination);
  }
};

}  // namespace etherloom
