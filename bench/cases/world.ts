// That links follow nodes that move, at once, and cost no frame on links that stay.

import type { Case } from '../case.js'
import { stated } from '../measures/stated.js'
import { etherloomProgram } from '../peers/in-process.js'
import type { WorldConfig } from '../programs/world.js'

const worldOf = (name: string, config: WorldConfig) =>
  etherloomProgram({ name: `etherloom, ${name}`, program: 'world', config, cores: 2 })

export const world: Case = {
  name: 'world',
  what: 'a step of a world on a hub, WiFi exponential, while a generator sends flat out over three links that stay: milliseconds until it holds',
  measure: stated(
    { name: 'step', unit: 'ms', digits: 1 },
    { name: 'worst', unit: 'ms', digits: 1 },
    { name: 'first', unit: 'ms', digits: 1 },
    { name: 'links', unit: '', digits: 0 },
    { name: 'changes', unit: '', digits: 0 },
    { name: 'memory', unit: 'MB', digits: 0 },
    { name: 'lost', unit: 'frames', digits: 0 },
  ),
  peers: [
    worldOf('1,000 nodes that walk', { nodes: 1000, movement: { neighbours: 10 } }),
    worldOf('46 nodes, all linked', { nodes: 46, movement: 'clique' }),
    worldOf('200 nodes, all linked', { nodes: 200, movement: 'clique' }),
  ],
  goals: [
    { figure: 'step', atMost: 20 },
    { figure: 'lost', atMost: 0, everyRound: true },
  ],
}
