/** Worlds on the virtual clock: which links there are, what they carry, and when. */
import { expect } from 'chai'
import {
  Engine,
  Hub,
  MemoryPort,
  WifiExponentialModel,
  World,
  type LinkQualityModel,
  type WorldStep,
} from '../../lib/index.js'
import { closing, join, tags } from '../helpers/fabric.js'
import { frame, station } from '../helpers/frames.js'

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
const counts = ({ up, down, changed }: WorldStep) => [up, down, changed]

describe('World', () => {
  const closes = closing()
  const makeEngine = () => closes(new Engine({ clock: 'virtual', seed: 7 }))

  /** A hub with the five nodes. */
  const air = async (model?: LinkQualityModel) => {
    const engine = makeEngine()
    const hub = new Hub({ name: 'wifi1', engine, forwarding: 'deny' })
    const ports = await join(hub, ...names)
    const world = closes(new World({ fabric: hub, ...(model && { model }) }))
    return { engine, hub, ports, world }
  }

  /** Wires between memory ports named as MiniWorld names its TAPs. */
  const lan = (options: { model?: LinkQualityModel; whenDown?: 'no-carrier' | 'remove' } = {}) => {
    const engine = makeEngine()
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

      it('has the same links, impairments and memory after 100 cycles', async () => {
        const { world, heard } = await make()
        const round = async () => {
          for (const edges of Object.values(topologies)) await world.step(matrixOf(edges))
        }
        for (let cycle = 0; cycle < 100; cycle++) await round()
        expect(world.steps).to.equal(500)
        expect(heard()).to.deep.equal(bothWays(topologies.wheel))
        for (const { policy } of world.links())
          expect(policy).to.deep.equal({
            allowed: true,
            rate: '54Mbit',
            delay: '1ms',
            jitter: '100us',
            delayCorrelation: 0.25,
          })
        const ends = world.links().flatMap(({ ports }) => ports)
        if (mode === 'wires') expect(new Set(ends).size).to.equal(16)
      })
    })
})
