/** Framings of gvisor-tap-vsock: `vpnkit`, and `hyperkit` with its greeting. Peers that speak byte by byte, well or badly. */
import { expect } from 'chai'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import { mock } from 'node:test'
import { Hub, SocketPort, type EtherloomError, type SocketServer } from '../../lib/index.js'
import { refusal } from '../helpers/errors.js'
import { closing, dropped, join, receive, until } from '../helpers/fabric.js'
import { frame, numbered } from '../helpers/frames.js'
import { Child, served } from '../helpers/kernel.js'
import { openSockets } from '../helpers/sockets.js'

const uuid = '12345678-9abc-def0-1234-56789abcdef0'
const opening = Buffer.from('VMN3T\x16\0\0\0' + 'a'.repeat(40), 'latin1')
const request = Buffer.from(`\x01${uuid}\0\0\0\0`, 'latin1')
const answer = Buffer.alloc(258)
answer.set([1, 0xdc, 0x05, 0xea, 0x05, 2, 0, 0, 0, 0, 1])

/** A frame as it stands in the stream: behind its length, the lower byte first. */
const framed = (bytes: Uint8Array): Buffer =>
  Buffer.concat([Uint8Array.of(bytes.length & 0xff, bytes.length >> 8), bytes])

/** A peer of another process, to be killed: `PATH HEX COUNT` says the bytes, hears so many, says how many, and waits. */
const greeter = `
import socket, sys
peer = socket.socket(socket.AF_UNIX)
peer.connect(sys.argv[1])
peer.sendall(bytes.fromhex(sys.argv[2]))
print(len(peer.recv(int(sys.argv[3]), socket.MSG_WAITALL)), flush=True)
peer.recv(1)
`

for (const framing of ['vpnkit', 'hyperkit'] as const)
  describe(`The framing '${framing}'`, function () {
    this.timeout(60_000)
    const closes = closing()
    const makeHub = () => closes(new Hub({ name: 'lab', engine: { memory: '16MiB' } }))
    let path: string

    beforeEach(() => {
      const folder = mkdtempSync(joinPath(tmpdir(), 'etherloom-hyperkit-'))
      closes({
        close: () => {
          rmSync(folder, { recursive: true, force: true })
        },
      })
      path = joinPath(folder, 'lab.sock')
    })

    /** A peer that has connected, with what it has heard. */
    class Peer {
      heard = Buffer.alloc(0)
      readonly socket: net.Socket
      constructor(socket: net.Socket = net.connect(path)) {
        this.socket = socket.on('error', () => undefined)
        socket.on('data', (bytes: Buffer) => (this.heard = Buffer.concat([this.heard, bytes])))
        closes({
          close: () => {
            socket.destroy()
          },
        })
      }
      /** Until the other side has closed it. */
      ended(): Promise<unknown> {
        return new Promise((resolve) => this.socket.once('close', resolve))
      }
      /** So many bytes that it has heard, or fewer where it is over before. */
      async take(count: number): Promise<Buffer> {
        await until(() => this.heard.length >= count || this.socket.destroyed)
        const bytes = this.heard.subarray(0, count)
        this.heard = this.heard.subarray(count)
        return bytes
      }
      /** Greets where that is the custom: as one that connects. */
      async greet(): Promise<void> {
        if (framing === 'vpnkit') return
        this.socket.write(opening)
        expect(await this.take(49)).to.deep.equal(opening)
        this.socket.write(request)
        expect((await this.take(258))[0]).to.equal(1)
      }
    }

    it('has two bytes of length before each frame, the lower first, in pieces of any size', async () => {
      const hub = makeHub()
      const [reader] = await join(hub, 'reader')
      const port = await hub.attach(new SocketPort({ socket: path, role: 'listen', framing }))
      const peer = new Peer()
      await peer.greet()
      await until(() => port.state === 'up')
      const frames = [60, 255, 256, 1514].map((length, tag) => frame({ tag, length }))
      const stream = Buffer.concat(frames.map(framed))
      for (const byte of stream) peer.socket.write(Uint8Array.of(byte))
      expect((await receive(reader, 4)).map(({ bytes }) => bytes)).to.deep.equal(frames)
      reader.send(frames)
      expect(await peer.take(stream.length)).to.deep.equal(stream)
      peer.socket.write(Buffer.concat([Buffer.alloc(4), stream]))
      await receive(reader, 4)
      expect(dropped(port.stats().dropped)).to.deep.equal({ runt: 2 })
      const down = once(port, 'down') as Promise<[Error]>
      peer.socket.destroy()
      expect((await down)[0].message).to.equal(`the peer of port 'socket0' at ${path} has gone`)
    })

    it('joins fabrics of ours, by listen and by ports, and again after an end', async () => {
      const [here, there] = [makeHub(), makeHub()]
      const [[a], [b]] = [await join(here, 'a'), await join(there, 'b')]
      const server = await here.listen({ socket: path, framing })
      const port = await there.attach(new SocketPort({ socket: path, framing }))
      await until(() => server.ports.length === 1)
      b.send(numbered(3))
      expect((await receive(a, 3)).map(({ tag }) => tag)).to.deep.equal([0, 1, 2])
      const down = once(port, 'down')
      await server.close()
      await down
      const listener = await here.attach(new SocketPort({ socket: path, role: 'listen', framing }))
      await Promise.all([until(() => port.state === 'up'), until(() => listener.state === 'up')])
      a.send(numbered(3))
      expect((await receive(b, 3)).map(({ tag }) => tag)).to.deep.equal([0, 1, 2])
    })

    it('hears frames that come with the last word of the greeting', async () => {
      const hub = makeHub()
      const [reader] = await join(hub, 'reader')
      await hub.listen({ socket: path, framing })
      const peer = new Peer()
      const greeting = framing === 'hyperkit' ? [opening, request] : []
      peer.socket.write(Buffer.concat([...greeting, framed(frame({ tag: 9 }))]))
      expect((await receive(reader, 1))[0]!.tag).to.equal(9)
    })

    it('leaves out frames that are too long, however many, and hears the next', async () => {
      const hub = makeHub()
      const [reader] = await join(hub, 'reader')
      const options = { socket: path, role: 'listen', framing, frameLimit: 1600 } as const
      const port = await hub.attach(new SocketPort(options))
      const peer = new Peer()
      await peer.greet()
      peer.socket.write(Buffer.concat([Buffer.alloc(3 * 65_537, 0xff), framed(frame({ tag: 5 }))]))
      expect((await receive(reader, 1))[0]!.tag).to.equal(5)
      expect(dropped(port.stats().dropped)).to.deep.equal({ oversize: 3 })
    })

    it('waits for the rest of a frame, and the port works the other way meanwhile', async () => {
      const hub = makeHub()
      const [reader, other] = await join(hub, 'reader', 'other')
      const port = await hub.attach(new SocketPort({ socket: path, role: 'listen', framing }))
      const peer = new Peer()
      await peer.greet()
      peer.socket.write(Buffer.alloc(100, 0xff))
      await until(() => port.state === 'up')
      other.send(frame({ tag: 6 }))
      expect(await peer.take(62)).to.deep.equal(framed(frame({ tag: 6 })))
      expect((await receive(reader, 1))[0]!.tag).to.equal(6)
      expect([port.state, port.stats().received.frames]).to.deep.equal(['up', 0n])
    })

    it('has a peer that goes right after it was let in be a peer that has gone', async () => {
      const hub = makeHub()
      const server = await hub.listen({ socket: path, framing })
      const gone = once(server, 'disconnect') as Promise<[SocketPort, Error]>
      const peer = new Peer()
      await peer.greet()
      peer.socket.destroy()
      const [port, error] = await gone
      expect(error.message).to.equal(`the peer of port '${port.name}' at ${path} has gone`)
      expect([server.ports.length, hub.ports.size]).to.deep.equal([0, 0])
    })

    if (framing === 'vpnkit') return

    const failureOf = async (server: SocketServer) =>
      ((await once(server, 'failure')) as [EtherloomError])[0].message

    it('greets in pieces of a byte', async () => {
      const hub = makeHub()
      const server = await hub.listen({ socket: path, framing })
      const peer = new Peer()
      for (const byte of Buffer.concat([opening, request])) {
        peer.socket.write(Uint8Array.of(byte))
        await new Promise((resolve) => setImmediate(resolve))
      }
      await until(() => server.ports.length === 1)
      const answered = await peer.take(307)
      expect([...answered.subarray(49, 54)]).to.deep.equal([1, 0xdc, 0x05, 0xea, 0x05])
    })

    for (const [what, said, words] of [
      ['something else', 'GET / HTTP/1.1\r\n'.padEnd(90), "it begins with 'GET /', not with 'VMN3T'"],
      ['a length and a frame', Buffer.alloc(90), 'not with'],
      ['no UUID', Buffer.concat([opening, Buffer.alloc(41, 1)]), 'where the UUID of its machine belongs'],
      [
        'another command',
        Buffer.concat([opening, Buffer.alloc(41)]),
        'it asks for something else (0) than a network card',
      ],
      ['half of it', opening, 'it has gone before it had greeted'],
      ['nothing', '', 'it has gone before it had greeted'],
    ] as const)
      it(`refuses a peer that says ${what}, and nobody else notices`, async () => {
        const hub = makeHub()
        const [reader] = await join(hub, 'reader')
        const server = await hub.listen({ socket: path, framing })
        const good = new Peer()
        await good.greet()
        const failure = failureOf(server)
        const bad = new Peer()
        const ended = bad.ended()
        bad.socket.end(said)
        const message = await failure
        expect(message).to.include(`a peer at ${path} is refused: it `).and.to.include(words)
        expect(message).to.include("see whether it speaks hyperkit's greeting")
        await ended
        expect(server.ports).to.have.length(1)
        good.socket.write(framed(frame({ tag: 4 })))
        expect((await receive(reader, 1))[0]!.tag).to.equal(4)
        await new Peer().greet() // and the next comes in
      })

    /** What a peer says, whole or a byte each second, and then no more. */
    const silences: [what: string, said: Buffer, slowly?: 'slowly'][] = [
      ['says nothing', Buffer.alloc(0)],
      ['stops within its opening', opening.subarray(0, 20)],
      ['stops before its request', opening],
      ['stops within its request', Buffer.concat([opening, request.subarray(0, 30)])],
      ['says a byte each second', opening, 'slowly'],
    ]
    /** Five seconds, on the clock of the test; the peer says what it has to say, and is there until they are over. */
    const fiveSeconds = async (peer: Peer, said: Buffer, slowly?: 'slowly') => {
      if (!slowly) peer.socket.write(said)
      for (let second = 0; second < 5; second++) {
        if (slowly) peer.socket.write(said.subarray(second, second + 1))
        await new Promise(setImmediate)
        mock.timers.tick(second === 4 ? 999 : 1000)
      }
      await new Promise(setImmediate)
      expect(peer.socket.destroyed, 'before its time').to.be.false
      mock.timers.tick(1)
    }

    for (const way of ['listen', 'a port that listens'] as const)
      for (const [what, said, slowly] of silences)
        it(`${way}: a peer that ${what} goes after 5 s, with a reason; others lose nothing`, async () => {
          const hub = makeHub()
          const [reader, other] = await join(hub, 'reader', 'other')
          mock.timers.enable({ apis: ['setTimeout'] })
          closes({ close: () => mock.timers.reset() })
          const options = { socket: path, framing }
          const listener =
            way === 'listen'
              ? await hub.listen(options)
              : await hub.attach(new SocketPort({ ...options, role: 'listen' }))
          const isUp = () => ('ports' in listener ? listener.ports.length === 1 : listener.state === 'up')
          const told =
            'ports' in listener
              ? failureOf(listener)
              : once(process, 'warning').then(([error]) => (error as Error).message)
          const before = openSockets()
          const bad = new Peer()
          const ended = bad.ended()
          await until(() => openSockets() === before + 2) // both ends of it
          other.send(numbered(10))
          await fiveSeconds(bad, said, slowly)
          await ended
          expect(await told).to.include('is refused: it has not greeted within 5 s')
          await new Peer().greet()
          await until(isUp)
          other.send(numbered(10))
          expect(await receive(reader, 20)).to.have.length(20)
        })

    it('is not impressed by a storm of peers that go in the middle of it', async () => {
      const hub = makeHub()
      const [reader, other] = await join(hub, 'reader', 'other')
      const server = await hub.listen({ socket: path, framing })
      const failures: string[] = []
      server.on('failure', ({ message }) => failures.push(message))
      const before = openSockets()
      const words = Buffer.concat([opening, request])
      for (let round = 0; round < 40; round++) {
        const peers = Array.from({ length: 8 }, () => new Peer())
        const ended = peers.map((peer) => peer.ended())
        for (const [index, { socket }] of peers.entries())
          socket.end(words.subarray(0, (round * 8 + index) % words.length))
        other.send(numbered(10))
        await Promise.all(ended)
      }
      expect(await receive(reader, 400)).to.have.length(400)
      await until(() => openSockets() === before)
      expect(failures, 'said once').to.have.length(1)
      await new Peer().greet()
      await until(() => server.ports.length === 1)
    })

    it('sends silent peers away, sooner where there are many, and lets others in', async () => {
      const hub = makeHub()
      const server = await hub.listen({ socket: path, framing })
      const failure = failureOf(server)
      const silent = Array.from({ length: 70 }, () => new Peer())
      expect(await failure).to.include('it has not greeted within 0.5 s')
      await new Peer().greet()
      await until(() => server.ports.length === 1)
      silent.forEach(({ socket }) => socket.destroy())
    })

    it('ends while a peer is greeting: it goes with the server, the port or the fabric', async () => {
      for (const way of ['server', 'port', 'fabric']) {
        const hub = makeHub()
        const listener =
          way === 'port'
            ? await hub.attach(new SocketPort({ socket: path, role: 'listen', framing }))
            : await hub.listen({ socket: path, framing })
        const peer = new Peer()
        peer.socket.write(opening)
        await peer.take(49)
        const ended = peer.ended()
        if (listener instanceof SocketPort) await hub.detach(listener)
        else if (way === 'server') await listener.close()
        else await hub.close()
        await ended
      }
    })

    it('notices that a peer was killed, and takes the next', async () => {
      const hub = makeHub()
      const server = await hub.listen({ socket: path, framing })
      const spoken = async (said: Buffer, count: number) => {
        const child = closes(new Child(['python3', '-c', greeter, path, said.toString('hex'), `${count}`]))
        expect(await child.line()).to.equal(`${count}`)
        return child
      }
      for (let round = 0; round < 2; round++) {
        const child = await spoken(Buffer.concat([opening, request]), 307)
        await until(() => server.ports.length === 1)
        const gone = once(server, 'disconnect')
        child.signal('SIGKILL')
        await gone
      }
      const failure = failureOf(server)
      const child = await spoken(opening, 49)
      child.signal('SIGKILL')
      expect(await failure).to.include('it has gone before it had greeted')
      await new Peer().greet()
    })

    it('of a port that listens, refuses a peer once in words, and takes the next', async () => {
      const hub = makeHub()
      const port = await hub.attach(new SocketPort({ socket: path, role: 'listen', framing }))
      const warned = once(process, 'warning') as Promise<[Error]>
      for (let round = 0; round < 3; round++) {
        const bad = new Peer()
        const ended = bad.ended()
        bad.socket.write(Buffer.alloc(49))
        await ended
      }
      expect((await warned)[0].message).to.include(`the peer at ${path} is refused: it begins with`)
      expect(port.state).to.equal('down')
      await new Peer().greet()
      await until(() => port.state === 'up')
    })

    describe('of a port that connects', () => {
      /** Who listens at the path, and says this to everybody. */
      const serve = async (said: (peer: Peer) => void | Promise<void>) => {
        const server = net.createServer((socket) => void said(new Peer(socket))).listen(path)
        closes({ close: () => void server.close() })
        await served(path)
      }

      it('greets: an opening, a request with a UUID, and frames behind the answer', async () => {
        let asked: Buffer | undefined
        await serve(async (peer) => {
          const opened = await peer.take(49)
          peer.socket.write(opened)
          asked = Buffer.concat([opened, await peer.take(41)])
          peer.socket.write(Buffer.concat([answer, framed(frame({ tag: 3 }))]))
        })
        const hub = makeHub()
        const [reader] = await join(hub, 'reader')
        const port = await hub.attach(new SocketPort({ socket: path, framing }))
        expect(port.state).to.equal('up')
        expect((await receive(reader, 1))[0]!.tag).to.equal(3)
        expect(asked!.toString('latin1', 0, 5)).to.equal('VMN3T')
        expect([asked![49], asked!.toString('latin1', 50, 86)]).to.satisfy(
          ([command, id]: [number, string]) => command === 1 && /^[0-9a-f-]{36}$/.test(id),
        )
      })

      for (const [what, said, words] of [
        ['no card', (peer: Peer) => void peer.socket.write(Buffer.alloc(307)), 'it gives no network card'],
        ['an end', (peer: Peer) => void peer.socket.end(), 'it has gone before it had greeted'],
      ] as const)
        it(`is refused with ${what}, and leaves nothing`, async () => {
          await serve(said)
          const hub = makeHub()
          const error = await refusal(hub.attach(new SocketPort({ socket: path, framing })))
          expect(error.message).to.include(`the peer at ${path} is refused: ${words}`)
          expect(hub.ports.size).to.equal(0)
        })

      for (const [what, said, slowly] of [
        ['says nothing', Buffer.alloc(0)],
        ['stops within its opening', opening.subarray(0, 20)],
        ['stops within its answer', Buffer.concat([opening, answer.subarray(0, 100)])],
        ['says a byte each second', opening, 'slowly'],
      ] as typeof silences)
        it(`is refused after 5 s by one that ${what}; others lose nothing`, async () => {
          const hub = makeHub()
          const [reader, other] = await join(hub, 'reader', 'other')
          mock.timers.enable({ apis: ['setTimeout'] })
          closes({ close: () => mock.timers.reset() })
          let peer!: Peer
          await serve((last) => void (peer = last))
          const refused = refusal(hub.attach(new SocketPort({ socket: path, framing })))
          await until(() => peer.heard.length === 49)
          const ended = peer.ended()
          other.send(numbered(10))
          await fiveSeconds(peer, said, slowly)
          expect((await refused).message).to.include(
            `the peer at ${path} is refused: it has not greeted within 5 s`,
          )
          await ended
          expect(await receive(reader, 10)).to.have.length(10)
        })

      it('says once why it does not come up again, waits longer each time, and comes up when it can', async () => {
        const peers: Peer[] = []
        let well = true
        await serve((peer) => {
          peers.push(peer)
          peer.socket.write(well ? Buffer.concat([opening, answer]) : Buffer.alloc(307))
        })
        const hub = makeHub()
        mock.timers.enable({ apis: ['setTimeout'] })
        closes({ close: () => mock.timers.reset() })
        const port = await hub.attach(new SocketPort({ socket: path, framing }))
        const warnings: string[] = []
        const hear = ({ message }: Error) => void warnings.push(message)
        process.on('warning', hear)
        closes({ close: () => void process.off('warning', hear) })
        const down = once(port, 'down') as Promise<[Error]>
        well = false
        peers.at(-1)!.socket.destroy() // right after the greeting
        expect((await down)[0].message).to.equal(`the peer of port 'socket0' at ${path} has gone`)
        for (const wait of [0, 10, 20, 50]) {
          const { length } = peers
          if (wait > 0) {
            mock.timers.tick(wait - 1)
            await new Promise(setImmediate)
            expect(peers, `before ${wait} ms`).to.have.length(length)
          }
          mock.timers.tick(1)
          await until(() => peers.length > length && peers.at(-1)!.socket.destroyed)
          await new Promise(setImmediate)
        }
        expect(warnings).to.have.length(1)
        expect(warnings[0]).to.include(`the peer at ${path} is refused: it gives no network card`)
        expect(port.state).to.equal('down')
        well = true
        mock.timers.tick(100)
        await until(() => port.state === 'up')
      })
    })

    it('is not for descriptors, and says so', async () => {
      const error = await refusal(() => new SocketPort({ fd: 7, framing }))
      expect(error.message).to.equal(
        "option 'fd' of SocketPort must be given without the framing 'hyperkit', which begins where a connection does, not 7",
      )
    })
  })
