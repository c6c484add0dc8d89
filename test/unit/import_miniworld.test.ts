/** Scenarios of MiniWorld: what is read from them, what is noted and refused, and the topologies that they come to. */
import { expect } from 'chai'
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { importFiles, recognise } from '../../lib/topology/import/index.js'
import type { ConversionOptions } from '../../lib/topology/import/format.js'
import { withoutComments } from '../../lib/topology/import/reader.js'
import { inspectTopology } from '../../lib/topology/load.js'
import type { Topology } from '../../lib/topology/schema.js'

const folder = 'examples/miniworld'
const module = 'miniworld.model.network.linkqualitymodels.LinkQualityModelRange'

/** A scenario of three nodes, with `network` and more as given. */
const scenario = (network: object = {}, more: object = {}): string =>
  JSON.stringify({
    cnt_nodes: 3,
    walk_model: { name: 'core' },
    network: { core: { topologies: [[0, 'topologies/chain5.xml']], mode: 'lan' }, ...network },
    ...more,
  })

const config = { config: { file: 'config.json', text: '{ "management": { "use": true } }' } }

interface Outcome {
  topology: Topology
  problems: string[]
  /** Others than on nodes that are left out. */
  notes: string[]
  left: string[]
}

async function convert(text: string, options: ConversionOptions = config): Promise<Outcome> {
  const { topology, problems, notes } = await importFiles(
    'miniworld',
    [{ file: `${folder}/s.json`, text }],
    options,
  )
  const words = (list: { line: number; column: number; message: string }[]): string[] =>
    list.map(({ line, column, message }) => `${line}:${column} ${message}`)
  const all = words(notes)
  const [left, others] = [true, false].map((is) => all.filter((note) => beyond.test(note) === is))
  return { topology: topology as Topology, problems: words(problems), notes: others!, left: left! }
}

/** The files of CORE have five nodes, and most scenarios here three. */
const beyond =
  /^1:1 in the topology made of this, at worlds\.\w+\.movement: .*5\.xml: .* left out, since the world has 3 nodes$/

const example = async (name: string, options: ConversionOptions = {}): Promise<Outcome> =>
  convert(await readFile(`${folder}/${name}`, 'utf8'), {
    config: { file: 'config.json', text: await readFile(`${folder}/config.json`, 'utf8') },
    ...options,
  })

/** What a node's interfaces for its wires are, on a host of its own. */
const wired = (node: number, count: number, addresses: string[]): object => ({
  host: `${node}`,
  interface: 'eth%i',
  name: `tap_0000${node}_%x`,
  macs: Array.from({ length: count }, (_, index) => `02:0${index + 1}:00:00:00:0${node}`),
  addresses,
})

/** The problems of a scenario, without their places. */
const refusals = async (text: string): Promise<string[]> =>
  (await convert(text)).problems.map((line) => line.replace(/^\d+:\d+ /, ''))

describe('scenarios of MiniWorld', () => {
  it('are recognised by their content, and topology files are not taken for one', () => {
    expect(recognise(scenario())).to.deep.equal(['miniworld'])
    expect(recognise('// a scenario\n{ "scenario": "x", "cnt_nodes": 3 }')).to.deep.equal(['miniworld'])
    expect(recognise('{ "fabrics": { "a": { "kind": "hub", "ports": {} } } }')).to.deep.equal([])
    expect(recognise('fabrics: {} # "cnt_nodes": 3')).to.deep.equal([])
  })

  it('lose their comments, but not what stands in strings', () => {
    const text = '{\n  "a": "http://host//x", // "b": 1\n  //"c": 2\n  "d": "\\"// no"\n}'
    const stripped = withoutComments(text)
    expect(JSON.parse(stripped)).to.deep.equal({ a: 'http://host//x', d: '"// no' })
    expect(stripped.length).to.equal(text.length)
  })

  describe('are refused with the place and the nearest word', () => {
    const model = (name: string): string => scenario({ links: { model: `${module}.${name}` } })
    const core = { topologies: [[0, 'topologies/chain5.xml']] }
    const models = "'LinkQualityModelRange', 'LinkQualityModelWiFiLinear', 'LinkQualityModelWiFiExponential'"
    const refused: [title: string, text: string, message: string][] = [
      [
        'a model that the sample configuration names and that does not exist',
        model('LinkQualityModelWiFi'),
        `'network.links.model' must be one of ${models}, not 'LinkQualityModelWiFi'; did you mean 'LinkQualityModelWiFiLinear'?`,
      ],
      [
        'a misspelt model',
        model('LinkQualityModelRang'),
        `'network.links.model' must be one of ${models}, not 'LinkQualityModelRang'; did you mean 'LinkQualityModelRange'?`,
      ],
      [
        'a model of the user',
        scenario({ links: { model: 'mine.Foggy' } }),
        `'network.links.model' must be one of ${models}, not 'Foggy'`,
      ],
      ['no number of nodes', '{ "walk_model": null }', "'cnt_nodes' must be given: the number of nodes"],
      [
        'too many nodes',
        '{ "cnt_nodes": 65535 }',
        "'cnt_nodes' must be a whole number from 1 to 65534, not 65535",
      ],
      [
        'a misspelt mode',
        scenario({ core: { ...core, mode: 'wlan' } }),
        "'network.core.mode' must be one of 'lan', 'wifi', not 'wlan'; did you mean 'lan'?",
      ],
      [
        'a topology without its time',
        scenario({ core: { topologies: ['chain5.xml'] } }),
        "entry 1 of 'network.core.topologies' must be [seconds, 'file.xml'], not 'chain5.xml'",
      ],
      [
        'interfaces that there are none of',
        scenario({ links: { interfaces: ['mush'] } }),
        "entry 1 of 'network.links.interfaces' must be one of 'ap', 'mesh', 'adhoc', 'bluetooth', 'wifidirect', 'hubwifi', not 'mush'; did you mean 'mesh'?",
      ],
      [
        'wires without topologies',
        JSON.stringify({ cnt_nodes: 2, network: { backend: { connection_mode: 'multi' } } }),
        "'multi' needs the walk model 'core', in MiniWorld too",
      ],
      ['an object that is none', '{ "cnt_nodes": 3, "network": [] }', "'network' must be an object"],
      [
        'a replay of positions',
        '{ "cnt_nodes": 3, "walk_model": { "name": "arma", "filepath": "x" } }',
        "'arma' replays cannot be run, in MiniWorld neither",
      ],
    ]
    for (const [title, text, message] of refused)
      it(title, async () => {
        expect(await refusals(text)).to.deep.equal([message])
      })

    it('a topology that is nowhere', async () => {
      const [message] = await refusals(scenario({ core: { topologies: [[0, 'no/such.xml']] } }))
      expect(message).to.match(/^no file 'no\/such.xml' in the folder of the scenario/)
    })

    it('a topology that is there and cannot be read', async () => {
      const [message] = await refusals(scenario({ core: { topologies: [[0, 'examples']] } }))
      expect(message).to.match(/examples must be a regular file of at most 16MiB, not a directory/)
    })

    it('JSON that is none, where it ends to be', async () => {
      const { problems } = await convert('{\n  "cnt_nodes": 3,\n  "network": {\n')
      expect(problems).to.have.lengthOf.at.least(1)
      expect(problems[0]).to.match(/^\d+:\d+ /)
    })
  })

  describe('have their keys noted', () => {
    const noted = async (text: string, options?: ConversionOptions): Promise<string[]> =>
      (await convert(text, options)).notes

    it('where MiniWorld does not read them', async () => {
      const text = `{
  "cnt_nodes": 3,
  "walk_model": { "name": "core" },
  "network": {
    "backend": {
      "links": { "model": "x.LinkQualityModelWiFiLinear" }
    },
    "lniks": {},
    "core": { "topologies": [[0, "topologies/chain5.xml"]], "mode": "lan" }
  }
}`
      const { topology, notes } = await convert(text)
      expect(notes).to.deep.equal([
        "6:7 'network.backend.links' has no effect, in MiniWorld neither: it must be 'network.links'",
        "8:5 'network.lniks' has no effect, MiniWorld knows no such key; did you mean 'links'?",
      ])
      expect(topology.worlds).to.have.property('mesh1').that.includes({ model: 'range' })
    })

    it('where they are not about the network, all together', async () => {
      const notes = await noted(scenario({}, { provisioning: { image: 'x.img' }, qemu: { ram: '32M' } }))
      expect(notes).to.have.lengthOf(1)
      expect(notes[0]).to.match(/not about the network, so not in the topology: 'provisioning', 'qemu'$/)
    })

    it('where something else does their work', async () => {
      const text = scenario({
        backend: { execution_mode: { name: 'iproute2', batch: false }, distributed_mode: 'gretap' },
        links: { configuration: { connectivity_check: { enabled: true }, nic_prefix: 'bat' } },
      })
      const notes = (await noted(text)).join('\n')
      expect(notes).to.include("'network.backend.execution_mode': not needed, each step is one transaction")
      expect(notes).to.include("'network.backend.distributed_mode': one process carries all nodes")
      expect(notes).to.include(
        "'network.links.configuration.connectivity_check': nothing is checked by itself",
      )
      expect(notes).to.include("who makes 'bat0' has to move them there")
    })

    it('where they are of one node only', async () => {
      const text = scenario({}, { node_details: { 1: { interfaces: ['ap'], network: { backend: {} } } } })
      const notes = (await noted(text)).join('\n')
      expect(notes).to.include("it must be 'network.links.interfaces'")
      expect(notes).to.include("'node_details.1.network.backend': holds for all nodes or none")
    })

    it('and that there is no management network without a config.json', async () => {
      const { topology, notes } = await convert(scenario(), {})
      expect(notes.join()).to.include('give one with --config FILE')
      expect(Object.keys(topology.fabrics)).to.deep.equal(['wifi1'])
    })
  })

  it('say what is not theirs when they are topology files', async () => {
    const own = 'fabrics: { a: { kind: hub, ports: {} } }'
    const refused = await inspectTopology(own, 'lab.yaml', { machines: 'taps' }).catch(
      (error: unknown) => error,
    )
    expect((refused as Error).message).to.equal(
      "lab.yaml is no scenario of MiniWorld, so '--machines' has no use; leave it out",
    )
  })

  describe('become topologies', () => {
    it('Bridged WiFi: a hub for the nodes, and a switch to manage them', async () => {
      const { topology, problems, notes } = await example('bridged-wifi.json')
      expect([problems, notes]).to.deep.equal([[], []])
      const port = (node: number, number: number, mac: string, name: string, address: string): object => ({
        host: `${node}`,
        interface: name,
        mac: `${mac}:01:00:00:00:0${node}`,
        addresses: [`${address}.${node}/16`],
      })
      const each = (number: number, mac: string, name: string, address: string): object =>
        Object.fromEntries(
          [1, 2, 3].map((node) => [`tap_0000${node}_${number}`, port(node, number, mac, name, address)]),
        )
      expect(topology.name).to.equal('bridged-wifi')
      expect(topology.hosts).to.have.all.keys('1', '2', '3')
      expect(topology.fabrics).to.deep.equal({
        wifi1: { kind: 'hub', forwarding: 'deny', ports: each(1, '02', 'eth0', '10.0.0') },
        mgmt: { kind: 'switch', ports: each(2, '0a', 'mgmt', '172.21.0') },
      })
    })

    it('with the world that the scenario walks through, step by step', async () => {
      const { topology, left } = await example('bridged-wifi.json')
      expect(left).to.have.lengthOf(3)
      expect(left[0]).to.match(/chain5\.xml: n4, n5 left out/)
      const file = (name: string): string => resolve(folder, `topologies/${name}5.xml`)
      expect(topology.worlds).to.deep.equal({
        mesh1: {
          fabric: 'wifi1',
          nodes: ['tap_00001_1', 'tap_00002_1', 'tap_00003_1'],
          model: 'exponential',
          movement: { core: [file('chain'), file('cycle'), file('wheel')], mode: 'lan' },
          step: 'manual',
        },
      })
    })

    it('Bridged LAN: wires, the addresses in the order in which connections are made', async () => {
      const { topology, problems, notes } = await example('bridged-lan.json')
      expect([problems, notes]).to.deep.equal([[], []])
      expect(Object.keys(topology.fabrics.mgmt?.ports ?? {})).to.deep.equal([
        'tap_00001_5', // 4 neighbours in chain, cycle and wheel together, nodes 4 and 5 included
        'tap_00002_4',
        'tap_00003_4',
      ])
      expect(topology.worlds?.lan).to.deep.include({
        wires: {
          1: wired(1, 4, ['10.0.0.1/16', '10.2.0.1/16']),
          2: wired(2, 3, ['10.0.0.2/16', '10.1.0.1/16']),
          3: wired(3, 3, ['10.1.0.2/16', '10.2.0.2/16']),
        },
        wireNames: 'br_%05d_%05d',
      })
    })

    it('Bridged LAN with interfaces of several classes, of which it has one', async () => {
      const multi = (...interfaces: string[]): Promise<Outcome> =>
        convert(scenario({ backend: { connection_mode: 'multi' }, links: { interfaces } }))
      const { topology, notes } = await multi('mesh', 'hubwifi')
      expect(topology.worlds?.lan).to.have.nested.property('wires.1.macs[0]', '02:01:00:00:00:01')
      expect(Object.keys(topology.fabrics)).to.deep.equal(['mgmt'])
      expect(notes.join()).to.include(
        "with connection_mode 'multi' a node has an interface for each connection",
      )
      const odd = await multi('ap')
      expect(odd.topology.worlds?.lan).to.not.have.nested.property('wires.1.macs')
      expect(odd.notes.join()).to.include('ap have group addresses')
    })

    it('Bridged LAN with packet sockets on the TAPs of machines', async () => {
      const { topology } = await example('bridged-lan.json', { machines: 'packet' })
      expect(topology.worlds?.lan)
        .to.have.property('wires')
        .that.deep.equals({
          1: { packet: 'tap_00001_%x' },
          2: { packet: 'tap_00002_%x' },
          3: { packet: 'tap_00003_%x' },
        })
    })

    it('with a bandwidth, times, a hook and another network for addresses', async () => {
      const { topology } = await convert(
        scenario({
          backend: { event_hook_script: "it's/hook.sh" },
          core: { topologies: [[2.5, 'topologies/star5.xml']], mode: 'lan', loop: true },
          links: {
            model: `${module}.LinkQualityModelWiFiLinear`,
            bandwidth: 6912,
            configuration: { ip_provisioner: { base_network_cidr: '192.168.0.0/16', prefixlen: 24 } },
          },
        }),
      )
      expect(topology.worlds?.mesh1).to.deep.include({
        model: 'linear',
        bandwidth: '6912kbit',
        movement: {
          core: [{ file: resolve(folder, 'topologies/star5.xml'), for: '2.5s' }],
          mode: 'lan',
          loop: true,
        },
        hook: "'it'\\''s/hook.sh'",
      })
      expect(topology.fabrics.wifi1?.ports.tap_00003_1).to.deep.include({ addresses: ['192.168.0.3/24'] })
    })

    it('without addresses where the scenario asks for none, and walking where it had a map', async () => {
      const text = JSON.stringify({
        cnt_nodes: 2,
        walk_model: { name: 'MoveOnBigStreets' },
        network: { links: { configuration: { auto_ipv4: false } } },
      })
      const { topology, notes } = await convert(text)
      expect(topology.fabrics.wifi1?.ports.tap_00001_1).not.to.have.property('addresses')
      expect(topology.worlds?.mesh1?.movement).to.deep.equal({
        randomWalk: { area: [1000, 1000], speed: [5, 15] },
      })
      expect(notes.join()).to.include('not along the streets of a map')
    })

    it('with TAPs or packet sockets by the same names', async () => {
      const ports = async (machines: 'taps' | 'packet'): Promise<unknown> => {
        const { topology } = await example('bridged-wifi.json', { machines })
        expect(topology.hosts).to.equal(undefined)
        return topology.fabrics.mgmt?.ports
      }
      expect(await ports('taps')).to.deep.equal({
        tap_00001_2: { tap: 'tap_00001_2' },
        tap_00002_2: { tap: 'tap_00002_2' },
        tap_00003_2: { tap: 'tap_00003_2' },
      })
      expect(await ports('packet')).to.deep.include({ tap_00001_2: { packet: 'tap_00001_2' } })
    })

    it("with the folders of switches that the backend 'vde' had", async () => {
      const { topology, notes } = await convert(scenario({ backend: { name: 'vde' } }), {
        ...config,
        machines: 'vde',
      })
      expect(topology.hosts).to.equal(undefined)
      expect(topology.fabrics.wifi1?.ports.tap_00002_1).to.deep.equal({ patch: 'vde_switch_2_2_1.cable' })
      expect(topology.fabrics.vde_switch_2_2_1).to.deep.equal({
        kind: 'hub',
        ports: { cable: { patch: 'wifi1.tap_00002_1' } },
        listen: { protocol: 'vde', directory: '/tmp/MiniWorld/vde_switch_2_2_1' },
      })
      expect(topology.fabrics.mgmt?.ports.tap_00002_2).to.deep.equal({ patch: 'vde_switch_2_10_1.cable' })
      expect(notes.join('\n')).to.include('make that first')
    })

    it('with the interfaces of single nodes, by class and number', async () => {
      const { topology } = await convert(
        scenario(
          { links: { interfaces: ['mesh', 'hubwifi'] } },
          { node_details: { 2: { network: { links: { interfaces: ['mesh', 'ap', 'mesh'] } } } } },
        ),
      )
      const ports = Object.fromEntries(
        Object.entries(topology.fabrics).map(([name, { ports }]) => [name, Object.keys(ports)]),
      )
      expect(ports).to.deep.equal({
        wifi1: ['tap_00001_1', 'tap_00002_1', 'tap_00002_2', 'tap_00003_1'],
        br_cn_1: ['tap_00001_2', 'tap_00003_2'],
        wifi2: ['tap_00002_3'],
        mgmt: ['tap_00001_3', 'tap_00002_4', 'tap_00003_3'],
      })
      expect(topology.fabrics.wifi1?.ports.tap_00002_1).to.deep.equal({
        host: '2',
        interface: 'eth0', // its class, ap, has group addresses
        addresses: ['10.2.0.2/16'],
      })
      expect(topology.fabrics.wifi1?.ports.tap_00002_2).to.include({ mac: '02:01:00:00:00:02' })
      expect(topology.fabrics.wifi2?.ports.tap_00002_3).to.include({ mac: '02:02:00:00:00:02' })
    })
  })
})
