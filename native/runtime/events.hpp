// What a worker tells the control thread. One table for both halves: lib/engine/events.ts holds the same
// names in the same order; test/contracts/tables.test.ts compares them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "fabrics/fabric.hpp"
#include "frame/frame.hpp"
#include "pipeline/storm_guard.hpp"

namespace etherloom {

enum class EventKind : std::uint8_t {
  PortDown,      ///< a device failed; `error` is the errno
  AddressMoved,  ///< a learned address was seen on another port of its switch
  AddressFlaps,  ///< the same, again and again: until that has ended, nothing more of it is told
  StormBegins,   ///< a port floods more than its storm guard lets through; again only when that has ended
  Count
};

inline constexpr std::array<std::string_view, static_cast<std::size_t>(EventKind::Count)> eventNames{
    "port:down", "address:moved", "address:flapping", "port:storm"};
static_assert(!eventNames.back().empty(), "every event has a name");

struct Event {
  EventKind kind{};
  PortId port{};                   ///< PortDown, StormBegins
  std::uint32_t generation = 0;    ///< PortDown: of the device
  int error = 0;                   ///< PortDown
  std::uint32_t fabric = 0;        ///< all others
  AddressKey address;              ///< AddressMoved and AddressFlaps, and what follows
  std::optional<PortId> from, to;  ///< nothing for a port that has left
  Traffic traffic{};               ///< StormBegins
  Instant at;                      ///< of all but PortDown: when it was
};

}  // namespace etherloom
