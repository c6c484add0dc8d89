/** Split-horizon groups: ports of one group do not hear each other, unless a policy says so. */
import { expect } from 'chai'
import { Engine, Hub, MemoryPort, Switch, Wire, type Fabric } from '../../lib/index.js'
import { closing, dropped, sum, tags } from '../helpers/fabric.js'
import { refusal } from '../helpers/errors.js'
import { frame, station } from '../helpers/frames.js'

describe('Split-horizon groups', () => {
  const closes = closing()
  const engine = () => closes(new Engine({ clock: 'virtual', seed: 1 }))

  /** A star of transit: the port of a machine, and three wires in one group. */
  const star = async (fabric: Fabric) => {
    const vm = await fabric.attach(new MemoryPort({ name: 'vm' }))
    const wires = []
    for (const name of ['wire1', 'wire2', 'wire3'])
      wires.push(await fabric.attach(new MemoryPort({ name }), { group: 'wires' }))
    const ports = [vm, ...wires]
    /** How many copies of a frame each port gets. */
    const pass = (from: MemoryPort, words = {}): number[] => {
      from.send(frame({ tag: 7, ...words }))
      fabric.engine.advance('0s')
      return ports.map((port) => tags(port).length)
    }
    return { ports, pass }
  }

  for (const kind of ['hub', 'switch'] as const)
    describe(`on a ${kind}`, () => {
      const make = () => (kind === 'hub' ? new Hub({ engine: engine() }) : new Switch({ engine: engine() }))

      it('pass frames between wire and machine, and none between wires (S15)', async () => {
        const fabric = make()
        const { ports, pass } = await star(fabric)
        expect(pass(ports[0]!, { from: station(0) })).to.deep.equal([0, 1, 1, 1])
        for (const [index, wire] of ports.slice(1).entries())
          expect(pass(wire, { from: station(index + 1) })).to.deep.equal([1, 0, 0, 0])
        // Unicast to a known station of the group is as dead as a flood.
        expect(pass(ports[1]!, { from: station(1), to: station(2) })).to.deep.equal(
          kind === 'hub' ? [1, 0, 0, 0] : [0, 0, 0, 0],
        )
        expect(dropped(ports[1]!.stats().dropped)).to.deep.equal(kind === 'hub' ? {} : { unreachable: 1 })
        expect(pass(ports[2]!, { from: station(2), to: station(0) })).to.deep.equal([1, 0, 0, 0])
      })

      it('may be several, which hear each other', async () => {
        const fabric = make()
        const { ports, pass } = await star(fabric)
        const others = []
        for (const name of ['u1', 'u2'])
          others.push(await fabric.attach(new MemoryPort({ name }), { group: 'uplinks' }))
        expect(pass(others[0]!, { from: station(8) })).to.deep.equal([1, 1, 1, 1])
        expect(tags(others[1]!)).to.deep.equal([])
        expect(pass(ports[1]!, { from: station(1) })).to.deep.equal([1, 0, 0, 0])
        expect(others.map((port) => tags(port).length)).to.deep.equal([1, 1])
      })

      it('are what holds without a policy: one that allows a path opens it, null closes it', async () => {
        const fabric = make()
        const { ports, pass } = await star(fabric)
        const path = fabric.path('wire1', 'wire3')
        expect(path.policy).to.deep.equal({ allowed: false })
        expect(fabric.path('wire1', 'vm').policy).to.deep.equal({ allowed: true })
        expect(await path.allow()).to.deep.equal({ up: 1, down: 0, changed: 0 })
        expect(pass(ports[1]!, { from: station(1) })).to.deep.equal([1, 0, 0, 1])
        expect(pass(ports[3]!, { from: station(3) })).to.deep.equal([1, 0, 0, 0])
        expect(pass(ports[1]!, { from: station(1), to: station(3) })).to.deep.equal(
          kind === 'hub' ? [1, 0, 0, 1] : [0, 0, 0, 1],
        )
        await fabric.path('wire1', 'vm').deny()
        expect(pass(ports[1]!, { from: station(1) })).to.deep.equal([0, 0, 0, 1])
        expect(await path.set(null)).to.deep.equal({ up: 0, down: 1, changed: 0 })
        expect(pass(ports[1]!, { from: station(1) })).to.deep.equal([0, 0, 0, 0])
        expect(Number(sum([path.stats().delivered]))).to.equal(3)
      })

      it('are left with the port', async () => {
        const fabric = make()
        const { ports, pass } = await star(fabric)
        await fabric.detach('wire2')
        await fabric.attach(ports[2]!)
        expect(pass(ports[1]!, { from: station(1) })).to.deep.equal([1, 0, 1, 0])
        for (const name of ['wire1', 'wire3']) await fabric.detach(name)
        await fabric.attach(ports[1]!)
        await fabric.attach(ports[3]!)
        expect(pass(ports[1]!, { from: station(1) })).to.deep.equal([1, 0, 1, 1])
      })
    })

  it('change nothing where forwarding is denied', async () => {
    const hub = new Hub({ engine: engine(), forwarding: 'deny' })
    const { ports, pass } = await star(hub)
    expect(pass(ports[0]!)).to.deep.equal([0, 0, 0, 0])
    await hub.between('wire1', 'wire2').allow()
    expect(pass(ports[1]!)).to.deep.equal([0, 0, 1, 0])
  })

  it('stay closed under a timeline that does not open them', async () => {
    const hub = new Hub({ engine: engine() })
    const { ports, pass } = await star(hub)
    hub.timeline([{ at: '0s', from: '*', to: '*', delay: '1ms' }])
    hub.engine.advance('1s')
    ports[1]!.send(frame())
    hub.engine.advance('1s')
    expect(ports.map((port) => tags(port).length)).to.deep.equal([1, 0, 0, 0])
    expect(pass(ports[0]!)).to.deep.equal([0, 0, 0, 0])
  })

  it('are refused on a wire, and without a proper name', async () => {
    const wire = new Wire({ engine: engine(), name: 'w' })
    const error = await refusal(wire.attach(new MemoryPort(), { group: 'g' }))
    expect(error.message).to.match(/'group' of attach is for ports of a hub or a switch; 'w' is a wire/)
    const hub = new Hub({ engine: engine() })
    for (const group of ['', 'two words', 7])
      expect((await refusal(hub.attach(new MemoryPort(), { group } as never))).code).to.equal(
        'ERR_ETHERLOOM_OPTION',
      )
    expect((await refusal(hub.attach(new MemoryPort(), { grop: 'g' } as never))).message).to.match(
      /did you mean 'group'/,
    )
  })
})
