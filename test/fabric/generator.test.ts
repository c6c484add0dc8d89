/** Generators and sinks in fabrics: numbered frames, flat out, with an end on a virtual clock. */
import { expect } from 'chai'
import { Engine, GeneratorPort, Hub, SinkPort, Switch, type MemoryPort } from '../../lib/index.js'
import { refusal } from '../helpers/errors.js'
import { closing, dropped, expectBalance, join, take, until } from '../helpers/fabric.js'
import { broadcast, frame, station } from '../helpers/frames.js'

/** The number in each frame that has come. */
const numbers = (port: MemoryPort): number[] =>
  take(port).map(({ bytes }) => Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(14)))
const upTo = (count: number): number[] => Array.from({ length: count }, (_, number) => number)

describe('Generators and sinks', () => {
  const closes = closing()
  const makeHub = (options: ConstructorParameters<typeof Engine>[0] = { clock: 'virtual' }) => {
    const engine = closes(new Engine({ seed: 1, ...options }))
    return { engine, hub: new Hub({ engine }) }
  }

  it('get names of their own', async () => {
    const { hub } = makeHub()
    const ports = [
      new GeneratorPort({ count: 1 }),
      new GeneratorPort({ count: 1 }),
      new SinkPort(),
      new SinkPort(),
    ]
    for (const port of ports) await hub.attach(port)
    const names = ports.map(({ name }) => name)
    expect(names).to.deep.equal(['generator0', 'generator1', 'sink0', 'sink1'])
  })

  it('carry a header, a number and zeros, and nothing before the start', async () => {
    const { engine, hub } = makeHub()
    const words = { source: station(7), destination: station(9), length: 100 }
    const generator = await hub.attach(new GeneratorPort({ count: 3, ...words }))
    const plain = await hub.attach(new GeneratorPort({ count: 1 }))
    const [a] = await join(hub, 'a')
    engine.advance('1s')
    expect(take(a)).to.deep.equal([])

    await generator.start()
    engine.advance('0s')
    const expected = upTo(3).map((number) => {
      const bytes = frame({ to: station(9), from: station(7), length: 100 })
      bytes[21] = number
      return bytes
    })
    expect(take(a).map(({ bytes, at }) => [at, bytes])).to.deep.equal(
      expected.map((bytes) => [1_000_000_000n, bytes]),
    )

    await plain.start()
    engine.advance('0s')
    expect(take(a).map(({ bytes }) => bytes)).to.deep.equal([
      frame({ to: broadcast, from: '02:00:00:00:00:01' }),
    ])
  })

  it('send all their frames in order within one instant of a virtual clock, and then no more', async () => {
    for (const workers of [1, 2]) {
      const { engine, hub } = makeHub({ clock: 'virtual', workers })
      const generator = await hub.attach(new GeneratorPort({ count: 10_000 }))
      const sink = await hub.attach(new SinkPort())
      const [a] = await join(hub, 'a')
      await generator.start()
      engine.advance('0s')
      expect(engine.now()).to.equal(0n)
      expect(numbers(a)).to.deep.equal(upTo(10_000))
      await generator.start()
      engine.advance('1s')
      expect(take(a)).to.deep.equal([])
      expect(generator.stats().received).to.deep.equal({ frames: 10_000n, bytes: 600_000n })
      expect(sink.stats().transmitted).to.deep.equal({ frames: 10_000n, bytes: 600_000n })
      expect(sink.stats().received.frames).to.equal(0n)
    }
  })

  it('need an end on a virtual clock', async () => {
    const { hub } = makeHub()
    const generator = new GeneratorPort({ name: 'flood' })
    const error = await refusal(hub.attach(generator))
    expect(error.code).to.equal('ERR_ETHERLOOM_STATE')
    expect(error.message).to.equal(
      "generator 'flood' has no end, and a virtual clock would never leave the instant it starts at; give it a 'count'",
    )
    expect(generator.state).to.equal('detached')
  })

  it('leave it to paths to count what does not fit', async () => {
    const { engine, hub } = makeHub()
    const generator = await hub.attach(new GeneratorPort({ count: 5000 }))
    const sink = await hub.attach(new SinkPort())
    const path = hub.path(generator, sink)
    // 74 bytes with overhead at 592 kbit/s take 1 ms each; one frame is on the line, 100 wait.
    await path.allow({ rate: '592kbit', overhead: 14, queue: '100frames', filter: { etherType: 0x88b5 } })
    await generator.start()
    engine.advance('0s')
    expect(path.stats()).to.deep.include({ offered: 5000n, waiting: 100n, delivered: 0n })
    engine.advance('50ms')
    expect(path.stats().delivered).to.equal(50n)
    engine.advance('1s')
    expect(path.stats().delivered).to.equal(101n)
    expect(dropped(path.stats().dropped)).to.deep.equal({ queue: 4899 })
    expectBalance(path.stats(), 'generator to sink')
  })

  it('stay within the memory of a virtual engine, however much is held', async () => {
    const { engine, hub } = makeHub({ clock: 'virtual', memory: '1MiB' })
    const generator = await hub.attach(new GeneratorPort({ count: 2000 }))
    const sinks = [await hub.attach(new SinkPort()), await hub.attach(new SinkPort())]
    for (const sink of sinks) await hub.path(generator, sink).allow({ delay: '1s' })
    await generator.start()
    engine.advance('10s')
    for (const sink of sinks) {
      const path = hub.path(generator, sink).stats()
      expect(path.offered).to.equal(2000n)
      expect(path.delivered > 0n).to.equal(true)
      expect(path.delivered + path.dropped['no-buffer']).to.equal(2000n)
    }
  })

  it('stop, go on where they stopped, and begin anew with every attach', async () => {
    const { hub } = makeHub({ workers: 2 })
    const generator = await hub.attach(new GeneratorPort())
    const sink = await hub.attach(new SinkPort())
    const made = () => generator.stats().received.frames
    const settled = () => sink.stats().transmitted.frames + dropsOf(generator)
    const dropsOf = (port: GeneratorPort) =>
      Object.values(port.stats().defaults.dropped).reduce((sum, frames) => sum + frames)
    await generator.start()
    await until(() => made() > 1000n)
    await generator.stop()
    const stopped = made()
    await until(() => settled() === stopped)
    // A fence: the worker has passed whole turns since.
    await hub.path(generator, sink).allow()
    expect(made()).to.equal(stopped)

    await generator.start()
    await until(() => made() > stopped)
    await hub.detach(generator)
    const [a] = await join(hub, 'a')
    await hub.attach(generator)
    expect(made()).to.equal(0n)
    await generator.start()
    await until(() => made() > 0n)
    await generator.stop()
    await until(() => a.stats().transmitted.frames > 0n)
    expect(numbers(a)[0]).to.equal(0)
  })

  it('keep their numbers consistent while they run flat out, on and across workers', async () => {
    for (const workers of [1, 2]) {
      const { engine, hub } = makeHub({ workers })
      const generators = [
        await hub.attach(new GeneratorPort({ length: 22 })),
        await hub.attach(new GeneratorPort()),
      ]
      const sinks = [await hub.attach(new SinkPort()), await hub.attach(new SinkPort())]
      for (const sink of sinks) await hub.path(generators[0]!, sink).allow({ loss: 0.5, duplicate: 0.5 })
      for (const generator of generators) await generator.start()
      const path = hub.path(generators[0]!, sinks[1]!)
      let looks = 0
      await until(() => {
        for (const generator of generators) expectBalance(generator.stats().defaults, generator.name)
        expectBalance(path.stats(), 'path')
        return ++looks > 100 && path.stats().delivered > 10_000n
      })
      await engine.close()
    }
  })

  it('are told apart by a switch, which learns where a generator is', async () => {
    const engine = closes(new Engine({ clock: 'virtual' }))
    const bridge = new Switch({ engine })
    const to = await bridge.attach(new GeneratorPort({ name: 'to', count: 1, source: station(2) }))
    const from = new GeneratorPort({ name: 'from', count: 5, source: station(1), destination: station(2) })
    await bridge.attach(from)
    const [a] = await join(bridge, 'a')
    await to.start()
    engine.advance('0s')
    await from.start()
    engine.advance('0s')
    expect(bridge.addresses().map(({ address, port }) => [address, port])).to.have.deep.members([
      [station(1), 'from'],
      [station(2), 'to'],
    ])
    expect(to.stats().transmitted.frames, 'discarded by the generator it was sent to').to.equal(5n)
    expect(take(a)).to.have.length(1)
  })

  it('say that they are not attached when they are started', async () => {
    const { hub } = makeHub()
    const generator = new GeneratorPort({ name: 'g', count: 1 })
    for (const use of [() => generator.start(), () => generator.stop()]) {
      const error = await refusal(use)
      expect(error.code).to.equal('ERR_ETHERLOOM_STATE')
      expect(error.message).to.equal("port 'g' is not attached; attach it to a fabric first")
    }
    await hub.attach(generator)
    await hub.detach(generator)
    expect((await refusal(generator.start())).code).to.equal('ERR_ETHERLOOM_STATE')
  })
})
