/** SocketPort: streams, datagrams and descriptors; what peers do to it, well or badly, and what that costs nobody else. */
import { expect } from 'chai'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import { mock } from 'node:test'
import { Engine, Hub, SocketPort, type SocketPortOptions } from '../../lib/index.js'
import { sockets } from '../../lib/ports/sockets.js'
import { refusal, rejection } from '../helpers/errors.js'
import { closing, dropped, join, receive, until } from '../helpers/fabric.js'
import { frame, numbered } from '../helpers/frames.js'
import { openSockets } from '../helpers/sockets.js'

/** A frame as it stands in a stream. */
function framed(bytes: Uint8Array, length = bytes.length): Buffer {
  const prefix = Buffer.alloc(4)
  prefix.writeUInt32BE(length)
  return Buffer.concat([prefix, bytes])
}

describe('SocketPort', function () {
  this.timeout(60_000)
  const closes = closing()
  let directory: string
  let path: string

  beforeEach(() => {
    directory = mkdtempSync(joinPath(tmpdir(), 'etherloom-socket-'))
    path = joinPath(directory, 'lab.sock')
    closes({
      close: () => {
        rmSync(directory, { recursive: true, force: true })
      },
    })
  })

  const makeHub = (io: 'auto' | 'epoll' = 'auto') => closes(new Hub({ engine: { io, memory: '16MiB' } }))
  const isUp = (port: SocketPort) => until(() => port.state === 'up')
  /** Another program's end of a stream. */
  const dial = async (to: net.NetConnectOpts = { path }) => {
    const socket = net.connect(to)
    socket.on('error', () => undefined)
    closes({
      close: () => {
        socket.destroy()
      },
    })
    await once(socket, 'connect')
    return socket
  }
  /** A hub with a reader and a port that listens, and somebody who has connected. */
  const served = async (options: Partial<SocketPortOptions> = {}) => {
    const hub = makeHub()
    const [reader] = await join(hub, 'reader')
    const port = await hub.attach(new SocketPort({ socket: path, role: 'listen', name: 'trunk', ...options }))
    const peer = await dial()
    await isUp(port)
    return { hub, reader, port, peer }
  }

  for (const io of ['auto', 'epoll'] as const) {
    it(`joins the hubs of two engines by a stream, both ways and unchanged (${io})`, async () => {
      const [here, there] = [makeHub(io), makeHub(io)]
      const [a] = await join(here, 'a')
      const [b] = await join(there, 'b')
      const near = await here.attach(new SocketPort({ socket: path, role: 'listen' }))
      const far = await there.attach(new SocketPort({ socket: path }))
      expect(far.state).to.equal('up')
      await isUp(near)
      const frames = Array.from({ length: 500 }, (_, tag) => frame({ tag, length: 60 + ((tag * 31) % 1455) }))
      a.send(frames)
      expect((await receive(b, 500)).map(({ bytes }) => bytes)).to.deep.equal(frames)
      b.send(frames)
      expect((await receive(a, 500)).map(({ bytes }) => bytes)).to.deep.equal(frames)
      expect(near.stats().transmitted.frames).to.equal(500n)
      expect(near.stats().received.frames).to.equal(500n)
    })
  }

  it('joins them by TCP as well, IPv4 and IPv6', async () => {
    for (const [host, text] of [
      ['127.0.0.1', '127.0.0.1'],
      ['::1', '[::1]'],
    ] as const) {
      const free = net.createServer().listen(0, host)
      await once(free, 'listening')
      const { port } = free.address() as net.AddressInfo
      free.close()
      await once(free, 'close')
      const [here, there] = [makeHub(), makeHub()]
      const [a] = await join(here, 'a')
      const [b] = await join(there, 'b')
      const near = await here.attach(new SocketPort({ socket: `${text}:${port}`, role: 'listen' }))
      const far = await there.attach(new SocketPort({ socket: `${text}:${port}` }))
      await isUp(near)
      await isUp(far)
      a.send(numbered(10))
      expect((await receive(b, 10)).map(({ tag }) => tag)).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    }
  })

  it('speaks a length of four bytes before each frame, in whatever pieces they come', async () => {
    const { reader, peer } = await served()
    const bytes = Buffer.concat([framed(frame({ tag: 1 })), framed(frame({ tag: 2, length: 1514 }))])
    for (const byte of bytes) {
      peer.write(Uint8Array.of(byte))
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect((await receive(reader, 2)).map(({ tag }) => tag)).to.deep.equal([1, 2])
    const answer = frame({ tag: 3, length: 100 })
    const heard = once(peer, 'data')
    reader.send(answer)
    expect((await heard)[0]).to.deep.equal(framed(answer))
  })

  it('fills what it sends up to 60 bytes where that is asked for, as do the ports of peers', async () => {
    const { reader, peer } = await served({ pad: true })
    const hub = makeHub()
    const [other] = await join(hub, 'reader')
    const server = closes(await hub.listen({ socket: joinPath(directory, 'peers.sock'), pad: true }))
    const connected = once(server, 'connect')
    const second = await dial({ path: joinPath(directory, 'peers.sock') })
    await connected
    for (const [from, to] of [
      [reader, peer],
      [other, second],
    ] as const) {
      const right = [42, 60, 61].map((length) => ({
        sent: frame({ length, tag: 5 }),
        length: Math.max(60, length),
      }))
      from.send(right.map(({ sent }) => sent))
      let heard = Buffer.alloc(0)
      while (heard.length < 12 + 60 + 60 + 61)
        heard = Buffer.concat([heard, (await once(to, 'data'))[0] as Buffer])
      expect(heard).to.deep.equal(
        Buffer.concat(
          right.map(({ sent, length }) => framed(Buffer.concat([sent, Buffer.alloc(length - sent.length)]))),
        ),
      )
    }
  })

  it('counts what is too short or too long, and goes on behind it', async () => {
    const { reader, port, peer } = await served({ frameLimit: 1518 })
    peer.write(
      Buffer.concat([
        framed(new Uint8Array(0)),
        framed(new Uint8Array(13)),
        framed(new Uint8Array(1519)),
        framed(new Uint8Array(69_632)),
        framed(frame({ tag: 7 })),
      ]),
    )
    expect((await receive(reader, 1))[0]!.tag).to.equal(7)
    expect(dropped(port.stats().dropped)).to.deep.equal({ runt: 2, oversize: 2 })
  })

  for (const length of [69_633, 0xffff_ffff])
    it(`ends a connection that announces a frame of ${length} bytes, and takes the next`, async () => {
      const { reader, port, peer } = await served()
      const down = once(port, 'down')
      const hungUp = once(peer, 'close')
      peer.write(framed(frame(), length))
      const [error] = (await down) as [Error]
      expect(error.message).to.match(
        /^the peer of port 'trunk' at .*lab\.sock sends no frames: a length that no frame has/,
      )
      expect(port.stats().dropped['no-frame']).to.equal(1n)
      await hungUp
      const next = await dial()
      await isUp(port)
      next.write(framed(frame({ tag: 5 })))
      expect((await receive(reader, 1))[0]!.tag).to.equal(5)
    })

  it('drops half a frame with its peer', async () => {
    const { reader, port, peer } = await served()
    peer.end(framed(frame({ tag: 1, length: 100 })).subarray(0, 50))
    await once(port, 'down')
    const next = await dial()
    await isUp(port)
    next.write(framed(frame({ tag: 2 })))
    expect((await receive(reader, 1)).map(({ tag }) => tag)).to.deep.equal([2])
  })

  it('is down without a peer, drops as port-down, and comes up with each; listeners hear of both', async () => {
    const hub = makeHub()
    const [a] = await join(hub, 'a')
    const events: string[] = []
    hub.on('port:down', ({ port, error }) => events.push(`${port.name} down: ${error.message}`))
    hub.on('port:up', ({ port }) => events.push(`${port.name} up`))
    const port = await hub.attach(new SocketPort({ socket: path, role: 'listen', name: 'trunk' }))
    expect([port.state, port.carrierOn]).to.deep.equal(['down', false])
    a.send(frame())
    await until(() => port.stats().dropped['port-down'] === 1n)
    for (let round = 0; round < 3; round++) {
      const peer = await dial()
      await isUp(port)
      expect(port.carrierOn).to.equal(true)
      const gone = once(port, 'down')
      peer.destroy()
      await gone
    }
    const left = `trunk down: the peer of port 'trunk' at ${path} has gone`
    expect(events).to.deep.equal([
      `trunk down: port 'trunk' waits for a peer at ${path}`,
      ...['trunk up', left, 'trunk up', left, 'trunk up', left],
    ])
  })

  it('takes one peer at a time, and the next when that has gone', async () => {
    const { reader, peer, port } = await served()
    const second = await dial()
    second.write(framed(frame({ tag: 2 })))
    peer.write(framed(frame({ tag: 1 })))
    expect((await receive(reader, 1))[0]!.tag).to.equal(1)
    peer.destroy()
    expect((await receive(reader, 1))[0]!.tag).to.equal(2)
    await isUp(port)
  })

  it('connects as soon as somebody listens, and again after each end', async () => {
    const hub = makeHub()
    const [reader] = await join(hub, 'reader')
    const port = await hub.attach(new SocketPort({ socket: path, name: 'trunk' }))
    expect(port.state).to.equal('down')
    for (let round = 0; round < 3; round++) {
      const server = net.createServer().listen(path)
      const [peer] = (await once(server, 'connection')) as [net.Socket]
      peer.on('error', () => undefined)
      await isUp(port)
      peer.write(framed(frame({ tag: round })))
      expect((await receive(reader, 1))[0]!.tag).to.equal(round)
      const gone = once(port, 'down')
      peer.destroy()
      server.close()
      await gone
    }
  })

  it('survives a peer that reconnects 1000 times', async () => {
    const { hub, reader, port, peer } = await served()
    const [other] = await join(hub, 'other')
    peer.destroy()
    const before = process.memoryUsage().rss
    for (let round = 0; round < 1000; round++) {
      const next = net.connect(path)
      next.on('error', () => undefined)
      next.write(framed(frame({ tag: round })))
      other.send(frame({ tag: 5000 }))
      const heard = (await receive(reader, 2)).map(({ tag }) => tag)
      expect(heard.sort((one, two) => one - two)).to.deep.equal([round, 5000])
      next.destroy()
    }
    expect(port.stats().received.frames).to.equal(1000n)
    // The sanitizer keeps what is freed for a while.
    if (process.env.ASAN_OPTIONS === undefined)
      expect(process.memoryUsage().rss - before).to.be.lessThan(64 << 20)
  })

  it('drops for a peer that stops reading, as port-full, and nobody else loses a frame', async () => {
    const { hub, reader, port, peer } = await served()
    const [a] = await join(hub, 'a')
    peer.pause()
    const frames = numbered(1000, { length: 1514 })
    for (let round = 0; port.stats().dropped['port-full'] === 0n; round++) {
      a.send(frames)
      expect((await receive(reader, 1000)).length).to.equal(1000)
    }
    expect(port.state).to.equal('up')
    const { transmitted } = port.stats()
    let bytes = 0
    peer.on('data', (chunk: Buffer) => (bytes += chunk.length))
    peer.resume()
    await until(() => bytes === Number(transmitted.frames) * 1518)
    a.send(frame())
    await until(() => bytes === Number(transmitted.frames) * 1518 + 64)
  })

  it('makes its path for its user alone unless told otherwise, and removes it', async () => {
    const hub = makeHub()
    const port = await hub.attach(new SocketPort({ socket: path, role: 'listen' }))
    expect(statSync(path).mode & 0o777).to.equal(0o600)
    await hub.detach(port)
    expect(existsSync(path)).to.equal(false)
    await hub.attach(new SocketPort({ socket: path, role: 'listen', mode: 0o666, name: 'open' }))
    expect(statSync(path).mode & 0o777).to.equal(0o666)
    await hub.close()
    expect(existsSync(path)).to.equal(false)
  })

  it('takes over a path that nobody serves, but neither a served one nor a file', async () => {
    const hub = makeHub()
    const server = net.createServer().listen(path)
    await once(server, 'listening')
    const error = await refusal(hub.attach(new SocketPort({ socket: path, role: 'listen' })))
    expect(error.message).to.contain(`another running program serves ${path}`)
    server.close()
    await once(server, 'close')

    const file = joinPath(directory, 'file')
    writeFileSync(file, '')
    const refused = await refusal(hub.attach(new SocketPort({ socket: file, role: 'listen' })))
    expect(refused.message).to.contain('is not a socket, so it is left alone')
    expect(existsSync(file)).to.equal(true)
  })

  it('joins hubs by Unix datagrams; the side that listens learns who the other is', async () => {
    const [here, there] = [makeHub(), makeHub()]
    const [a] = await join(here, 'a')
    const [b] = await join(there, 'b')
    const near = await here.attach(new SocketPort({ socket: path, role: 'listen', framing: 'datagram' }))
    const local = joinPath(directory, 'far.sock')
    const far = await there.attach(new SocketPort({ socket: path, framing: 'datagram', local }))
    a.send(frame())
    await until(() => near.stats().dropped['port-down'] === 1n)
    b.send(numbered(5))
    expect((await receive(a, 5)).map(({ tag }) => tag)).to.deep.equal([0, 1, 2, 3, 4])
    a.send(numbered(5))
    expect((await receive(b, 5)).map(({ tag }) => tag)).to.deep.equal([0, 1, 2, 3, 4])

    await there.attach(new SocketPort({ socket: path, framing: 'datagram', name: 'stranger' }))
    await there.path(b, far).deny()
    b.send(frame())
    await until(() => near.stats().dropped['wrong-peer'] === 1n)
  })

  it('has one frame in each message of a connection', async () => {
    const [here, there] = [makeHub(), makeHub()]
    const [a] = await join(here, 'a')
    const [b] = await join(there, 'b')
    const near = await here.attach(new SocketPort({ socket: path, role: 'listen', framing: 'seqpacket' }))
    const far = await there.attach(new SocketPort({ socket: path, framing: 'seqpacket' }))
    await isUp(near)
    b.send(numbered(5))
    expect((await receive(a, 5)).map(({ tag }) => tag)).to.deep.equal([0, 1, 2, 3, 4])
    const gone = once(near, 'down')
    await there.detach(far)
    await gone
  })

  it("takes a connected descriptor, which stays its giver's; when its peer goes it stays down", async () => {
    const hub = makeHub()
    const [reader] = await join(hub, 'reader')
    // What a child gets as its standard input is one end of a connected pair; this one sends all of it back.
    const child = spawn('sh', ['-c', 'exec cat >&0'], { stdio: ['pipe', 'inherit', 'inherit'] })
    closes({
      close: () => {
        child.kill('SIGKILL')
      },
    })
    child.stdin.on('error', () => undefined)
    const { fd } = (child.stdin as unknown as { _handle: { fd: number } })._handle
    const port = await hub.attach(new SocketPort({ fd, name: 'given' }))
    expect([port.state, port.framing]).to.deep.equal(['up', 'stream'])
    const other = new SocketPort({ fd, framing: 'datagram' })
    expect((await refusal(hub.attach(other))).message).to.contain(
      "a descriptor of another type of socket has no framing 'datagram'",
    )
    for (const tag of [4, 5]) {
      reader.send(frame({ tag }))
      expect((await receive(reader, 1))[0]!.tag).to.equal(tag)
      await hub.detach(port)
      await hub.attach(port)
    }
    const gone = once(port, 'down')
    child.kill('SIGKILL')
    await gone
    expect(port.state).to.equal('down')
  })

  it('makes a port for each peer that comes to one path, and takes it away with the peer', async () => {
    const hub = makeHub()
    const server = await hub.listen({ socket: path, name: 'slave%d' })
    const slaves = await Promise.all(
      [0, 1, 2].map(async () => {
        const fabric = makeHub()
        const [station] = await join(fabric, 'station')
        const trunk = await fabric.attach(new SocketPort({ socket: path, name: 'trunk' }))
        return { fabric, station, trunk }
      }),
    )
    await until(() => server.ports.length === 3 && server.ports.every(({ state }) => state === 'up'))
    expect([...hub.ports.keys()].sort()).to.deep.equal(['slave0', 'slave1', 'slave2'])
    for (const [index, { station }] of slaves.entries()) {
      station.send(frame({ tag: index }))
      for (const other of slaves)
        if (other.station !== station) expect((await receive(other.station, 1))[0]!.tag).to.equal(index)
    }
    const gone = once(server, 'disconnect')
    await slaves[1]!.fabric.close()
    const [port] = (await gone) as [SocketPort]
    expect([port.state, hub.ports.has(port.name), hub.ports.size]).to.deep.equal(['detached', false, 2])
    slaves[0]!.station.send(frame({ tag: 9 }))
    expect((await receive(slaves[2]!.station, 1))[0]!.tag).to.equal(9)

    const came = once(server, 'connect')
    await dial()
    expect(((await came) as [SocketPort])[0].name, 'the free name').to.equal(port.name)
    await server.close()
    expect([hub.ports.size, existsSync(path)]).to.deep.equal([0, false])
    await until(() => slaves[0]!.trunk.state === 'down')

    await hub.listen({ socket: path })
    await until(() => slaves[0]!.trunk.state === 'up')
    await hub.close()
    expect(existsSync(path)).to.equal(false)
    expect((await refusal(makeHub().listen({ socket: path, name: 'same' }))).message).to.contain(
      "must be letters, digits, '-' or '_' with one '%d' among them, such as 'peer%d'",
    )
  })

  it('brings what its peer sent before it was attached, too', async () => {
    const hub = makeHub()
    const [reader] = await join(hub, 'reader')
    for (let round = 0; round < 100; ++round) {
      const [ours, theirs] = sockets.socketPair('stream')
      writeSync(theirs, framed(frame({ tag: round })))
      const port = await hub.attach(new SocketPort({ fd: ours }))
      expect((await receive(reader, 1)).map(({ tag }) => tag)).to.deep.equal([round])
      await hub.detach(port)
      for (const fd of [ours, theirs]) closeSync(fd)
    }
  })

  it('lets as many peers in as are allowed; the next waits until one goes', async () => {
    const hub = makeHub()
    const server = await hub.listen({ socket: path, peers: 1 })
    const came = once(server, 'connect')
    const first = await dial()
    await came
    const second = await dial()
    const next = once(server, 'connect')
    expect(server.ports.length).to.equal(1)
    first.destroy()
    await next
    expect(server.ports.length).to.equal(1)
    const third = await dial()
    const another = once(server, 'connect')
    await hub.detach(server.ports[0]!) // by the user of the fabric
    await another
    expect(server.ports.length).to.equal(1)
    for (const peer of [second, third]) peer.destroy()
  })

  it('has a peer that never sent a frame make room after 10 s, and no other', async () => {
    const hub = makeHub()
    const [reader] = await join(hub, 'reader')
    const server = await hub.listen({ socket: path, peers: 2 })
    mock.timers.enable({ apis: ['setTimeout'] })
    closes({ close: () => mock.timers.reset() })
    const come = async () => {
      const came = once(server, 'connect')
      const peer = await dial()
      return { peer, port: (await came)[0] as SocketPort }
    }
    const talker = await come()
    const silent = await come()
    talker.peer.write(framed(frame({ tag: 1 })))
    await receive(reader, 1)
    const gone = once(server, 'disconnect')
    const connected = once(server, 'connect')
    const next = await dial()
    mock.timers.tick(9_999)
    next.write(framed(frame({ tag: 2 })))
    await new Promise(setImmediate)
    expect(server.ports).to.deep.equal([talker.port, silent.port])

    mock.timers.tick(1)
    const [port, error] = (await gone) as [SocketPort, Error]
    expect([port, error.message]).to.deep.equal([
      silent.port,
      "port 'peer1' made room for another peer: it had sent no frame in 10 s",
    ])
    await once(silent.peer.resume(), 'close')
    const [newcomer] = (await connected) as [SocketPort]
    expect((await receive(reader, 1)).map(({ tag }) => tag)).to.deep.equal([2])

    // Both have sent frames: who comes now waits, for as long as it takes.
    const last = await dial()
    mock.timers.tick(1_000_000)
    await new Promise(setImmediate)
    expect(server.ports).to.deep.equal([talker.port, newcomer])
    const letIn = once(server, 'connect')
    talker.peer.destroy()
    await letIn
    last.destroy()
    await server.close()
  })

  it('connects no longer when it is told so by a signal, and leaves nothing', async () => {
    const listener = sockets.bindSocket({ ip: '127.0.0.1', port: 0, framing: 'stream', mode: 0 })
    closes({ close: () => sockets.closeSocket(listener) })
    const address = sockets.socketAddress(listener)
    const port = Number(address.split(':')[1])
    // Nobody is let in, so those who wait fill the listener's list: the next is not answered any more.
    for (let count = 0; count < 160; count++) {
      const { socket } = sockets.connectSocket({ ip: '127.0.0.1', port, framing: 'stream' })
      closes({ close: () => sockets.closeSocket(socket) })
    }
    const hub = makeHub()
    const before = openSockets()
    mock.timers.enable({ apis: ['setTimeout'] }) // so that it does not give up by itself
    closes({ close: () => mock.timers.reset() })
    const control = new AbortController()
    const trunk = new SocketPort({ socket: address })
    const attached = rejection(hub.attach(trunk, { signal: control.signal }))
    await new Promise(setImmediate)
    expect(openSockets(), 'it is connecting').to.equal(before + 1)
    const reason = new Error('changed my mind')
    control.abort(reason)
    expect(await attached).to.equal(reason)
    expect([trunk.state, hub.ports.size, openSockets()]).to.deep.equal(['detached', 0, before])
  })

  it('refuses what cannot be', async () => {
    const messages: [SocketPortOptions, string][] = [
      [{}, "option 'socket' of SocketPort is required, or 'fd'"],
      [{ socket: 'nowhere' }, "must be a path of at most 107 bytes such as '/run/lab.sock', or an address"],
      [{ socket: `/${'x'.repeat(108)}` }, 'must be a path of at most 107 bytes'],
      [{ socket: '127.0.0.1:70000' }, "an address with a port such as '127.0.0.1:5000' or '[::1]:5000'"],
      [{ socket: '127.0.0.1:5000', framing: 'datagram' }, 'UdpPort has datagrams of IP'],
      [{ socket: '/run/x', local: '/run/y' }, "given only with framing 'datagram' and role 'connect'"],
      [{ fd: 3, role: 'listen' }, "given without 'role': it is connected as it is"],
      [{ socket: '/run/x', frameLimit: 69_633 }, 'must be a whole number from 64 to 69632 bytes'],
    ]
    for (const [options, message] of messages)
      expect((await refusal(() => new SocketPort(options))).message).to.contain(message)
    const hub = makeHub()
    expect((await refusal(hub.attach(new SocketPort({ fd: 0x7ffffff })))).message).to.contain(
      'cannot be used',
    )
    const virtual = closes(new Engine({ clock: 'virtual' }))
    const error = await refusal(new Hub({ engine: virtual }).attach(new SocketPort({ socket: path })))
    expect(error.code).to.equal('ERR_ETHERLOOM_STATE')
  })
})
