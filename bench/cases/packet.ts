// Existing interfaces: from one veth to another through packet sockets, beside a C program that does it ring to ring, and
// the kernel.

import type { Case } from '../case.js'
import { forwarding } from '../measures/forwarding.js'
import { packetRingLoop } from '../peers/c-loops.js'
import { etherloomPacketHub } from '../peers/etherloom.js'
import { linuxBridge } from '../peers/linux-bridge.js'

export const packet: Case = {
  name: 'packet',
  what: '60-byte frames from one veth to another through a hub with PacketPorts, by the one allowed path',
  measure: forwarding({ length: 60 }),
  peers: [etherloomPacketHub, packetRingLoop, linuxBridge],
  goals: [
    { ratioTo: packetRingLoop.name, atLeast: 0.95 },
    { ratioTo: linuxBridge.name, atLeast: 1.15 },
  ],
}
