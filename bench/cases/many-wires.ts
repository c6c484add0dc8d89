// That wires which nobody uses cost memory, and nothing else.

import type { Case } from '../case.js'
import { stated } from '../measures/stated.js'
import { etherloomProgram } from '../peers/in-process.js'
import type { ManyWiresConfig } from '../programs/many-wires.js'

const config: ManyWiresConfig = { wires: 10_000 }

export const manyWires: Case = {
  name: 'many-wires',
  what: '10,000 wires between memory ports, on one engine: until all are joined, and while nothing happens on them',
  measure: stated(
    { name: 'set-up', unit: 's', digits: 2, better: 'less' },
    { name: 'idle', unit: '%', digits: 2 },
    { name: 'resident', unit: 'MB', digits: 0, better: 'less' },
  ),
  peers: [etherloomProgram({ name: 'etherloom', program: 'many-wires', config, cores: 2 })],
  goals: [
    { figure: 'set-up', atMost: 5 },
    { figure: 'idle', atMost: 1 },
  ],
}
