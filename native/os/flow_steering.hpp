// Which queue of a multi-queue TAP a frame comes out of: a program that the kernel runs for each frame it
// sends on the interface (TUNSETSTEERINGEBPF, Linux 4.16). Called at set-up by tap.cpp, on any thread.
#pragma once

#include "os/error.hpp"
#include "os/fd.hpp"

namespace etherloom {

/// Has every flow of the TAP that this descriptor belongs to come out of one queue: a hash of what tells
/// flows apart chooses it. A flow is: of IP, the two addresses and, with TCP, UDP and SCTP, the two ports
/// (fragments: the addresses); of everything else, and behind VLAN tags, the two MAC addresses and the
/// EtherType. Needs CAP_BPF, where the kernel does not allow programs to everybody.
Result<void> steerFlows(const Fd& tap);

/// Leaves the choice to the driver again: the queue that the flow's answers were last written to; for a flow
/// without answers, by a hash.
void unsteer(const Fd& tap) noexcept;

}  // namespace etherloom
