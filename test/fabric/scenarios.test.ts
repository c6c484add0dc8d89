/** Whole scenarios from the predecessors: guests on one medium, a management network, a reader that stops. */
import { expect } from 'chai'
import { Engine, Hub, MemoryPort, Switch, type Fabric } from '../../lib/index.js'
import { closing, dropped, join, sum, tags } from '../helpers/fabric.js'
import { broadcast, frame, numbered, station } from '../helpers/frames.js'

describe('Scenarios', () => {
  const closes = closing()
  const makeEngine = () => closes(new Engine({ clock: 'virtual', seed: 1 }))

  describe('guests and their host as ports of one fabric (S1)', () => {
    const [macA, macB, macC, macH] = [1, 2, 3, 4].map(station) as [string, string, string, string]
    const guests = async (fabric: Fabric) => {
      const ports = await join(fabric, 'A', 'B', 'C', 'H')
      /** How many copies of a frame each of A, B, C and H gets. */
      const copies = (from: MemoryPort, words: { to: string; from: string }) => {
        from.send(frame({ ...words, tag: 77 }))
        fabric.engine.advance('0s')
        return ports.map((port) => tags(port).filter((tag) => tag === 77).length)
      }
      return { ports, copies }
    }

    it('hub: everybody else gets each frame once, unicast is overheard, nobody hears an echo', async () => {
      const { ports, copies } = await guests(new Hub({ engine: makeEngine() }))
      const [a, , , h] = ports
      expect(copies(a, { to: macB, from: macA }), 'A to B').to.deep.equal([0, 1, 1, 1])
      expect(copies(a, { to: broadcast, from: macA }), 'A to all').to.deep.equal([0, 1, 1, 1])
      expect(copies(a, { to: macH, from: macA }), 'A to H').to.deep.equal([0, 1, 1, 1])
      expect(copies(h, { to: macA, from: macH }), 'H to A').to.deep.equal([1, 1, 1, 0])
      expect(copies(h, { to: broadcast, from: macH }), 'H to all').to.deep.equal([1, 1, 1, 0])
      expect(copies(h, { to: macB, from: macH }), 'H to B').to.deep.equal([1, 1, 1, 0])
      const solicitation = { to: '33:33:ff:00:00:01', from: macA }
      expect(copies(a, solicitation), 'duplicate address detection').to.deep.equal([0, 1, 1, 1])
    })

    it('switch: once learned, unicast reaches its station only', async () => {
      const { ports, copies } = await guests(new Switch({ engine: makeEngine() }))
      const [a, b, c, h] = ports
      for (const [port, mac] of [
        [a, macA],
        [b, macB],
        [c, macC],
        [h, macH],
      ] as const)
        copies(port, { to: broadcast, from: mac })
      expect(copies(a, { to: macB, from: macA }), 'A to B').to.deep.equal([0, 1, 0, 0])
      expect(copies(a, { to: macH, from: macA }), 'A to H').to.deep.equal([0, 0, 0, 1])
      expect(copies(h, { to: macA, from: macH }), 'H to A').to.deep.equal([1, 0, 0, 0])
      expect(copies(h, { to: macB, from: macH }), 'H to B').to.deep.equal([0, 1, 0, 0])
      expect(copies(a, { to: broadcast, from: macA }), 'A to all').to.deep.equal([0, 1, 1, 1])
      expect(copies(h, { to: broadcast, from: macH }), 'H to all').to.deep.equal([1, 1, 1, 0])
    })

    for (const kind of ['hub', 'switch'] as const) {
      it(`${kind}: 100 requests from A to B, answered for every copy, are 100 replies`, async () => {
        const engine = makeEngine()
        const fabric = kind === 'hub' ? new Hub({ engine }) : new Switch({ engine })
        const [a, b] = await join(fabric, 'A', 'B', 'C', 'H')
        let replies = 0
        for (let request = 0; request < 100; request++) {
          a.send(frame({ to: macB, from: macA, tag: request }))
          engine.advance('0s')
          for (const tag of tags(b)) b.send(frame({ to: macA, from: macB, tag }))
          engine.advance('0s')
          replies += tags(a).length
        }
        expect(replies).to.equal(100)
      })
    }
  })

  it('a management switch is not touched by what the data hub of the same nodes does (S11)', async () => {
    const engine = makeEngine()
    const data = new Hub({ engine, name: 'wifi1', forwarding: 'deny' })
    const management = new Switch({ engine, name: 'mgmt' })
    const names = ['n1', 'n2', 'n3'] as const
    const onData = await join(data, ...names)
    const onManagement = await join(management, ...names)
    const everyPair = names.flatMap((from) => names.filter((to) => to !== from).map((to) => ({ from, to })))

    const expectManagement = (when: string) => {
      for (const [index, port] of onManagement.entries())
        port.send(frame({ from: station(index), tag: index }))
      engine.advance('0s')
      for (const port of onManagement) tags(port)
      onManagement[0].send(frame({ to: station(1), from: station(0), tag: 5 }))
      engine.advance('0s')
      expect(onManagement.map(tags), when).to.deep.equal([[], [5], []])
      expect(onManagement.map((port) => sum(Object.values(port.stats().dropped)))).to.deep.equal([0n, 0n, 0n])
    }
    expectManagement('before the first step')
    await data.apply(everyPair.map((pair) => ({ ...pair, policy: { allowed: true, loss: 1 } })))
    expectManagement('while the data network loses everything')
    await data.apply(everyPair.map((pair) => ({ ...pair, policy: { allowed: false } })))
    for (const port of onData) port.send(frame())
    expectManagement('while all data paths are denied')
    expect(onData.map(tags)).to.deep.equal([[], [], []])
    expect(management.stats().paths).to.deep.equal([])
  })

  it('a port whose reader stops costs the others nothing, and its drops are counted on it alone (S14)', async () => {
    const engine = closes(new Engine({ workers: 2 }))
    const hub = new Hub({ engine })
    const [a, b] = await join(hub, 'a', 'b')
    const stuck = await hub.attach(new MemoryPort({ name: 'stuck', queueLimit: 100 }))
    for (const to of [b, stuck]) await hub.path(a, to).allow()
    const count = 20_000
    let got = 0
    const reading = (async () => {
      for await (const batch of b) {
        got += batch.length
        if (got === count) return
      }
    })()
    for (let sent = 0; sent < count; sent += 200) {
      a.send(numbered(200))
      // At the pace of the reader that works: no more is under way than the rings hold.
      while (got < sent - 1000) await new Promise((resolve) => setImmediate(resolve))
    }
    await reading
    const toStuck = hub.path(a, stuck)
    while (toStuck.stats().inFlight > 0n) await new Promise((resolve) => setImmediate(resolve))
    expect(dropped(hub.path(a, b).stats().dropped)).to.deep.equal({})
    expect(dropped(a.stats().dropped)).to.deep.equal({})
    expect(dropped(b.stats().dropped)).to.deep.equal({})
    expect(toStuck.stats()).to.deep.include({ offered: BigInt(count), delivered: 100n })
    expect(dropped(stuck.stats().dropped)).to.deep.equal({ 'port-full': count - 100 })
    expect(tags(stuck)).to.have.length(100)
  })
})
