/** Link quality models, movements and files of CORE, by their numbers; and what worlds refuse. */
import { expect } from 'chai'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  CoreTopologies,
  DistanceMatrices,
  Engine,
  Hub,
  LogDistanceModel,
  MemoryPort,
  RandomWalk,
  RandomWaypoint,
  RangeModel,
  WifiExponentialModel,
  WifiLinearModel,
  World,
  parseTopology,
  type LinkQualityModel,
  type Movement,
} from '../../lib/index.js'
import { Distances } from '../../lib/world/distances.js'
import { readCoreTopology } from '../../lib/world/movements/core-file.js'
import { parseRate } from '../../lib/values/units.js'
import { refusal } from '../helpers/errors.js'

/** kbit/s and delay, as '36000/1ms'; 'cut' where it is not connected. */
const brief = (model: LinkQualityModel, distance: number): string => {
  const policy = model.quality(distance)
  if (!policy) return 'cut'
  return `${policy.rate ? Number(parseRate(policy.rate)) / 1000 : 'any'}/${policy.delay ?? '0'}`
}

/** The pairs after a step, as '0-1:12', in the order of the list. */
const pairsAfter = (movement: Movement, seconds = 1): string[] => {
  const list = new Distances()
  movement.step(seconds, list)
  return Array.from(
    { length: list.length },
    (_, at) => `${list.first(at)}-${list.second(at)}:${list.metres(at)}`,
  )
}

describe('link quality models', () => {
  const distances = [0, 1, 2, 3, 4, 8, 9, 12, 16, 19, 20, 23, 24, 29, 30, 53, 107, 108]

  it('connect nothing at what is no distance, or too far', () => {
    const models = [
      new WifiLinearModel(),
      new WifiExponentialModel(),
      new RangeModel(),
      new LogDistanceModel(),
    ]
    for (const model of models)
      for (const distance of [-1, -Infinity, NaN, model.maxConnectedDistance + 1, Infinity])
        expect(brief(model, distance), `${model.name} at ${distance}`).to.equal('cut')
  })

  it('WiFi, linear', () => {
    const model = new WifiLinearModel()
    const table = '54000/0 54000/0 36000/1ms 27000/2ms 21600/3ms 12000/7ms 10800/8ms 8307.692/11ms 6352.941/15ms 5400/18ms 5142.857/19ms 4500/22ms 4320/23ms 3600/28ms 3483.871/29ms 2000/52ms 1000/106ms cut' // prettier-ignore
    expect(distances.map((distance) => brief(model, distance))).to.deep.equal(table.split(' '))
    expect(model.maxConnectedDistance).to.equal(107)
    expect(model.quality(2)).to.deep.equal({
      rate: '36Mbit',
      delay: '1ms',
      jitter: '100us',
      delayCorrelation: 0.25,
    })
    expect(new WifiLinearModel({ bandwidth: '6912kbit' }).maxConnectedDistance).to.equal(12)
  })

  it('WiFi, exponential', () => {
    const model = new WifiExponentialModel()
    const table = '54000/1ms 54000/1ms 54000/1ms 54000/1ms 27000/2ms 13500/4ms 13500/4ms 6750/8ms 3375/16ms 3375/16ms 1687.5/32ms 1687.5/32ms cut cut cut cut cut cut' // prettier-ignore
    expect(distances.map((distance) => brief(model, distance))).to.deep.equal(table.split(' '))
    expect(model.maxConnectedDistance).to.equal(23)
    expect(new WifiExponentialModel({ bandwidth: '6912kbit' }).maxConnectedDistance).to.equal(11)
  })

  it('range', () => {
    expect([0, 29, 30].map((distance) => brief(new RangeModel(), distance))).to.deep.equal([
      'any/0',
      'any/0',
      'cut',
    ])
    const limited = new RangeModel({ range: 10, bandwidth: '10Mbit' })
    expect([9, 10].map((distance) => brief(limited, distance))).to.deep.equal(['10000/0', 'cut'])
  })

  it('log-distance: 40.1 dB at 1 m, 30 dB more for each tenfold distance, and the rate that is left', () => {
    const model = new LogDistanceModel()
    expect(model.powerAt(1)).to.be.closeTo(20 - 40.09, 0.01)
    expect(model.powerAt(10) - model.powerAt(100)).to.be.closeTo(30, 1e-9)
    // -65 dBm are left at 10^((65 - 20.09) / 30) = 31.4 m, -82 dBm at 115.7 m.
    const rates = [0, 31, 32, 115, 116].map((distance) => brief(model, distance))
    expect(rates).to.deep.equal(['54000/0', '54000/0', '48000/0', '6000/0', 'cut'])
    expect(model.maxConnectedDistance).to.equal(115)
    let last = Infinity
    for (let distance = 0; distance <= 115; distance++) {
      const rate = Number.parseInt(model.quality(distance)!.rate!)
      expect(rate, `${distance} m`).to.be.at.most(last)
      last = rate
    }
  })

  it('refuse what cannot be', async () => {
    expect((await refusal(() => new RangeModel({ range: 0 }))).message).to.contain("'range' of RangeModel")
    expect((await refusal(() => new WifiLinearModel({ bandwith: '1Mbit' } as object))).message).to.contain(
      'bandwidth',
    )
    expect((await refusal(() => new LogDistanceModel({ rates: [] }))).message).to.contain('1 to 64')
    expect((await refusal(() => new LogDistanceModel({ exponent: 0 }))).message).to.equal(
      "option 'exponent' of LogDistanceModel must be a number from 1 to 10, not 0",
    )
  })
})

describe('movements', () => {
  const area = [200, 100] as const
  const kinds = {
    RandomWalk: () => new RandomWalk({ area, speed: [1, 9], leg: '3s' }),
    RandomWaypoint: () => new RandomWaypoint({ area, speed: [1, 9], pause: '2s' }),
  }
  for (const [name, make] of Object.entries(kinds))
    it(`${name} stays in its area, keeps its speed, and is the same for the same seed`, () => {
      const begin = (seed: bigint): Movement => {
        const movement = make()
        movement.begin({ nodes: 20, reach: 30, seed })
        return movement
      }
      const [one, same, other] = [begin(1n), begin(1n), begin(2n)]
      let moved = 0
      for (let step = 0; step < 200; step++) {
        const before = [...one.positions!]
        expect(pairsAfter(one)).to.deep.equal(pairsAfter(same))
        pairsAfter(other)
        one.positions!.forEach((place, at) => {
          expect(place).to.be.within(0, area[at % 2]!)
          expect(Math.abs(place - before[at]!)).to.be.at.most(9 + 1e-9)
          if (step > 0 && place !== before[at]) moved++
        })
      }
      expect(moved).to.be.above(2000)
      expect([...one.positions!]).to.not.deep.equal([...other.positions!])
    })

  it('list exactly the pairs within reach, whatever the area', () => {
    for (const side of [10, 100, 1000])
      for (const reach of [3, 40, Infinity]) {
        const movement = new RandomWalk({ area: [side, side / 2] })
        movement.begin({ nodes: 60, reach, seed: 3n })
        const listed = pairsAfter(movement)
          .map((pair) => pair.split(':')[0])
          .sort()
        const places = movement.positions
        const near: string[] = []
        for (let a = 0; a < 60; a++)
          for (let b = a + 1; b < 60; b++)
            if (
              Math.hypot(places[2 * a]! - places[2 * b]!, places[2 * a + 1]! - places[2 * b + 1]!) <=
              reach + 0.5
            )
              near.push(`${a}-${b}`)
        expect(listed, `${side} m, reach ${reach}`).to.deep.equal(near.sort())
      }
  })

  it('start where they are told', async () => {
    const movement = new RandomWaypoint({ area, start: [[0, 0], [3, 4]], speed: 0 }) // prettier-ignore
    movement.begin({ nodes: 2, reach: 10, seed: 1n })
    expect([pairsAfter(movement), pairsAfter(movement)]).to.deep.equal([['0-1:5'], ['0-1:5']])
    const lost = new RandomWaypoint({ area, start: [[0, 0]] })
    expect((await refusal(() => lost.begin({ nodes: 2, reach: 1, seed: 1n }))).message).to.contain('2 places')
    expect((await refusal(() => new RandomWalk({ area, start: [[0, 101]] }))).message).to.contain(
      'inside the area',
    )
  })

  it('matrices follow each other, and the last stays or the first comes again', () => {
    const matrices = [[[0, 1], []], [[0, 2], [2, 0]]] // prettier-ignore
    for (const [loop, third] of [
      [false, '0-1:2'],
      [true, '0-1:1'],
    ] as const) {
      const movement = new DistanceMatrices({ matrices, loop })
      movement.begin({ nodes: 2, reach: 1, seed: 1n })
      expect([pairsAfter(movement), pairsAfter(movement), pairsAfter(movement)].flat()).to.deep.equal([
        '0-1:1',
        '0-1:2',
        third,
      ])
    }
  })
})

describe('topologies of CORE', () => {
  const scenario = (inside: string): string =>
    `<?xml version="1.0"?><!-- a - b --><scenario name="x" version="1.0" xmlns="nmfPlan">${inside}</scenario>`
  const channel = (...members: string[]): string =>
    `<network name="p2p"><channel name="c">${members.map((each) => `<member index="0" type="interface">${each}</member>`).join('\n')}<member type="channel">x</member></channel></network>`
  const host = (id: number, lat: number, lon: number): string =>
    `<host id="n${id}"><point type="gps" lat="${lat}" lon="${lon}"/></host>`
  const folder = mkdtempSync(join(tmpdir(), 'etherloom-core-'))
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }
  after(() => rmSync(folder, { recursive: true }))

  const chain = () =>
    file('chain.xml', scenario(channel('n1/eth0', 'n2/eth0') + channel('n2/eth1', 'n3/eth0')))
  const star = () => file('star.xml', scenario(channel('n1/eth0', 'n2/eth0', 'n3/eth0', 'n9/eth0')))
  const linked = (movement: Movement) => pairsAfter(movement).filter((pair) => pair.endsWith(':1')).map((pair) => pair.slice(0, 3)) // prettier-ignore

  it('lan: linked nodes are 1 metre apart; the first of a channel is linked to the others', () => {
    const movement = new CoreTopologies({
      topologies: [chain(), { file: star(), for: '2s' }],
      mode: 'lan',
      loop: true,
    })
    movement.begin({ nodes: 3, reach: 1, seed: 1n })
    const steps = [1, 2, 3, 4].map(() => linked(movement).join(' '))
    expect(steps).to.deep.equal(['0-1 1-2', '0-1 0-2', '0-1 0-2', '0-1 1-2'])
  })

  it('wifi: metres between the places of hosts', () => {
    // A thousandth of a degree of latitude is 110.57 m at the equator and 111.69 m at the pole; of longitude 111.32 m.
    const movement = new CoreTopologies({ topologies: [file('gps.xml', scenario(host(1, 0, 0) + host(2, 0.001, 0) + host(3, 0, 0.001)))] }) // prettier-ignore
    movement.begin({ nodes: 3, reach: 1, seed: 1n })
    const metres = pairsAfter(movement).map((pair) => Number(pair.split(':')[1]))
    expect(metres[0]).to.be.closeTo(110.57, 0.01)
    expect(metres[1]).to.be.closeTo(111.32, 0.01)
    expect(metres[2]).to.be.closeTo(Math.hypot(110.57, 111.32), 0.01)
  })

  it('reads what CORE 5 and later write', () => {
    const text = `<scenario><networks><network id="4" name="hub" type="HUB"/></networks>
      <devices><device id="1"><position lat="1" lon="2"/></device><device id="2"/><device id="3" name="c"/></devices>
      <links><link node1="1" node2="2"/><link node1="1" node2="4"/><link node1="4" node2="3"/></links></scenario>`
    expect(readCoreTopology(text, 'x.xml')).to.deep.equal({
      names: ['n1', 'n2', 'c'],
      links: [[1, 2], [1, 3]],
      places: [{ latitude: 1, longitude: 2 }, undefined, undefined],
      notes: [],
    }) // prettier-ignore
  })

  const device = (id: number, attributes: string): string =>
    `<device id="${id}" name="n${id}"><position ${attributes}/></device>`

  it('takes nodes by their ids, in both modes, whatever their order in the file and however many are missing', () => {
    const text = `<scenario><devices>${device(1, 'x="0" y="0"')}${device(7, 'x="0" y="100"')}${device(2, 'x="100" y="0"')}</devices>
      <links><link node1="1" node2="7"/></links></scenario>`
    const { links, places } = readCoreTopology(text, 'x.xml')
    expect(links).to.deep.equal([[1, 3]]) // the third by id is 7
    expect(places[2]).to.deep.equal({ x: 0, y: 150 })
    const wifi = new CoreTopologies({ topologies: [file('ids.xml', text)] })
    wifi.begin({ nodes: 3, reach: 1000, seed: 1n })
    expect(pairsAfter(wifi)).to.deep.equal(['0-1:150', '0-2:150', `1-2:${Math.hypot(150, 150)}`])
  })

  it('has the scale of the canvas from the file', () => {
    const text = `<scenario><session_origin lat="47" lon="-122" scale="50.0"/><devices>${device(1, 'x="10" y="20"')}</devices></scenario>`
    expect(readCoreTopology(text, 'x.xml').places).to.deep.equal([{ x: 5, y: 10 }])
  })

  it('links what is on networks that are linked to each other, once', () => {
    const text = `<scenario><networks><network id="8" type="SWITCH"/><network id="9" type="HUB"/></networks>
      <devices>${[1, 2, 3].map((id) => device(id, '')).join('')}</devices>
      <links><link node1="8" node2="9"/><link node1="1" node2="8"/><link node1="9" node2="2"/><link node1="9" node2="1"/></links></scenario>`
    expect(readCoreTopology(text, 'x.xml').links).to.deep.equal([[1, 2]])
  })

  it('notes what it does not do: options of links, and nodes beyond the world', () => {
    const text = `<scenario><devices>${device(1, '')}${device(2, '')}${device(5, '')}</devices>
<links><link node1="1" node2="2"><options delay="20000" loss="1.0" dup="0"/></link></links></scenario>`
    const movement = new CoreTopologies({ topologies: [file('options.xml', text)], mode: 'lan' })
    movement.begin({ nodes: 2, reach: 1, seed: 1n })
    expect(movement.notes.map((note) => note.replace(/^.*options\.xml/, ''))).to.deep.equal([
      ':2:34: delay="20000" loss="1.0" of this link is not applied: a world\'s links follow distances, by its model',
      ': n5 left out, since the world has 2 nodes',
    ])
  })

  it('says where a file is wrong', async () => {
    const cases: [string, string][] = [
      ['', 'x.xml:1:1: no XML element'],
      ['hello', 'x.xml:1:1: this is no XML'],
      ['<network/>', 'x.xml:1:1: a CORE topology begins with <scenario>, not <network>'],
      ['<scenario>\n  <a>\n</scenario>', 'x.xml:3:1: </scenario> ends what was not begun'],
      ['<scenario>\n <host', 'x.xml:2:2: a tag that XML does not allow'],
      ['<scenario><a>', 'x.xml:1:11: <a> does not end'],
      [scenario(channel('eth0', 'n2/eth0')), 'a member must be an interface such as n1/eth0'],
      [scenario('<host id="1"><point lat="91" lon="0"/></host>'), "'lat' from -90 to 90"],
      [scenario('<host><point lat="9" lon="0"/></host>'), "a node's id must be a number, not ''"],
      [scenario('<host id="n1"/><host id="1"/>'), 'a second node with id 1'],
      [
        scenario('<device id="1"/><links><link node1="1" node2="4"/></links>'),
        'a link of node 4, which the file does not have',
      ],
    ]
    for (const [text, message] of cases)
      expect((await refusal(() => readCoreTopology(text, 'x.xml'))).message, text).to.contain(message)
    expect((await refusal(() => new CoreTopologies({ topologies: ['/no/where.xml'] }))).message).to.contain(
      'ENOENT',
    )
    const few = new CoreTopologies({ topologies: [chain()] })
    expect((await refusal(() => few.begin({ nodes: 3, reach: 1, seed: 1n }))).message).to.contain(
      "mode 'lan'",
    )
  })
})

describe('what a World refuses', () => {
  it('fabrics that let everything through, nodes that are not there, hooks on a virtual clock', async () => {
    const engine = new Engine({ clock: 'virtual' })
    try {
      const open = new Hub({ engine })
      expect((await refusal(() => new World({ fabric: open }))).message).to.contain("forwarding: 'deny'")
      const fabric = new Hub({ engine, forwarding: 'deny' })
      await fabric.attach(new MemoryPort({ name: 'anna' }))
      await fabric.attach(new MemoryPort({ name: 'bert' }))
      const refused = async (options: object) =>
        (await refusal(() => new World({ fabric, ...options }))).message
      expect(await refused({ nodes: ['ana'] })).to.contain("did you mean 'anna'")
      expect(await refused({ nodes: ['anna', 'anna'] })).to.contain('without repetitions')
      expect(await refused({ hook: 'true' })).to.contain('virtual clock')
      expect(await refused({ modle: 1 })).to.contain("did you mean 'model'")
      expect(await refused({ model: 'range' })).to.contain('new RangeModel()')
      expect(await refused({ every: '0s' })).to.contain('at least 1ms')
      const world = new World({ fabric, model: () => ({ rate: '0bit' }) as object })
      const step = async (distances?: unknown) =>
        (await refusal(() => world.step(distances as never))).message
      expect(await step()).to.contain('has no movement')
      expect(await step(7)).to.contain('a matrix or a list')
      expect(await step([[0, 1]])).to.contain('2 rows')
      expect(await step([[0, 1], [2, 0]])).to.contain('both ways') // prettier-ignore
      expect(await step([[0, NaN], []])).to.contain('one number of metres') // prettier-ignore
      expect(await step([['anna', 'berta', 1]])).to.contain("did you mean 'bert'")
      expect(await step([['anna', 'anna', 1]])).to.contain('two different nodes')
      expect(await step([['anna', 'bert', 1]])).to.contain("model 'function' at 1 metres")
      expect(world.links()).to.deep.equal([])
      await world.close()
      expect(await step([])).to.contain('is closed')
    } finally {
      await engine.close()
    }
  })

  it('topology files that name what is not there, with the line', async () => {
    const file = (world: string, forwarding = 'deny') =>
      `fabrics:\n  air: { kind: hub, forwarding: ${forwarding}, ports: { a: { tap: a }, b: { tap: b } } }\nworlds:\n  w: ${world}`
    const refused = async (text: string) => (await refusal(() => parseTopology(text, 'x'))).message
    expect(await refused(file('{ fabric: airs }'))).to.equal("x:4:16: no fabric 'airs'; did you mean 'air'?")
    expect(await refused(file('{ fabric: air }', 'allow'))).to.contain('forwarding: deny')
    expect(await refused(file('{ fabric: air, nodes: [a, c] }'))).to.contain("no port 'c' in 'air'")
    expect(await refused(file('{ fabric: air, model: exponental }'))).to.contain('exponential')
    expect(await refused(file('{ fabric: air, movement: { matrix: [[0]] } }'))).to.contain('2 rows')
    expect(await refused(file('{ fabric: air, movement: { core: [none.xml] } }'))).to.contain(
      'none.xml (ENOENT)',
    )
    expect(await refused(file('{ fabric: air }\n  v: { fabric: air, nodes: [b, a] }'))).to.equal(
      "x:5:28: 'a' and 'b' are nodes of world 'w' too; one world only can link a pair",
    )
    expect(await refused(file('{ fabric: air, step: 1s }'))).to.contain("without 'movement'")
    expect(await refused(file('{ wires: { a: { host: red }, b: { tap: "t%d" } } }'))).to.contain(
      "no host 'red'",
    )
    expect(await refused(file('{ wires: { a: { tap: red } } }'))).to.contain("'%d'")
    expect(await refused(file('{ wires: { a: { tap: "t%i" } }, wireNames: "cable-%s" }'))).to.contain(
      "two '%s'",
    )
    expect(await refused(file('{ wires: { a: { tap: "t%i", macs: ["01:00:00:00:00:00"] } } }'))).to.contain(
      'the address of one interface',
    )
  })
})
