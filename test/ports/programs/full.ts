/**
 * Sends more to a port of one kind than what is behind it takes, and says as JSON what it met: `full.ts KIND`. Started by
 * surroundings.test.ts in a network namespace of its own, whose interfaces it may change.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import {
  Engine,
  GeneratorPort,
  Hub,
  PacketPort,
  SocketPort,
  TapPort,
  UdpPort,
  Wire,
  type Port,
} from '../../../lib/index.js'
import type { Greeting } from '../../../lib/ports/conversation.js'
import { framings, type Framing } from '../../../lib/ports/framings.js'
import { converse } from '../../../lib/ports/greetings.js'
import { sockets } from '../../../lib/ports/sockets.js'
import { dropped, join, receive, take, until } from '../../helpers/fabric.js'
import { frame, numbered } from '../../helpers/frames.js'

const [kind = ''] = process.argv.slice(2)
const [total, burst, length] = [6000, 100, 1000]
const folder = mkdtempSync(joinPath(tmpdir(), 'etherloom-full-'))
const path = joinPath(folder, 'peer.sock')
const run = (words: string): void => void execFileSync('sh', ['-ec', words])

const engine = new Engine({ memory: '32MiB' })
const hub = new Hub({ engine, name: 'sending' })
const other = new Hub({ engine, name: 'receiving' })
let down = 0
hub.on('port:down', () => down++)

/** Has an interface send so many bits a second and keep so many bytes until then. */
const slow = (name: string, rate: string, limit: number): void =>
  run(`ip link set ${name} up; tc qdisc replace dev ${name} root tbf rate ${rate} burst 3000 limit ${limit}`)

/** The port that gets what the other one sends. */
type Read = () => Promise<Port>

/** A peer that greets where that is the custom, and reads no frame yet; what this returns has it read. */
function lazy(socket: string, framing: Framing): Read {
  const [host = '', port] = socket.split(':')
  const place = port === undefined ? { path: socket } : { ip: host, port: Number(port) }
  const bound = sockets.bindSocket({ ...place, framing, mode: 0o600 })
  const frameLimit = 69632
  const greet = async (greeting: Greeting): Promise<unknown> => {
    await new Promise<void>((resolve) => other.engine.watches.socket(bound, 'readable', resolve))
    const peer = sockets.acceptPeer(bound)
    await converse(other, peer, greeting.answer(frameLimit))
    return peer
  }
  const { greeting } = framings.get(framing)
  const greeted = greeting && greet(greeting)
  return async () => {
    const peer = greeted ? await greeted : sockets.acceptPeer(bound)
    return other.attach(SocketPort.accepted(peer, { name: 'peer', framing, frameLimit, pad: false, socket }))
  }
}

/** A port that connects to one that reads nothing yet. */
async function toLazy(framing: Framing, socket = path): Promise<{ port: Port; read: Read }> {
  const read = lazy(socket, framing)
  return { port: await hub.attach(new SocketPort({ socket, framing })), read }
}

/** A socket that nobody reads; kept, or it would be closed. */
let unread: unknown
/** A kind's port, and how what is behind it begins to read; without, what the port has sent is lost. */
const kinds: Record<string, () => Promise<{ port: Port; read?: Read }>> = {
  packet: async () => {
    run('ip link add here type veth peer name there; ip link set there up')
    slow('here', '8mbit', 20_000)
    const there = await other.attach(new PacketPort({ interface: 'there' }))
    return {
      port: await hub.attach(new PacketPort({ interface: 'here' })),
      read: () => Promise.resolve(there),
    }
  },
  udp: async () => {
    slow('lo', '8mbit', 100_000_000) // more than the socket's buffer, which is what fills
    const far = await other.attach(new UdpPort({ local: '127.0.0.1:0', remote: '127.0.0.1:5001' }))
    const port = new UdpPort({ local: '127.0.0.1:5001', remote: far.local! })
    return { port: await hub.attach(port), read: () => Promise.resolve(far) }
  },
  'udp over a short queue': async () => {
    slow('lo', '8mbit', 20_000) // UDP is not told what an interface drops
    const port = new UdpPort({ local: '127.0.0.1:5001', remote: '127.0.0.1:5002' })
    return { port: await hub.attach(port) }
  },
  datagram: async () => {
    unread = sockets.bindSocket({ path, framing: 'datagram', mode: 0o600 })
    return { port: await hub.attach(new SocketPort({ socket: path, framing: 'datagram' })) }
  },
  ...Object.fromEntries(
    [...framings]
      .filter(({ socket }) => socket !== 'datagram')
      .map(({ key }) => [key, () => toLazy(key as Framing)]),
  ),
  tcp: () => toLazy('stream', '127.0.0.1:5003'),
}

const wire = new Wire({ engine })
const [a, b] = await join(wire, 'a', 'b')
const [sender] = await join(hub, 'sender')
/** How many frames come over a wire of the same worker while `work` goes on; it sends as many bursts. */
async function besides(work: (send: () => void) => Promise<void>): Promise<boolean> {
  let sent = 0
  const send = (): void => {
    a.send(numbered(burst))
    sent += burst
  }
  await work(send)
  const got = (await receive(b, sent)).map(({ tag }) => tag)
  return got.length === sent && got.every((tag, index) => tag === index % burst)
}

/** The other way round: what a kernel sends to the TAP of a port, whose queue has one place. */
async function tap(): Promise<object> {
  const port = await hub.attach(new TapPort({ name: 'tap0' }))
  run('ip link set tap0 txqueuelen 1')
  const flood = new Hub({ name: 'flood' }) // of another worker, which does not wait for ours
  const generator = await flood.attach(new GeneratorPort({ count: 100_000 }))
  const socket = await flood.attach(new PacketPort({ interface: 'tap0' }))
  const others = await besides(async (send) => {
    await generator.start()
    const handed = (): bigint => socket.stats().transmitted.frames + socket.stats().dropped['port-full']
    while (handed() < 100_000n) {
      send()
      await new Promise((resolve) => setImmediate(resolve))
    }
  })
  const words = ['-json', '-statistics', 'link', 'show', 'tap0']
  const counts = (): { packets: number; dropped: number } =>
    (
      JSON.parse(String(execFileSync('ip', words))) as [
        { stats64: { tx: { packets: number; dropped: number } } },
      ]
    )[0].stats64.tx
  await until(() => Number(port.stats().received.frames) === counts().packets)
  const lost = counts().dropped
  await flood.close()
  return { others, down, state: port.state, lost: lost > 0, dropped: dropped(port.stats().dropped) }
}

async function full(): Promise<object> {
  const { port, read } = await kinds[kind]!()
  const before = port.stats().transmitted.frames
  const handed = (): number => {
    const { transmitted, dropped } = port.stats()
    return Number(transmitted.frames - before + dropped['port-full'])
  }
  const others = await besides(async (send) => {
    for (let first = 0; first < total; first += burst) {
      sender.send(Array.from({ length: burst }, (_, index) => frame({ tag: first + index, length })))
      send()
      await until(() => handed() === first + burst)
    }
  })
  const { transmitted, dropped: drops } = port.stats()
  let arrived
  if (read) {
    const [reader] = await join(other, 'reader')
    const far = await read()
    await until(() => far.stats().received.frames === transmitted.frames)
    sender.send(frame({ tag: total }))
    while (take(reader).at(-1)?.tag !== total) await new Promise((resolve) => setImmediate(resolve))
    arrived = true
  }
  return { others, down, state: port.state, dropped: Object.keys(dropped(drops)), arrived }
}

try {
  console.log(JSON.stringify(kind === 'tap' ? await tap() : await full()))
} finally {
  if (unread !== undefined) sockets.closeSocket(unread)
  await engine.close()
  rmSync(folder, { recursive: true })
}
process.exit()
