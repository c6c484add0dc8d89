/** Storm guards of ports, and addresses that flap: what passes, what is told, and when. On a virtual clock. */
import { expect } from 'chai'
import {
  Engine,
  Hub,
  MemoryPort,
  PatchPort,
  Switch,
  Wire,
  type AttachOptions,
  type Fabric,
  type StormOptions,
} from '../../lib/index.js'
import { refusal } from '../helpers/errors.js'
import { closing, dropped, join, sum, tags, until } from '../helpers/fabric.js'
import { frame, numbered, station } from '../helpers/frames.js'

const group = '01:00:5e:00:00:01'

describe('A storm guard', () => {
  const closes = closing()
  const makeEngine = () => closes(new Engine({ clock: 'virtual', seed: 1 }))
  const attach = (fabric: Fabric, name: string, storm?: StormOptions, more: AttachOptions = {}) =>
    fabric.attach(new MemoryPort({ name, queueLimit: 100_000 }), { ...(storm && { storm }), ...more })
  /** What a fabric tells of storms, with the time on its clock. */
  const listen = (fabric: Fabric): unknown[] => {
    const told: unknown[] = []
    for (const event of ['port:storm', 'port:calm'] as const)
      fabric.on(event, ({ port, ...more }: { port: { name: string } }) =>
        told.push([event, fabric.engine.now(), port.name, more]),
      )
    return told
  }

  it('lets a tenth of a second at once through, and then its limit, and counts the rest as storm', async () => {
    const engine = makeEngine()
    const hub = new Hub({ engine })
    const a = await attach(hub, 'a', { broadcast: 1000 })
    const [b] = await join(hub, 'b')
    a.send(numbered(300))
    engine.advance('0s')
    expect(tags(b)).to.deep.equal(Array.from({ length: 100 }, (_, tag) => tag))
    expect(dropped(a.stats().dropped)).to.deep.equal({ storm: 200 })
    expect(a.stats().received.frames, 'also what was dropped was received').to.equal(300n)
    for (let step = 0; step < 1000; step++) {
      engine.advance('1ms')
      a.send(numbered(3))
    }
    engine.advance('0s')
    expect(tags(b)).to.have.length(1000)
    expect(dropped(a.stats().dropped)).to.deep.equal({ storm: 2200 })
  })

  it('limits what its own port sends, and only what it names', async () => {
    const engine = makeEngine()
    const bridge = new Switch({ engine })
    const a = await attach(bridge, 'a', { multicast: 10 })
    const [b, c] = await join(bridge, 'a2', 'c')
    a.send([frame({ to: group }), frame({ to: group }), ...numbered(50), ...numbered(50, { to: station(9) })])
    b.send(numbered(20, { to: group, from: station(2) }))
    engine.advance('0s')
    expect(tags(c)).to.have.length(1 + 50 + 50 + 20)
    expect(dropped(a.stats().dropped)).to.deep.equal({ storm: 1 })
    expect(dropped(b.stats().dropped)).to.deep.equal({})
  })

  it('of unknown stations leaves frames alone whose destination has been learned', async () => {
    const engine = makeEngine()
    const bridge = new Switch({ engine })
    const a = await attach(bridge, 'a', { unknown: 0 })
    const [b, c] = await join(bridge, 'b', 'c')
    a.send(numbered(5, { from: station(1), to: station(2) }))
    engine.advance('0s')
    expect([tags(b), tags(c)]).to.deep.equal([[], []])
    b.send(frame({ from: station(2) }))
    engine.advance('0s')
    a.send(numbered(5, { from: station(1), to: station(2) }))
    engine.advance('0s')
    expect(tags(b), 'its sender was learned from frames that were dropped, too').to.deep.equal([
      0, 1, 2, 3, 4,
    ])
    expect(dropped(a.stats().dropped)).to.deep.equal({ storm: 5 })
  })

  it('counts over all VLANs of its port', async () => {
    const engine = makeEngine()
    const bridge = new Switch({ engine })
    const trunk = await attach(bridge, 'trunk', { broadcast: 40 }, { vlan: { trunk: [10, 20] } })
    const ten = await attach(bridge, 'ten', undefined, { vlan: { access: 10 } })
    const twenty = await attach(bridge, 'twenty', undefined, { vlan: { access: 20 } })
    for (let tag = 0; tag < 6; tag++) trunk.send(frame({ vlan: tag % 2 === 0 ? 10 : 20, tag }))
    engine.advance('0s')
    expect([tags(ten), tags(twenty)]).to.deep.equal([
      [0, 2],
      [1, 3],
    ])
    expect(dropped(trunk.stats().dropped)).to.deep.equal({ storm: 2 })
  })

  it('tells once of a storm that begins and once that it is over, at their instants', async () => {
    const engine = makeEngine()
    const hub = new Hub({ engine })
    const a = await attach(hub, 'a', { broadcast: 1000, multicast: 10 })
    await join(hub, 'b')
    const told = listen(hub)
    engine.advance('5ms')
    a.send(numbered(100))
    engine.advance('0s')
    expect(told).to.deep.equal([])
    for (let step = 0; step < 500; step++) {
      a.send(numbered(4))
      engine.advance('1ms')
    }
    const begins = ['port:storm', 5_000_000n, 'a', { traffic: 'broadcast', limit: 1000 }]
    expect(told).to.deep.equal([begins])
    engine.advance('10s')
    const over = { traffic: 'broadcast', dropped: 1501n, rate: 1334, lasted: '499ms' }
    expect(told).to.deep.equal([begins, ['port:calm', 1_504_000_000n, 'a', over]])
    expect(engine.now()).to.equal(10_505_000_000n)

    a.send([frame({ to: group }), frame({ to: group })])
    engine.advance('2s')
    expect(told.slice(2)).to.deep.equal([
      ['port:storm', 10_505_000_000n, 'a', { traffic: 'multicast', limit: 10 }],
      ['port:calm', 11_505_000_000n, 'a', { traffic: 'multicast', dropped: 1n, rate: 2, lasted: '0s' }],
    ])
  })

  it('tells of a frame that is dropped a second after the last as of the same storm, and of a later one as of another', async () => {
    const engine = makeEngine()
    const hub = new Hub({ engine })
    const a = await attach(hub, 'a', { broadcast: 0 })
    const told = listen(hub)
    a.send(frame())
    engine.advance('999999999ns')
    a.send(frame())
    engine.advance('1s')
    expect(told).to.have.length(2)
    a.send(frame())
    engine.advance('1s')
    expect(told.map((each) => (each as unknown[]).slice(0, 2))).to.deep.equal([
      ['port:storm', 0n],
      ['port:calm', 1_999_999_999n],
      ['port:storm', 1_999_999_999n],
      ['port:calm', 2_999_999_999n],
    ])
  })

  it('lets a listener change the limits, and what it sends then meets the new ones', async () => {
    const engine = makeEngine()
    const hub = new Hub({ engine })
    const a = await attach(hub, 'a', { broadcast: 10 })
    const [b] = await join(hub, 'b')
    let done: Promise<void> | undefined
    hub.on('port:storm', ({ port }) => {
      done = hub.configure(port, { storm: {} })
    })
    a.send(numbered(5))
    engine.advance('1ms')
    await done
    a.send(numbered(5))
    engine.advance('0s')
    expect(tags(b)).to.deep.equal([0, 0, 1, 2, 3, 4])
  })

  it('is changed live: other limits hold for the next frame, all that is left out is not limited, no frame is lost', async () => {
    const engine = makeEngine()
    const hub = new Hub({ engine })
    const a = await attach(hub, 'a', undefined, { delay: '1ms' })
    const [b] = await join(hub, 'b')
    const told = listen(hub)
    const sent = (): number => {
      a.send([...numbered(50), ...numbered(50, { to: group })])
      engine.advance('0s')
      return tags(b).length
    }
    expect(sent()).to.equal(100)
    await hub.configure(a, { storm: { broadcast: 100 } })
    expect(sent()).to.equal(60)
    await hub.configure('a', { storm: { multicast: 200 } })
    expect(sent()).to.equal(70)
    await hub.configure(a, { delay: '2ms' })
    expect(sent(), 'another option leaves it as it is, with what is left of it').to.equal(50)
    await hub.configure(a, { storm: {} })
    expect(sent()).to.equal(100)
    engine.advance('1s')
    expect(told.map((each) => (each as unknown[])[0])).to.deep.equal([
      'port:storm',
      'port:storm',
      'port:calm',
      'port:calm',
    ])
    expect(dropped(a.stats().dropped)).to.deep.equal({ storm: 40 + 30 + 50 })
  })

  it('ends a storm with its port: that is told before the port is gone', async () => {
    const engine = makeEngine()
    const hub = new Hub({ engine })
    const a = await attach(hub, 'a', { broadcast: 0 })
    await join(hub, 'b')
    const told = listen(hub)
    a.on('detach', () => told.push('detached'))
    a.send(numbered(3))
    engine.advance('500ms')
    await hub.detach(a)
    expect(told.slice(1)).to.deep.equal([
      ['port:calm', 500_000_000n, 'a', { traffic: 'broadcast', dropped: 3n, rate: 3, lasted: '0s' }],
      'detached',
    ])
    engine.advance('2s')
    expect(told).to.have.length(3)

    await hub.attach(a, { storm: { broadcast: 0 } })
    a.send(frame())
    engine.advance('0s')
    expect(told).to.have.length(4)
    await engine.close()
    expect((told[4] as unknown[]).slice(0, 2)).to.deep.equal(['port:calm', 2_500_000_000n])
  })

  it('tells of a storm that began while its port was still being attached, with the next frame', async () => {
    const engine = makeEngine()
    const [hub, bridge] = [new Hub({ engine }), new Switch({ engine })]
    const [near, far] = PatchPort.pair()
    const [a] = await join(hub, 'a')
    await hub.attach(near)
    let go = (): void => undefined
    const gate = new Promise<void>((resolve) => (go = resolve))
    const opening = far as unknown as { open(fabric: Fabric): Promise<number> }
    const open = opening.open.bind(far)
    opening.open = async (fabric) => {
      const id = await open(fabric)
      await gate
      return id
    }
    const attached = bridge.attach(far, { storm: { broadcast: 0 } })
    const told = listen(bridge)
    await new Promise((resolve) => setImmediate(resolve))
    a.send(frame())
    engine.advance('0s')
    go()
    await attached
    expect(dropped(far.stats().dropped)).to.deep.equal({ storm: 1 })
    a.send(frame())
    engine.advance('1s')
    expect(told.map((each) => (each as unknown[]).slice(0, 2))).to.deep.equal([
      ['port:storm', 0n],
      ['port:calm', 1_000_000_000n],
    ])
  })

  it('keeps a loop of two switches within bounds, while others go on', async () => {
    const engine = makeEngine()
    const [one, two] = [new Switch({ engine, name: 'one' }), new Switch({ engine, name: 'two' })]
    const wires = []
    for (const name of ['first', 'second', 'third']) {
      const [left, right] = PatchPort.pair({ names: [name, name] })
      await one.attach(left, { storm: { broadcast: 100 } })
      await two.attach(right, { storm: { broadcast: 100 } })
      wires.push(left, right)
    }
    const [a, c, d] = await join(one, 'a', 'c', 'd')
    const [b] = await join(two, 'b')
    const told = listen(one)
    const flapping: string[] = []
    one.on('address:flapping', ({ address, ports }) =>
      flapping.push(address, ...ports.map(({ name }) => name)),
    )
    c.send(frame({ from: station(3), to: station(4) }))
    d.send(frame({ from: station(4), to: station(3) }))
    engine.advance('1s')
    for (const port of [a, b, c, d]) tags(port)

    for (let tag = 0; tag < 1000; tag++) {
      a.send(frame({ from: station(1), tag }))
      c.send(frame({ from: station(3), to: station(4), tag }))
      engine.advance('1ms')
    }
    const received = wires.reduce((frames, wire) => frames + Number(wire.stats().received.frames), 0)
    expect(received, 'each of a thousand would be tens of thousands by itself').to.be.below(100_000)
    expect(tags(b).length, 'three ports, each 10 at once and 100 a second').to.be.within(300, 330)
    expect(tags(d).filter((tag) => tag < 1000)).to.have.length.above(1000)
    expect(Number(d.stats().transmitted.frames)).to.be.below(1000 + 3 * 110 + 1000 + 3)
    for (const wire of wires) expect(wire.stats().dropped.storm > 0n).to.equal(true)
    expect(flapping[0]).to.equal(station(1))
    expect(flapping).to.have.length(3)
    expect(told).to.have.length(3)
    engine.advance('5s')
    expect(told).to.have.length(6)
  })

  for (const workers of [1, 2, 4]) {
    it(`is one limit whatever the workers: ${workers}`, async () => {
      const engine = closes(new Engine({ seed: 1, workers }))
      const hub = new Hub({ engine })
      const ports = [
        await attach(hub, 'a', { broadcast: 50 }),
        await attach(hub, 'b', { broadcast: 50 }),
      ] as const
      const listener = await attach(hub, 'c')
      const told = listen(hub)
      for (const port of ports) port.send(numbered(200))
      const passed = (): number => Number(listener.stats().transmitted.frames)
      const lost = (): number => Number(sum(ports.map((port) => port.stats().dropped.storm)))
      await until(() => passed() + lost() === 400)
      expect(passed(), '5 each at once, and 50 a second').to.be.at.least(10)
      expect(lost(), 'those would take four seconds').to.be.above(0)
      await until(() => told.length === 4)
      expect(told.filter((each) => (each as string[])[0] === 'port:calm')).to.have.length(2)
    }).timeout(20_000)
  }

  it('refuses a limit on unknown stations where no station is known: on a hub and on a wire', async () => {
    const engine = makeEngine()
    for (const fabric of [new Hub({ engine, name: 'hub' }), new Wire({ engine, name: 'wire' })]) {
      const words = `option 'unknown' of storm is for ports of a switch; '${fabric.name}' is a ${fabric.name}`
      expect((await refusal(attach(fabric, 'a', { unknown: 1 }))).message).to.equal(words)
      const a = await attach(fabric, 'a', { broadcast: 1 })
      expect((await refusal(fabric.configure(a, { storm: { unknown: 1 } }))).message).to.equal(words)
    }
  })
})

describe('An address that flaps', () => {
  const closes = closing()

  it('is told of once when it begins and once when it has settled, and its moves are counted', async () => {
    const engine = closes(new Engine({ clock: 'virtual', seed: 1 }))
    const bridge = new Switch({ engine })
    const [a, b] = await join(bridge, 'a', 'b')
    const told: unknown[] = []
    bridge.on('address:moved', ({ to }) => told.push([engine.now(), 'moved', to?.name]))
    bridge.on('address:flapping', ({ ports, ...more }) =>
      told.push([engine.now(), ports.map(({ name }) => name), more]),
    )
    bridge.on('address:settled', (settled) => told.push([engine.now(), settled]))
    for (let number = 0; number <= 1000; number++) {
      ;(number % 2 === 0 ? a : b).send(frame({ from: station(1), vlan: 7 }))
      engine.advance('1ms')
    }
    engine.advance('3s')
    expect(told).to.deep.equal([
      [1_000_000n, 'moved', 'b'],
      [2_000_000n, 'moved', 'a'],
      [3_000_000n, 'moved', 'b'],
      [4_000_000n, 'moved', 'a'],
      [5_000_000n, ['a', 'b'], { address: station(1), vlan: 7 }],
      [2_000_000_000n, { address: station(1), vlan: 7, moves: 1000n }],
    ])
    b.send(frame({ from: station(1), vlan: 7 }))
    engine.advance('0s')
    expect(told.at(-1)).to.deep.equal([4_001_000_000n, 'moved', 'b'])
  })

  it('has settled when its fabric closes, or its engine', async () => {
    for (const close of ['fabric', 'engine'] as const) {
      const engine = closes(new Engine({ clock: 'virtual', seed: 1 }))
      const bridge = new Switch({ engine })
      const [a, b] = await join(bridge, 'a', 'b')
      const settled: bigint[] = []
      bridge.on('address:settled', ({ moves }) => settled.push(moves))
      for (let number = 0; number < 10; number++) {
        ;(number % 2 === 0 ? a : b).send(frame({ from: station(1) }))
        engine.advance('0s')
      }
      await (close === 'fabric' ? bridge : engine).close()
      expect(settled).to.deep.equal([9n])
      if (close === 'fabric') engine.advance('2s')
      expect(settled).to.have.length(1)
    }
  })
})
