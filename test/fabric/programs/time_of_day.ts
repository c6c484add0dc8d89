/**
 * All that waits, while the clock of the time of day is set: `time_of_day.ts FOLDER`, behind time_of_day.c, whose file
 * `FOLDER/shift` it writes. Prints, for each setting of the clock in turn, what it met, a line of JSON.
 */
import { once } from 'node:events'
import { openSync, readFileSync, statSync, writeSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { createSocket } from 'node:dgram'
import { join as joinPath } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Engine, Hub, MemoryPort, SocketPort, UdpPort, Wire } from '../../../lib/index.js'
import { join, receive, until } from '../../helpers/fabric.js'
import { frame, numbered } from '../../helpers/frames.js'
import { readPcapng } from '../../helpers/pcapng.js'

const folder = process.argv[2]!
const shift = openSync(joinPath(folder, 'shift'), 'r+')
const hour = 3600n * 1_000_000_000n
/** Sets the clock: so many hours off from now on. */
const set = (hours: bigint): void => void writeSync(shift, new BigInt64Array([hours * hour]), 0, 8, 0)

const engine = new Engine()
const wire = new Wire({ engine, name: 'wire' })
const [a, b] = await join(wire, 'a', 'b')
// 1000 bytes take 8 ms at that rate.
await wire.path(a, b).allow({ delay: '50ms', rate: '1Mbit' })
const file = joinPath(folder, 'b.pcapng')
const capture = await b.capture(file)

/** A peer that takes each connection and ends it: its port tries again and again. */
let connections = 0
const path = joinPath(folder, 'ends.sock')
const ending = createServer((socket: Socket) => {
  connections++
  socket.on('error', () => undefined).destroy()
}).listen(path)
await once(ending, 'listening')
const trunk = new Hub({ engine, name: 'trunk' })
await trunk.attach(new SocketPort({ socket: path, name: 'ends' }))
/** Nobody there, and then somebody. */
const late = joinPath(folder, 'late.sock')
const waiting = await trunk.attach(new SocketPort({ socket: late, name: 'late' }))

const keepAlives = createSocket('udp4').bind(0, '127.0.0.1')
await once(keepAlives, 'listening')
let alive = 0
keepAlives.on('message', () => alive++)
await trunk.attach(
  new UdpPort({
    local: '127.0.0.1:0',
    remote: `127.0.0.1:${keepAlives.address().port}`,
    keepAlive: '1s',
    name: 'udp',
  }),
)

const guarded = new Hub({ engine, name: 'guarded' })
const loud = await guarded.attach(new MemoryPort({ name: 'loud' }), { storm: { broadcast: 10 } })

/** What is due while the clock is set, by the engine's clock; `change` sets it in the midst of that. */
async function phase(hours: bigint) {
  const before = { connections, alive, size: statSync(file).size }
  const timeOfDay = Date.now()
  const began = engine.now()
  const since = (instant = engine.now()): number => Number((instant - began) / 1_000_000n)
  const steps: number[] = []
  const timeline = wire.timeline(
    ['100ms', '300ms', '600ms'].map((at) => ({ at: at as '1s', from: 'b', to: 'a', delay: at as '1s' })),
  )
  timeline.on('entry', () => steps.push(since()))
  const calm = once(guarded, 'port:calm')
  loud.send(numbered(20))
  a.send(Array.from({ length: 5 }, (_, tag) => frame({ tag, length: 1000 })))
  await pause(20)
  set(hours)
  loud.send(numbered(20))
  const frames = (await receive(b, 5)).map(({ at }) => since(at))
  const { lasted, dropped } = ((await calm) as [{ lasted: string; dropped: bigint }])[0]
  await until(() => steps.length === 3 && alive > before.alive)
  await until(() => statSync(file).size > before.size) // which its thread has written by itself
  return {
    clock: Math.round((Date.now() - timeOfDay) / 60_000),
    frames,
    steps,
    calmAt: since(),
    lasted,
    stormed: Number(dropped),
    connections: connections - before.connections,
    alive: alive - before.alive,
    passed: since(),
  }
}

for (const hours of [1n, 0n, -1n, 0n]) console.log(JSON.stringify(await phase(hours)))

const somebody = createServer().listen(late)
await until(() => waiting.state === 'up')
somebody.close()

// Those of an engine that is made now are of the clock as it is now.
set(1n)
const next = new Wire()
const [c, d] = await join(next, 'c', 'd')
const later = await d.capture(joinPath(folder, 'd.pcapng'))
c.send(frame())
await receive(d, 1)
for (const each of [capture, later]) await each.close()
const stamps = (name: string): number[] =>
  readPcapng(readFileSync(joinPath(folder, name))).packets.map(({ at }) => Number(at / 1_000_000n))
set(0n)
const now = Date.now()
console.log(
  JSON.stringify({
    stamps: stamps('b.pcapng').map((stamp) => now - stamp),
    later: Math.round((stamps('d.pcapng')[0]! - now) / 60_000),
  }),
)
process.exit()
