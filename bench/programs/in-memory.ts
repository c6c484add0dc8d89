// The process that bench/cases/in-memory.ts measures, built to plain JavaScript: generators and sinks on hubs, in memory.
// Prints `delivered` at the end: frames that reached the sinks, per second.

import { Engine, GeneratorPort, Hub, SinkPort } from 'etherloom'
import { configuration, readyUntilStopped, state } from './statement.js'

/** The only argument, as JSON. */
export interface InMemoryConfig {
  /** Hubs, each with a generator and a sink. */
  pairs: number
  workers: number
}

/** Long enough for pools and caches to be warm. */
const warmUpMs = 300

const { pairs, workers } = configuration() as InMemoryConfig
const engine = new Engine({ workers })
try {
  const hubs = Array.from({ length: pairs }, () => new Hub({ engine, forwarding: 'deny' }))
  // Workers are given ports in turn: with as many pairs as workers each pair has its own, and one pair has two.
  const generators: GeneratorPort[] = []
  const sinks: SinkPort[] = []
  for (const hub of hubs) generators.push(await hub.attach(new GeneratorPort({ length: 60 })))
  for (const hub of hubs) sinks.push(await hub.attach(new SinkPort()))
  for (const [index, hub] of hubs.entries()) {
    const [from, to] = [generators[index], sinks[index]] as [GeneratorPort, SinkPort]
    await hub.path(from, to).allow({ filter: { etherType: 0x88b5 } })
  }
  for (const generator of generators) await generator.start()

  const delivered = () => sinks.reduce((sum, sink) => sum + Number(sink.stats().transmitted.frames), 0)
  await new Promise((resolve) => setTimeout(resolve, warmUpMs))
  const [framesBefore, before] = [delivered(), performance.now()]
  await readyUntilStopped()
  state({ delivered: ((delivered() - framesBefore) / (performance.now() - before)) * 1000 })
} finally {
  await engine.close()
}
