// The price of user space: one TAP to another, beside loops that do nothing else, the kernel, and other user space.

import type { Case } from '../case.js'
import { forwarding } from '../measures/forwarding.js'
import { readWriteLoop, uringHeaderLoop, uringLoop } from '../peers/c-loops.js'
import { etherloomHub } from '../peers/etherloom.js'
import { javascriptHub } from '../peers/javascript-hub.js'
import { linuxBridge, linuxBridgeWithRules } from '../peers/linux-bridge.js'
import { qemuHub } from '../peers/qemu-hub.js'
import { vde } from '../peers/vde.js'

const uring = uringLoop('flood')
const bridgeWithRules = linuxBridgeWithRules(100)

export const tapToTap: Case = {
  name: 'tap-to-tap',
  what: '60-byte frames from one TAP to another through a hub, by the one allowed path out of 10,000 explicit ones',
  measure: forwarding({ length: 60 }),
  peers: [
    etherloomHub({ rules: 10_000 }),
    uring,
    uringHeaderLoop('flood'),
    readWriteLoop('flood'),
    linuxBridge,
    bridgeWithRules,
    vde,
    qemuHub,
    javascriptHub,
  ],
  goals: [
    { ratioTo: uring.name, atLeast: 0.95 },
    { ratioTo: linuxBridge.name, atLeast: 1.5 },
    { ratioTo: bridgeWithRules.name, atLeast: 4 },
    { ratioTo: vde.name, atLeast: 1.8 },
    { ratioTo: qemuHub.name, atLeast: 1.8 },
    { figure: 'resident', atMost: 120 },
  ],
}

export const tapToTapLong: Case = {
  name: 'tap-to-tap-1514',
  what: '1514-byte frames from one TAP to another through a hub, by the one allowed path',
  measure: forwarding({ length: 1514 }),
  peers: [etherloomHub({ rules: 1 }), uring, uringHeaderLoop('flood'), readWriteLoop('flood'), linuxBridge],
  goals: [
    { ratioTo: uring.name, atLeast: 0.95 },
    { ratioTo: linuxBridge.name, atLeast: 1.25 },
  ],
}
