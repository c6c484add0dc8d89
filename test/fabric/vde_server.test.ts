/** VdeServer: `listen({ protocol: 'vde' })`, at which peers of VDE become ports. Its peers speak byte by byte, or are VdePorts. */
import { expect } from 'chai'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import {
  Engine,
  Hub,
  MemoryPort,
  Switch,
  VdePort,
  type EtherloomError,
  type VdePeerPort,
  type VdeServer,
  type VdeServerOptions,
} from '../../lib/index.js'
import { rightsOf } from '../../lib/fabrics/servers/vde.js'
import { refusal } from '../helpers/errors.js'
import { closing, dropped, join, receive, take, until } from '../helpers/fabric.js'
import { frame, numbered, station } from '../helpers/frames.js'
import { Child, eventually, testFile } from '../helpers/kernel.js'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

describe('VdeServer', function () {
  this.timeout(60_000)
  const closes = closing()
  const makeFolder = () => {
    const parent = mkdtempSync(joinPath(tmpdir(), 'etherloom-vde-'))
    chmodSync(parent, 0o755)
    closes({
      close: () => {
        rmSync(parent, { recursive: true, force: true })
      },
    })
    return joinPath(parent, 'switch')
  }
  const makeHub = () => closes(new Hub({ name: 'lab', engine: { memory: '16MiB' } }))
  const listen = async (options: Partial<VdeServerOptions> = {}, fabric: Hub | Switch = makeHub()) => {
    const directory = makeFolder()
    return { fabric, server: await fabric.listen({ protocol: 'vde', directory, ...options }) }
  }

  /** A peer that speaks byte by byte, of this user or another. */
  class Peer {
    readonly #child: Child
    constructor(folder: string, prefix: readonly string[] = []) {
      // As text, for users who may not read the file.
      const program = readFileSync(testFile('fabric/programs/vde_peer.py'), 'utf8')
      this.#child = closes(new Child([...prefix, '/usr/bin/python3', '-c', program, folder]))
    }
    async do(command: object): Promise<Record<string, unknown>> {
      this.#child.tell(JSON.stringify(command))
      return JSON.parse(await this.#child.line()) as Record<string, unknown>
    }
    /** Asks for a port; the name of the socket that it got. */
    async ask(words: object = {}): Promise<string | null> {
      return (await this.do({ ask: words })).reply as string | null
    }
    signal(signal: NodeJS.Signals): void {
      this.#child.signal(signal)
    }
  }

  it('finds a group that only a directory of users has', async () => {
    const programs = joinPath(makeFolder(), '..')
    writeFileSync(
      joinPath(programs, 'getent'),
      `#!/bin/sh\n[ "$*" = "group -- lab-of-many" ] && echo "lab-of-many:x:${process.getegid?.()}:ann"\n`,
      { mode: 0o755 },
    )
    const { PATH } = process.env
    process.env.PATH = `${programs}:${PATH}`
    try {
      const { server } = await listen({ group: 'lab-of-many', mode: 0o660 })
      expect(statSync(server.directory).gid).to.equal(process.getegid?.())
    } finally {
      process.env.PATH = PATH
    }
  })

  it('gives each peer a port with frames both ways, a number and a socket of its own, until its connection ends', async () => {
    const { fabric, server } = await listen()
    const [reader] = await join(fabric, 'reader')
    const peer = new Peer(server.directory)
    const [[port], reply] = (await Promise.all([once(server, 'connect'), peer.ask()])) as [
      [VdePeerPort],
      string,
    ]
    expect(reply).to.match(new RegExp(`^${server.directory}/001\\.\\d+$`))
    expect([port.name, port.number, port.description, port.state]).to.deep.equal(['peer0', 1, 'test', 'up'])
    await peer.do({ send: hex(frame({ tag: 1 })) })
    expect((await receive(reader, 1))[0]!.tag).to.equal(1)
    const frames = [60, 61, 1514, 9234].map((length, tag) => frame({ tag, length }))
    const jumbo = await fabric.attach(new MemoryPort({ name: 'jumbo', frameLimit: 9234 }))
    jumbo.send(frames)
    expect(await peer.do({ receive: 4 })).to.deep.equal({ frames: frames.map(hex) })
    const gone = once(server, 'disconnect')
    await peer.do({ close: 'control' })
    const [, error] = (await gone) as [VdePeerPort, EtherloomError]
    expect(error.message).to.equal("the peer of port 'peer0' has gone (test)")
    expect([fabric.ports.has('peer0'), existsSync(reply)]).to.deep.equal([false, false])
  })

  it('hears what a peer sent before it went', async () => {
    const { fabric, server } = await listen()
    const [reader] = await join(fabric, 'reader')
    const peer = new Peer(server.directory)
    await peer.ask()
    await peer.do({ fill: 50 })
    peer.signal('SIGKILL')
    await once(server, 'disconnect')
    expect(take(reader)).to.have.length(50)
  })

  for (const end of ['SIGKILL', 'data'])
    it(`notices a peer whose end is ${end}`, async () => {
      const { fabric, server } = await listen()
      const [writer] = await join(fabric, 'writer')
      const peer = new Peer(server.directory)
      await peer.ask()
      const gone = once(server, 'disconnect')
      if (end === 'data') {
        await peer.do({ close: 'data' })
        writer.send(frame())
      } else peer.signal('SIGKILL')
      await gone
      expect(readdirSync(server.directory)).to.deep.equal(['ctl'])
    })

  it('speaks version 1, takes requests in pieces, and names outside the file system', async () => {
    const { fabric, server } = await listen()
    const [reader] = await join(fabric, 'reader')
    for (const words of [{ version: 1 }, { pieces: 1 }, { abstract: true }]) {
      const peer = new Peer(server.directory)
      expect(await peer.ask(words), JSON.stringify(words)).to.be.a('string')
      await peer.do({ send: hex(frame({ tag: 5 })) })
      expect((await receive(reader, 1))[0]!.tag).to.equal(5)
    }
  })

  it('gives the number that is asked for, and peers of one number one port: they do not hear each other', async () => {
    for (const Kind of [Hub, Switch]) {
      const { server, fabric } = await listen({}, closes(new Kind({ engine: { memory: '16MiB' } })))
      const peers = [0, 1, 2, 3].map(() => new Peer(server.directory))
      const replies: (string | null)[] = []
      for (const [index, port] of [7, 7, undefined, 0].entries())
        replies.push(await peers[index]!.ask(port === undefined ? {} : { port }))
      expect(replies.map((reply) => reply?.split('/').pop()!.split('.')[0])).to.deep.equal([
        '007',
        '007',
        '001',
        '000',
      ])
      expect(server.ports.map(({ number }) => number)).to.deep.equal([7, 7, 1, 0])
      const [reader] = await join(fabric, 'reader')
      await peers[0]!.do({ send: hex(frame({ tag: 1 })) })
      await receive(reader, 1)
      await peers[2]!.do({ send: hex(frame({ tag: 2, from: station(2) })) })
      expect(await peers[1]!.do({ receive: 1 })).to.deep.equal({
        frames: [hex(frame({ tag: 2, from: station(2) }))],
      })
      expect(await peers[3]!.do({ receive: 2 })).to.deep.equal({
        frames: [hex(frame({ tag: 1 })), hex(frame({ tag: 2, from: station(2) }))],
      })
    }
  })

  it('fills frames that go out where that is asked for, with zeros', async () => {
    const { fabric, server } = await listen({ pad: true })
    const [writer] = await join(fabric, 'writer')
    const peer = new Peer(server.directory)
    await peer.ask()
    writer.send([frame({ length: 1514, tag: 1 }), frame({ length: 42 })])
    expect(await peer.do({ receive: 2 })).to.deep.equal({
      frames: [hex(frame({ length: 1514, tag: 1 })), hex(frame({ length: 42 })) + '00'.repeat(18)],
    })
  })

  it('drops as port-full what a peer does not read, and goes on with others', async () => {
    const { fabric, server } = await listen()
    const [writer] = await join(fabric, 'writer')
    const [slow, quick] = [new Peer(server.directory), new Peer(server.directory)]
    await slow.ask()
    await quick.ask()
    const [stuck, reading] = server.ports as [VdePeerPort, VdePeerPort]
    slow.signal('SIGSTOP')
    for (let sent = 0; stuck.stats().dropped['port-full'] === 0n; sent += 100) {
      writer.send(numbered(100, { length: 1514 }))
      await quick.do({ receive: 100 })
    }
    expect(dropped(reading.stats().dropped)).to.deep.equal({})
    slow.signal('SIGCONT')
    expect(((await slow.do({ receive: 1 })).frames as string[])[0]).to.equal(
      hex(frame({ tag: 0, length: 1514 })),
    )
  })

  describe('its folder', () => {
    const rights = (file: string) => (statSync(file).mode & 0o7777).toString(8)

    it('is there while it listens, with rights that say who may come in', async () => {
      for (const [options, folder, control] of [
        [{}, '2700', '600'],
        [{ mode: 0o660 }, '3770', '660'],
        [{ mode: 0o606 }, '3707', '606'],
        [{ dirmode: 0o2775 }, '2775', '664'],
        [{ mode: 0o600, dirmode: 0o755 }, '755', '600'],
      ] as const) {
        const { server } = await listen(options)
        const { directory } = server
        expect([rights(directory), rights(`${directory}/ctl`)]).to.deep.equal([folder, control])
        const peer = new Peer(directory)
        const reply = await peer.ask()
        const mode = Number.parseInt(control, 8)
        expect(rights(reply!)).to.equal((process.geteuid!() === 0 ? mode & 0o700 : mode).toString(8))
        await server.close()
        expect(existsSync(directory)).to.equal(false)
      }
      expect(rightsOf({ dirmode: 0o700 })).to.deep.equal({ mode: 0o600, dirmode: 0o700 })
    })

    it('goes when the fabric closes, and its ports before that', async () => {
      const hub = makeHub()
      const { server } = await listen({}, hub)
      const peer = new Peer(server.directory)
      await peer.ask()
      await hub.close()
      expect(await peer.do({ ended: true })).to.deep.equal({ rest: '' })
      expect(existsSync(server.directory)).to.equal(false)
    })

    it('stays where it was there before, or holds what is not ours', async () => {
      const directory = makeFolder()
      mkdirSync(directory)
      await (await listen({ directory })).server.close()
      expect(readdirSync(directory)).to.deep.equal([])
      const { server } = await listen()
      writeFileSync(`${server.directory}/notes`, '')
      await server.close()
      expect(readdirSync(server.directory)).to.deep.equal(['notes'])
    })

    it('that was there keeps its rights, and one with files of others is not given any', async () => {
      const directory = makeFolder()
      mkdirSync(directory, { mode: 0o755 })
      await (await listen({ directory })).server.close()
      expect(rights(directory)).to.equal('755')
      await (await listen({ directory, mode: 0o600 })).server.close()
      expect(rights(directory)).to.equal('2700')
      writeFileSync(`${directory}/notes`, '')
      const error = await refusal(makeHub().listen({ protocol: 'vde', directory, mode: 0o660 }))
      expect(error.message).to.equal(
        `${directory} is no folder of a switch: it has 'notes' in it; choose a folder that is empty, or is not there yet`,
      )
      expect([rights(directory), readdirSync(directory)]).to.deep.equal(['2700', ['notes']])
    })

    it('is refused where somebody serves it, or it is none, or it is a link, and nothing has changed then', async () => {
      const { server } = await listen({ mode: 0o660 })
      const error = await refusal(makeHub().listen({ protocol: 'vde', directory: server.directory }))
      expect([error.code, error.message]).to.deep.equal([
        'ERR_ETHERLOOM_DEVICE',
        `another running program serves ${server.directory}/ctl: address already in use (EADDRINUSE); end the program that has it, or choose another`,
      ])
      expect([rights(server.directory), await new Peer(server.directory).ask()]).to.satisfy(
        ([mode, reply]: unknown[]) => mode === '3770' && typeof reply === 'string',
      )
      const [file, link] = [`${makeFolder()}-file`, `${makeFolder()}-link`]
      writeFileSync(file, '')
      symlinkSync(tmpdir(), link)
      for (const directory of [file, link]) {
        const { message } = await refusal(makeHub().listen({ protocol: 'vde', directory }))
        expect(message).to.equal(`${directory} is there and is no folder; choose another folder`)
      }
      const missing = `${makeFolder()}/deeper`
      const { message } = await refusal(makeHub().listen({ protocol: 'vde', directory: missing }))
      expect(message).to.equal(`cannot make the folder ${missing}: no such file or directory (ENOENT)`)
    })

    it('of a server that was killed is taken over, with what it left', async () => {
      const directory = makeFolder()
      const program = testFile('fabric/programs/vde_server.ts')
      const other = closes(new Child([process.execPath, '--import=tsx', program, directory]))
      expect(await other.line()).to.equal('ready')
      const far = makeHub()
      const port = await far.attach(new VdePort({ vde: directory }))
      expect(await other.line()).to.equal('here')
      const down = once(port, 'down')
      await other.close()
      await down
      expect(readdirSync(directory).sort()).to.deep.equal(['001.0', 'ctl'])
      const up = once(port, 'up')
      const { server } = await listen({ directory })
      await up
      expect(readdirSync(directory).sort()).to.deep.equal(['001.0', 'ctl'])
      await far.detach(port)
      await server.close()
      expect(existsSync(directory)).to.equal(false)
    })
  })

  describe('a peer that does not keep the protocol', () => {
    const failureOf = async (server: VdeServer): Promise<string> =>
      ((await once(server, 'failure')) as [EtherloomError])[0].message

    it('is sent away, once in words, and others come in', async () => {
      const { server } = await listen()
      const whole = hex(
        Buffer.concat([Buffer.from(new Uint32Array([0xfeedface, 9, 0]).buffer), Buffer.alloc(110)]),
      )
      for (const [words, why] of [
        [{ bytes: '00'.repeat(200) }, 'this is no request for a port of a VDE switch'],
        [{ bytes: whole }, 'a request of version 9 is not known here'],
        [{ bytes: 'cefaedfe030000' }, 'it has gone in the middle of its request'],
        [{ socket: 'ctl' }, "it names a socket by 'ctl', which is not a whole path"],
        [{ socket: '' }, 'it names no socket of its own'],
      ] as const) {
        const failure = failureOf(server)
        expect(await new Peer(server.directory).ask(words)).to.equal(null)
        expect(await failure).to.equal(`a peer at ${server.directory} is refused: ${why}`)
        expect(await new Peer(server.directory).ask()).to.be.a('string') // and the next failure is said
      }
      expect(server.ports).to.have.length(5)
    })

    it('names nothing but a socket of its own: no file, no link, nothing that is not there, and not one of others', async () => {
      const { server } = await listen()
      const folder = makeFolder()
      mkdirSync(folder)
      writeFileSync(`${folder}/file`, 'kept')
      symlinkSync(`${server.directory}/ctl`, `${folder}/link`)
      for (const [socket, why] of [
        [`${folder}/file`, `${folder}/file is not a socket: socket operation on non-socket (ENOTSOCK)`],
        [`${folder}/link`, `${folder}/link is not a socket: socket operation on non-socket (ENOTSOCK)`],
        [`${folder}/nothing`, `cannot reach ${folder}/nothing: no such file or directory (ENOENT)`],
        [
          `${server.directory}/ctl`,
          `cannot reach ${server.directory}/ctl: protocol wrong type for socket (EPROTOTYPE)`,
        ],
      ] as const) {
        const failure = failureOf(server)
        expect(await new Peer(server.directory).ask({ socket })).to.equal(null)
        expect(await failure).to.equal(why)
        expect(await new Peer(server.directory).ask()).to.be.a('string')
      }
    })

    it('of another user may come in where the rights let it, and cannot name sockets of ours', async function () {
      if (process.geteuid!() !== 0) return this.skip()
      const { server, fabric } = await listen({ mode: 0o666, dirmode: 0o2777 })
      const [reader] = await join(fabric, 'reader')
      const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
      const peer = new Peer(server.directory, nobody)
      const reply = await peer.ask()
      expect([lstatSync(reply!).uid, rights(reply!)]).to.deep.equal([65534, '600'])
      await peer.do({ send: hex(frame({ tag: 3 })) })
      expect((await receive(reader, 1))[0]!.tag).to.equal(3)
      const own = await new Peer(server.directory).ask()
      const failure = failureOf(server)
      expect(await new Peer(server.directory, nobody).ask({ socket: own })).to.equal(null)
      expect(await failure).to.equal(`${own} is a socket of another user (EPERM)`)
      // Without rights to its socket nobody comes in.
      const closed = await listen({ mode: 0o600, dirmode: 0o2777 })
      const refused = await new Peer(closed.server.directory, nobody).ask().catch((error: unknown) => error)
      expect((refused as Error).message).to.contain('PermissionError')
    })
    const rights = (file: string) => (statSync(file).mode & 0o7777).toString(8)

    it('and says nothing does not keep others waiting, and makes room when many of its kind come', async () => {
      const { server } = await listen()
      const quiet = Array.from({ length: 100 }, () => createConnection(`${server.directory}/ctl`))
      for (const socket of quiet) socket.on('error', () => undefined)
      closes({ close: () => quiet.forEach((socket) => socket.destroy()) })
      server.on('failure', () => undefined) // each of the others may be said, too
      const failure = failureOf(server)
      expect(await failure).to.equal(
        `a peer at ${server.directory} is refused: it has asked for nothing within 0.5 s`,
      )
      expect(await new Peer(server.directory).ask()).to.be.a('string')
      expect(server.ports).to.have.length(1)
    })
  })

  it('has as many peers as it may; the next comes in when one goes', async () => {
    const { server } = await listen({ peers: 2 })
    const peers = [0, 1, 2].map(() => new Peer(server.directory))
    await peers[0]!.ask()
    await peers[1]!.ask()
    const third = peers[2]!.ask()
    await peers[0]!.do({ close: 'control' })
    expect(await third).to.match(/\/001\.\d+$/)
    expect(server.ports.map(({ number }) => number)).to.deep.equal([2, 1])
  })

  it('takes a storm of VdePorts, which come back to a server that was closed', async () => {
    const directory = makeFolder()
    const { server } = await listen({ directory })
    const engine = closes(new Engine({ memory: '64MiB' }))
    const far = new Hub({ engine, forwarding: 'deny' })
    const ports = Array.from({ length: 100 }, () => new VdePort({ vde: directory }))
    await Promise.all(ports.map((port) => far.attach(port)))
    await until(() => ports.every(({ state }) => state === 'up'))
    expect(new Set(server.ports.map(({ number }) => number)).size).to.equal(100)
    await server.close()
    await until(() => ports.every(({ state }) => state === 'down'))
    const again = await listen({ directory })
    await until(() => ports.every(({ state }) => state === 'up'))
    expect(again.server.ports).to.have.length(100)
  })

  it('is refused on a virtual clock, and with options that are none', async () => {
    const hub = new Hub({ engine: closes(new Engine({ clock: 'virtual' })) })
    const directory = makeFolder()
    expect((await refusal(hub.listen({ protocol: 'vde', directory }))).code).to.equal('ERR_ETHERLOOM_STATE')
    for (const [options, why] of [
      [
        { directory: 'x'.repeat(100) },
        /'directory' of listen must be a folder whose name has at most 90 bytes/,
      ],
      [{ directory, group: 'no-such-group' }, /'group' of listen must be a group that this machine knows/],
      [{ directory, mode: 0o1777 }, /'mode' of listen must be a whole number from 0 to 511/],
      [{ directory, socket: '/run/a.sock' }, /unknown option 'socket' of listen/],
    ] as const)
      expect((await refusal(makeHub().listen({ protocol: 'vde', ...options }))).message).to.match(why)
    expect(existsSync(directory)).to.equal(false)
    await eventually('nothing is left', () => !existsSync(directory))
  })
})
