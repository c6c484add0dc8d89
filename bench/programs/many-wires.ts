// The process that bench/cases/many-wires.ts measures, built to plain JavaScript: wires between memory ports, all on one
// engine. A few frames go over each, so that all work; then nothing happens.
//
// Prints at the end `set-up`, the seconds until all were joined; `idle`, the processor time of all threads while nothing
// happened, in per cent of one core; and `resident`, the process's memory in MB.

import { Engine, MemoryPort, Wire } from 'etherloom'
import { configuration, readyUntilStopped, state } from './statement.js'

/** The only argument, as JSON. */
export interface ManyWiresConfig {
  wires: number
}

/** Until compilation and garbage collection of the set-up are over. */
const settleMs = 2000

const { wires } = configuration() as ManyWiresConfig
const engine = new Engine()
try {
  const before = performance.now()
  const ends = await Promise.all(
    Array.from({ length: wires }, async (_, index) => {
      const wire = new Wire({ name: `wire${index}`, engine })
      return Promise.all([wire.attach(new MemoryPort()), wire.attach(new MemoryPort())])
    }),
  )
  const setUp = (performance.now() - before) / 1000

  for (const [left, right] of ends) {
    left.send(new Uint8Array(60))
    const batches = right[Symbol.asyncIterator]()
    if ((await batches.next()).value?.length !== 1) throw new Error('a wire carried no frame')
  }
  await new Promise((resolve) => setTimeout(resolve, settleMs))

  const processorStart = process.cpuUsage()
  const start = performance.now()
  await readyUntilStopped()
  const { user, system } = process.cpuUsage(processorStart)
  const idle = (user + system) / 1e4 / ((performance.now() - start) / 1000)
  state({ 'set-up': setUp, idle, resident: process.memoryUsage().rss / 1e6 })
} finally {
  await engine.close()
}
