// What etherloom itself costs, without devices: frames that a port of the worker makes, judged and counted away.

import type { Case } from '../case.js'
import { statedFrames } from '../measures/stated.js'
import { etherloomProgram, memoryRing } from '../peers/in-process.js'
import type { InMemoryConfig } from '../programs/in-memory.js'

const measure = statedFrames({ name: 'delivered', unit: 'frames/s', digits: 0, better: 'more' })

function hubs(name: string, config: InMemoryConfig & { workers: 1 | 2 }) {
  return etherloomProgram({ name, program: 'in-memory', config, cores: config.workers })
}

const onePair = hubs('etherloom, one worker', { pairs: 1, workers: 1 })
const twoPairs = hubs('etherloom, two pairs on two workers', { pairs: 2, workers: 2 })
const across = hubs('etherloom, from one worker to another', { pairs: 1, workers: 2 })

export const inMemory: Case = {
  name: 'in-memory',
  what: '60-byte frames from a generator port to a sink port, through a hub with one allowed path and its filter',
  measure,
  peers: [onePair, memoryRing(1)],
  goals: [{ figure: 'delivered', atLeast: 10e6 }],
}

export const inMemoryTwoPairs: Case = {
  name: 'in-memory-two-pairs',
  what: 'the same twice, on hubs that share an engine of two workers',
  measure,
  peers: [twoPairs, onePair],
  goals: [{ ratioTo: onePair.name, atLeast: 1.7 }],
}

export const inMemoryAcross: Case = {
  name: 'in-memory-across',
  what: 'the same over a path from a port of one worker to a port of another',
  measure,
  peers: [across, memoryRing(2)],
  goals: [{ ratioTo: memoryRing(2).name, atLeast: 0.6 }],
}
