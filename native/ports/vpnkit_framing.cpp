// The framing of vpnkit, which gvproxy has on its standard input and output, on /connect and, after a
// greeting, for hyperkit: each frame stands behind its length, two bytes, little-endian. The greeting is
// lib/'s (lib/ports/hyperkit.ts), so here both words mean the same.
#include "ports/stream_framing.hpp"

namespace etherloom {
namespace {

/// All that two bytes can say.
constexpr std::uint32_t vpnkitLongest = 0xffff;

std::uint32_t readVpnkit(const std::uint8_t* prefix) {
  return std::uint32_t{prefix[0]} | std::uint32_t{prefix[1]} << 8;
}

void writeVpnkit(std::uint8_t* prefix, std::uint32_t size) {
  prefix[0] = static_cast<std::uint8_t>(size);
  prefix[1] = static_cast<std::uint8_t>(size >> 8);
}

const StreamFraming vpnkitFraming("vpnkit", 2, vpnkitLongest, readVpnkit, writeVpnkit);
const StreamFraming hyperkitFraming("hyperkit", 2, vpnkitLongest, readVpnkit, writeVpnkit);

}  // namespace
}  // namespace etherloom
