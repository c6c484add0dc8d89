/**
 * Ports of all kinds, each on a hub of its own with a memory port that reads it, to be stopped and continued:
 * `stopped.ts OPTIONS`, a list of `[kind, options]` as JSON. Prints `ready`, then a line for each event, and for each frame
 * that comes with a tag from 1000 on; on each line that it is told, `{ states, steps, delay, received }`.
 */
import { createInterface } from 'node:readline'
import {
  Engine,
  Hub,
  MemoryPort,
  PacketPort,
  SocketPort,
  TapPort,
  UdpPort,
  type PacketPortOptions,
  type Port,
  type UdpPortOptions,
} from '../../../lib/index.js'
import { isTestFrame, tagOf } from '../../helpers/frames.js'

const kinds = {
  tap: (options: object) => new TapPort(options),
  packet: (options: object) => new PacketPort(options as PacketPortOptions),
  socket: (options: object) => new SocketPort(options),
  udp: (options: object) => new UdpPort(options as UdpPortOptions),
}

/** Prints the tags of what comes. */
async function read(reader: MemoryPort): Promise<void> {
  for await (const batch of reader)
    for (const bytes of batch) if (isTestFrame(bytes) && tagOf(bytes) >= 1000) console.log(tagOf(bytes))
}

const engine = new Engine()
const ports: Port[] = []
for (const [kind, options] of JSON.parse(process.argv[2]!) as [keyof typeof kinds, object][]) {
  const hub = new Hub({ engine, name: `hub${ports.length}` })
  void read(await hub.attach(new MemoryPort({ name: 'reader' })))
  ports.push(await hub.attach(kinds[kind](options)))
  for (const event of ['port:down', 'port:up'] as const)
    hub.on(event, () => console.log(`${event} ${kind} ${JSON.stringify(options)}`))
}
const clocked = new Hub({ engine, name: 'clocked' })
await clocked.attach(new MemoryPort({ name: 'from' }))
await clocked.attach(new MemoryPort({ name: 'to' }))
const steps: string[] = []
const delays = { '500ms': '1ms', '1s': '2ms', '1500ms': '3ms', '100s': '4ms' } as const
const timeline = clocked.timeline(
  Object.entries(delays).map(([at, delay]) => ({ at: at as '1s', from: 'from', to: '*', delay })),
)
timeline.on('entry', ({ at }) => steps.push(at))
console.log('ready')
for await (const line of createInterface(process.stdin)) {
  line
  console.log(
    JSON.stringify({
      states: ports.map(({ state }) => state),
      steps,
      delay: clocked.path('from', 'to').policy.delay,
      received: ports.map((port) => Number(port.stats().received.frames)),
    }),
  )
}
