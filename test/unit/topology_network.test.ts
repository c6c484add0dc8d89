/** Networks of patch ports, which need no privilege: going over to another topology, and back when that fails. */
import { expect } from 'chai'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import { mock } from 'node:test'
import { MemoryPort, SinkPort } from '../../lib/index.js'
import { Network } from '../../lib/topology/network.js'
import { reports } from '../../lib/topology/report.js'
import type { Topology } from '../../lib/topology/schema.js'
import { refusal } from '../helpers/errors.js'
import { closing, receive, until } from '../helpers/fabric.js'
import { frame } from '../helpers/frames.js'
import { freePort } from '../helpers/sockets.js'

/** Two hubs with two patches between them. */
const patched = (paths: object[], more: object = {}): Topology =>
  ({
    seed: 7,
    fabrics: {
      a: { kind: 'hub', ports: { one: { patch: 'b.one' }, two: { patch: 'b.two' } }, paths },
      b: { kind: 'hub', ports: { one: { patch: 'a.one' }, two: { patch: 'a.two' } }, ...more },
    },
  }) as Topology

/** A port whose device ends when the promise is resolved. */
class Lingering extends SinkPort {
  readonly #end: Promise<void>
  readonly #ending: () => void

  constructor(name: string, end: Promise<void>, ending: () => void) {
    super({ name })
    this.#end = end
    this.#ending = ending
  }

  override undone(): Promise<void> {
    this.#ending()
    return this.#end
  }
}

/** A port that no machine can open. */
const impossible = { packet: 'no-such-device' }

describe('a network', () => {
  const keep = closing()
  const up = async (topology: Topology): Promise<Network> => keep(await Network.up(topology))

  it('is what the topology says', async () => {
    const network = await up(patched([{ between: ['one', 'two'], delay: '5ms' }]))
    const a = network.fabrics.get('a')!
    expect([...a.ports.keys()]).to.deep.equal(['one', 'two'])
    expect(a.path('one', 'two').policy).to.include({ allowed: true, delay: '5ms' })
    expect(network.engine.seed).to.equal(7n)
    expect(reports.ports(network).map(({ fabric, port, leadsTo }) => [fabric, port, leadsTo])).to.deep.equal([
      ['a', 'one', 'b.one'],
      ['a', 'two', 'b.two'],
      ['b', 'one', 'a.one'],
      ['b', 'two', 'a.two'],
    ])
  })

  describe('that loses ports whose devices take long to end', () => {
    /** A network, and the ports that it got beside those of the topology. */
    const withLingering = async (): Promise<{ network: Network; ending: () => number; end: () => void }> => {
      const network = await up(patched([]))
      let ending = 0
      let end = (): void => undefined
      const ended = new Promise<void>((resolve) => (end = resolve))
      for (const name of ['x', 'y', 'z'])
        await network.fabrics.get('a')!.attach(new Lingering(name, ended, () => ending++))
      return { network, ending: () => ending, end }
    }

    it('ends them together when it closes, and says each second how many are left', async () => {
      const { network, ending, end } = await withLingering()
      const patches = [...network.fabrics.get('b')!.ports.values()]
      const told: object[] = []
      network.on('ending', (event) => told.push(event))
      mock.timers.enable({ apis: ['setInterval'] })
      try {
        const closed = network.close()
        await until(() => ending() === 3 && patches.every(({ state }) => state === 'detached'))
        expect(told, 'not where it is quick').to.be.empty
        mock.timers.tick(1000)
        expect(told).to.deep.equal([{ ports: 7, left: 3 }])
        end()
        await closed
        mock.timers.tick(5000)
        expect(told).to.have.length(1)
      } finally {
        mock.timers.reset()
      }
    })
  })

  it('has ports over sockets, which need no privilege either', async () => {
    const directory = mkdtempSync(joinPath(tmpdir(), 'etherloom-network-'))
    keep({
      close: () => {
        rmSync(directory, { recursive: true })
      },
    })
    const socket = joinPath(directory, 'lab.sock')
    const network = await up({
      fabrics: {
        a: { kind: 'hub', ports: { listening: { socket, role: 'listen' }, udp: { udp: '127.0.0.1:0' } } },
        b: { kind: 'hub', ports: { connecting: { socket } } },
      },
    })
    const port = network.fabrics.get('a')!.port('listening')
    if (port.state !== 'up') await once(port, 'up')
    expect(
      reports.ports(network).map(({ port, kind, leadsTo, state }) => [port, kind, leadsTo, state]),
    ).to.deep.equal([
      ['listening', 'socket', socket, 'up'],
      ['udp', 'udp', '127.0.0.1:0', 'up'],
      ['connecting', 'socket', socket, 'up'],
    ])
  })

  it('joins networks by WebSocket, and shows no token', async () => {
    const socket = `127.0.0.1:${await freePort()}`
    const token = 'open-sesame'
    const network = await up({
      fabrics: {
        a: { kind: 'hub', ports: {}, listen: { protocol: 'websocket', socket, name: 'tab%d', token } },
        b: { kind: 'hub', ports: { one: { websocket: `ws://${socket}/?token=${token}` } } },
        c: { kind: 'hub', ports: { two: { websocket: `ws://${socket}`, token, pad: true } } },
      },
    })
    const rows = (): unknown[] =>
      reports.ports(network).map(({ port, kind, leadsTo, state }) => [port, kind, leadsTo, state])
    const isUp = (row: unknown): boolean => (row as string[])[3] === 'up'
    await until(() => rows().length === 4 && rows().every(isUp))
    const place = `ws://${socket}/`
    expect(rows()).to.deep.equal([
      ['tab0', 'websocket', place, 'up'],
      ['tab1', 'websocket', place, 'up'],
      ['one', 'websocket', place, 'up'],
      ['two', 'websocket', `ws://${socket}`, 'up'],
    ])
    const sender = await network.fabrics.get('b')!.attach(new MemoryPort())
    const reader = await network.fabrics.get('c')!.attach(new MemoryPort())
    sender.send(frame({ tag: 5 }))
    expect((await receive(reader, 1))[0]!.tag).to.equal(5)
  })

  it('takes peers where it listens, which come and go beside what the file names', async () => {
    const directory = mkdtempSync(joinPath(tmpdir(), 'etherloom-network-'))
    keep({
      close: () => {
        rmSync(directory, { recursive: true })
      },
    })
    const socket = joinPath(directory, 'lab.sock')
    const listen = { socket, name: 'slave%d', peers: 8 }
    const lab = (more: object): Topology => ({ fabrics: { lan: { kind: 'hub', ports: {}, ...more } } })
    const [network, slaves] = [
      await up(lab({ listen })),
      await up({ fabrics: { s: { kind: 'hub', ports: { one: { socket }, two: { socket } } } } }),
    ]
    const lan = network.fabrics.get('lan')!
    const rows = (): unknown[] =>
      reports.ports(network).map(({ port, kind, leadsTo, state }) => [port, kind, leadsTo, state])
    await until(() => rows().length === 2)
    expect(rows()).to.deep.equal([
      ['slave0', 'socket', socket, 'up'],
      ['slave1', 'socket', socket, 'up'],
    ])

    await network.setPath({ from: 'slave0', to: 'slave1' }, { allowed: true, delay: '5ms' })
    expect(lan.path('slave0', 'slave1').policy).to.include({ delay: '5ms' })
    expect(network.export()).to.deep.include(lab({ listen })) // and no word of those that happen to be there

    const peers = [...lan.ports.values()]
    expect((await network.apply(lab({ listen }))).steps).to.deep.equal([])
    expect([...lan.ports.values()]).to.deep.equal(peers)

    await slaves.close()
    await until(() => lan.ports.size === 0)
    expect((await network.apply(lab({}))).steps).to.deep.equal([`listen at ${socket} for lan no more`])
    expect(existsSync(socket)).to.equal(false)
  })

  it('listens at several places, each of which comes and goes by itself', async () => {
    const directory = mkdtempSync(joinPath(tmpdir(), 'etherloom-network-'))
    keep({
      close: () => {
        rmSync(directory, { recursive: true })
      },
    })
    const [a, b] = ['a', 'b'].map((name) => ({ socket: joinPath(directory, name) })) as [
      { socket: string },
      { socket: string },
    ]
    const lab = (...listen: { socket: string }[]): Topology => ({
      fabrics: { lan: { kind: 'hub', ports: {}, listen } },
    })
    const network = await up(lab(a, b))
    const lan = network.fabrics.get('lan')!
    await up({ fabrics: { s: { kind: 'hub', ports: { one: a, two: b } } } })
    const leading = (to: string): unknown[] =>
      reports.ports(network).flatMap(({ port, leadsTo }) => (leadsTo === to ? [lan.port(port)] : []))
    await until(() => leading(a.socket).length + leading(b.socket).length === 2)
    const stays = leading(b.socket)
    expect((await network.apply(lab(b))).steps).to.deep.equal([`listen at ${a.socket} for lan no more`])
    expect([...lan.ports.values()]).to.deep.equal(stays)
    expect([a, b].map(({ socket }) => existsSync(socket))).to.deep.equal([false, true])
  })

  it('listens again where going over to another topology fails', async () => {
    const directory = mkdtempSync(joinPath(tmpdir(), 'etherloom-network-'))
    keep({
      close: () => {
        rmSync(directory, { recursive: true })
      },
    })
    const at = (name: string, ports = {}): Topology => ({
      fabrics: { lan: { kind: 'hub', ports, listen: { socket: joinPath(directory, name) } } },
    })
    const network = await up(at('a'))
    for (const wrong of [at('no/such/folder'), at('b', { impossible })]) await refusal(network.apply(wrong))
    expect((await refusal(network.apply(at('no/such/folder')))).message).to.contain(
      "fabric 'lan': cannot serve",
    )
    expect(network.export()).to.deep.include(at('a'))
    const peer = await up({
      fabrics: { b: { kind: 'hub', ports: { up: { socket: joinPath(directory, 'a') } } } },
    })
    await until(() => peer.fabrics.get('b')!.port('up').state === 'up')
    await until(() => network.fabrics.get('lan')!.ports.has('peer0'))
  })

  it('changes by the difference, and says what changed', async () => {
    const network = await up(patched([{ between: ['one', 'two'], delay: '5ms' }]))
    const port = network.fabrics.get('a')!.port('one')
    const same = await network.apply(patched([{ between: ['two', 'one'], delay: '5ms' }]))
    expect(same).to.deep.equal({ up: 0, down: 0, changed: 0, steps: [] })
    const denied = await network.apply(
      patched([
        { from: 'one', to: 'two', allowed: false },
        { from: 'two', to: 'one', delay: '6ms' },
      ]),
    )
    expect(denied).to.deep.equal({ up: 0, down: 1, changed: 1, steps: ['set 2 paths of a'] })
    expect(network.fabrics.get('a')!.port('one')).to.equal(port)
  })

  it('gives ports what they have in their fabrics, and changes that where they are', async () => {
    const withDelay = (more: object): Topology => {
      const topology = patched([])
      Object.assign(topology.fabrics.a!.ports.one!, more)
      return topology
    }
    const receive = { addresses: ['02:00:00:00:00:01'] }
    const network = await up(withDelay({ delay: '10ms', receive }))
    expect(network.export().fabrics.a!.ports).to.deep.equal({
      one: { patch: 'b.one', delay: '10ms', receive },
      two: { patch: 'b.two' },
    })
    const port = network.fabrics.get('a')!.port('one')
    const { steps } = await network.apply(withDelay({ delay: '20ms' }))
    expect(steps).to.deep.equal(['configure port a.one'])
    expect(network.export().fabrics.a!.ports.one).to.deep.equal({ patch: 'b.one', delay: '20ms' })
    expect((await network.apply(patched([]))).steps).to.deep.equal(['configure port a.one'])
    expect(network.export().fabrics.a!.ports.one).to.deep.equal({ patch: 'b.one' })
    expect(network.fabrics.get('a')!.port('one')).to.equal(port)
  })

  it('guards ports against storms, changes and ends that where they are, and tells of storms by name', async () => {
    const guarded = (more: object): Topology => {
      const topology = patched([])
      for (const { ports } of Object.values(topology.fabrics)) delete ports.two // which would make a loop
      Object.assign(topology.fabrics.a!.ports.one!, more)
      return topology
    }
    const network = await up(guarded({ storm: { broadcast: 0 } }))
    const told: unknown[] = []
    for (const event of ['port:storm', 'port:calm'] as const)
      network.on(event, ({ fabric, port, traffic }: { fabric: string; port: string; traffic: string }) =>
        told.push([event, fabric, port, traffic]),
      )
    const [a, b] = ['a', 'b'].map((name) => network.fabrics.get(name)!)
    const [sender, receiver] = [new MemoryPort({ name: 'sender' }), new MemoryPort({ name: 'receiver' })]
    await b!.attach(sender)
    await a!.attach(receiver)
    sender.send(new Uint8Array(60).fill(0xff))
    await until(() => a!.port('one').stats().dropped.storm === 1n)
    await until(() => told.length === 1)
    expect((await network.apply(guarded({ storm: { multicast: 0 } }))).steps).to.deep.equal([
      'configure port a.one',
    ])
    expect(network.export().fabrics.a!.ports.one).to.deep.equal({
      patch: 'b.one',
      storm: { multicast: 0 },
    })
    sender.send(new Uint8Array(60).fill(0xff))
    expect(await receive(receiver, 1)).to.have.length(1)
    expect((await network.apply(guarded({}))).steps).to.deep.equal(['configure port a.one'])
    sender.send(new Uint8Array(60).fill(0x33))
    expect(await receive(receiver, 1), 'what no guard limits any more').to.have.length(1)
    await until(() => told.length === 2)
    expect(told).to.deep.equal([
      ['port:storm', 'a', 'one', 'broadcast'],
      ['port:calm', 'a', 'one', 'broadcast'],
    ])
  })

  it('replaces a fabric and both ends of its patches', async () => {
    const network = await up(patched([{ between: ['one', 'two'], delay: '5ms' }]))
    const { steps } = await network.apply(
      patched([{ between: ['one', 'two'], delay: '5ms' }], { forwarding: 'deny' }),
    )
    expect(steps).to.include('close hub b').and.include('patch a.one and b.one')
    expect(network.fabrics.get('b')!.forwarding).to.equal('deny')
    expect(network.fabrics.get('a')!.path('one', 'two').policy).to.include({ delay: '5ms' })
  })

  it('forgets the paths of a port that leaves', async () => {
    const network = await up(patched([{ between: ['one', 'two'], delay: '5ms' }]))
    const smaller = {
      seed: 7,
      fabrics: {
        a: { kind: 'hub', ports: { one: { patch: 'b.one' } } },
        b: { kind: 'hub', ports: { one: { patch: 'a.one' } } },
      },
    } as Topology
    await network.apply(smaller)
    expect(network.export()).to.deep.equal(smaller)
  })

  it('is left as it was when the new topology cannot be reached', async () => {
    const before = patched([{ between: ['one', 'two'], delay: '5ms' }])
    const network = await up(before)
    const exported = network.export()
    const after = patched([{ from: 'one', to: 'two', delay: '9ms' }], {
      kind: 'switch',
      ports: { one: { patch: 'a.one' }, two: { patch: 'a.two' }, broken: impossible },
    })
    const error = await refusal(network.apply(after))
    expect(error.message).to.match(/^port b\.broken: /)
    expect(network.export()).to.deep.equal(exported)
    const a = network.fabrics.get('a')!
    expect(a.path('one', 'two').policy).to.include({ delay: '5ms' })
    expect(a.path('two', 'one').policy).to.include({ delay: '5ms' })
    expect(network.fabrics.get('b')!.port('one').state).to.equal('up')
    expect(await network.apply(before)).to.include({ up: 0, down: 0, changed: 0 })
  })

  it('leaves ports alone that somebody else attached, when it goes back and when it goes on', async () => {
    const [less, more] = [structuredClone(patched([])), patched([])]
    for (const { ports } of Object.values(less.fabrics)) delete ports.two
    delete less.fabrics.a!.paths
    const network = await up(less)
    const b = network.fabrics.get('b')!
    const own = await b.attach(new MemoryPort({ name: 'two' }))
    expect((await refusal(network.apply(more))).message).to.match(
      /^port b\.two: 'b' has a port 'two' already/,
    )
    expect([own.state, b.port('two')]).to.deep.equal(['up', own])
    expect([...network.fabrics.get('a')!.ports.keys()]).to.deep.equal(['one'])
    expect(network.export()).to.deep.equal(less)

    await b.detach('one')
    const other = await b.attach(new MemoryPort({ name: 'one' }))
    await network.apply({
      seed: 7,
      fabrics: { a: { kind: 'hub', ports: {} }, b: { kind: 'hub', ports: {} } },
    })
    expect([own.state, other.state]).to.deep.equal(['up', 'up'])
    expect(reports.ports(network)).to.deep.equal([]) // no row claims that a patch is there
  })

  it('gives ports their groups and VLANs, reports and exports them', async () => {
    const topology = {
      seed: 7,
      fabrics: {
        a: {
          kind: 'switch',
          ports: {
            one: { patch: 'b.one', group: 'wires', vlan: { access: 10 } },
            two: { patch: 'b.two', group: 'wires', vlan: { trunk: [10, 20], native: 1 } },
          },
        },
        b: { kind: 'hub', ports: { one: { patch: 'a.one' }, two: { patch: 'a.two' } } },
      },
    } as Topology
    const network = await up(topology)
    expect(network.fabrics.get('a')!.path('one', 'two').policy).to.deep.equal({ allowed: false })
    expect(network.fabrics.get('b')!.path('one', 'two').policy).to.deep.equal({ allowed: true })
    expect(network.export()).to.deep.equal(topology)
    expect(reports.ports(network).map(({ group, vlan }) => [group, vlan])).to.deep.equal([
      ['wires', '10'],
      ['wires', 'trunk 10,20 native 1'],
      [undefined, undefined],
      [undefined, undefined],
    ])
    const { steps } = await network.apply(patched([]))
    expect(steps).to.include('open hub a')
    expect(network.fabrics.get('a')!.path('one', 'two').policy).to.deep.equal({ allowed: true })
  })

  it('leaves nothing when it cannot come up', async () => {
    const topology = { fabrics: { a: { kind: 'hub', ports: { x: impossible } } } } as Topology
    expect((await refusal(Network.up(topology))).message).to.match(/^port a\.x: /)
  })

  it('refuses a topology that has mistakes, with their places', async () => {
    const topology = { fabrics: { a: { kind: 'hubb', ports: {} } } } as unknown as Topology
    const error = await refusal(Network.up(topology))
    expect(error.code).to.equal('ERR_ETHERLOOM_TOPOLOGY')
    expect(error.message).to.match(/^fabrics\.a\.kind: 'kind' must be .* did you mean 'hub'\?$/)
  })

  it('refuses to change the settings of its engine', async () => {
    const network = await up(patched([]))
    for (const setting of [{ seed: 8 }, { io: 'epoll' }, { busyPoll: true }] as const) {
      const error = await refusal(network.apply({ ...patched([]), ...setting }))
      expect(error).to.include({ code: 'ERR_ETHERLOOM_STATE' })
      for (const name of Object.keys(setting)) expect(error.message).to.contain(`'${name}'`)
    }
  })

  it('refuses another name, which is what it goes by; without one it keeps its own', async () => {
    const network = await up({ name: 'lab', ...patched([]) })
    for (const same of [{ name: 'lab' }, {}]) await network.apply({ ...same, ...patched([]) })
    const error = await refusal(network.apply({ name: 'labor', ...patched([]) }))
    expect(error).to.include({ code: 'ERR_ETHERLOOM_STATE' })
    expect(error.message).to.match(/^'name' cannot change while running: it is 'lab', not 'labor'; leave it/)
    const nameless = await refusal((await up(patched([]))).apply({ name: 'lab', ...patched([]) }))
    expect(nameless.message).to.match(/^'name' cannot change while running, and there was none/)
  })

  it('reads, writes and polls as its topology says', async () => {
    const topology = { ...patched([]), io: 'epoll', busyPoll: { spinLast: '50us' } } as const
    const network = await up(topology)
    expect(network.engine.io).to.equal('epoll')
    expect(network.export()).to.deep.include({ io: 'epoll', busyPoll: { spinLast: '50us' } })
    expect(await network.apply(topology)).to.include({ up: 0, down: 0, changed: 0 })
  })

  it('sets paths by the names of ports, when these say which fabric is meant', async () => {
    const network = await up(patched([]))
    const policy = { allowed: true, delay: '1ms' } as const
    const ambiguous = await refusal(network.setPath({ from: 'one', to: 'two' }, policy))
    expect(ambiguous.message).to.equal(
      "'one' and 'two' are on several fabrics; write a.one or b.one, or choose the fabric, as with --fabric a",
    )
    const unknown = await refusal(network.setPath({ from: 'oen', to: 'two' }, policy))
    expect(unknown.message).to.match(/^no port 'oen'/)
    const set = await network.setPath({ from: 'one', to: 'two', both: true, fabric: 'b' }, policy)
    expect(set).to.deep.equal({ up: 0, down: 0, changed: 2 })
    expect(network.export().fabrics.b?.paths).to.deep.equal([{ between: ['one', 'two'], delay: '1ms' }])
  })

  it('takes ports as they are printed, with their fabric', async () => {
    const network = await up(patched([]))
    const policy = { allowed: true, delay: '1ms' } as const
    await network.setPath({ from: 'b.one', to: 'two' }, policy)
    await network.setPath({ from: 'two', to: 'b.one' }, { ...policy, delay: '2ms' })
    expect(network.export().fabrics.b?.paths).to.deep.equal([
      { from: 'one', to: 'two', delay: '1ms' },
      { from: 'two', to: 'one', delay: '2ms' },
    ])
    expect(network.port({ port: 'a.two' })).to.equal(network.fabrics.get('a')!.port('two'))
    expect(network.port({ port: 'a.two', fabric: 'a' }).name).to.equal('two')
    const refused: [string, string, string | undefined, string][] = [
      ['b.oen', 'two', undefined, "no port 'b.oen'; did you mean 'b.one'?"],
      [
        'a.one',
        'b.two',
        undefined,
        "'a.one' and 'b.two' are not on one fabric: 'a.one' is on a, 'b.two' is on b",
      ],
      ['a.one', 'two', 'b', "fabric 'b' has no port 'a.one'; did you mean 'b.one'?"],
      ['one', 'two', 'bb', "no fabric 'bb'; did you mean 'b'?"],
      ['one', 'two', 'core', "no fabric 'core'; fabrics: a, b"],
      ['left', 'two', undefined, "no port 'left'; ports: one, two"],
    ]
    for (const [from, to, fabric, message] of refused)
      expect((await refusal(network.setPath({ from, to, fabric }, policy))).message).to.equal(message)
  })

  it('does one order after another', async () => {
    const network = await up(patched([]))
    const kinds = ['switch', 'hub', 'switch'] as const
    await Promise.all(kinds.map((kind) => network.apply(patched([], { kind }))))
    expect(network.export().fabrics.b?.kind).to.equal('switch')
    expect(reports.ports(network).map(({ state }) => state)).to.deep.equal(['up', 'up', 'up', 'up'])
    await Promise.all([network.close(), network.close()])
  })

  it('runs its timelines, and starts one anew that changes', async () => {
    const timed = (entries: object[]): Topology =>
      patched([{ from: 'one', to: 'two', delay: '5ms' }], { timeline: entries })
    const first = { at: '0s', from: 'one', to: '*', loss: 1 }
    const network = await up(timed([first, { at: '1h', port: 'one', carrier: 'off' }]))
    const b = network.fabrics.get('b')!
    const loss = () => b.path('one', 'two').policy.loss
    const [step] = (await once(network, 'timeline')) as unknown[]
    expect(step).to.deep.equal({ fabric: 'b', entry: 1, at: '0s', phase: 'begin', did: 'one > * loss=1' })
    expect(loss()).to.equal(1)
    expect(reports.timeline(network)).to.deep.equal([
      { fabric: 'b', entry: 'one > * loss=1', taken: 1 },
      { fabric: 'b', entry: 'one carrier=off', taken: 0, next: '1h' },
    ])
    expect(reports.paths(network).map(({ fabric, policy }) => [fabric, policy])).to.deep.include([
      'b',
      { loss: 1 },
    ])
    expect(network.export().fabrics.b).to.not.have.property('paths')

    const running = network.timelines.get('b')
    await network.apply(timed([first, { at: '1h', port: 'one', carrier: 'off' }]))
    expect(network.timelines.get('b')).to.equal(running)
    const { steps } = await network.apply(timed([{ ...first, loss: 0.5 }]))
    expect(steps).to.deep.equal(['stop timeline of b', 'start timeline of b'])
    expect([loss(), running?.running]).to.deep.equal([undefined, false])
    await once(network, 'timeline')
    expect(loss()).to.equal(0.5)
    await network.apply(patched([{ from: 'one', to: 'two', delay: '5ms' }]))
    expect([loss(), network.timelines.size]).to.deep.equal([undefined, 0])
  })

  it('tells what its timelines cannot do', async () => {
    const network = await up(patched([], { timeline: [{ at: '0s', from: 'one', to: 'two', loss: 1 }] }))
    const told = once(network, 'timeline:error')
    void network.fabrics.get('b')!.detach('two')
    const [{ fabric, error }] = (await told) as [{ fabric: string; error: Error }]
    expect(fabric).to.equal('b')
    expect(error.message).to.match(/^timeline of 'b', one > two loss=1: /)
  })

  it('sets the carrier of a port', async () => {
    const network = await up(patched([]))
    await network.setCarrier({ port: 'one', fabric: 'b' }, false)
    expect(
      reports.ports(network).map(({ fabric, port, carrier }) => `${fabric}.${port} ${carrier}`),
    ).to.deep.equal(['a.one on', 'a.two on', 'b.one off', 'b.two on'])
    expect((await refusal(network.setCarrier({ port: 'one' }, true))).message).to.equal(
      "'one' is on several fabrics; write a.one or b.one, or choose the fabric, as with --fabric a",
    )
    expect((await refusal(network.setCarrier({ port: 'onee' }, true))).message).to.equal(
      "no port 'onee'; did you mean 'one'?",
    )
  })
})
