/** Worlds on the virtual clock: which links there are, what they carry, and when. */
import { expect } from 'chai'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import {
  DistanceMatrices,
  Engine,
  Hub,
  MemoryPort,
  RandomWaypoint,
  RangeModel,
  WifiExponentialModel,
  WifiLinearModel,
  World,
  type EngineOptions,
  type Fabric,
  type LinkQualityModel,
  type Path,
  type WorldStep,
} from '../../lib/index.js'
import { closing, expectBalance, join as attachAll, take, tags, until } from '../helpers/fabric.js'
import { frame, station } from '../helpers/frames.js'
import { refusal } from '../helpers/errors.js'

const names = ['1', '2', '3', '4', '5'] as const

/** The edges of MiniWorld's topologies of five nodes, in the order in which its tests switch. */
const topologies = {
  chain: ['12', '23', '34', '45'],
  clique: ['12', '13', '14', '15', '23', '24', '25', '34', '35', '45'],
  cycle: ['12', '15', '23', '34', '45'],
  star: ['12', '13', '14', '15'],
  wheel: ['12', '13', '14', '15', '23', '25', '34', '45'],
}
const operations = { chain: [4, 0], clique: [6, 0], cycle: [0, 5], star: [2, 3], wheel: [4, 0] }

/** Every pair, 1 metre apart or out of reach. */
const matrixOf = (edges: readonly string[]): number[][] =>
  names.map((a, row) =>
    names.map((b, column) => (row === column ? 0 : edges.includes([a, b].sort().join('')) ? 1 : -1)),
  )
interface LanOptions extends Pick<EngineOptions, 'memory'> {
  model?: LinkQualityModel
  whenDown?: 'no-carrier' | 'remove'
}
/** Between all of its ports, with policy or without. */
const pathsOf = (fabric: Fabric): Path[] => {
  const ports = [...fabric.ports.keys()]
  return ports.flatMap((from) => ports.filter((to) => to !== from).map((to) => fabric.path(from, to)))
}
/** Makes the garbage collector run now. */
const collectGarbage = (): void => {
  setFlagsFromString('--expose-gc')
  ;(runInNewContext('gc') as () => void)()
}
const counts = ({ up, down, changed }: WorldStep) => [up, down, changed]

describe('World', () => {
  const closes = closing()
  const makeEngine = (options: EngineOptions = {}) =>
    closes(new Engine({ clock: 'virtual', seed: 7, ...options }))

  /** A hub with the five nodes. */
  const air = async (model?: LinkQualityModel, options?: EngineOptions) => {
    const engine = makeEngine(options)
    const hub = new Hub({ name: 'wifi1', engine, forwarding: 'deny' })
    const ports = await attachAll(hub, ...names)
    const world = closes(new World({ fabric: hub, ...(model && { model }) }))
    return { engine, hub, ports, world }
  }

  /** Wires between memory ports named as MiniWorld names its TAPs. */
  const lan = ({ memory, ...options }: LanOptions = {}) => {
    const engine = makeEngine(memory === undefined ? {} : { memory })
    const ports = new Map<string, MemoryPort>()
    const world = closes(
      new World({
        engine,
        name: 'lan',
        nodes: names,
        nic: (node, number) => {
          const port = new MemoryPort({ name: `tap_0000${node}_${number}` })
          ports.set(port.name, port)
          return port
        },
        ...options,
      }),
    )
    return { engine, ports, world }
  }

  /** Which pairs hear each other directly, found by a broadcast from each node; each must hear a frame once. */
  const heardOnAir = (engine: Engine, ports: readonly MemoryPort[]): string[] => {
    ports.forEach((port, index) => port.send(frame({ tag: index + 1, from: station(index + 1) })))
    engine.advance('1s')
    const heard = ports.flatMap((port, index) => tags(port).map((from) => `${from}${index + 1}`))
    return heard.sort()
  }
  const heardOnWires = (engine: Engine, ports: ReadonlyMap<string, MemoryPort>): string[] => {
    const nodeOf = (port: MemoryPort) => Number(port.name.split('_')[1])
    const attached = [...ports.values()].filter(({ state }) => state === 'up')
    for (const port of attached) port.send(frame({ tag: nodeOf(port), from: station(nodeOf(port)) }))
    engine.advance('1s')
    return attached.flatMap((port) => tags(port).map((from) => `${from}${nodeOf(port)}`)).sort()
  }
  const bothWays = (edges: readonly string[]) => edges.flatMap((edge) => [edge, edge[1]! + edge[0]!]).sort()

  for (const mode of ['air', 'wires'] as const)
    describe(`switching five topologies, ${mode}`, () => {
      const make = async () => {
        const model = new WifiExponentialModel()
        if (mode === 'air') {
          const { engine, ports, world } = await air(model)
          return { engine, world, heard: () => heardOnAir(engine, ports) }
        }
        const { engine, ports, world } = lan({ model })
        return { engine, world, heard: () => heardOnWires(engine, ports) }
      }

      it('links exactly the edges after every step, by the least operations', async () => {
        const { world, heard } = await make()
        for (const [name, edges] of Object.entries(topologies)) {
          const { links, ...step } = await world.step(matrixOf(edges))
          expect([step.up, step.down, step.changed], name).to.deep.equal([...operations[name as 'chain'], 0])
          expect(links.filter(({ state }) => state === 'up')).to.have.length(step.up)
          expect(heard(), name).to.deep.equal(bothWays(edges))
          expect(world.links().map(({ a, b }) => a + b), name).to.deep.equal([...edges].sort()) // prettier-ignore
        }
        expect(counts(await world.step(matrixOf(topologies.wheel)))).to.deep.equal([0, 0, 0])
      })
    })

  for (const mode of ['air', 'wires', 'wires that are removed'] as const)
    it(`has the same links, impairments and memory after 100 cycles under traffic, ${mode}`, async () => {
      const model = new WifiExponentialModel()
      const memory = '1MiB' // of frames; far less than go through
      const made =
        mode === 'air'
          ? await air(model, { memory })
          : lan({ model, memory, whenDown: mode === 'wires' ? 'no-carrier' : 'remove' })
      const { engine, world } = made
      const ports = (): MemoryPort[] => [...made.ports.values()].filter(({ state }) => state === 'up')
      const wires = new Set<Fabric>()
      let everMade = 0
      world.on('wire', (wire) => {
        wires.add(wire)
        everMade++
      })
      world.on('wire:gone', (wire) => wires.delete(wire))
      const full = frame({ length: 1500 })
      let dropped = 0n
      /** Frames are on every link, waiting and travelling, whenever links change. */
      const cycle = async () => {
        for (const edges of Object.values(topologies)) {
          await world.step(matrixOf(edges))
          for (const port of ports()) port.send(full)
          engine.advance('300us')
          for (const port of ports()) tags(port)
        }
      }
      const bytes = () => {
        collectGarbage()
        const { heapUsed, rss } = process.memoryUsage()
        return { heapUsed, rss }
      }
      for (let each = 0; each < 20; each++) await cycle()
      const early = bytes()
      for (let each = 20; each < 100; each++) await cycle()
      const late = bytes()
      expect(late.heapUsed - early.heapUsed).to.be.below(8 << 20)
      // AddressSanitizer keeps back what was freed.
      if (process.env.ASAN_OPTIONS === undefined) expect(late.rss - early.rss).to.be.below(32 << 20)

      expect(world.steps).to.equal(500)
      engine.advance('1s')
      const fabrics = mode === 'air' ? [made.ports.values().next().value!.fabric!] : [...wires]
      let offered = 0n
      for (const fabric of fabrics)
        for (const path of pathsOf(fabric)) {
          const [stats, name] = [path.stats(), `${path.from.name} to ${path.to.name}`]
          expect([stats.waiting, stats.inFlight], name).to.deep.equal([0n, 0n])
          expectBalance(stats, name)
          offered += stats.offered
          dropped += stats.dropped['no-buffer']
        }
      expect(offered > 100n).to.equal(true)
      expect(dropped).to.equal(0n)
      const linked = bothWays(topologies.wheel)
      for (const port of ports()) tags(port)
      expect(
        mode === 'air'
          ? heardOnAir(engine, ports())
          : heardOnWires(engine, new Map(ports().map((port) => [port.name, port]))),
      ).to.deep.equal(linked)
      for (const { policy } of world.links())
        expect(policy).to.deep.equal({
          allowed: true,
          rate: '54Mbit',
          delay: '1ms',
          jitter: '100us',
          delayCorrelation: 0.25,
        })
      expect(world.links()).to.have.length(8)
      // A wire for each pair that was ever linked, or for those that are; an interface at each end.
      const pairs = { air: 0, wires: 10, 'wires that are removed': 8 }[mode]
      expect([wires.size, ports().length]).to.deep.equal([pairs, mode === 'air' ? 5 : 2 * pairs])
      if (mode !== 'wires that are removed') expect(everMade).to.equal(pairs)
    }).timeout(60_000)

  describe('what links carry', () => {
    const slots = 20_000
    const length = 1500
    /** Sends 100 Mbit/s for a while, and gives what arrives in that time, after the first 100 ms, in kbit/s. */
    const blast = (engine: Engine, pairs: readonly (readonly [MemoryPort, MemoryPort])[]): number[] => {
      const counts = pairs.map(() => 0)
      for (let slot = 0; slot < 600; slot++) {
        for (const [from] of pairs)
          for (let each = 0; each < slots / 2400; each++) from.send(frame({ length, tag: 1 }))
        engine.advance('1ms')
        pairs.forEach(([, to], index) => {
          const arrived = tags(to).length
          if (slot >= 100) counts[index]! += arrived
        })
      }
      engine.advance('60s')
      for (const [, to] of pairs) tags(to)
      return counts.map((count) => (count * length * 8) / 500)
    }
    /** How long a frame is under way when nothing else is, in milliseconds, the line's part left out. */
    const travel = (engine: Engine, from: MemoryPort, to: MemoryPort, kbit = Infinity): number => {
      const sent = engine.now()
      from.send(frame({ length: 60 }))
      engine.advance('10s')
      const [arrived] = take(to)
      return Number(arrived!.at - sent) / 1e6 - (60 * 8) / kbit
    }

    it('a chain of three: who hears whom, 54 Mbit/s each way at once, 0.9 to 1.1 ms', async () => {
      const { engine, ports, world } = await air(new WifiExponentialModel())
      const [one, two, three] = ports
      await world.step([['1', '2', 1], ['2', '3', 1], ['1', '3', -1]]) // prettier-ignore
      two.send(frame({ tag: 1, from: station(2) }))
      one.send(frame({ tag: 2, from: station(1) }))
      one.send(frame({ tag: 3, from: station(1), to: station(3) }))
      engine.advance('1s')
      expect([tags(one), tags(two), tags(three)]).to.deep.equal([[1], [2, 3], [1]])
      for (let each = 0; each < 50; each++) expect(travel(engine, one, two, 54_000)).to.be.within(0.9, 1.1)
      tags(three)

      for (const rate of blast(engine, [
        [one, two],
        [two, one],
      ]))
        // prettier-ignore
        expect(rate).to.be.within(54_000 * 0.97, 54_000 * 1.03)
      const { offered, delivered, dropped } = world
        .links()
        .map(({ a, b }) => one.fabric!.path(a, b).stats())[0]!
      expect(delivered + dropped.queue).to.equal(offered)
      expect(dropped.queue > 0n).to.equal(true)
    })

    it('an overhearing node shares its link with what it overhears', async () => {
      const { engine, ports, world } = await air(new WifiExponentialModel())
      const [one, two, three] = ports
      await world.step([['1', '2', 1], ['1', '3', 1]]) // prettier-ignore
      const toTwo = frame({ to: station(2), length, tag: 2 })
      const toThree = frame({ to: station(3), length, tag: 3 })
      for (let slot = 0; slot < 500; slot++) {
        one.send([toTwo, toThree, toTwo, toThree, toTwo, toThree])
        engine.advance('1ms')
      }
      const heard = tags(three)
      expect(heard.filter((tag) => tag === 2).length / heard.length).to.be.closeTo(0.5, 0.01)
      expect((heard.length * length * 8) / 500).to.be.within(54_000 * 0.97, 54_000 * 1.03)
      tags(two)
    })

    it('a node that moves away and comes back: the rates and delays of each distance', async () => {
      const { engine, ports, world } = await air(new WifiExponentialModel())
      const [one, two] = ports
      const expected = [[0, 54_000, 1], [4, 27_000, 2], [8, 13_500, 4], [12, 6750, 8], [16, 3375, 16], [20, 1687.5, 32], [0, 54_000, 1]] as const // prettier-ignore
      for (const [distance, kbit, ms] of expected) {
        await world.step([['1', '2', distance]])
        expect(world.links().map((link) => link.distance)).to.deep.equal([distance])
        for (let each = 0; each < 5; each++)
          expect(travel(engine, one, two, kbit), `${distance} m`).to.be.within(0.9 * ms, 1.1 * ms + 1e-6)
        const [rate] = blast(engine, [[one, two]])
        expect(rate, `${distance} m`).to.be.within(kbit * 0.95, kbit * 1.05)
        if (distance !== 20) continue
        expect(counts(await world.step([['1', '2', 24]]))).to.deep.equal([0, 1, 0])
        one.send(frame())
        engine.advance('1s')
        expect(tags(two)).to.deep.equal([])
      }
    }).timeout(120_000)

    it('linear: one way 0, 2, 8, 18, 28 and 106 ms, then nothing', async () => {
      const { engine, ports, world } = await air(new WifiLinearModel())
      const [one, two] = ports
      for (const [distance, kbit, ms] of [
        [1, 54_000, 0],
        [3, 27_000, 2],
        [9, 10_800, 8],
        [19, 5400, 18],
        [29, 3600, 28],
        [107, 1000, 106],
      ] as const) {
        // prettier-ignore
        await world.step([['1', '2', distance]])
        expect(travel(engine, one, two, kbit), `${distance} m`).to.be.within(0.9 * ms, 1.1 * ms + 1e-6)
      }
      expect(counts(await world.step([['1', '2', 108]]))).to.deep.equal([0, 1, 0])
    })

    it('a bandwidth holds for every link, also for one made at a later step; without one nothing is shaped', async () => {
      const { engine, ports, world } = await air(new RangeModel({ bandwidth: '10Mbit' }))
      const [one, two, three, four] = ports
      await world.step([['1', '2', 1]])
      await world.step([['1', '2', 2]])
      await world.step([['3', '4', 29]])
      for (const rate of blast(engine, [
        [one, two],
        [three, four],
      ]))
        // prettier-ignore
        expect(rate).to.be.within(9700, 10_300)

      const free = await air()
      await free.world.step([['1', '2', 5]])
      const [from, to] = free.ports
      expect(travel(free.engine, from, to)).to.equal(0)
      expect(blast(free.engine, [[from, to]])[0]).to.be.within(97_000, 110_000)
    })

    it('-1 and Infinity connect in no model, and halves go to the even metre', async () => {
      const always: LinkQualityModel = { name: 'all', maxConnectedDistance: Infinity, quality: () => ({}) }
      for (const model of [new RangeModel(), new WifiLinearModel(), new WifiExponentialModel(), always]) {
        const { world } = await air(model)
        const step = await world.step([['1', '2', -1], ['1', '3', Infinity], ['1', '4', -0.6], ['1', '5', 0]]) // prettier-ignore
        expect(counts(step), model.name).to.deep.equal([1, 0, 0])
        expect(world.distances().map(({ distance }) => distance)).to.deep.equal([-1, -1, -1, 0])
      }
      const { world } = await air()
      await world.step([['1', '2', 28.5], ['1', '3', 29.5], ['1', '4', 29.4]]) // prettier-ignore
      expect(world.links().map(({ distance }) => distance)).to.deep.equal([28, 29])
    })
  })

  describe('steps', () => {
    it('leave a pair that is missing as it is, or take it down, as told', async () => {
      for (const missing of ['unchanged', 'down'] as const) {
        const engine = makeEngine()
        const fabric = new Hub({ engine, forwarding: 'deny' })
        await attachAll(fabric, 'a', 'b', 'c')
        const world = closes(new World({ fabric, missing }))
        await world.step([['a', 'b', 1], ['b', 'c', 1]]) // prettier-ignore
        const step = await world.step([['c', 'b', 2]]) // prettier-ignore
        expect(counts(step), missing).to.deep.equal(missing === 'down' ? [0, 1, 0] : [0, 0, 0])
        expect(Object.fromEntries(world.connections())).to.deep.equal(
          missing === 'down' ? { b: ['c'] } : { a: ['b'], b: ['c'] },
        )
      }
    })

    it('change nothing where one of the distances is wrong', async () => {
      const { engine, ports, world } = await air()
      await refusal(() => world.step([['1', '2', 1], ['1', 'x', 1]])) // prettier-ignore
      expect([world.links(), heardOnAir(engine, ports)]).to.deep.equal([[], []])
    })

    it('come by themselves on the clock, the same for the same seed', async () => {
      const run = async () => {
        const engine = closes(new Engine({ clock: 'virtual', seed: 3 }))
        const fabric = new Hub({ engine, forwarding: 'deny' })
        await attachAll(fabric, ...names)
        const movement = new RandomWaypoint({ area: [60, 60], speed: [5, 20] })
        const world = closes(
          new World({ fabric, movement, model: new WifiExponentialModel(), every: '500ms' }),
        )
        const told: string[] = []
        world.on('link', ({ a, b, state }) => told.push(`${engine.now()} ${a}-${b} ${state}`))
        world.start()
        engine.advance('0s')
        expect(world.steps).to.equal(1)
        engine.advance('10s')
        expect(world.steps).to.equal(21)
        world.stop()
        engine.advance('10s')
        expect(world.steps).to.equal(21)
        return told
      }
      const told = await run()
      expect(told.length).to.be.above(20)
      expect(await run()).to.deep.equal(told)
    })

    it('wait for their hook, which close ends with all that it started', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'etherloom-world-'))
      try {
        const file = join(folder, 'pid')
        const fabric = new Hub({ engine: closes(new Engine()), forwarding: 'deny' })
        await attachAll(fabric, 'a', 'b')
        const hook = `sleep 1000 & echo $! > ${file}; wait`
        const world = closes(new World({ fabric, hook }))
        let ended = false
        const step = world.step([['a', 'b', 1]]).then(() => (ended = true))
        await until(() => existsSync(file) && readFileSync(file, 'utf8').endsWith('\n'))
        const sleeps = `/proc/${readFileSync(file, 'utf8').trim()}/stat`
        expect([ended, existsSync(sleeps), world.links().length]).to.deep.equal([false, true, 1])
        await world.close()
        await step
        await until(() => !existsSync(sleeps) || readFileSync(sleeps, 'utf8').includes(') Z '))
      } finally {
        rmSync(folder, { recursive: true })
      }
    })

    it('give the links back to a node whose port was replaced', async () => {
      const { engine, ports, world } = await air()
      await world.step(matrixOf(topologies.star))
      const hub = ports[0].fabric!
      await hub.detach('1')
      const again = await hub.attach(new MemoryPort({ name: '1' }))
      expect(counts(await world.step(matrixOf(topologies.star)))).to.deep.equal([0, 0, 4])
      expect(heardOnAir(engine, [again, ...ports.slice(1)])).to.deep.equal(bothWays(topologies.star))
    })

    it('with wires: pull the carrier of both ends and give it back, or remove the wire and reuse its numbers', async () => {
      for (const whenDown of ['no-carrier', 'remove'] as const) {
        const { engine, ports, world } = lan({ whenDown })
        await world.step([['1', '2', 1]])
        await world.step([['1', '2', -1], ['1', '3', 1]]) // prettier-ignore
        const first = ports.get('tap_00001_1')!
        expect([first.state, first.carrierOn]).to.deep.equal(['up', whenDown === 'remove'])
        expect(world.links()[0]!.ports).to.deep.equal(
          whenDown === 'remove' ? ['tap_00001_1', 'tap_00003_1'] : ['tap_00001_2', 'tap_00003_1'],
        )
        await world.step([['1', '2', 1]])
        expect(heardOnWires(engine, ports)).to.deep.equal(bothWays(['12', '13']))
        await world.close()
        expect([...ports.values()].map(({ state }) => state).join(' ')).to.match(/^(detached ?)+$/)
      }
    })

    it('cuts what is not listed any more also after a step in which the model failed', async () => {
      const engine = makeEngine()
      const hub = new Hub({ engine, forwarding: 'deny' })
      await attachAll(hub, ...names)
      const model = (distance: number) => (distance === 5 ? { loss: 7 } : {})
      const world = closes(new World({ fabric: hub, model, missing: 'down' }))
      await world.step([['1', '2', 1], ['3', '4', 1]]) // prettier-ignore
      const error = await refusal(world.step([['1', '2', 1], ['3', '4', 5]])) // prettier-ignore
      expect(error.message).to.match(/^model 'function' at 5 metres: option 'loss'/)
      expect(Object.fromEntries(world.connections())).to.deep.equal({ 1: ['2'], 3: ['4'] })
      await world.step([['3', '4', 2]])
      expect(Object.fromEntries(world.connections())).to.deep.equal({ 3: ['4'] })
    })

    it('goes on after an automatic step that fails, and says so where nobody listens', async () => {
      const engine = makeEngine()
      let broken = false
      const model = { name: 'lab', maxConnectedDistance: 100, quality: () => (broken ? { loss: 7 } : {}) }
      const movement = new DistanceMatrices({ matrices: [[[0, 1], [1, 0]], [[0, 2], [2, 0]], [[0, 3], [3, 0]]] }) // prettier-ignore
      const world = closes(
        new World({ engine, nodes: ['1', '2'], nic: (node, n) => new MemoryPort({ name: `${node}.${n}` }), model, movement }), // prettier-ignore
      )
      world.start()
      engine.advance('0s')
      await once(world, 'step')
      broken = true
      const warned = once(process, 'warning')
      engine.advance('1s')
      const [{ message }] = (await warned) as [Error]
      expect(message).to.match(/^model 'lab' at 2 metres: option 'loss'/)
      broken = false
      const failures: Error[] = []
      world.on('failure', (error) => failures.push(error))
      const stepped = once(world, 'step')
      engine.advance('1s')
      await stepped
      expect([world.steps, world.distances()[0]?.distance, failures.length]).to.deep.equal([2, 3, 0])
    })

    it('with wires: a port that cannot be had fails its link only, and is tried again', async () => {
      const engine = makeEngine()
      let broken = true
      const nic = (node: string, number: number) => {
        if (broken && node === '3') throw new Error('out of ports')
        return new MemoryPort({ name: `${node}.${number}` })
      }
      const world = closes(new World({ engine, nodes: ['1', '2', '3'], nic }))
      let failure: unknown
      await world.step([['1', '3', 1], ['1', '2', 1]]).catch((error: unknown) => (failure = error)) // prettier-ignore
      expect((failure as Error).message).to.equal('out of ports')
      expect(Object.fromEntries(world.connections())).to.deep.equal({ 1: ['2'] })
      broken = false
      expect(counts(await world.step([['1', '3', 1], ['1', '2', 1]]))).to.deep.equal([1, 0, 0]) // prettier-ignore
      expect(world.links().map(({ ports }) => ports.join(' '))).to.deep.equal(['1.1 2.1', '1.2 3.1'])
    })
  })
})
