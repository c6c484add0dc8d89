/**
 * A hub with ports of each kind, to be stopped and continued: `stopped.ts OPTIONS`, a list of `[kind, options]` as JSON. Prints
 * `ready`, then a line for each event, and for each frame that comes with a tag from 1000 on; on a word, `{ states, steps }`.
 */
import { once } from 'node:events'
import {
  Hub,
  MemoryPort,
  PacketPort,
  SocketPort,
  TapPort,
  UdpPort,
  type PacketPortOptions,
  type UdpPortOptions,
} from '../../../lib/index.js'
import { isTestFrame, tagOf } from '../../helpers/frames.js'

const kinds = {
  tap: (options: object) => new TapPort(options),
  packet: (options: object) => new PacketPort(options as PacketPortOptions),
  socket: (options: object) => new SocketPort(options),
  udp: (options: object) => new UdpPort(options as UdpPortOptions),
}
const hub = new Hub()
const reader = await hub.attach(new MemoryPort({ name: 'reader' }))
const ports = []
for (const [kind, options] of JSON.parse(process.argv[2]!) as [keyof typeof kinds, object][])
  ports.push(await hub.attach(kinds[kind](options)))
const steps: string[] = []
const delays = { '500ms': '1ms', '1s': '2ms', '1500ms': '3ms', '100s': '4ms' } as const
const timeline = hub.timeline(
  Object.entries(delays).map(([at, delay]) => ({ at: at as '1s', from: 'reader', to: '*', delay })),
)
timeline.on('entry', ({ at }) => steps.push(at))
for (const event of ['port:down', 'port:up'] as const) hub.on(event, () => console.log(event))
console.log('ready')
void (async () => {
  for await (const batch of reader)
    for (const bytes of batch) if (isTestFrame(bytes) && tagOf(bytes) >= 1000) console.log(tagOf(bytes))
})()
await once(process.stdin, 'data')
console.log(
  JSON.stringify({
    states: ports.map(({ state }) => state),
    steps,
    delay: hub.path('reader', ports[0]!).policy.delay,
  }),
)
process.exit()
