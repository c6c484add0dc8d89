/** Hubs: who gets a copy of a frame, and where the others are counted. */
import { expect } from 'chai'
import { Engine, Hub, MemoryPort } from '../../lib/index.js'
import { closing, dropped, join, tags } from '../helpers/fabric.js'
import { frame, station } from '../helpers/frames.js'

describe('Hub', () => {
  const closes = closing()
  const makeHub = (forwarding: 'allow' | 'deny' = 'allow') => {
    const engine = closes(new Engine({ clock: 'virtual', seed: 1 }))
    return { engine, hub: new Hub({ engine, forwarding }) }
  }

  it('floods everything, unicast too, to every port but the one it came from', async () => {
    const { engine, hub } = makeHub()
    const [a, b, c] = await join(hub, 'a', 'b', 'c')
    a.send(frame({ to: station(2), from: station(1), tag: 1 }))
    a.send(frame({ from: station(1), tag: 2 }))
    engine.advance('0s')
    expect(tags(b)).to.deep.equal([1, 2])
    expect(tags(c)).to.deep.equal([1, 2])
    expect(tags(a)).to.deep.equal([])
  })

  it('passes bytes on unchanged, from the shortest frame to the longest', async () => {
    const { engine, hub } = makeHub()
    const big = { frameLimit: 69_632 }
    const a = await hub.attach(new MemoryPort({ name: 'a', ...big }))
    const b = await hub.attach(new MemoryPort({ name: 'b', ...big }))
    for (const length of [14, 15, 60, 1518, 1919, 1920, 1921, 9014, 69_632]) {
      const bytes = Uint8Array.from({ length }, (_, index) => (index * 7 + length) & 0xff)
      a.send(bytes)
      engine.advance('0s')
      expect([...b.read()!], `${length} bytes`).to.deep.equal([bytes])
    }
  })

  it('keeps the order of a port, whatever number of frames is sent at once', async () => {
    const { engine, hub } = makeHub()
    const [a, b] = await join(hub, 'a', 'b')
    const count = 5000
    a.send(Array.from({ length: count }, (_, tag) => frame({ tag })))
    engine.advance('0s')
    expect(tags(b)).to.deep.equal(Array.from({ length: count }, (_, tag) => tag))
  })

  it('drops runts and frames over the limit at receive, by reason', async () => {
    const { engine, hub } = makeHub()
    const [a, b] = await join(hub, 'a', 'b')
    a.send([new Uint8Array(0), new Uint8Array(13), new Uint8Array(1519), frame()])
    engine.advance('0s')
    expect(tags(b)).to.deep.equal([0])
    const stats = a.stats()
    expect(dropped(stats.dropped)).to.deep.equal({ runt: 2, oversize: 1 })
    expect(stats.received).to.deep.equal({ frames: 1n, bytes: 60n })
  })

  it('drops what is too long for the port it goes to, on that port', async () => {
    const { engine, hub } = makeHub()
    const a = await hub.attach(new MemoryPort({ name: 'a', frameLimit: 9000 }))
    const [b] = await join(hub, 'b')
    const c = await hub.attach(new MemoryPort({ name: 'c', frameLimit: 9000 }))
    a.send(frame({ length: 1519, tag: 3 }))
    engine.advance('0s')
    expect(tags(b)).to.deep.equal([])
    expect(tags(c)).to.deep.equal([3])
    expect(dropped(b.stats().dropped)).to.deep.equal({ oversize: 1 })
    expect(dropped(c.stats().dropped)).to.deep.equal({})
  })

  it('lets nothing pass by default where forwarding is denied, and counts it as unreachable', async () => {
    const { engine, hub } = makeHub('deny')
    const [a, b] = await join(hub, 'a', 'b')
    a.send(frame())
    engine.advance('0s')
    expect(tags(b)).to.deep.equal([])
    expect(dropped(a.stats().dropped)).to.deep.equal({ unreachable: 1 })
  })

  it('counts a frame as unreachable when no other port is there', async () => {
    const { engine, hub } = makeHub()
    const [a] = await join(hub, 'a')
    a.send(frame())
    engine.advance('0s')
    expect(dropped(a.stats().dropped)).to.deep.equal({ unreachable: 1 })
  })

  it('opens one direction of one pair of a denying hub', async () => {
    const { engine, hub } = makeHub('deny')
    const [a, b, c] = await join(hub, 'a', 'b', 'c')
    await hub.path(a, b).allow()
    for (const [index, port] of [a, b, c].entries()) port.send(frame({ tag: index }))
    engine.advance('0s')
    expect([a, b, c].map(tags)).to.deep.equal([[], [0], []])
  })

  it('closes one direction of one pair of an allowing hub', async () => {
    const { engine, hub } = makeHub()
    const [a, b, c] = await join(hub, 'a', 'b', 'c')
    await hub.path(a, b).deny()
    for (const [index, port] of [a, b, c].entries()) port.send(frame({ tag: index }))
    engine.advance('0s')
    expect([a, b, c].map((port) => tags(port).sort())).to.deep.equal([[1, 2], [2], [0, 1]])
  })

  it('returns to its default with a null policy', async () => {
    const { engine, hub } = makeHub('deny')
    const [a, b] = await join(hub, 'a', 'b')
    await hub.between(a, b).allow()
    await hub.path('a', 'b').set(null)
    expect(hub.path(a, b).policy).to.deep.equal({ allowed: false })
    expect(hub.path(b, a).policy).to.deep.equal({ allowed: true })
    a.send(frame())
    b.send(frame())
    engine.advance('0s')
    expect([a, b].map(tags)).to.deep.equal([[0], []])
  })

  it('counts frames and bytes per port, per path with a policy, and together for all other paths', async () => {
    const { engine, hub } = makeHub()
    const [a, b, c] = await join(hub, 'a', 'b', 'c')
    await hub.path(a, b).allow()
    a.send([frame({ length: 100 }), frame({ length: 200 })])
    engine.advance('0s')
    const { ports, paths } = hub.stats()
    expect(ports.a!.received).to.deep.equal({ frames: 2n, bytes: 300n })
    expect(ports.b!.transmitted).to.deep.equal({ frames: 2n, bytes: 300n })
    expect(ports.c!.transmitted).to.deep.equal({ frames: 2n, bytes: 300n })
    expect(ports.a!.defaults).to.deep.include({ offered: 2n, delivered: 2n, deliveredBytes: 300n })
    expect(paths).to.have.length(1)
    expect(paths[0]).to.deep.include({ from: 'a', to: 'b', allowed: true, offered: 2n, delivered: 2n })
    expect(hub.path(a, c).stats().offered).to.equal(0n)
  })

  for (const forwarding of ['allow', 'deny'] as const)
    it(`goes on listing a path that lost its policy (forwarding ${forwarding}), so that sums never fall`, async () => {
      const { engine, hub } = makeHub(forwarding)
      const [a, b, c] = await join(hub, 'a', 'b', 'c')
      const count = (): bigint[] => {
        const { ports, paths } = hub.stats()
        const all = [...paths, ...Object.values(ports).map(({ defaults }) => defaults)]
        return [all, paths].map((counted) => counted.reduce((sum, { delivered }) => sum + delivered, 0n))
      }
      await hub.path(a, b).allow()
      await hub.path(a, c).set(null)
      a.send([frame(), frame()])
      engine.advance('0s')
      const before = count()
      await hub.path(a, b).set(null)
      expect(count()).to.deep.equal(before)
      const allowed = forwarding === 'allow'
      expect(
        hub.stats().paths.map(({ from, to, allowed, delivered }) => [from, to, allowed, delivered]),
      ).to.deep.equal([['a', 'b', allowed, 2n]])
      a.send(frame())
      engine.advance('0s')
      expect(count()[1]).to.equal(allowed ? 3n : 2n)
      expect(hub.path(a, b).stats()).to.deep.include({ delivered: allowed ? 3n : 2n })
      await hub.detach(b)
      expect(hub.stats().paths).to.deep.equal([])
    })
})
