/**
 * Kinds that nothing in lib/ knows of, added to its registries as a program would: a port, a fabric, a link model and a
 * movement, used from a topology file; a format of another program's files; a form of filters; a framing of streams, whose
 * native half test/native/toy_framing_test.cpp has.
 */
import { expect } from 'chai'
import { compileMatch } from '../../lib/policy/filters/match.js'
import type {
  Conversion,
  FabricKind,
  FabricOptions,
  FilterKind,
  ForeignFormat,
  LinkModelKind,
  MemoryPort,
  MovementKind,
  PortKind,
} from '../../lib/index.js'
import type * as library from '../../lib/index.js'
import type { FramingKind } from '../../lib/ports/framings.js'
import { closing, receive } from '../helpers/fabric.js'
import { frame } from '../helpers/frames.js'

// Mocha requires this file, and the library imports its checks when a file is read: one way for both, so that there is one
// registry of each.
type Library = typeof library
const load = async () => ({
  library: await import('../../lib/index.js'),
  reports: (await import('../../lib/topology/report.js')).reports,
})

function toys({ about, Hub, integer, mapping, MemoryPort, required }: Library) {
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

  /** Lines of `NAME - NAME`, as topologies of hubs with two UDP ports. */
  const cables: ForeignFormat<{ ports?: number }> = {
    key: 'cables',
    title: 'a list of cables',
    options: { ports: about('The first UDP port.', integer(1, 60_000, { default: 5000 })) },
    recognises: (text) => /^\w+ - \w+$/m.test(text),
    convert: ([source], { ports: first = 5000 }) => {
      const notes: Conversion['notes'] = []
      const udp = (name: string, index: number) => [name, { udp: `127.0.0.1:${first + index}` }] as const
      const lines = source!.text.trim().split('\n')
      const fabrics = lines.flatMap((line, index): [string, object][] => {
        const ends = line.split(' - ')
        if (ends.length === 2)
          return [[ends.join('-'), { kind: 'hub', ports: Object.fromEntries(ends.map(udp)) }]]
        notes.push({ file: source!.file, line: index + 1, column: 1, message: 'left out' })
        return []
      })
      return Promise.resolve({ topology: { fabrics: Object.fromEntries(fabrics) }, problems: [], notes })
    },
  }

  /** Frames of a length. */
  const exactly: FilterKind<{ exactly: number }> = {
    key: 'exactly',
    rule: mapping({ exactly: required(integer(14, 1514, { unit: 'bytes' })) }),
    takes: (source) => typeof source === 'object' && source !== null && 'exactly' in source,
    compile: ({ exactly: length }) => compileMatch({ length: { min: length, max: length } }),
  }

  return { basket, ether, cable, hops, Ether, cables, exactly }
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

  it('are formats of other programs, with options and notes of their own', async () => {
    const { foreignFormats, parseTopology } = (await load()).library
    const { cables } = toys((await load()).library)
    const text = 'a - b\nc\n'
    expect(await mistakes(parseTopology(text))).to.match(/must be a mapping/)
    keep({ close: foreignFormats.add(cables) })
    const notes: string[] = []
    const note: Parameters<typeof parseTopology>[2] = ({ line, message }) => notes.push(`${line} ${message}`)
    const { fabrics } = await parseTopology(text, 'lab.cables', note, { ports: 6000 })
    expect(fabrics).to.deep.equal({
      'a-b': { kind: 'hub', ports: { a: { udp: '127.0.0.1:6000' }, b: { udp: '127.0.0.1:6001' } } },
    })
    expect(notes).to.deep.equal(['2 left out'])
    expect(await mistakes(parseTopology(text, 'lab.cables', note, { machines: 'taps' }))).to.equal(
      "lab.cables is no scenario of MiniWorld, so '--machines' has no use; leave it out",
    )
    expect(await mistakes(parseTopology('fabrics: {}', 'lab.yaml', note, { ports: 1 }))).to.equal(
      "lab.yaml is no list of cables, so '--ports' has no use; leave it out",
    )
  })

  it('are forms of filters, beside ours', async () => {
    const { library } = await load()
    const { filterKinds, Hub, MemoryPort, parseTopology } = library
    keep({ close: filterKinds.add(toys(library).exactly) })
    const withFilter = (filter: string): string => `
fabrics:
  air:
    kind: hub
    ports: { one: { udp: '127.0.0.1:0' }, two: { udp: '127.0.0.1:0' } }
    paths: [{ from: one, to: two, filter: ${filter} }]
`
    const exact = { exactly: 60 } as never
    await parseTopology(withFilter('{ exactly: 60 }'))
    await parseTopology(withFilter('{ etherType: arp }'))
    expect(await mistakes(parseTopology(withFilter('{ exactly: 6 }')))).to.match(
      /'exactly' must be a whole number from 14 to 1514 bytes/,
    )
    const hub = keep(new Hub())
    const one = await hub.attach(new MemoryPort({ name: 'one' }))
    const two = await hub.attach(new MemoryPort({ name: 'two' }))
    await hub.path(one, two).allow({ filter: exact })
    one.send([frame({ tag: 1, length: 61 }), frame({ tag: 2, length: 60 })])
    expect((await receive(two, 1)).map(({ tag }) => tag)).to.deep.equal([2])
  })

  it('are framings of streams, wherever one is named', async () => {
    const { Hub, parseTopology, SocketPort } = (await load()).library
    const { framings } = await import('../../lib/ports/framings.js')
    const withFraming = (word: string, socket = '127.0.0.1:5000'): string => `
fabrics:
  air:
    kind: hub
    ports: { one: { socket: '${socket}', framing: ${word} } }
    listen: { socket: '127.0.0.1:5001', framing: ${word} }
`
    const unknown = await mistakes(parseTopology(withFraming('tilde')))
    expect(
      unknown.match(
        /'framing' must be one of 'stream', ('datagram', )?'vde', 'vpnkit', 'hyperkit', 'seqpacket', not 'tilde'/g,
      ),
    ).to.have.lengthOf(2)
    const tilde: FramingKind = { key: 'tilde', socket: 'stream', speaks: 'a tilde, and the length' }
    keep({ close: framings.add(tilde) })
    await parseTopology(withFraming('tilde'))
    expect(await mistakes(parseTopology(withFraming('tild')))).to.contain("not 'tild'; did you mean 'tilde'?")
    expect(await mistakes(parseTopology(withFraming('seqpacket')))).to.contain(
      "a path with the framing 'seqpacket'",
    )
    const hub = keep(new Hub())
    const port = new SocketPort({ socket: '127.0.0.1:5000', role: 'listen', framing: 'tilde' as never })
    expect(await mistakes(hub.attach(port))).to.contain("the addon has no framing 'tilde'")
  })

  it('are unknown before and after, and have keys of their own', async () => {
    const { fabricKinds, filterKinds, foreignFormats, linkModels, movements, parseTopology, portKinds } = (
      await load()
    ).library
    expect(await mistakes(parseTopology(file()))).to.match(/'ether'/)
    const registries = [portKinds, fabricKinds, filterKinds, foreignFormats, linkModels, movements] as const
    for (const registry of registries) {
      const [key = ''] = registry.keys
      expect(() => registry.add({ key } as never)).to.throw(`'${key}' already`)
    }
  })
})
