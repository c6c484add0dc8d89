// Many busy ports: 256 send to all others, each frame to the next, through a switch that knows every address.

import type { Case } from '../case.js'
import { forwarding } from '../measures/forwarding.js'
import { readWriteLoop, uringLoop } from '../peers/c-loops.js'
import { etherloomSwitch } from '../peers/etherloom.js'
import { linuxBridge } from '../peers/linux-bridge.js'

export const allToAll: Case = {
  name: 'all-to-all',
  what: '60-byte frames from each of 256 TAPs to all others in turn, through a learning switch',
  measure: forwarding({ length: 60, from: 'all' }),
  layout: { sender: 256, receiver: 0 },
  peers: [etherloomSwitch, uringLoop('switch'), readWriteLoop('switch'), linuxBridge],
  goals: [{ ratioTo: linuxBridge.name, atLeast: 1.4 }],
}
