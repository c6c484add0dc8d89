/** The virtual clock: time stands still but for `advance`, and the number of workers never shows. */
import { expect } from 'chai'
import {
  Engine,
  Hub,
  MemoryPort,
  PatchPort,
  Switch,
  TapPort,
  type Fabric,
  type Policy,
} from '../../lib/index.js'
import { closing, join, tags, take } from '../helpers/fabric.js'
import { refusal } from '../helpers/errors.js'
import { frame, station } from '../helpers/frames.js'
import { Draw } from '../helpers/draw.js'

describe('Virtual clock', () => {
  const closes = closing()

  it('starts at 0 and moves by what it is advanced, whatever happens on the way', async () => {
    const engine = closes(new Engine({ clock: 'virtual' }))
    const hub = new Hub({ engine })
    const [a, b] = await join(hub, 'a', 'b')
    await hub.path(a, b).allow({ delay: '3ms' })
    expect([engine.clock, engine.io, engine.now()]).to.deep.equal(['virtual', 'virtual', 0n])
    a.send(frame())
    engine.advance('2ms')
    engine.advance('0s')
    engine.advance('7ns')
    expect(engine.now()).to.equal(2_000_007n)
    engine.advance('1h')
    expect(engine.now()).to.equal(3_600_002_000_007n)
    expect(take(b).map(({ at }) => at)).to.deep.equal([3_000_000n])
  })

  it('loses the same frames for want of memory, whatever the number of workers', async () => {
    const run = async (workers: number) => {
      const engine = closes(new Engine({ clock: 'virtual', memory: '4MiB', seed: 1, workers }))
      const hub = new Hub({ engine, name: 'hub' })
      const ports = await join(hub, 'a', 'b', 'c', 'd')
      await hub.between('a', 'b').allow({ delay: '1s', jitter: '300ms', duplicate: 0.3 })
      await hub.path('c', 'd').allow({ delay: '2s', corrupt: 0.5 })
      for (let round = 0; round < 20; round++) {
        for (const port of ports) port.send(Array.from({ length: 40 }, (_, tag) => frame({ tag })))
        engine.advance('100ms')
      }
      engine.advance('10s')
      return { taken: ports.map(take), stats: hub.stats().paths }
    }
    const one = await run(1)
    expect(one.stats.some(({ dropped }) => dropped['no-buffer'] > 0n)).to.equal(true)
    expect(await run(3)).to.deep.equal(one)
  })

  it('cannot be advanced where it is real', async () => {
    const engine = closes(new Engine())
    const error = await refusal(() => engine.advance('1s'))
    expect(error.code).to.equal('ERR_ETHERLOOM_STATE')
    expect(error.message).to.equal("only a virtual clock can be advanced; use { clock: 'virtual' }")
  })

  it('refuses ports of the outside world', async () => {
    const hub = new Hub({ engine: closes(new Engine({ clock: 'virtual' })) })
    const port = new TapPort({ fd: 0 })
    expect((await refusal(hub.attach(port))).code).to.match(/^ERR_ETHERLOOM_/)
    expect([port.state, hub.ports.size]).to.deep.equal(['detached', 0])
  })

  it('runs what follows from a delivery at the same instant, through any number of fabrics', async () => {
    const engine = closes(new Engine({ clock: 'virtual', workers: 3 }))
    const hubs = Array.from({ length: 10 }, () => new Hub({ engine }))
    for (const [index, hub] of hubs.entries()) {
      if (index === 0) continue
      const [left, right] = PatchPort.pair({ names: ['down', 'up'] })
      await hubs[index - 1]!.attach(left)
      await hub.attach(right)
    }
    const [a] = await join(hubs[0]!, 'a')
    const [b] = await join(hubs[9]!, 'b')
    engine.advance('1s')
    a.send(frame({ tag: 3 }))
    engine.advance('0s')
    expect(take(b).map(({ tag, at }) => [tag, at])).to.deep.equal([[3, 1_000_000_000n]])
  })

  it('tells listeners what happens at its instant, and what they send leaves then', async () => {
    const engine = closes(new Engine({ clock: 'virtual' }))
    const [hub, bridge] = [new Hub({ engine }), new Switch({ engine })]
    const [near, far] = PatchPort.pair()
    await hub.attach(near)
    await bridge.attach(far)
    const [a] = await join(hub, 'a')
    const [b, c] = await join(bridge, 'b', 'c')
    await hub.path(a, near).allow({ delay: '5ms' })
    bridge.on('address:moved', () => c.send(frame({ from: station(2), tag: 2 })))
    a.send(frame({ from: station(1), tag: 1 }))
    b.send(frame({ from: station(1) }))
    engine.advance('1s')
    expect(take(b).map(({ tag, at }) => [tag, at])).to.deep.equal([
      [1, 5_000_000n],
      [2, 5_000_000n],
    ])
    expect(engine.now()).to.equal(1_000_000_000n)
  })

  it('loses nothing to its rings, whatever is sent or delivered within one instant', async () => {
    const engine = closes(new Engine({ clock: 'virtual' }))
    const hub = new Hub({ engine })
    const [a, b, c] = await join(hub, 'a', 'b', 'c')
    const count = 3000
    const sent = Array.from({ length: count }, (_, tag) => frame({ tag, length: 1514 }))
    expect(a.send(sent)).to.equal(count)
    engine.advance('0s')
    for (const port of [b, c]) expect(tags(port)).to.deep.equal(sent.map((_, tag) => tag))
  })

  /** Everything that reaches any port of a random network, with bytes and times. */
  const record = async (seed: number, workers: number) => {
    const draw = new Draw(seed)
    const engine = closes(new Engine({ clock: 'virtual', seed, workers }))
    const fabrics: Fabric[] = Array.from({ length: 4 }, (_, index) =>
      index % 2 === 0
        ? new Hub({ engine, name: `f${index}`, forwarding: index === 0 ? 'allow' : 'deny' })
        : new Switch({ engine, name: `f${index}`, ageing: '20ms', addresses: 16 }),
    )
    const ports: MemoryPort[] = []
    for (let number = 0; number < 12; number++) {
      const port = new MemoryPort({ name: `p${number}`, queueLimit: 100_000 })
      ports.push(await fabrics[draw.below(4)]!.attach(port))
    }
    for (const [from, to] of [
      [0, 1],
      [1, 2],
      [2, 3],
      [3, 0],
    ] as const) {
      const [left, right] = PatchPort.pair({ names: [`to${to}`, `from${from}`] })
      await fabrics[from]!.attach(left)
      await fabrics[to]!.attach(right)
    }
    const policy = (): Policy => ({
      allowed: draw.below(8) > 0,
      loss: draw.below(3) === 0 ? 0.2 : 0,
      duplicate: draw.below(3) === 0 ? 0.3 : 0,
      corrupt: draw.below(4) === 0 ? 0.1 : 0,
      ...(draw.below(2) === 0 ? { delay: '1ms', jitter: '700us', reorder: draw.below(2) / 4 } : {}),
      ...(draw.below(3) === 0 ? { rate: '5Mbit', queue: '20frames', overhead: 24 } : {}),
    })
    const moves: string[] = []
    for (const fabric of fabrics)
      fabric.on('address:moved', ({ address, from, to }) =>
        moves.push(`${address} ${from?.name} ${to?.name}`),
      )

    for (let step = 0; step < 60; step++) {
      for (const fabric of fabrics) {
        const names = [...fabric.ports.keys()]
        const changes = names.flatMap((from) =>
          names
            .filter((to) => to !== from && draw.below(20) === 0)
            .map((to) => ({ from, to, policy: policy() })),
        )
        await fabric.apply(changes, { flush: draw.below(3) === 0 })
      }
      for (const port of ports) {
        const frames = draw.below(step === 30 ? 200 : 6)
        for (let index = 0; index < frames; index++)
          port.send(
            frame({ to: station(draw.below(20)), from: station(draw.below(20)), tag: draw.below(1e6) }),
          )
      }
      engine.advance(`${draw.below(2_000_000)}ns`)
    }
    engine.advance('10s')
    const delivered = ports.map((port) =>
      take(port).map(({ at, bytes }) => `${at} ${Buffer.from(bytes).toString('hex')}`),
    )
    const addresses = fabrics.flatMap((fabric) => (fabric instanceof Switch ? fabric.addresses() : []))
    return { delivered, moves, addresses, stats: fabrics.map((fabric) => fabric.stats()) }
  }

  for (const seed of [1, 2, 3]) {
    it(`gives the same bytes at the same times for 1, 2 and 4 workers (network ${seed})`, async () => {
      const one = await record(seed, 1)
      expect(one.delivered.flat().length).to.be.above(5000)
      for (const workers of [2, 4]) {
        const many = await record(seed, workers)
        for (const [index, frames] of one.delivered.entries())
          expect(many.delivered[index], `port ${index} with ${workers} workers`).to.deep.equal(frames)
        expect(many.moves).to.have.members(one.moves)
        expect(many.stats).to.deep.equal(one.stats)
      }
    })
  }
})
