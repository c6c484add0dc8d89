// That links follow nodes that move, at once, and cost no frame on links that stay.

import type { Case } from '../case.js'
import { stated } from '../measures/stated.js'
import { bridgeClique } from '../peers/bridge-clique.js'
import { etherloomProgram } from '../peers/in-process.js'
import type { WorldConfig } from '../programs/world.js'

const worldOf = (name: string, config: WorldConfig) =>
  etherloomProgram({ name: `etherloom, ${name}`, program: 'world', config, cores: 2 })

const measure = stated(
  { name: 'step', unit: 'ms', digits: 1, better: 'less' },
  { name: 'worst', unit: 'ms', digits: 1 },
  { name: 'first', unit: 'ms', digits: 1, better: 'less' },
  { name: 'links', unit: '', digits: 0 },
  { name: 'changes', unit: '', digits: 0 },
  { name: 'memory', unit: 'MB', digits: 0, better: 'less' },
  { name: 'lost', unit: 'frames', digits: 0 },
)
const noLoss = { figure: 'lost', atMost: 0, everyRound: true } as const

export const world: Case = {
  name: 'world',
  what: 'a step of a world on a hub, WiFi exponential, while a generator sends flat out over three links that stay: milliseconds until it holds',
  measure,
  peers: [worldOf('1,000 nodes that walk', { nodes: 1000, movement: { neighbours: 10 } })],
  goals: [{ figure: 'step', atMost: 20 }, noLoss],
}

export const worldClique: Case = {
  name: 'world-clique',
  what: 'the same where all nodes are linked to all, and every link changes with every step; the kernel without the generator',
  layout: { sender: 45, receiver: 0 }, // those that the bridge joins
  measure,
  peers: [
    worldOf('46 nodes', { nodes: 46, movement: 'clique' }),
    worldOf('200 nodes', { nodes: 200, movement: 'clique' }),
    bridgeClique,
  ],
  goals: [noLoss],
}
