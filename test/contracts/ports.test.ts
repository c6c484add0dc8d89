/** The port contract, for the kinds that need no privilege, and what is their own. */
import { expect } from 'chai'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { closeSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import { WebSocketServer } from 'ws'
import {
  Engine,
  GeneratorPort,
  Hub,
  MemoryPort,
  PatchPort,
  SinkPort,
  SocketPort,
  UdpPort,
  VxlanPort,
  WebSocketPort,
  VdePort,
  type SocketPortOptions,
} from '../../lib/index.js'
import { framings, type Framing } from '../../lib/ports/framings.js'
import { sockets } from '../../lib/ports/sockets.js'
import { closing, dropped, join, receive, tags, until } from '../helpers/fabric.js'
import { refusal } from '../helpers/errors.js'
import { frame, numbered } from '../helpers/frames.js'
import { describePort } from './port-contract.js'
import { loopback, TestPeer } from '../helpers/vxlan.js'

describePort('MemoryPort', (_engine, name) => {
  const port = new MemoryPort({ name })
  return { port, feed: (frames) => void port.send(frames) }
})

describePort('PatchPort', async (engine, name) => {
  const [port, other] = PatchPort.pair({ names: [name, 'far'], frameLimit: 9000 })
  const far = new Hub({ engine })
  await far.attach(other)
  const [source] = await join(far, 'source')
  return { port, feed: (frames) => void source.send(frames) }
})

describePort('SinkPort', (_engine, name) => ({ port: new SinkPort({ name }), unlimited: true }))

describePort('SocketPort', async (_engine, name) => {
  const directory = mkdtempSync(joinPath(tmpdir(), 'etherloom-contract-'))
  const socket = joinPath(directory, 'peer.sock')
  const peers: Socket[] = []
  const server = createServer((peer) => peers.push(peer.on('error', () => undefined).resume())).listen(socket)
  await once(server, 'listening')
  const feed = async (frames: Uint8Array[]) => {
    await until(() => peers.length > 0)
    for (const bytes of frames) {
      const length = Buffer.alloc(4)
      length.writeUInt32BE(bytes.length)
      peers.at(-1)!.write(Buffer.concat([length, bytes]))
    }
  }
  const close = () => {
    server.close()
    rmSync(directory, { recursive: true, force: true })
  }
  return { port: new SocketPort({ name, socket }), unlimited: true, feed, close }
})

/** Framings whose lengths are shorter than those of the longest frames. */
const short = ['vde', 'vpnkit', 'hyperkit']

for (const { key, socket: kind } of framings)
  describePort(`SocketPort with the framing '${key}'`, async (engine, name) => {
    const framing = key as Framing
    const directory = mkdtempSync(joinPath(tmpdir(), 'etherloom-contract-'))
    const socket = joinPath(directory, 'peer.sock')
    const far = new Hub({ engine })
    const [source] = await join(far, 'source')
    // Who listens for datagrams has no peer before it has heard from one, so those are of a pair.
    const pair = kind === 'datagram' ? sockets.socketPair(framing) : []
    const [theirs, ours]: [SocketPortOptions, SocketPortOptions] =
      pair.length === 2
        ? [{ fd: pair[0] }, { fd: pair[1] }]
        : [
            { socket, framing, role: 'listen' },
            { socket, framing },
          ]
    const peer = await far.attach(new SocketPort(theirs))
    const feed = async (frames: Uint8Array[]) => {
      await until(() => peer.state === 'up')
      source.send(frames)
    }
    const close = async () => {
      await far.close()
      for (const fd of pair) closeSync(fd)
      rmSync(directory, { recursive: true, force: true })
    }
    return { port: new SocketPort({ name, ...ours }), unlimited: !short.includes(key), feed, close }
  })

describePort('UdpPort', async (_engine, name) => {
  const peer = createSocket('udp4')
  peer.bind(0, '127.0.0.1')
  await once(peer, 'listening')
  const port = new UdpPort({ name, local: '127.0.0.1:0', remote: `127.0.0.1:${peer.address().port}` })
  const feed = (frames: Uint8Array[]) => {
    const place = Number(port.local!.split(':')[1])
    for (const bytes of frames) peer.send(bytes, place, '127.0.0.1')
  }
  return { port, feed, close: () => void peer.close() }
})

let networks = 0
describePort('VxlanPort', async (_engine, name) => {
  const vni = ++networks
  const [local, remote] = [loopback(1 + 2 * (vni % 7)), loopback(2 + 2 * (vni % 7))]
  const peer = await TestPeer.open(remote, 4789)
  const feed = (frames: Uint8Array[]) => {
    for (const bytes of frames) peer.send(local, bytes, { vni })
  }
  return {
    port: new VxlanPort({ name, local, vni, peers: [remote] }),
    feed,
    close: () => {
      peer.close()
    },
  }
})

describePort('VdePort', async (engine, name) => {
  const directory = mkdtempSync(joinPath(tmpdir(), 'etherloom-contract-'))
  const far = new Hub({ engine })
  const server = await far.listen({ protocol: 'vde', directory })
  const [source] = await join(far, 'source')
  const feed = async (frames: Uint8Array[]) => {
    await until(() => server.ports.length > 0)
    source.send(frames)
  }
  const close = async () => {
    await far.close()
    rmSync(directory, { recursive: true, force: true })
  }
  return { port: new VdePort({ name, vde: directory }), feed, close }
})

describePort('WebSocketPort', async (_engine, name) => {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  await once(server, 'listening')
  const port = new WebSocketPort({
    name,
    websocket: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
  })
  const feed = (frames: Uint8Array[]) => {
    for (const bytes of frames) for (const peer of server.clients) peer.send(bytes)
  }
  const close = () => {
    for (const peer of server.clients) peer.terminate()
    server.close()
  }
  return { port, feed, close }
})

describePort('GeneratorPort', (_engine, name) => ({ port: new GeneratorPort({ name }), unlimited: true }))

describe('MemoryPort', () => {
  const closes = closing()
  const makeHub = (clock: 'real' | 'virtual' = 'virtual') => {
    const engine = closes(new Engine({ clock, seed: 1 }))
    return { engine, hub: new Hub({ engine }) }
  }

  it('gets a name of its own', async () => {
    const { hub } = makeHub()
    const names = [(await hub.attach(new MemoryPort())).name, (await hub.attach(new MemoryPort())).name]
    expect(names).to.deep.equal(['memory0', 'memory1'])
  })

  it('refuses to send while it is not attached', async () => {
    const { hub } = makeHub()
    const port = new MemoryPort({ name: 'a' })
    expect((await refusal(() => port.send(frame()))).message).to.equal(
      "port 'a' is not attached; attach it to a fabric first",
    )
    await hub.attach(port)
    await hub.detach(port)
    expect((await refusal(() => port.send(frame()))).code).to.equal('ERR_ETHERLOOM_STATE')
  })

  it('refuses to send what is not bytes, and sends nothing then', async () => {
    const { engine, hub } = makeHub()
    const [a, b] = await join(hub, 'a', 'b')
    for (const wrong of ['text', [1, 2, 3], [frame(), 'text'], undefined, {}, new ArrayBuffer(60)])
      expect((await refusal(() => a.send(wrong as never))).code).to.equal('ERR_ETHERLOOM_OPTION')
    engine.advance('0s')
    expect(tags(b)).to.deep.equal([])
    a.send(Buffer.from(frame({ tag: 1 })))
    engine.advance('0s')
    expect(tags(b)).to.deep.equal([1])
  })

  it('says how many frames were taken, and counts the others', async () => {
    const { hub } = makeHub('real')
    const [a] = await join(hub, 'a')
    expect(a.send([])).to.equal(0)
    expect(a.send([frame(), new Uint8Array(69_633), frame()])).to.equal(2)
    expect(dropped(a.stats().dropped)['port-full']).to.equal(1)
  })

  it('keeps at most `limit` frames for its reader and counts the others, on itself and on the path', async () => {
    const { engine, hub } = makeHub()
    const [a] = await join(hub, 'a')
    const slow = await hub.attach(new MemoryPort({ name: 'slow', queueLimit: 10 }))
    await hub.path(a, slow).allow()
    a.send(numbered(25))
    engine.advance('0s')
    expect(dropped(slow.stats().dropped)).to.deep.equal({ 'port-full': 15 })
    expect(hub.path(a, slow).stats()).to.deep.include({ offered: 25n, delivered: 10n })
    expect(tags(slow)).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])

    a.send(numbered(5))
    engine.advance('0s')
    expect(tags(slow), 'room again after reading').to.deep.equal([0, 1, 2, 3, 4])
  })

  it('starts empty when it is attached again', async () => {
    const { engine, hub } = makeHub()
    const [a, b] = await join(hub, 'a', 'b')
    a.send(numbered(100))
    engine.advance('0s')
    await hub.detach(b)
    await hub.attach(b)
    expect(b.read()).to.equal(undefined)
    a.send(frame({ tag: 7 }))
    engine.advance('0s')
    expect(tags(b)).to.deep.equal([7])
  })

  it('is an async iterator that ends with its attachment, what was delivered included', async () => {
    const { hub } = makeHub('real')
    const [a, b] = await join(hub, 'a', 'b')
    a.send(numbered(3000))
    expect((await receive(b, 3000)).map(({ tag }) => tag)).to.deep.equal(numbered(3000).map((_, tag) => tag))

    const reading = (async () => {
      let frames = 0
      for await (const batch of b) frames += batch.length
      return frames
    })()
    a.send(numbered(10))
    await until(() => b.stats().transmitted.frames === 3010n)
    // A fence: what the worker has delivered has arrived here when the next change is settled.
    await hub.path(a, b).deny()
    await hub.detach(b)
    expect(await reading).to.equal(10)
  })

  it('gives batches with a length, frames and times, and refuses what is not in them', async () => {
    const { engine, hub } = makeHub()
    const [a, b] = await join(hub, 'a', 'b')
    engine.advance('5ns')
    a.send(numbered(2))
    engine.advance('0s')
    const batch = b.read()!
    expect([batch.length, batch.at(1), [...batch]]).to.deep.equal([2, 5n, numbered(2)])
    expect(batch.frame(1)).to.deep.equal(frame({ tag: 1 }))
    for (const index of [-1, 2, 0.5]) expect(() => batch.frame(index)).to.throw('the number of a frame')
  })

  it('survives its engine closing while frames wait to be handed out', async () => {
    const { engine, hub } = makeHub('real')
    const [a, b] = await join(hub, 'a', 'b')
    a.send(numbered(5000))
    await until(() => b.stats().transmitted.frames > 2000n)
    await engine.close()
    await new Promise((resolve) => setImmediate(resolve))
    await new Promise((resolve) => setImmediate(resolve))
    expect(engine.closed).to.equal(true)
  })

  it('lets others read while one leaves', async () => {
    const { engine, hub } = makeHub()
    const [a, b, c] = await join(hub, 'a', 'b', 'c')
    a.send(numbered(10))
    engine.advance('0s')
    const leaving = [hub.detach(b), hub.detach(c)]
    expect(tags(b)).to.have.length(10)
    await leaving[0]
    expect(tags(c)).to.have.length(10)
    await leaving[1]
  })
})

describe('PatchPort', () => {
  const closes = closing()

  it('knows its peer and brings frames from one fabric to the other, at the same instant and unchanged', async () => {
    const engine = closes(new Engine({ clock: 'virtual' }))
    const [core, edge] = [new Hub({ engine }), new Hub({ engine })]
    const [up, down] = PatchPort.pair({ names: ['up', 'down'] })
    expect([up.peer, down.peer]).to.deep.equal([down, up])
    await core.attach(up)
    await edge.attach(down)
    const [a] = await join(core, 'a')
    const [b] = await join(edge, 'b')
    engine.advance('1s')
    a.send(numbered(3))
    b.send(frame({ tag: 9, length: 1518, vlan: 5 }))
    engine.advance('0s')
    expect(tags(b)).to.deep.equal([0, 1, 2])
    const [back] = await receive(a, 1)
    expect(back).to.deep.equal({
      tag: 9,
      at: 1_000_000_000n,
      bytes: frame({ tag: 9, length: 1518, vlan: 5 }),
    })
    expect([up.stats().transmitted.frames, down.stats().received.frames]).to.deep.equal([3n, 3n])
  })

  it('drops as port-down while its peer is nowhere, and works once it is there, again and again', async () => {
    const engine = closes(new Engine({ clock: 'virtual' }))
    const [core, edge] = [new Hub({ engine }), new Hub({ engine })]
    const [up, down] = PatchPort.pair()
    await core.attach(up)
    const [a] = await join(core, 'a')
    const [b] = await join(edge, 'b')
    for (let round = 1; round <= 3; round++) {
      a.send(frame({ tag: 1 }))
      engine.advance('0s')
      expect(dropped(up.stats().dropped)).to.deep.equal({ 'port-down': round })
      await edge.attach(down)
      a.send(frame({ tag: 2 }))
      engine.advance('0s')
      expect(tags(b)).to.deep.equal([2])
      await edge.detach(down)
    }
  })

  it('joins fabrics of one engine only', async () => {
    const [one, two] = [closes(new Hub({ name: 'one' })), closes(new Hub({ name: 'two' }))]
    const [up, down] = PatchPort.pair({ names: ['up', 'down'] })
    await one.attach(up)
    const error = await refusal(two.attach(down))
    expect(error.code).to.equal('ERR_ETHERLOOM_STATE')
    expect(error.message).to.equal(
      "patch port 'down' cannot join 'two' to 'one', which has another engine; give both fabrics the same 'engine'",
    )
  })

  it('ends a frame after sixteen cables, so that a loop of fabrics ends', async () => {
    const engine = closes(new Engine({ clock: 'virtual' }))
    const hubs = [new Hub({ engine }), new Hub({ engine }), new Hub({ engine })]
    const ends: PatchPort[] = []
    for (const [index, hub] of hubs.entries()) {
      const [left, right] = PatchPort.pair({ names: ['left', 'right'] })
      await hub.attach(left)
      await hubs[(index + 1) % 3]!.attach(right)
      ends.push(left, right)
    }
    const [a] = await join(hubs[0]!, 'a')
    a.send(frame({ tag: 1 }))
    engine.advance('0s')
    // Both ways around, a copy comes by after 3, 6, 9, 12 and 15 cables.
    expect(tags(a)).to.deep.equal(new Array<number>(10).fill(1))
    const ended = ends.map((end) => dropped(end.stats().dropped)['hop-limit'] ?? 0)
    expect(ended.reduce((total, each) => total + each)).to.equal(2)
  })
})
