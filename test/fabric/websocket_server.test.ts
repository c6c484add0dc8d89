/** WebSocketServer: emulators in browsers that become ports, and peers that are slow, silent, mad, many or not wanted. */
import { expect } from 'chai'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { request as ask, type IncomingMessage } from 'node:http'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import { mock } from 'node:test'
import { WebSocket, type ClientOptions } from 'ws'
import {
  Hub,
  SinkPort,
  type EtherloomError,
  type WebSocketPort,
  type WebSocketServer,
  type WebSocketServerOptions,
} from '../../lib/index.js'
import { refusal } from '../helpers/errors.js'
import { closing, dropped, join, receive, tags, until } from '../helpers/fabric.js'
import { frame, numbered } from '../helpers/frames.js'
import { freePort } from '../helpers/sockets.js'

/** The socket below a WebSocket. */
const below = (peer: WebSocket): net.Socket => (peer as unknown as { _socket: net.Socket })._socket

describe('WebSocketServer', function () {
  this.timeout(60_000)
  const closes = closing()

  /** A hub with a reader, and a server for it; its failures are noted. */
  const serve = async (options: Partial<WebSocketServerOptions> = {}) => {
    const hub = closes(new Hub({ name: 'lab', engine: { memory: '16MiB' } }))
    const [reader] = await join(hub, 'reader')
    const socket = `127.0.0.1:${await freePort()}`
    const server = await hub.listen({ protocol: 'websocket', socket, ...options })
    const failures: string[] = []
    server.on('failure', ({ message }) => failures.push(message))
    return { hub, reader, socket, server, failures }
  }
  type Served = Awaited<ReturnType<typeof serve>>
  const open = (url: string, options: ClientOptions = {}): WebSocket => {
    const peer = new WebSocket(url, { perMessageDeflate: true, ...options })
    peer.on('error', () => undefined)
    closes({
      close: () => {
        peer.terminate()
      },
    })
    return peer
  }
  /** A peer, and its port. */
  const dial = async ({ server }: { server: WebSocketServer }, path = '', options: ClientOptions = {}) => {
    const peer = open(server.address + path, options)
    const [[port]] = (await Promise.all([once(server, 'connect'), once(peer, 'open')])) as [
      [WebSocketPort],
      unknown,
    ]
    return { peer, port }
  }
  /** What a handshake is answered that is refused. */
  const answer = async ({ socket }: { socket: string }, path = '/', headers: Record<string, string> = {}) => {
    const [host, port] = socket.split(':')
    const upgrade = {
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    }
    const asked = ask({ host, port, path, headers: { ...upgrade, ...headers } }).end()
    const outcome = await Promise.race([
      once(asked, 'response') as Promise<[IncomingMessage]>,
      (once(asked, 'upgrade') as Promise<[unknown, net.Socket]>).then(([, opened]) => {
        opened.destroy()
        return 'taken' as const
      }),
    ])
    if (outcome === 'taken') return outcome
    let text = ''
    for await (const chunk of outcome[0].setEncoding('utf8')) text += chunk as string
    return `${outcome[0].statusCode} ${text.trim()}`
  }
  const heard = async (peer: WebSocket, count: number): Promise<Uint8Array[]> => {
    const all: Uint8Array[] = []
    await new Promise<void>((resolve) => {
      peer.on('message', (data: Buffer) => {
        if (all.push(Uint8Array.from(data)) === count) resolve()
      })
    })
    return all
  }
  /** The peers of an innocent pair go on: of so many frames from one, all reach the other, in order. */
  const isUnharmed = async (hub: Served['hub']): Promise<void> => {
    const [one, other] = await join(hub, 'one', 'other')
    one.send(numbered(50))
    expect((await receive(other, 50)).map(({ tag }) => tag)).to.deep.equal(
      Array.from({ length: 50 }, (_, tag) => tag),
    )
    await Promise.all([hub.detach(one), hub.detach(other)])
  }

  it('makes each peer a port, and a hub of them: to all others, never back to the sender', async () => {
    const served = await serve({ name: 'tab%d' })
    const [one, two, three] = [await dial(served), await dial(served), await dial(served)]
    expect(served.server.ports.map(({ name }) => name)).to.deep.equal(['tab0', 'tab1', 'tab2'])
    expect(one.port.address).to.equal(`ws://${served.socket}/`)
    const frames = Array.from({ length: 200 }, (_, tag) => frame({ tag, length: 60 + ((tag * 31) % 1455) }))
    const own: unknown[] = []
    one.peer.on('message', (data) => own.push(data))
    const others = [heard(two.peer, 200), heard(three.peer, 200)]
    for (const bytes of frames) one.peer.send(bytes)
    for (const each of others) expect(await each).to.deep.equal(frames)
    const back = heard(one.peer, 1)
    served.reader.send(frame({ tag: 999 }))
    await back
    expect(own).to.have.length(1) // what the reader has sent, and nothing of its own
    expect(one.peer.extensions).to.equal('') // no compression, although it was offered
  })

  it('ends the port with its peer, and takes the next', async () => {
    const served = await serve()
    for (let round = 0; round < 3; round++) {
      const { peer, port } = await dial(served)
      const gone = once(served.server, 'disconnect')
      peer.send(frame({ tag: round }))
      peer.close()
      const [left, error] = (await gone) as [WebSocketPort, EtherloomError]
      expect([left, left.state, left.name]).to.deep.equal([port, 'detached', 'peer0'])
      expect(error.message).to.equal(`the peer of port 'peer0' at ${served.server.address} has gone`)
      expect(tags(served.reader)).to.deep.equal([round]) // what was sent before it went is here
    }
  })

  it('fills what it sends up to 60 bytes where that is asked for', async () => {
    const served = await serve({ pad: true })
    const { peer } = await dial(served)
    const short = heard(peer, 1)
    served.reader.send(frame({ length: 42 }))
    expect((await short)[0]).to.have.length(60)
  })

  it('lets no page connect that is not listed, and says which; programs say nothing of where they are from', async () => {
    const served = await serve({ origins: ['https://copy.sh', 'http://localhost:8000/'] })
    for (const origin of [
      'https://evil.example',
      'http://copy.sh',
      'https://copy.sh.evil.example',
      'null',
      'http://localhost',
    ])
      expect(await answer(served, '/', { Origin: origin })).to.equal(
        `403 pages of '${origin}' may not connect; name it in 'origins' if they shall`,
      )
    expect(served.failures).to.deep.equal([
      `${served.server.address} has refused somebody: pages of 'https://evil.example' may not connect; name it in 'origins' if they shall`,
    ])
    for (const origin of ['https://copy.sh', 'http://localhost:8000'])
      expect(await answer(served, '/', { Origin: origin })).to.equal('taken')
    expect(await answer(served)).to.equal('taken')

    const closed = await serve()
    expect(await answer(closed, '/', { Origin: `http://${closed.socket}` })).to.match(/^403 /)
    expect(await answer(closed)).to.equal('taken')
  })

  it('asks for the token, in the URL or in a header, of pages and of programs', async () => {
    const served = await serve({ token: 'open-sesame', origins: ['*'] })
    const refused = '401 the token is missing or wrong'
    expect(await answer(served)).to.equal(refused)
    expect(await answer(served, '/?token=open-sesam')).to.equal(refused)
    expect(await answer(served, '/?token=')).to.equal(refused)
    expect(await answer(served, '/', { Authorization: 'Bearer other' })).to.equal(refused)
    expect(await answer(served, '/', { Authorization: 'Basic open-sesame' })).to.equal(refused)
    expect(await answer(served, '/?token=open-sesame')).to.equal('taken')
    expect(await answer(served, '/?a=b&token=open-sesame', { Origin: 'https://any.example' })).to.equal(
      'taken',
    )
    expect(await answer(served, '/', { Authorization: 'Bearer open-sesame' })).to.equal('taken')
  })

  it('is at its path only, and tells browsers and the lost what is there', async () => {
    const served = await serve({ path: '/lab' })
    expect(served.server.address).to.equal(`ws://${served.socket}/lab`)
    expect(await answer(served, '/')).to.equal('404 the path here is /lab')
    expect(await answer(served, '/lab?a=b')).to.equal('taken')
    expect(await answer(served, '/lab', { 'Sec-WebSocket-Version': '12' })).to.match(/^4\d\d /)
    const page = await fetch(`http://${served.socket}/lab`)
    expect([page.status, await page.text()]).to.deep.equal([
      426,
      `Here is a WebSocket of Ethernet frames: connect to ${served.server.address}\n`,
    ])
  })

  it('keeps no place for handshakes that are wrong', async () => {
    const served = await serve({ peers: 1 })
    for (let attempt = 0; attempt < 3; attempt++)
      expect(await answer(served, '/', { 'Sec-WebSocket-Version': '12' })).to.match(/^4\d\d /)
    await dial(served)
    expect(served.server.ports).to.have.length(1)
  })

  it('refuses more peers than there may be, but lets one that has been silent for 10 s make room', async () => {
    mock.timers.enable({ apis: ['setTimeout'] })
    try {
      const served = await serve({ peers: 2 })
      const [speaker, silent] = [await dial(served), await dial(served)]
      speaker.peer.send(frame({ tag: 1 }))
      await receive(served.reader, 1)
      expect(await answer(served)).to.equal('503 there are as many peers as there may be')
      mock.timers.tick(10_000)
      const gone = once(served.server, 'disconnect')
      expect(await answer(served)).to.equal('taken')
      expect((await gone)[0]).to.equal(silent.port)
      expect(speaker.port.state).to.equal('up')
    } finally {
      mock.timers.reset()
    }
  })

  for (const [what, misbehave, code] of [
    ['sends text', (peer: WebSocket) => peer.send('hello'), 1003],
    ['sends a message that no frame can be', (peer: WebSocket) => peer.send(new Uint8Array(65_551)), 1009],
    [
      'announces a message of 2^62 bytes',
      (peer: WebSocket) => below(peer).write(Buffer.from('82ff3fffffffffffffff00000000', 'hex')),
      1009,
    ],
    ['sends what is not masked', (peer: WebSocket) => below(peer).write(Buffer.from('8201aa', 'hex')), 1002],
    [
      'sends what is compressed',
      (peer: WebSocket) => below(peer).write(Buffer.from('c28100000000aa', 'hex')),
      1002,
    ],
    [
      'begins a message within another',
      (peer: WebSocket) => below(peer).write(Buffer.from('02810000000000' + '82810000000000', 'hex')),
      1002,
    ],
  ] as const)
    it(`ends a peer that ${what}, says why (${code}), and nobody else suffers`, async () => {
      const served = await serve()
      const { peer, port } = await dial(served)
      const gone = once(served.server, 'disconnect')
      const told = once(peer, 'close')
      misbehave(peer)
      expect(((await gone)[1] as Error).message).to.match(
        /^the peer of port 'peer0' at \S+ sends no frames: /,
      )
      expect(port.state).to.equal('detached')
      expect((await told)[0]).to.equal(code)
      await isUnharmed(served.hub)
      await dial(served)
    })

  it('takes frames of up to 65550 bytes, and messages in pieces', async () => {
    const served = await serve()
    const { peer, port } = await dial(served)
    peer.send(new Uint8Array(65_550))
    const bytes = frame({ tag: 4, length: 300 })
    peer.send(bytes.subarray(0, 10), { binary: true, fin: false })
    peer.send(bytes.subarray(10, 10), { binary: true, fin: false })
    peer.send(bytes.subarray(10), { binary: true, fin: true })
    peer.send(new Uint8Array(13))
    await until(() => port.stats().received.frames + port.stats().dropped.runt === 3n)
    expect(dropped(port.stats().dropped)).to.deep.equal({ runt: 1 })
    expect((await receive(served.reader, 1))[0]!.bytes).to.deep.equal(bytes)
  })

  it('drops for peers that do not read, as port-full, and the others miss nothing', async () => {
    const served = await serve()
    const [slow, quick] = [await dial(served), await dial(served)]
    slow.peer.pause()
    let count = 0n
    quick.peer.on('message', () => count++)
    const frames = numbered(300, { length: 1514 })
    let sent = 0n
    while (slow.port.stats().dropped['port-full'] < 3000n) {
      served.reader.send(frames)
      sent += 300n
      await until(() => count === sent)
    }
    expect(quick.port.stats().transmitted.frames).to.equal(sent)
    expect(slow.port.state).to.equal('up')
    expect(process.memoryUsage().rss).to.be.lessThan(1 << 30)
  })

  it('has one that floods wait, and the frames of others come through', async () => {
    const served = await serve()
    for (let sinks = 0; sinks < 500; sinks++) await served.hub.attach(new SinkPort()) // the worker has much to do
    const [mad, calm] = [await dial(served), await dial(served)]
    const flood = frame({ tag: 7, length: 1514 })
    let going = true
    const pour = (): void => {
      while (going && mad.peer.bufferedAmount < 1 << 20) mad.peer.send(flood)
      if (going) setImmediate(pour)
    }
    pour()
    for (let round = 0; round < 30; round++) {
      calm.peer.send(frame({ tag: 100 + round }))
      await until(() => calm.port.stats().received.frames === BigInt(round + 1))
    }
    going = false
    expect(mad.port.stats().received.frames > 100n).to.equal(true)
  })

  it('ends who does not answer a ping, and who never finishes a handshake', async () => {
    mock.timers.enable({ apis: ['setTimeout'] })
    try {
      const served = await serve()
      const mute = await dial(served, '', { autoPong: false })
      const well = await dial(served)
      const half = net.connect(Number(served.socket.split(':')[1]), '127.0.0.1')
      half.on('error', () => undefined)
      await once(half, 'connect')
      half.write('GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n')
      await new Promise((resolve) => setImmediate(resolve))
      await isUnharmed(served.hub)
      const cut = new Promise<void>((resolve) => half.on('close', () => resolve()))
      mock.timers.tick(5000)
      await cut
      const asked = [once(mute.peer, 'ping'), once(well.peer, 'ping')]
      mock.timers.tick(25_000)
      await Promise.all(asked)
      well.peer.send(frame({ tag: 5 }))
      await until(() => well.port.stats().received.frames === 1n)
      const gone = once(served.server, 'disconnect')
      mock.timers.tick(30_000)
      const [port, error] = (await gone) as [WebSocketPort, EtherloomError]
      expect([port, error.message]).to.deep.equal([
        mute.port,
        `the peer of port 'peer0' at ${served.server.address} does not answer any more`,
      ])
      expect(well.port.state).to.equal('up')
    } finally {
      mock.timers.reset()
    }
  })

  it('outlives a storm of connections that say nothing, and a peer still gets in', async () => {
    const served = await serve()
    const { peer } = await dial(served)
    const port = Number(served.socket.split(':')[1])
    const storm = Array.from({ length: 600 }, () =>
      net.connect(port, '127.0.0.1').on('error', () => undefined),
    )
    closes({
      close: () => {
        for (const each of storm) each.destroy()
      },
    })
    await Promise.all(storm.filter(({ connecting }) => connecting).map((each) => once(each, 'connect')))
    await until(() => storm.filter(({ closed }) => closed).length >= 600 - 256) // the first of them had to go
    await dial(served)
    peer.send(frame({ tag: 3 }))
    expect((await receive(served.reader, 1))[0]!.tag).to.equal(3)
    await isUnharmed(served.hub)
  })

  it('survives 300 peers that come, send a frame and are cut off, with flat memory', async () => {
    const served = await serve()
    const before = process.memoryUsage().rss
    for (let round = 0; round < 300; round++) {
      const gone = once(served.server, 'disconnect')
      const { peer } = await dial(served)
      peer.send(frame({ tag: round }))
      expect((await receive(served.reader, 1))[0]!.tag).to.equal(round)
      peer.terminate()
      await gone
    }
    expect(served.server.ports).to.deep.equal([])
    // The sanitizer keeps what is freed for a while.
    if (process.env.ASAN_OPTIONS === undefined)
      expect(process.memoryUsage().rss - before).to.be.lessThan(96 << 20)
  })

  it('outlives a peer that is killed, and one that is stopped costs nobody a frame', async () => {
    const served = await serve()
    const script = `
      const { WebSocket } = await import('ws')
      const peer = new WebSocket(process.argv[1])
      peer.on('open', () => process.stdout.write('open'))
      peer.on('message', () => undefined)`
    const start = async () => {
      const child = spawn(process.execPath, ['--input-type=module', '-e', script, served.server.address])
      closes({
        close: () => {
          child.kill('SIGKILL')
        },
      })
      const coming = once(served.server, 'connect')
      await once(child.stdout, 'data')
      await coming
      return child
    }
    const [stopped, killed] = [await start(), await start()]
    stopped.kill('SIGSTOP')
    const gone = once(served.server, 'disconnect')
    killed.kill('SIGKILL')
    expect(((await gone)[1] as Error).message).to.contain("the peer of port 'peer1'")
    await isUnharmed(served.hub)
    expect(served.server.ports.map(({ name }) => name)).to.deep.equal(['peer0'])
  })

  it('closes with its fabric, and tells its peers; its address is free then', async () => {
    const served = await serve()
    const { peer } = await dial(served)
    const [told] = [once(peer, 'close')]
    await served.server.close()
    expect((await told)[0]).to.equal(1001)
    await served.server.close()
    const again = await served.hub.listen({ protocol: 'websocket', socket: served.socket })
    const other = await dial({ server: again })
    const left = once(other.peer, 'close')
    await served.hub.close()
    await left
    const elsewhere = closes(new Hub())
    await elsewhere.listen({ protocol: 'websocket', socket: served.socket })
  })

  it('listens at a path, with token and origins as at an address, and removes it', async () => {
    const folder = mkdtempSync(joinPath(tmpdir(), 'etherloom-websocket-'))
    closes({ close: () => rmSync(folder, { recursive: true, force: true }) })
    const socket = joinPath(folder, 'web.sock')
    const token = 'abcdefgh'
    const options = { socket, mode: 0o660, token, origins: ['https://copy.sh'] }
    const served = await serve(options)
    expect(served.server.address).to.equal(`ws+unix:${socket}:/`)
    expect(statSync(socket).mode & 0o777).to.equal(0o660)
    const refused = async (path: string, origin?: string): Promise<string> => {
      const peer = open(served.server.address + path, { ...(origin && { origin }) })
      return ((await once(peer, 'error')) as [Error])[0].message
    }
    expect(await refused('')).to.contain('401')
    expect(await refused(`?token=${token}`, 'https://example.org')).to.contain('403')
    const { peer, port } = await dial(served, `?token=${token}`, { origin: 'https://copy.sh' })
    expect(port.address).to.equal(served.server.address)
    peer.send(frame({ tag: 4 }))
    expect((await receive(served.reader, 1))[0]!.tag).to.equal(4)
    const busy = await refusal(served.hub.listen({ protocol: 'websocket', ...options }))
    expect(busy.message).to.contain(socket)
    expect(existsSync(socket), 'it is the first one’s').to.be.true
    const gone = once(peer, 'close')
    await served.server.close()
    await gone
    expect(existsSync(socket)).to.be.false

    // What a killed process has left is taken over.
    const script = 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])'
    await once(spawn('python3', ['-c', script, socket]), 'exit')
    expect(existsSync(socket)).to.be.true
    const again = await served.hub.listen({ protocol: 'websocket', socket })
    await dial({ server: again })
  })

  it('says where it cannot listen, and leaves nothing', async () => {
    const served = await serve()
    const busy = await refusal(served.hub.listen({ protocol: 'websocket', socket: served.socket }))
    expect([busy.code, busy.message]).to.deep.equal([
      'ERR_ETHERLOOM_DEVICE',
      `cannot listen at ws://${served.socket}/; another running program listens there; end it, or choose another port`,
    ])
    const nowhere = await refusal(served.hub.listen({ protocol: 'websocket', socket: '192.0.2.1:8080' }))
    expect(nowhere.message).to.contain('no interface of this machine has that address')
    await dial(served)
  })

  it('refuses options that would open it to every web page, and what is no origin or path', async () => {
    const hub = closes(new Hub())
    const refused = (options: object) =>
      refusal(hub.listen({ protocol: 'websocket', socket: '127.0.0.1:8080', ...options }))
    expect((await refused({ origins: ['*'] })).message).to.contain(
      "option 'origins' of listen must be a list without '*', or 'token' given as well",
    )
    for (const origin of ['copy.sh', 'https://copy.sh/v86', 'ws://copy.sh', 'null', 5])
      expect((await refused({ origins: [origin] })).message).to.contain(
        "entry 1 of option 'origins' of listen must be an origin such as 'https://copy.sh'",
      )
    expect((await refused({ path: 'lab' })).message).to.contain(
      "option 'path' of listen must be a path such as",
    )
    expect((await refused({ token: 'x' })).message).to.contain("option 'token' of listen must be 8 to 128")
    expect((await refused({ socket: 'lab.sock' })).message).to.contain(
      "option 'socket' of listen must be a path of at most 107 bytes such as '/run/lab.sock', or an address",
    )
    expect((await refused({ socket: '127.0.0.1:0' })).message).to.contain('a port above 0')
    expect((await refused({ framing: 'stream' })).message).to.contain("'framing'")
  })
})
