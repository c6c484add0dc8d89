// The price of user space: one TAP to another, beside a loop that does nothing else and beside the kernel.

import type { Case } from '../case.js'
import { forwarding } from '../measures/forwarding.js'
import { cLoop } from '../peers/c-loop.js'
import { etherloomHub } from '../peers/etherloom-hub.js'
import { linuxBridge } from '../peers/linux-bridge.js'

export const tapToTap: Case = {
  name: 'tap-to-tap',
  what: '60-byte frames from one TAP to another through a hub with one allowed path',
  measure: forwarding({ length: 60 }),
  peers: [etherloomHub, cLoop('flood'), linuxBridge],
  goals: [
    { ratioTo: cLoop('flood').name, atLeast: 0.85 },
    { ratioTo: linuxBridge.name, atLeast: 1 },
    { figure: 'resident', atMost: 120 },
  ],
}
