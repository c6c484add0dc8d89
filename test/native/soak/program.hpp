// What a program of the soak is: an engine, and steps. Each step has a seed of its own, from which whoever
// executes it draws all that it needs, so any of the others can be left out.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace etherloom::soak {

enum class What : std::uint8_t {
  Fabric,      ///< a hub, or a switch with or without VLANs
  Probe,       ///< makes and judges frames, on one worker or several
  Generator,   ///< a GeneratorPort
  Sink,        ///< a SinkPort
  Memory,      ///< its far end is the control thread
  Link,        ///< two ports, one in each of two fabrics: a patch, or a pair of sockets
  Outside,     ///< a stream or datagram socket whose other end is the control thread
  Send,        ///< some frames, from a probe, a memory port or an outside
  Storm,       ///< frames without end, from a probe or a generator
  Calm,        ///< and their end
  Apply,       ///< other policies, of any pairs of a fabric, perhaps with a flush
  Configure,   ///< what a port has in its fabric
  Carrier,     ///< on or off
  Detach,      ///< a port leaves
  Remove,      ///< all ports of a fabric leave, and it goes
  Break,       ///< the device of a port ends
  Revive,      ///< a port gets a new device
  Capture,     ///< of a port or a path, to a socket or a file
  EndCapture,  ///< or its reader goes
  Pass,        ///< a few milliseconds
  Stop,        ///< everything comes to rest, and all numbers are held against each other
  Count
};
inline constexpr std::string_view stepNames[]{
    "fabric", "probe", "generator", "sink",    "memory",      "link",    "outside",
    "send",   "storm", "calm",      "apply",   "configure",   "carrier", "detach",
    "remove", "break", "revive",    "capture", "end-capture", "pass",    "stop"};
static_assert(std::size(stepNames) == static_cast<std::size_t>(What::Count));

struct Step {
  What what{};
  unsigned fabric = 0, port = 0;            ///< by number, from 0
  unsigned otherFabric = 0, otherPort = 0;  ///< Link: the other end; Capture: `otherPort`, of a path
  std::uint64_t seed = 0;
};

struct Program {
  std::uint64_t seed = 0;
  unsigned workers = 1;
  std::size_t memory = 0;  ///< bytes of frames
  bool epoll = false;      ///< else the best there is
  bool corrupts = false;   ///< some policies flip bits, so frames are not judged
  std::vector<Step> steps;
};

/// The program of a round. The same numbers, the same program.
[[nodiscard]] Program generate(std::uint64_t seed, std::uint64_t round, unsigned workers);

[[nodiscard]] std::string inWords(const Step& step);

}  // namespace etherloom::soak
