// Two processes joined by a trunk, beside those of VDE and QEMU.

import type { Case } from '../case.js'
import { forwarding } from '../measures/forwarding.js'
import { etherloomTrunk, qemuTrunk, vdeTrunk } from '../peers/trunks.js'

const trunk = (name: string, length: number): Case => ({
  name,
  what: `${length}-byte frames from the TAP of one process to that of another, by a trunk over a Unix socket`,
  measure: forwarding({ length }),
  peers: [etherloomTrunk, vdeTrunk, qemuTrunk],
  goals: [
    { ratioTo: vdeTrunk.name, atLeast: 3 },
    { ratioTo: qemuTrunk.name, atLeast: 1.5 },
  ],
})

export const trunkShort = trunk('trunk', 60)
export const trunkLong = trunk('trunk-1514', 1514)
