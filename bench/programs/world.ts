// The process that bench/cases/world.ts measures, built to plain JavaScript: a world of nodes on a hub that changes with
// every step, while a generator sends flat out over links of the same hub that stay.
//
// Prints at the end `step`, the median of the milliseconds from the call to `step` until its promise resolved, `worst`,
// their maximum, `first`, those of the very first step, when no link was there, `links`, how many were up at the end,
// `changes`, the mean number of links that a step changed, `memory`, the megabytes that the world took with its links, and
// `lost`: frames that the generator sent less those that got to each of the ports which they were to reach, over all.

import { setTimeout as sleep } from 'node:timers/promises'
import {
  DistanceMatrices,
  GeneratorPort,
  Hub,
  MemoryPort,
  RandomWaypoint,
  SinkPort,
  WifiExponentialModel,
  World,
  type Movement,
} from 'etherloom'
import { configuration, readyUntilStopped, state } from './statement.js'

/** The only argument, as JSON. */
export interface WorldConfig {
  nodes: number
  /** All linked to all, with another quality at every step; or moving about in a square, with so many neighbours each. */
  movement: 'clique' | { neighbours: number }
}

/** How many more neighbours nodes have on their ways than where they began, on average over the steps that are timed. */
const crowding = 1.45
/** Between two steps, so that frames meet each of them. */
const pauseMs = 20
/** How long frames under way at the end may take. */
const drainMs = 2000

const config = configuration() as WorldConfig
/** Steps before the times are taken, for JavaScript to be compiled and nodes to leave where they began. */
const warmUps = config.movement === 'clique' ? 5 : 25
const model = new WifiExponentialModel()

function movementOf({ nodes, movement }: WorldConfig): Movement {
  if (movement !== 'clique') {
    // Were nodes spread evenly. But their ways cross in the middle, where they soon have half as many again.
    const even = movement.neighbours / crowding
    const side = Math.sqrt((nodes * Math.PI * model.maxConnectedDistance ** 2) / even)
    return new RandomWaypoint({ area: [side, side], speed: [1, 5] })
  }
  const matrices = [2, 5, 10].map((metres) =>
    Array.from({ length: nodes }, () => new Float64Array(nodes).fill(metres)),
  )
  return new DistanceMatrices({ matrices, loop: true })
}

const resident = () => process.memoryUsage.rss() / 1e6
const hub = new Hub({ forwarding: 'deny', engine: { seed: 1 } })
try {
  const generator = await hub.attach(new GeneratorPort({ length: 60 }))
  const sinks = await Promise.all(Array.from({ length: 3 }, () => hub.attach(new SinkPort())))
  for (const sink of sinks) await hub.path(generator, sink).allow()
  const ports = await Promise.all(
    Array.from({ length: config.nodes }, (_, node) => hub.attach(new MemoryPort({ name: `n${node}` }))),
  )
  const before = resident()
  const world = new World({ fabric: hub, nodes: ports, model, movement: movementOf(config) })
  await generator.start()

  const times: number[] = []
  const changes: number[] = []
  const step = async () => {
    const start = performance.now()
    const { up, down, changed } = await world.step()
    times.push(performance.now() - start)
    changes.push(up + down + changed)
    await sleep(pauseMs)
  }
  await step()
  const [first] = times.splice(0)
  while (times.length < warmUps) await step()
  times.length = changes.length = 0

  let running = true
  const ended = readyUntilStopped().then(() => (running = false))
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- it changes while this waits
  while (running) await step()
  await ended
  await generator.stop()

  const memory = resident() - before
  const sent = Number(generator.stats().received.frames)
  const arrived = () => sinks.map((sink) => Number(sink.stats().transmitted.frames))
  const deadline = performance.now() + drainMs
  while (arrived().some((frames) => frames < sent) && performance.now() < deadline) await sleep(10)
  const lost = arrived().reduce((sum, frames) => sum + sent - frames, 0)
  const links = world.links().length
  const mean = changes.reduce((sum, count) => sum + count, 0) / changes.length
  times.sort((a, b) => a - b)
  state({ step: times[times.length >> 1], worst: times.at(-1), first, links, changes: mean, memory, lost })
} finally {
  await hub.close()
}
