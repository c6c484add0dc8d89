// That a frame does not pay for ports and paths which it does not meet.

import type { Case } from '../case.js'
import { forwarding } from '../measures/forwarding.js'
import { withStated } from '../measures/stated.js'
import { etherloomManyPorts } from '../peers/etherloom-many-ports.js'

const many = etherloomManyPorts({ taps: 16, ports: 1000, paths: 10_000 })
const two = etherloomManyPorts({ taps: 2, ports: 2, paths: 1 })

export const manyPorts: Case = {
  name: 'many-ports',
  what: '60-byte frames from one TAP to another, through a default-deny hub with 1,000 ports (16 TAPs) and 10,000 allowed paths, one of which they take',
  measure: withStated(forwarding({ length: 60 }), { name: 'set-up', unit: 's', digits: 2 }),
  peers: [many, two],
  goals: [
    { ratioTo: two.name, atLeast: 0.77 },
    { figure: 'set-up', atMost: 2 },
    { figure: 'resident', atMost: 300 },
  ],
}
