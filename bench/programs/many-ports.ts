// The process that bench/cases/many-ports.ts measures, built to plain JavaScript: a default-deny hub with any number of
// ports and allowed paths, two of which are the TAPs of the hosts, with a path from one to the other.
//
// Prints at the end `set-up`, the seconds until all paths were in force, and `lost`, what that one path dropped.

import { Hub, MemoryPort, TapPort, type Port } from 'etherloom'
import { configuration, readyUntilStopped, state } from './statement.js'

/** The only argument, as JSON. */
export interface ManyPortsConfig {
  from: { interface: string; namespace: string }
  to: { interface: string; namespace: string }
  /** Where the other TAPs are made. */
  elsewhere: string
  taps: number
  /** In all. What is no TAP is a memory port. */
  ports: number
  /** In all. All but one are between the ports that do not belong to the hosts. */
  paths: number
}

const config = configuration() as ManyPortsConfig
const hub = new Hub({ forwarding: 'deny' })
try {
  const before = performance.now()
  const from = new TapPort({ ...config.from, name: 'from' })
  const to = new TapPort({ ...config.to, name: 'to' })
  const others: Port[] = Array.from({ length: config.ports - 2 }, (_, index) =>
    index < config.taps - 2
      ? new TapPort({ name: `tap${index}`, namespace: config.elsewhere })
      : new MemoryPort(),
  )
  await Promise.all([from, to, ...others].map((port) => hub.attach(port)))
  const rest = Array.from({ length: config.paths - 1 }, (_, index) => {
    const distance = 1 + Math.floor(index / others.length)
    return [others[index % others.length], others[(index + distance) % others.length]] as [Port, Port]
  })
  await hub.apply(
    [[from, to] as const, ...rest].map(([from, to]) => ({ from, to, policy: { allowed: true } })),
  )
  const setUp = (performance.now() - before) / 1000

  await readyUntilStopped()
  const { dropped } = hub.path(from, to).stats()
  state({ 'set-up': setUp, lost: Object.values(dropped).reduce((sum, count) => sum + count, 0n) })
} finally {
  await hub.close()
}
