// The framing of VDE's streams, as vde_plug has them in its input and output, for dpipe, wirefilter and ssh:
// each frame stands behind its length, two bytes, big-endian. A length of 0 is no frame.
#include "ports/stream_framing.hpp"

namespace etherloom {
namespace {

/// A jumbo frame with a VLAN tag; programs of VDE have no room for more.
constexpr std::uint32_t vdeLongest = 9216 + 14 + 4;

const StreamFraming vdeFraming(
    "vde", 2, vdeLongest, [](const std::uint8_t* prefix) { return std::uint32_t{readBig16(prefix)}; },
    [](std::uint8_t* prefix, std::uint32_t size) { writeBig16(prefix, static_cast<std::uint16_t>(size)); });

}  // namespace
}  // namespace etherloom
