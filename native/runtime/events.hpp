// What a worker tells the control thread. One table for both halves: lib/engine/events.ts holds the same
// names in the same order; test/contracts/tables.test.ts compares them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "fabrics/fabric.hpp"
#include "frame/frame.hpp"

namespace etherloom {

enum class EventKind : std::uint8_t {
  PortDown,      ///< a device failed; `error` is the errno
  AddressMoved,  ///< a learned address was seen on another port of its switch
  Count
};

inline constexpr std::array<std::string_view, static_cast<std::size_t>(EventKind::Count)> eventNames{
    "port:down", "address:moved"};
static_assert(!eventNames.back().empty(), "every event has a name");

struct Event {
  EventKind kind{};
  PortId port{};                 ///< PortDown
  std::uint32_t generation = 0;  ///< PortDown: of the device
  int error = 0;                 ///< PortDown
  std::uint32_t fabric = 0;      ///< AddressMoved, and what follows
  AddressKey address;
  std::optional<PortId> from, to;  ///< nothing for a port that has left
};

}  // namespace etherloom
