// Copies: every frame goes to 15 ports.

import type { Case } from '../case.js'
import { forwarding } from '../measures/forwarding.js'
import { readWriteLoop, uringLoop } from '../peers/c-loops.js'
import { etherloomHub } from '../peers/etherloom.js'
import { linuxBridge, linuxBridgeWithRules } from '../peers/linux-bridge.js'
import { vde } from '../peers/vde.js'

const bridgeWithRules = linuxBridgeWithRules(100)

export const flood: Case = {
  name: 'flood',
  what: '60-byte frames from one TAP to 15 through a hub, by the 15 allowed paths out of 100 explicit ones; deliveries',
  measure: forwarding({ length: 60 }),
  layout: { sender: 1, receiver: 15 },
  peers: [
    etherloomHub({ rules: 100 }),
    uringLoop('flood'),
    readWriteLoop('flood'),
    linuxBridge,
    bridgeWithRules,
    vde,
  ],
  goals: [
    { ratioTo: linuxBridge.name, atLeast: 0.9 },
    { ratioTo: bridgeWithRules.name, atLeast: 6 },
  ],
}
