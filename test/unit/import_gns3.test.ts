/** Projects of GNS3: what becomes of nodes, ports, links and filters, what is noted, and what is refused. */
import { expect } from 'chai'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { importFiles, recognise, type Imported } from '../../lib/topology/import/index.js'

type Item = Record<string, unknown>
const imported = (text: string, file = 'lab.gns3'): Promise<Imported> => importFiles('gns3', [{ file, text }])

const node = (id: string, type: string, properties: Item = {}, name = id): Item => ({
  ...{ node_id: id, node_type: type, name, properties },
})
/** A link of two ends, each 'node', 'node/adapter' or 'node/adapter/port'. */
const link = (one: string, other: string, more: Item = {}): Item => ({
  nodes: [one, other].map((end) => {
    const [node_id, adapter = 0, port = 0] = end.split('/')
    return { node_id, adapter_number: Number(adapter), port_number: Number(port) }
  }),
  ...more,
})
/** A project with a node and a link on each line: the first node is on line 2. */
const project = (nodes: Item[], links: Item[] = []): string =>
  [
    '{"name": "lab", "type": "topology", "project_id": "0", "topology": {"drawings": [], "nodes": [',
    nodes.map((each) => JSON.stringify(each)).join(',\n'),
    '], "links": [',
    links.map((each) => JSON.stringify(each)).join(',\n'),
    ']}}',
  ].join('\n')

async function topologyOf(text: string, file?: string): Promise<NonNullable<Imported['topology']>> {
  const { topology, problems } = await imported(text, file)
  expect(problems).to.deep.equal([])
  return topology!
}
const lines = (found: Imported['notes']): string[] => found.map(({ line, message }) => `${line} ${message}`)
const notesOf = async (text: string): Promise<string[]> => lines((await imported(text)).notes)
const pcs = [node('a', 'vpcs'), node('b', 'vpcs')]
const filtered = async (filters: Item, more: Item = {}): Promise<unknown> =>
  (await topologyOf(project(pcs, [link('a', 'b', { filters, ...more })]))).fabrics['a-b']?.paths

describe('projects of GNS3', () => {
  it('become hosts and wires; interfaces have the numbers of adapters and ports', async () => {
    const text = project([...pcs, node('r', 'docker')], [link('a', 'b'), link('r/1', 'r/2/3')])
    expect(await topologyOf(text)).to.deep.equal({
      name: 'lab',
      hosts: { a: {}, b: {}, r: {} },
      fabrics: {
        'a-b': {
          kind: 'wire',
          ports: { a: { host: 'a', interface: 'eth0' }, b: { host: 'b', interface: 'eth0' } },
        },
        'r-r': {
          kind: 'wire',
          ports: { r: { host: 'r', interface: 'eth1' }, 'r-2': { host: 'r', interface: 'eth2-3' } },
        },
      },
    })
    expect(await notesOf(text)).to.deep.equal([])
  })

  it('become switches with VLANs, and hubs', async () => {
    const ports = [
      { name: 'Ethernet0', port_number: 0, type: 'access', vlan: 10 },
      { name: 'Ethernet1', port_number: 1, type: 'dot1q', vlan: 1 },
      { name: 'Ethernet2', port_number: 2, type: 'qinq', vlan: 30 },
    ]
    const nodes = [
      ...pcs,
      node('s', 'ethernet_switch', { ports_mapping: ports }, 'Switch 1'),
      node('h', 'ethernet_hub'),
    ]
    const text = project(nodes, [link('a', 's'), link('s/0/1', 'h/0/7'), link('b', 's/0/2')])
    expect((await topologyOf(text)).fabrics).to.deep.equal({
      'Switch-1': {
        kind: 'switch',
        ports: {
          a: { host: 'a', interface: 'eth0', vlan: { access: 10 } },
          h: { patch: 'h.Switch-1', vlan: { trunk: 'all', native: 1 } },
          b: { host: 'b', interface: 'eth0', vlan: { access: 30 } },
        },
      },
      h: { kind: 'hub', ports: { 'Switch-1': { patch: 'Switch-1.h' } } },
    })
    expect(await notesOf(text)).to.deep.equal([
      "4 'Switch 1' is called 'Switch-1' here",
      "4 port 2 of 'Switch 1': 'qinq' is an access port here, without a second tag",
    ])
  })

  it('become plain switches where all ports are in one VLAN', async () => {
    const ports = [0, 1].map((port_number) => ({ port_number, type: 'access', vlan: 7 }))
    const nodes = [...pcs, node('s', 'ethernet_switch', { ports_mapping: ports })]
    const { fabrics } = await topologyOf(project(nodes, [link('a', 's'), link('b', 's/0/1')]))
    expect(fabrics.s?.ports.b).to.deep.equal({ host: 'b', interface: 'eth0' })
  })

  it('lead out of the lab by clouds and NAT', async () => {
    const ports = [
      { name: 'eth0', port_number: 0, type: 'ethernet', interface: 'eth0' },
      { name: 'tap7', port_number: 1, type: 'tap', interface: 'tap7' },
      { name: 'UDP', port_number: 2, type: 'udp', lport: 20000, rhost: '127.0.0.1', rport: 30000 },
    ]
    const nodes = [
      ...pcs,
      node('c', 'cloud', { ports_mapping: ports }, 'Cloud'),
      node('n', 'nat', {}, 'NAT 1'),
    ]
    const links = [
      link('a', 'c'),
      link('b', 'c/0/1'),
      link('a/1', 'c/0/2'),
      link('b/1', 'n'),
      link('a/2', 'c/0/9'),
    ]
    const { fabrics } = await topologyOf(project(nodes, links))
    expect(Object.values(fabrics).map(({ ports }) => Object.values(ports)[1])).to.deep.equal([
      { packet: 'eth0' },
      { tap: 'tap7' },
      { udp: '127.0.0.1:20000', remote: '127.0.0.1:30000' },
      { tap: 'NAT1', addresses: ['192.168.122.1/24'] },
      undefined,
    ])
    expect((await notesOf(project(nodes, links))).map((note) => note.slice(0, 45))).to.deep.equal([
      "5 'NAT 1' is the TAP 'NAT1' of this machine, ",
      "11 left out: port 9 of 'Cloud', which leads n",
    ])
  })

  it("use of a cloud what links use: interfaces that Linux cannot have stand in nobody's way", async () => {
    const ports = ['Ethernet 2', 'eth0', '{1B2E-NPF}'].map((name, port_number) => ({
      ...{ name, port_number, type: 'ethernet', interface: name },
    }))
    const nodes = [...pcs, node('c', 'cloud', { ports_mapping: ports }, 'Cloud')]
    const text = project(nodes, [link('a', 'c/0/1'), link('b', 'c/0/0')])
    expect((await topologyOf(text)).fabrics).to.deep.equal({
      'a-eth0': {
        kind: 'wire',
        ports: { a: { host: 'a', interface: 'eth0' }, eth0: { packet: 'eth0' } },
      },
      'b-eth0': { kind: 'hub', ports: { b: { host: 'b', interface: 'eth0' } } },
    })
    expect(await notesOf(text)).to.deep.equal([
      "7 left out: port 0 of 'Cloud': 'Ethernet 2' is no interface of Linux; put the name of one there",
    ])
  })

  it('say of serial links that they are Ethernet here, by the cards of the routers', async () => {
    const nodes = [
      node('r', 'dynamips', { slot0: 'GT96100-FE', slot1: 'NM-4T', slot2: null, wic0: 'WIC-2T' }),
      node('s', 'dynamips', { slot0: 'C7200-IO-FE', slot1: 'PA-GE', slot2: 'PA-8T' }),
      node('i', 'iou', { ethernet_adapters: 2, serial_adapters: 2 }),
    ]
    const links = ['r s', 'r/0/16 s/2/1', 'r/1/2 s/1', 'i/1/3 r/0/1', 'i/2/0 i/3/0'].map((ends) => {
      const [one = '', other = ''] = ends.split(' ')
      return link(one, other)
    })
    const notes = (await notesOf(project(nodes, links))).filter((note) => note.includes('serial'))
    expect(notes).to.deep.equal(
      [7, 8, 10].map(
        (line) => `${line} a serial link: it is one of Ethernet here, with an interface like the others`,
      ),
    )
  })

  describe('have filters', () => {
    const between = { between: ['a', 'b'] }
    it('delay and jitter, loss and corruption, as policies of both directions', async () => {
      expect(await filtered({ delay: [20, 5], packet_loss: [3], corrupt: [4] })).to.deep.equal([
        { ...between, delay: '20ms', jitter: '5ms', loss: 0.03, corrupt: 0.04 },
      ])
      expect(await filtered({ delay: [0, 5], packet_loss: [0], frequency_drop: [0] })).to.equal(undefined)
    })
    it('every Nth frame, and all of them', async () => {
      expect(await filtered({ frequency_drop: [4], packet_loss: [50] })).to.deep.equal([
        { ...between, loss: 0.5, dropEvery: 4 },
      ])
      expect(await filtered({ frequency_drop: [-1] })).to.deep.equal([{ ...between, allowed: false }])
    })
    it('a link that is suspended: nothing passes', async () => {
      expect(await filtered({ delay: [2] }, { suspend: true })).to.deep.equal([
        { ...between, delay: '2ms', allowed: false },
      ])
    })
    it('expressions of what is dropped, one a line', async () => {
      expect(await filtered({ bpf: ['icmp\n\ntcp port 80 or arp'] })).to.deep.equal([
        { ...between, drop: ['icmp', 'tcp port 80 or arp'] },
      ])
      expect(await filtered({ bpf: [' '] })).to.equal(undefined)
    })
    it('of links to a switch: on a wire between, so that those of two links add up', async () => {
      const nodes = [...pcs, node('s', 'ethernet_switch')]
      const slow = { filters: { delay: [20] } }
      const { fabrics } = await topologyOf(project(nodes, [link('a', 's', slow), link('b', 's/0/1', slow)]))
      expect(fabrics.s?.ports).to.deep.equal({ a: { patch: 'a-s.s' }, b: { patch: 'b-s.s' } })
      expect(fabrics['a-s']).to.deep.equal({
        kind: 'wire',
        ports: { a: { host: 'a', interface: 'eth0' }, s: { patch: 's.a' } },
        paths: [{ between: ['a', 's'], delay: '20ms' }],
      })
    })
  })

  describe('have addresses', () => {
    const ids = ['0', '1'].map((digit) => `${digit.repeat(8)}-0000-0000-0000-${digit.repeat(12)}`) as [
      string,
      string,
    ]
    let folder: string
    beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'etherloom-gns3-'))))
    afterEach(() => {
      rmSync(folder, { recursive: true })
    })
    const write = (text: string, ...place: string[]): void => {
      const file = join(folder, 'project-files', ...place)
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, text)
    }

    it('of the files of VPCS and containers beside the project', async () => {
      write(
        'set pcname PC1\nip 10.0.0.1 255.255.255.0 10.0.0.254\nip 2001:db8::1/64\nping 10.0.0.2\n',
        'vpcs',
        ids[0],
        'startup.vpc',
      )
      const interfaces =
        '# x\nauto eth0\niface eth0 inet static\n\taddress 10.0.0.2\n\tnetmask 255.255.0.0\n\tgateway 10.9.0.9\niface eth1 inet dhcp\n'
      write(interfaces, 'docker', ids[1], 'etc', 'network', 'interfaces')
      const text = project(
        [node(ids[0], 'vpcs', {}, 'a'), node(ids[1], 'docker', {}, 'b')],
        [link(ids[0], ids[1])],
      )
      const file = join(folder, 'lab.gns3')
      const { hosts, fabrics } = await topologyOf(text, file)
      const { ports } = fabrics['a-b']!
      expect(ports.a).to.have.deep.property('addresses', ['10.0.0.1/24', '2001:db8::1/64'])
      expect(ports.b).to.have.deep.property('addresses', ['10.0.0.2/16'])
      expect(hosts).to.deep.equal({ a: { routes: [{ to: 'default', via: '10.0.0.254' }] }, b: {} })
      expect(lines((await imported(text, file)).notes)).to.deep.equal([
        "2 left out: 'ping 10.0.0.2' of the start-up file of 'a'",
        '3 not in the topology; once it is up: etherloom exec b ip route add default via 10.9.0.9',
      ])
    })

    it('and identities that are none lead to no file', async () => {
      write('ip 10.0.0.1/24', 'startup.vpc')
      const text = project([node('..', 'vpcs', {}, 'a'), pcs[1]!], [link('..', 'b')])
      const { fabrics } = await topologyOf(text, join(folder, 'lab.gns3'))
      expect(fabrics['a-b']?.ports.a).to.deep.equal({ host: 'a', interface: 'eth0' })
    })

    it('of a script within the project', async () => {
      const nodes = [node('a', 'vpcs', { startup_script: 'ip 10.1.0.1/28 10.1.0.14\n' }), pcs[1]!]
      const { fabrics } = await topologyOf(project(nodes, [link('a', 'b')]))
      expect(fabrics['a-b']?.ports.a).to.have.deep.property('addresses', ['10.1.0.1/28'])
    })
  })

  it('note what is no host: emulators, and what carries no Ethernet', async () => {
    const nodes = [
      node('r', 'dynamips'),
      node('q', 'qemu'),
      node('q2', 'qemu'),
      node('f', 'frame_relay_switch'),
      node('x', 'quemu'),
    ]
    const text = project(nodes, [link('r', 'f'), link('q', 'q2')])
    expect((await notesOf(text)).map((note) => note.slice(0, 66))).to.deep.equal([
      "2 a node of type 'dynamips': plain hosts here, no emulator is star",
      "3 2 nodes of type 'qemu': plain hosts here, no emulator is started",
      "5 left out: 'f', which carries no Ethernet frames (frame_relay_swi",
      "6 'x' is of an unknown type, 'quemu', and a plain host here; did y",
    ])
    expect(Object.keys((await topologyOf(text)).fabrics)).to.deep.equal(['r-eth0', 'q-q2'])
  })

  it('are refused with the place and the nearest word', async () => {
    const nodes = [
      ...pcs,
      { node_id: 'c', name: 'c' },
      node('b', 'vpcs', {}, 'd'),
      node('e', 'vpcs', {}, 'a'),
    ]
    const links = [
      ...[link('a', 'z'), link('a', 'b', { filters: { packet_los: [1] } }), { nodes: [] }],
      ...[link('a', 'b/1'), link('a/2', 'b/2', { filters: { packet_loss: [101] } })],
    ]
    const { topology, problems } = await imported(project(nodes, links))
    expect(topology).to.equal(undefined)
    expect(lines(problems)).to.deep.equal([
      "4 'c' has no 'node_type'; a project of GNS3 1 has none: open it with GNS3 2 or later, which saves it anew",
      "5 a second node with the node_id 'b'",
      "6 a second node with the name 'a'",
      "8 no node with the node_id 'z'",
      "9 'packet_los' is no filter; did you mean 'packet_loss'?",
      "10 a link must have 'nodes', a list of two, and here are 0",
      "11 'eth0' of 'a' has a link already",
      "12 the filter 'packet_loss' needs a number from 0 to 100",
    ])
  })

  it('are recognised by their names, and by what is in them', () => {
    expect(recognise(project(pcs))).to.deep.equal(['gns3'])
    expect(recognise('{}', 'lab.gns3')).to.deep.equal(['gns3'])
  })
})
