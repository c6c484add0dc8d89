/** WebSocketPort: relays that come, go, refuse and misbehave, and what that costs nobody else. */
import { expect } from 'chai'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import { mock } from 'node:test'
import { WebSocketServer, type ServerOptions, type WebSocket } from 'ws'
import { Engine, Hub, WebSocketPort, type WebSocketPortOptions } from '../../lib/index.js'
import { refusal, rejection } from '../helpers/errors.js'
import { closing, dropped, join, receive, tags, until } from '../helpers/fabric.js'
import { frame, numbered } from '../helpers/frames.js'
import { freePort } from '../helpers/sockets.js'

describe('WebSocketPort', function () {
  this.timeout(60_000)
  const closes = closing()

  const makeHub = () => closes(new Hub({ engine: { memory: '16MiB' } }))
  /** A relay of another make; its peers are noted as they come. */
  const makeRelay = async (options: ServerOptions = {}, port = 0) => {
    const relay = new WebSocketServer({ host: '127.0.0.1', port, ...options })
    closes({
      close: () => {
        for (const peer of relay.clients) peer.terminate()
        relay.close()
      },
    })
    await once(relay, 'listening')
    const at = (relay.address() as net.AddressInfo).port
    return { relay, at, url: `ws://127.0.0.1:${at}/` }
  }
  /** Where any other server listens, until the test is over. */
  const listening = async (server: net.Server): Promise<number> => {
    server.listen(0, '127.0.0.1')
    closes({ close: () => void server.close() })
    await once(server, 'listening')
    return (server.address() as net.AddressInfo).port
  }
  const leave = async ({ relay }: { relay: WebSocketServer }) => {
    for (const peer of relay.clients) peer.terminate()
    relay.close()
    await once(relay, 'close')
  }
  /** A hub with a reader and a port that is connected, and the other end of that. */
  const connected = async (options: Partial<WebSocketPortOptions> = {}) => {
    const hub = makeHub()
    const [reader] = await join(hub, 'reader')
    const made = await makeRelay()
    const coming = once(made.relay, 'connection')
    const port = await hub.attach(new WebSocketPort({ websocket: made.url, name: 'relay', ...options }))
    const [peer, request] = (await coming) as [WebSocket, IncomingMessage]
    return { ...made, hub, reader, port, peer, request }
  }
  /** The next messages of a peer. */
  const hear = async (peer: WebSocket, count: number): Promise<Buffer[]> => {
    const heard: Buffer[] = []
    await new Promise<void>((resolve) => {
      peer.on('message', (data: Buffer) => {
        if (heard.push(data) === count) resolve()
      })
    })
    return heard
  }

  it('has one frame in each binary message, both ways and unchanged, of every length', async () => {
    const { reader, port, peer } = await connected()
    const frames = Array.from({ length: 500 }, (_, tag) => frame({ tag, length: 60 + ((tag * 31) % 1455) }))
    const heard = hear(peer, 500)
    reader.send(frames)
    expect((await heard).map((bytes) => Uint8Array.from(bytes))).to.deep.equal(frames)
    for (const bytes of frames) peer.send(bytes)
    expect((await receive(reader, 500)).map(({ bytes }) => bytes)).to.deep.equal(frames)
    expect(port.stats().transmitted.frames).to.equal(500n)
    expect(port.stats().received.frames).to.equal(500n)
    expect(port.state).to.equal('up')
  })

  it('offers no compression, and shows its token where only the relay sees it', async () => {
    const { request, port } = await connected({ token: 'open-sesame' })
    expect(request.headers['sec-websocket-extensions']).to.equal(undefined)
    expect(request.headers.authorization).to.equal('Bearer open-sesame')
    expect(request.url).to.equal('/')
    expect(port.address).to.match(/^ws:\/\/127\.0\.0\.1:\d+\/$/)
    const asked = new WebSocketPort({ websocket: 'ws://127.0.0.1:1/lab?token=open-sesame' })
    expect(asked.address).to.equal('ws://127.0.0.1:1/lab')
  })

  it('fills what it sends up to 60 bytes where that is asked for', async () => {
    const { reader, peer } = await connected({ pad: true })
    const heard = hear(peer, 3)
    reader.send([frame({ length: 42, tag: 5 }), frame({ length: 60, tag: 5 }), frame({ length: 61, tag: 5 })])
    const [short, ...others] = await heard
    expect(short).to.deep.equal(Buffer.concat([frame({ length: 42, tag: 5 }), Buffer.alloc(18)]))
    expect(others.map(({ length }) => length)).to.deep.equal([60, 61])
  })

  it('counts what is too short, and goes on behind it', async () => {
    const { reader, port, peer } = await connected()
    for (const bytes of [new Uint8Array(0), new Uint8Array(13), frame({ tag: 7 })]) peer.send(bytes)
    expect((await receive(reader, 1))[0]!.tag).to.equal(7)
    expect(dropped(port.stats().dropped)).to.deep.equal({ runt: 2 })
  })

  it('is down without a relay, drops as port-down, and comes up with each; listeners hear of both', async () => {
    const hub = makeHub()
    const [a] = await join(hub, 'a')
    const events: string[] = []
    hub.on('port:down', ({ port, error }) => events.push(`${port.name} down: ${error.message}`))
    hub.on('port:up', ({ port }) => events.push(`${port.name} up`))
    const at = await freePort()
    const url = `ws://127.0.0.1:${at}/`
    const port = await hub.attach(new WebSocketPort({ websocket: url, name: 'relay' }))
    await until(() => port.state === 'down')
    expect(port.carrierOn).to.equal(false)
    a.send(frame())
    await until(() => port.stats().dropped['port-down'] === 1n)
    for (let round = 0; round < 3; round++) {
      const made = await makeRelay({}, at)
      const [peer] = (await once(made.relay, 'connection')) as [WebSocket]
      await until(() => port.state === 'up')
      peer.send(frame({ tag: round }))
      expect((await receive(a, 1))[0]!.tag).to.equal(round)
      const heard = hear(peer, 1)
      a.send(frame({ tag: 100 }))
      await heard
      await leave(made)
      await until(() => port.state === 'down')
    }
    const left = `relay down: the peer of port 'relay' at ${url} has gone`
    expect(events).to.deep.equal([
      `relay down: port 'relay' finds nobody at ${url} yet, and goes on trying`,
      ...['relay up', left, 'relay up', left, 'relay up', left],
    ])
  })

  it('says what a server answers that does not want it, and leaves nothing', async () => {
    const hub = makeHub()
    const status = new Map([
      ['/closed', 401],
      ['/else', 404],
      ['/', 200],
    ])
    const server = createServer((request, response) => {
      response.writeHead(status.get(request.url!)!).end()
    })
    const base = `ws://127.0.0.1:${await listening(server)}`
    for (const [path, words] of [
      ['/closed', "401 Unauthorized; give the 'token' that it asks for"],
      ['/else', '404 Not Found; see whether the path of the URL is right'],
      ['/', '200 OK; see whether a WebSocket relay listens there'],
    ] as const) {
      const error = await refusal(hub.attach(new WebSocketPort({ websocket: base + path, name: 'relay' })))
      expect(error.message).to.equal(`${base}${path} does not take port 'relay': ${words}`)
    }
    expect([...hub.ports.keys()]).to.deep.equal([])
  })

  it('gives up a relay that does not answer the handshake, and one that has answered it wrongly', async () => {
    const hub = makeHub()
    const url = `ws://127.0.0.1:${await listening(net.createServer(() => undefined))}/`
    const ended = AbortSignal.timeout(50)
    const error = await rejection(hub.attach(new WebSocketPort({ websocket: url }), { signal: ended }))
    expect(error).to.equal(ended.reason)
    const liar = createServer().on('upgrade', (_request, socket: net.Socket) => {
      socket.on('error', () => undefined)
      socket.end('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n')
    })
    const lied = `ws://127.0.0.1:${await listening(liar)}/`
    const refused = await refusal(hub.attach(new WebSocketPort({ websocket: lied, name: 'relay' })))
    expect(refused.message).to.match(
      /^port 'relay' cannot connect to ws:\/\/.*: .*; see whether a WebSocket relay listens there$/,
    )
  })

  for (const [what, misbehave, reason] of [
    ['sends text', (peer: WebSocket) => peer.send('hello'), 'sends no frames: a message of text'],
    [
      'sends a message that no frame can be',
      (peer: WebSocket) => peer.send(new Uint8Array(65_551)),
      'sends no frames: Max payload size exceeded',
    ],
    [
      'sends bytes that are no WebSocket',
      (peer: WebSocket) =>
        (peer as unknown as { _socket: net.Socket })._socket.write('HTTP/1.1 200 OK\r\n\r\n'),
      /^sends no frames: /,
    ],
  ] as const)
    it(`ends the connection to a relay that ${what}, and connects anew`, async () => {
      const { relay, reader, port, peer } = await connected()
      peer.on('error', () => undefined)
      const again = once(relay, 'connection')
      const down = once(port, 'down')
      peer.send(frame({ tag: 1 }))
      misbehave(peer)
      const [{ message }] = (await down) as [Error]
      const words = message.replace(/^the peer of port 'relay' at \S+ /, '')
      if (typeof reason === 'string') expect(words).to.equal(reason)
      else expect(words).to.match(reason)
      const [next] = (await again) as [WebSocket]
      next.send(frame({ tag: 2 }))
      expect((await receive(reader, 2)).map(({ tag }) => tag)).to.deep.equal([1, 2])
    })

  it('drops for a relay that stops reading, as port-full, keeps little, and nobody else loses a frame', async () => {
    const { hub, reader, port, peer } = await connected()
    const [a] = await join(hub, 'a')
    peer.pause()
    const frames = numbered(300, { length: 1514 })
    for (let round = 0; port.stats().dropped['port-full'] < 3000n; round++) {
      a.send(frames)
      expect((await receive(reader, 300)).length).to.equal(300)
    }
    expect(port.state).to.equal('up')
    let heard = 0n
    peer.on('message', () => heard++)
    peer.resume()
    await until(() => heard === port.stats().transmitted.frames)
    a.send(frame())
    await until(() => heard === port.stats().transmitted.frames)
    expect(port.stats().transmitted.frames + port.stats().dropped['port-full']).to.equal(
      a.stats().received.frames,
    )
  })

  it('asks every 30 s whether the relay is there, and gives up one that does not answer', async () => {
    mock.timers.enable({ apis: ['setTimeout'] })
    try {
      const made = await makeRelay({ autoPong: false })
      const hub = makeHub()
      const coming = once(made.relay, 'connection')
      const port = await hub.attach(new WebSocketPort({ websocket: made.url, name: 'relay' }))
      const [peer] = (await coming) as [WebSocket]
      for (let round = 0; round < 3; round++) {
        const asked = once(peer, 'ping')
        mock.timers.tick(30_000)
        peer.pong((await asked)[0] as Buffer)
        peer.send(frame())
        await until(() => port.stats().received.frames === BigInt(round + 1))
      }
      const asked = once(peer, 'ping')
      mock.timers.tick(30_000)
      await asked
      const down = once(port, 'down')
      mock.timers.tick(30_000)
      const [{ message }] = (await down) as [Error]
      expect(message).to.match(/does not answer any more$/)
    } finally {
      mock.timers.reset()
    }
  })

  it('does not keep answers for a relay that asks and does not read', async () => {
    const { port, peer, reader } = await connected()
    const socket = (peer as unknown as { _socket: net.Socket })._socket
    socket.pause()
    const ping = Buffer.concat([Buffer.from([0x89, 125]), Buffer.alloc(125)])
    const many = Buffer.concat(Array.from({ length: 500 }, () => ping))
    const before = process.memoryUsage().external + process.memoryUsage().heapUsed
    for (let round = 0; round < 1000; round++) if (!socket.write(many)) await once(socket, 'drain')
    peer.send(frame({ tag: 3 }))
    expect((await receive(reader, 1))[0]!.tag).to.equal(3)
    expect(port.state).to.equal('up')
    expect(process.memoryUsage().external + process.memoryUsage().heapUsed - before).to.be.lessThan(48 << 20)
  })

  it('tells its relay when it leaves, and is attached elsewhere afterwards', async () => {
    const { hub, port, peer, relay } = await connected()
    const told = once(peer, 'close')
    await hub.detach(port)
    expect((await told)[0]).to.equal(1001)
    const there = makeHub()
    const coming = once(relay, 'connection')
    await there.attach(port)
    await coming
    expect(port.stats().received.frames).to.equal(0n)
  })

  it('survives a relay that ends its connections, and the carrier holds over all of them', async () => {
    const { relay, hub, reader, port, peer } = await connected()
    let last = peer
    for (let round = 0; round < 8; round++) {
      const coming = once(relay, 'connection')
      last.terminate()
      ;[last] = (await coming) as [WebSocket]
    }
    last.send(frame({ tag: 9 }))
    expect((await receive(reader, 1))[0]!.tag).to.equal(9)
    await port.carrier(false)
    const again = once(relay, 'connection')
    last.terminate()
    ;[last] = (await again) as [WebSocket]
    await until(() => port.state === 'up')
    last.send(frame({ tag: 10 }))
    last.send(frame({ tag: 11 }))
    const [other] = await join(hub, 'other')
    other.send(frame({ tag: 12 }))
    expect((await receive(reader, 1))[0]!.tag).to.equal(12)
    await port.carrier(true)
    last.send(frame({ tag: 13 }))
    await until(() => tags(reader).includes(13))
  })

  it('connects by TLS to who has a certificate that is trusted, and says what is wrong with others', async () => {
    const folder = mkdtempSync(joinPath(tmpdir(), 'etherloom-tls-'))
    closes({
      close: () => {
        rmSync(folder, { recursive: true })
      },
    })
    const [key, certificate] = [joinPath(folder, 'key.pem'), joinPath(folder, 'certificate.pem')]
    const made = [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '2',
    ]
    const named = [
      '-subj',
      '/CN=relay',
      '-addext',
      'subjectAltName=IP:127.0.0.1',
      '-keyout',
      key,
      '-out',
      certificate,
    ]
    execFileSync('openssl', [...made, ...named], { stdio: 'pipe' })
    const secure = createSecureServer({ key: readFileSync(key), cert: readFileSync(certificate) })
    const relay = new WebSocketServer({ server: secure })
    const at = await listening(secure)
    const url = `wss://127.0.0.1:${at}/`
    const refused = await refusal(makeHub().attach(new WebSocketPort({ websocket: url, name: 'relay' })))
    expect(refused.message).to.equal(`port 'relay' cannot connect to ${url}: self-signed certificate`)

    const script = `
      import { Hub, MemoryPort, WebSocketPort } from ${JSON.stringify(new URL('../../lib/index.ts', import.meta.url).href)}
      const hub = new Hub()
      const port = await hub.attach(new MemoryPort())
      await hub.attach(new WebSocketPort({ websocket: process.argv[1] }))
      port.send(new Uint8Array(60).fill(2))`
    const env = { ...process.env, NODE_EXTRA_CA_CERTS: certificate }
    const child = spawn(process.execPath, ['--import=tsx', '--input-type=module', '-e', script, url], { env })
    closes({
      close: () => {
        child.kill('SIGKILL')
        for (const peer of relay.clients) peer.terminate()
      },
    })
    const [peer] = (await once(relay, 'connection')) as [WebSocket]
    expect((await hear(peer, 1))[0]).to.deep.equal(Buffer.alloc(60, 2))
  })

  it('is not for virtual clocks', async () => {
    const hub = new Hub({ engine: closes(new Engine({ clock: 'virtual' })) })
    const error = await refusal(hub.attach(new WebSocketPort({ websocket: 'ws://127.0.0.1:1/' })))
    expect(error.message).to.contain('keeps no virtual clock')
  })
})
