/**
 * Kinds that nothing in lib/ knows of, added to its registries as a program would: a port, a fabric, a link model and a
 * movement, used from a topology file.
 */
import { expect } from 'chai'
import type {
  FabricKind,
  FabricOptions,
  LinkModelKind,
  MemoryPort,
  MovementKind,
  PortKind,
} from '../../lib/index.js'
import type * as library from '../../lib/index.js'
import { closing, receive } from '../helpers/fabric.js'
import { frame } from '../helpers/frames.js'

// Mocha requires this file, and the library imports its checks when a file is read: one way for both, so that there is one
// registry of each.
type Library = typeof library
const load = async () => ({
  library: await import('../../lib/index.js'),
  reports: (await import('../../lib/topology/report.js')).reports,
})

function toys({ Hub, integer, MemoryPort, required }: Library) {
  /** A port in this process, by how many frames may wait for its reader. */
  const basket: PortKind<{ basket: number }, MemoryPort> = {
    key: 'basket',
    options: { basket: required(integer(1, 1000, { unit: 'frames' })) },
    make: (name, { basket: queueLimit }) => new MemoryPort({ name, queueLimit }),
    leadsTo: ({ basket: limit }) => `here, ${limit} frames`,
    noCarrier: 'is a basket, which has no cable',
  }

  /** A fabric of one's own class. */
  class Ether extends Hub {}
  const ether: FabricKind<FabricOptions, Ether> = {
    key: 'ether',
    description: 'A hub by its old name.',
    options: {},
    make: (options) => new Ether(options),
    attach: [],
  }

  /** Connected up to a length, and not beyond. */
  const cable: LinkModelKind<{ metres: number }> = {
    key: 'cable',
    description: 'As long as it is.',
    options: { metres: required(integer(1, 100, { unit: 'metres' })) },
    make: ({ metres }) => ({
      name: 'cable',
      maxConnectedDistance: metres,
      quality: (distance) => (distance <= metres ? {} : null),
    }),
  }

  /** All nodes are near each other in one step, and far in the next. */
  const hops: MovementKind<{ hops: number }> = {
    key: 'hops',
    options: { hops: required(integer(1, 1000, { unit: 'metres' })) },
    make: ({ hops }) => {
      let [nodes, near] = [0, false]
      return {
        positions: undefined,
        begin: (surroundings) => {
          nodes = surroundings.nodes
        },
        step: (_seconds, distances) => {
          near = !near
          for (let a = 0; a < nodes; a++)
            for (let b = a + 1; b < nodes; b++) distances.add(a, b, near ? 1 : hops)
        },
      }
    },
  }

  return { basket, ether, cable, hops, Ether }
}

const file = (port = 'basket: 10'): string => `
fabrics:
  air:
    kind: ether
    forwarding: deny
    ports: { one: { ${port} }, two: { basket: 20 } }
worlds:
  w: { fabric: air, model: { cable: { metres: 5 } }, movement: { hops: 9 }, step: manual }
`

const mistakes = async (reading: Promise<unknown>): Promise<string> =>
  reading.then(
    () => expect.fail('it was read'),
    (error: unknown) => (error as Error).message,
  )

describe('kinds that a program adds', () => {
  const keep = closing()

  it('are used from a topology file, checked, shown and written as ours are', async () => {
    const { library, reports } = await load()
    const { fabricKinds, linkModels, movements, Network, parseTopology, portKinds } = library
    const { basket, ether, cable, hops, Ether } = toys(library)
    const added = [portKinds.add(basket), fabricKinds.add(ether), linkModels.add(cable), movements.add(hops)]
    keep({
      close: () => {
        for (const remove of added) remove()
      },
    })
    const topology = await parseTopology(file())
    const network = keep(await Network.up(topology))
    expect(network.fabrics.get('air')).to.be.instanceOf(Ether)
    expect(reports.ports(network).map(({ kind, leadsTo }) => [kind, leadsTo])).to.deep.equal([
      ['basket', 'here, 10 frames'],
      ['basket', 'here, 20 frames'],
    ])
    expect(network.export()).to.deep.equal(topology)

    await network.step()
    expect(reports.links(network).map(({ a, b }) => a + b)).to.deep.equal(['onetwo'])
    const [one, two] = ['one', 'two'].map((name) => {
      const port = network.fabrics.get('air')!.port(name)
      return port instanceof library.MemoryPort ? port : expect.fail('no basket')
    })
    one!.send(frame({ tag: 7 }))
    expect((await receive(two!, 1)).map(({ tag }) => tag)).to.deep.equal([7])
    await network.step()
    expect(reports.links(network)).to.deep.equal([])

    expect(await mistakes(parseTopology(file('basket: 0')))).to.match(
      /^topology:6:29: .*'basket' must be a whole number from 1 to 1000 frames/,
    )
    expect(await mistakes(parseTopology(file('baskett: 1')))).to.match(/did you mean 'basket'\?/)
    expect(await mistakes(parseTopology(file('basket: 1, group: g')))).to.match(
      /'group' is for ports of a hub or a switch, and this is a ether/,
    )
  })

  it('are unknown before and after, and have keys of their own', async () => {
    const { fabricKinds, linkModels, movements, parseTopology, portKinds } = (await load()).library
    expect(await mistakes(parseTopology(file()))).to.match(/'ether'/)
    for (const registry of [portKinds, fabricKinds, linkModels, movements] as const) {
      const [key = ''] = registry.keys
      expect(() => registry.add({ key } as never)).to.throw(`'${key}' already`)
    }
  })
})
