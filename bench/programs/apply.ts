// The process that bench/cases/apply.ts measures, built to plain JavaScript: replaces the policies of all paths of a hub,
// again and again, while a generator sends flat out over some that stay allowed.
//
// Prints at the end `apply`, the median of the milliseconds from the call to `apply` until its promise resolved, `worst`,
// their maximum, `first`, those of the very first change, when JavaScript was not compiled yet, `times`, how often it was
// done, and `lost`: frames that the generator sent less those that got to each of the ports which they were to reach, over
// all of these.

import { setTimeout as sleep } from 'node:timers/promises'
import { GeneratorPort, Hub, MemoryPort, SinkPort, type PathChange, type Port } from 'etherloom'
import { configuration, readyUntilStopped, state } from './statement.js'

/** The only argument, as JSON. */
export interface ApplyConfig {
  ports: number
  paths: number
  /** How many different policies they have. */
  policies: number
}

/** Changes before the times are taken, for JavaScript to be compiled. */
const warmUps = 10
/** Between two changes, so that frames meet each of them. */
const pauseMs = 20
/** How long frames under way at the end may take. */
const drainMs = 2000

const config = configuration() as ApplyConfig
const hub = new Hub({ forwarding: 'deny' })
try {
  const generator = await hub.attach(new GeneratorPort({ length: 60 }))
  const sinks = await Promise.all(Array.from({ length: 3 }, () => hub.attach(new SinkPort())))
  const others = await Promise.all(
    Array.from({ length: config.ports }, (): Promise<Port> => hub.attach(new MemoryPort())),
  )
  // One of the paths under traffic keeps its policy, the others are among those that change.
  const [kept, ...changing] = sinks.map((sink) => hub.path(generator, sink))
  await kept?.allow()
  const pairs = Array.from({ length: config.paths - changing.length }, (_, index) => {
    const distance = 1 + Math.floor(index / others.length)
    return { from: others[index % others.length], to: others[(index + distance) % others.length] } as {
      from: Port
      to: Port
    }
  })
  const all = [...changing, ...pairs]
  let turn = 0
  /** Policies that no path has yet. Each delays, a little differently. */
  const changes = (): PathChange[] => {
    turn++
    const policies = Array.from({ length: config.policies }, (_, index) => ({
      allowed: true,
      delay: `${1000 + ((turn * config.policies + index) % 100_000)}ns` as const,
    }))
    return all.map(({ from, to }, index) => ({ from, to, policy: policies[index % policies.length] ?? null }))
  }
  await hub.apply(changes().map((change) => ({ ...change, policy: { allowed: true } })))
  await generator.start()

  const times: number[] = []
  const change = async () => {
    const next = changes()
    const start = performance.now()
    const { changed } = await hub.apply(next)
    times.push(performance.now() - start)
    if (changed !== all.length) throw new Error(`${changed} of ${all.length} paths were changed`)
    await sleep(pauseMs)
  }
  while (times.length < warmUps) await change()
  const [first] = times.splice(0)

  let running = true
  const ended = readyUntilStopped().then(() => (running = false))
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- it changes while this waits
  while (running) await change()
  await ended
  await generator.stop()

  const sent = Number(generator.stats().received.frames)
  const arrived = () => sinks.map((sink) => Number(sink.stats().transmitted.frames))
  const deadline = performance.now() + drainMs
  while (arrived().some((frames) => frames < sent) && performance.now() < deadline) await sleep(10)
  const lost = arrived().reduce((sum, frames) => sum + sent - frames, 0)
  times.sort((a, b) => a - b)
  state({ apply: times[times.length >> 1], worst: times.at(-1), first, times: times.length, lost })
} finally {
  await hub.close()
}
