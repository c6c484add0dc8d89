// What JavaScript can send and read at the same time.

import type { Case } from '../case.js'
import { statedFrames } from '../measures/stated.js'
import { etherloomProgram } from '../peers/in-process.js'
import type { MemoryPortConfig } from '../programs/memory-port.js'

const goal = 1_000_000
/** A little more, so that the clock does not decide. */
const config: MemoryPortConfig = { framesPerSecond: 1.02 * goal, length: 60 }

export const memoryPort: Case = {
  name: 'memory-port',
  what: '60-byte frames that JavaScript sends into one MemoryPort and reads from another, over a wire, at a pace of 1.02 million a second',
  measure: statedFrames(
    { name: 'delivered', unit: 'frames/s', digits: 0 },
    { name: 'lost', unit: 'frames', digits: 0 },
    { name: 'busy', unit: '%', digits: 0 },
  ),
  peers: [etherloomProgram({ name: 'etherloom', program: 'memory-port', config, cores: 2 })],
  goals: [
    { figure: 'delivered', atLeast: goal },
    { figure: 'lost', atMost: 0, everyRound: true },
  ],
}
