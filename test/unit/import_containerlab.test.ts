/** Containerlab's topology files: what becomes of nodes, links and commands, which lines are noted, and which are refused. */
import { expect } from 'chai'
import { importFiles, recognise, type Imported } from '../../lib/topology/import/index.js'
import { inspectTopology } from '../../lib/topology/load.js'

const file = 'lab.clab.yml'
const imported = (text: string): Promise<Imported> => importFiles('containerlab', [{ file, text }])

/** Nodes and links as a file, whose other lines are right. */
const lab = (nodes: string[], links: string[] = [], ...more: string[]): string =>
  [
    ...['name: lab', 'topology:', ...more.map((line) => `  ${line}`), '  nodes:'],
    ...nodes.map((line) => `    ${line}`),
    ...(links.length > 0 ? ['  links:', ...links.map((line) => `    ${line}`)] : []),
  ].join('\n')
const linux = (...names: string[]): string[] => names.map((name) => `${name}: { kind: linux }`)

async function topologyOf(text: string): Promise<Imported['topology']> {
  const { topology, problems } = await imported(text)
  expect(problems).to.deep.equal([])
  return topology
}
const lines = (found: Imported['notes']): string[] =>
  found.map(({ line, column, message }) => `${line}:${column} ${message}`)
const notesOf = async (text: string): Promise<string[]> => lines((await imported(text)).notes)
async function problemsOf(text: string): Promise<string[]> {
  const { topology, problems } = await imported(text)
  expect(topology).to.equal(undefined)
  return lines(problems)
}

describe('containerlab files', () => {
  describe('become hosts and wires', () => {
    it('a link in the brief form: a wire with an interface of that name at each end', async () => {
      const text = lab(linux('a', 'b'), ['- endpoints: ["a:eth1", "b:net0"]'])
      expect(await topologyOf(text)).to.deep.equal({
        name: 'lab',
        hosts: { a: {}, b: {} },
        fabrics: {
          'a-b': {
            kind: 'wire',
            ports: { a: { host: 'a', interface: 'eth1' }, b: { host: 'b', interface: 'net0' } },
          },
        },
      })
      expect(await notesOf(text)).to.deep.equal([])
    })

    it('a link in the extended form, with its addresses and MTU', async () => {
      const link = [
        ...['- type: veth', '  mtu: 9000', '  endpoints:'],
        "  - { node: a, interface: eth1, mac: '02:00:00:00:00:0a', ipv4: 10.0.0.1/24, ipv6: 'fd00::1/64' }",
        '  - { node: b, interface: eth1, ipv4: 10.0.0.2/24 }',
      ]
      expect(await topologyOf(lab(linux('a', 'b'), link))).to.have.deep.nested.property('fabrics.a-b.ports', {
        a: {
          ...{ host: 'a', interface: 'eth1', mac: '02:00:00:00:00:0a', mtu: 9000 },
          addresses: ['10.0.0.1/24', 'fd00::1/64'],
        },
        b: { host: 'b', interface: 'eth1', mtu: 9000, addresses: ['10.0.0.2/24'] },
      })
    })

    it('addresses of a brief link: one for each end', async () => {
      const link = ["- { endpoints: ['a:eth1', 'b:eth1'], mtu: 1400, ipv4: [10.0.0.1/31, 10.0.0.0/31] }"]
      const topology = await topologyOf(lab(linux('a', 'b'), link))
      expect(topology).to.have.deep.nested.property('fabrics.a-b.ports.a.addresses', ['10.0.0.1/31'])
      expect(topology).to.have.deep.nested.property('fabrics.a-b.ports.b.addresses', ['10.0.0.0/31'])
      expect(topology).to.have.nested.property('fabrics.a-b.ports.b.mtu', 1400)
    })

    it('addresses among the variables of a link, or of its ends', async () => {
      const links = [
        "- { endpoints: ['a:eth1', 'b:eth1'], vars: { ipv4: [10.0.0.1/24, 10.0.0.2/24], other: 1 } }",
        ...['- type: veth-stitch', '  endpoints:'],
        '  - { node: a, interface: eth2, vars: { ipv4: 10.1.0.1/24, ipv6: "fd00::1/64" } }',
        '  - { node: b, interface: eth2 }',
      ]
      const { fabrics } = (await topologyOf(lab(linux('a', 'b'), links)))!
      expect(Object.values(fabrics).map(({ ports }) => ports)).to.deep.equal([
        {
          a: { host: 'a', interface: 'eth1', addresses: ['10.0.0.1/24'] },
          b: { host: 'b', interface: 'eth1', addresses: ['10.0.0.2/24'] },
        },
        {
          a: { host: 'a', interface: 'eth2', addresses: ['10.1.0.1/24', 'fd00::1/64'] },
          b: { host: 'b', interface: 'eth2' },
        },
      ])
    })

    it('several links of the same nodes, and one of a node with itself', async () => {
      const links = ['a:eth1, b:eth1', 'b:eth2, a:eth2', 'a:eth3, a:eth4'].map(
        (ends) => `- endpoints: [${ends}]`,
      )
      const { fabrics } = (await topologyOf(lab(linux('a', 'b'), links)))!
      expect(Object.keys(fabrics)).to.deep.equal(['a-b', 'b-a', 'a-a'])
      expect(Object.keys(fabrics['a-a']!.ports)).to.deep.equal(['a', 'a-2'])
    })

    it('a dummy link: an interface that leads nowhere', async () => {
      const links = ['- { type: dummy, endpoint: { node: a, interface: lan0 } }']
      expect((await topologyOf(lab(linux('a'), links)))?.fabrics).to.deep.equal({
        'a-lan0': { kind: 'hub', ports: { a: { host: 'a', interface: 'lan0' } } },
      })
    })
  })

  describe('have bridges, and the machine itself', () => {
    it('a bridge becomes a switch; two of them are patched', async () => {
      const nodes = [...linux('a', 'b'), 'left: { kind: bridge }', 'right: { kind: ovs-bridge }']
      const links = ['a:eth1, left:p1', 'right:p1, b:eth1', 'left:p2, right:p2'].map(
        (ends) => `- endpoints: [${ends}]`,
      )
      expect((await topologyOf(lab(nodes, links)))?.fabrics).to.deep.equal({
        left: {
          kind: 'switch',
          ports: { a: { host: 'a', interface: 'eth1' }, right: { patch: 'right.left' } },
        },
        right: {
          kind: 'switch',
          ports: { b: { host: 'b', interface: 'eth1' }, left: { patch: 'left.right' } },
        },
      })
    })

    it('says that switches in a loop have no spanning tree', async () => {
      const nodes = ['one: { kind: bridge }', 'two: { kind: bridge }']
      const links = ['- endpoints: [one:a, two:a]', '- endpoints: [one:b, two:b]']
      expect((await notesOf(lab(nodes, links))).at(-1)).to.match(/^8:26 'one' and 'two' are linked in a loop/)
    })

    it('the host becomes a TAP of the given name, in each form', async () => {
      const links = [
        '- endpoints: ["a:eth1", "host:lab-a1"]',
        '- { type: host, endpoint: { node: a, interface: eth2 }, host-interface: lab-a2 }',
        '- endpoints: ["a:eth3", "machine:lab-a3"]',
      ]
      const { fabrics } = (await topologyOf(lab([...linux('a'), 'machine: { kind: host }'], links)))!
      expect(Object.values(fabrics).map(({ ports }) => Object.values(ports)[1])).to.deep.equal([
        { tap: 'lab-a1' },
        { tap: 'lab-a2' },
        { tap: 'lab-a3' },
      ])
    })

    it('macvlan becomes a packet socket; management and tunnels leave the interface behind', async () => {
      const links = [
        '- endpoints: ["a:eth1", "macvlan:enp0s3"]',
        '- endpoints: ["a:eth2", "mgmt-net:x"]',
        '- { type: vxlan, endpoint: { node: a, interface: eth3 }, remote: 10.0.0.1, vni: 5 }',
      ]
      const { fabrics } = (await topologyOf(lab(linux('a'), links)))!
      expect(fabrics).to.have.deep.nested.property('a-enp0s3.ports.enp0s3', { packet: 'enp0s3' })
      expect(Object.keys(fabrics)).to.deep.equal(['a-enp0s3', 'a-eth2', 'a-eth3'])
      expect((await notesOf(lab(linux('a'), links))).map((note) => note.slice(0, 30))).to.deep.equal([
        "6:29 a packet socket on 'enp0s",
        '7:29 left out: there is no man',
        '8:7 left out: a tunnel (vxlan)',
      ])
    })
  })

  describe('settings', () => {
    it('come from the node, its group, its kind and the defaults', async () => {
      const nodes = [
        'a: { group: bridges }',
        'b: { kind: linux, exec: [ip addr add 10.0.0.3/24 dev eth1] }',
        'c:',
      ]
      const more = [
        'defaults: { kind: linux }',
        'groups: { bridges: { kind: bridge } }',
        "kinds: { linux: { exec: ['ip link set eth1 mtu 1280'] } }",
      ]
      const { fabrics } = (await topologyOf(
        lab(nodes, ['- endpoints: [a:x, b:eth1]', '- endpoints: [b:y, c:eth1]'], ...more),
      ))!
      expect(fabrics.a?.kind).to.equal('switch')
      expect(fabrics.a?.ports.b).to.deep.equal({
        ...{ host: 'b', interface: 'eth1', mtu: 1280, addresses: ['10.0.0.3/24'] },
      })
      expect(fabrics['b-c']?.ports.c).to.have.property('mtu', 1280)
    })

    it('of the environment are put in, with their defaults', async () => {
      process.env.ETHERLOOM_LAB_TEST = 'eth7'
      try {
        const links = ['- endpoints: ["a:${ETHERLOOM_LAB_TEST}", "b:${ETHERLOOM_NONE:=eth9}"]']
        const { fabrics } = (await topologyOf(lab(linux('a', 'b'), links)))!
        expect(fabrics['a-b']?.ports.a).to.have.property('interface', 'eth7')
        expect(fabrics['a-b']?.ports.b).to.have.property('interface', 'eth9')
      } finally {
        delete process.env.ETHERLOOM_LAB_TEST
      }
      expect(
        await problemsOf(lab(linux('a', 'b'), ['- endpoints: ["a:eth1", "b:${ETHERLOOM_NONE}x"]'])),
      ).to.deep.equal([
        "7:29 no variable 'ETHERLOOM_NONE' in the environment; set it, or write ${ETHERLOOM_NONE:=...} with a default",
      ])
    })

    it('of ip and sysctl are carried out where they are about links, routes and settings; other commands are noted with what runs them', async () => {
      const commands = [
        ...[
          'ip addr add 10.0.0.1/24 dev eth1',
          'ip -6 address add dev eth1 fd00::1',
          '/sbin/ip a add 10.0.0.9 dev eth1',
        ],
        ...['ip link set dev eth1 up mtu 9000', 'ip l set eth1 address 02:00:00:00:00:07'],
        ...[
          'ip route add default via 10.0.0.2',
          'ip addr add 10.0.0.1/32 dev lo',
          'sh -c "echo $HOSTNAME_NOT_SET"',
        ],
        ...['ip link set eth1 down', 'ip link set eth1 mtu 1000 txqueuelen 5'],
        ...['ip -6 route add fd01::/64 dev eth1 metric 7', 'sysctl -w net.ipv4.conf.eth1.rp_filter=0'],
        ...['ip route add 10.9.0.0/16 via 10.8.0.1', 'ip route add default via 10.0.0.3'],
        ...['ip route add 10.7.0.0/16 dev eth9', 'sysctl -w net.ipv4.conf.eth9.rp_filter=0'],
        ...['ip -6 route add default dev eth1', 'ip route add 10.6.0.0/16 via 10.0.0.2 src 10.0.0.1'],
      ]
      const nodes = [
        'a:',
        '  kind: linux',
        '  exec:',
        ...commands.map((line) => `  - ${line}`),
        '  sysctls: { net.ipv4.ip_forward: 1, kernel.msgmax: 9 }',
      ]
      const text = lab([...nodes, ...linux('b')], ['- endpoints: [a:eth1, b:eth1]'])
      expect(await topologyOf(text)).to.have.deep.nested.property('fabrics.a-b.ports.a', {
        ...{ host: 'a', interface: 'eth1', addresses: ['10.0.0.1/24', 'fd00::1/128', '10.0.0.9/32'] },
        ...{ mtu: 9000, mac: '02:00:00:00:00:07' },
      })
      expect((await topologyOf(text))?.hosts).to.deep.equal({
        a: {
          routes: [
            { to: 'default', via: '10.0.0.2' },
            { to: 'fd01::/64', dev: 'eth1', metric: 7 },
          ],
          sysctls: { 'net.ipv4.conf.eth1.rp_filter': 0, 'net.ipv4.ip_forward': 1 },
        },
        b: {},
      })
      const once = 'not in the topology; once it is up: etherloom exec a'
      expect(await notesOf(text)).to.deep.equal([
        `13:9 ${once} ip addr add 10.0.0.1/32 dev lo`,
        `14:9 ${once} sh -c "echo $HOSTNAME_NOT_SET"`,
        `15:9 ${once} ip link set eth1 down`,
        `16:9 ${once} ip link set eth1 mtu 1000 txqueuelen 5`,
        `19:9 ${once} ip route add 10.9.0.0/16 via 10.8.0.1`,
        `20:9 ${once} ip route add default via 10.0.0.3`,
        `21:9 ${once} ip route add 10.7.0.0/16 dev eth9`,
        `22:9 ${once} sysctl -w net.ipv4.conf.eth9.rp_filter=0`,
        `23:9 ${once} ip -6 route add default dev eth1`,
        `24:9 ${once} ip route add 10.6.0.0/16 via 10.0.0.2 src 10.0.0.1`,
        `25:42 ${once} sysctl -w kernel.msgmax=9`,
      ])
    })
  })

  it('may have merge keys, over which own keys go, and notes stand where the keys do', async () => {
    const text = [
      'x-base: &base { exec: [ip link set eth1 mtu 1400, date], kind: host }',
      'x-linux: &linux { <<: *base, kind: linux }',
      lab(
        ['a: { <<: *linux }', 'b: { <<: [*linux, *base], exec: [ip link set eth1 mtu 1300] }'],
        ['- endpoints: [a:eth1, b:eth1]'],
      ),
    ].join('\n')
    const { ports } = (await topologyOf(text))!.fabrics['a-b']!
    expect(ports).to.deep.equal({
      a: { host: 'a', interface: 'eth1', mtu: 1400 },
      b: { host: 'b', interface: 'eth1', mtu: 1300 },
    })
    expect(await notesOf(text)).to.deep.include(
      '1:51 not in the topology; once it is up: etherloom exec a date',
    )
    expect(await problemsOf(lab(['a: { <<: linux }']))).to.deep.equal([
      "4:10 '<<' takes a mapping, or a list of them",
    ])
  })

  it('note once what is about containers, and what is renamed', async () => {
    const nodes = ['a.b: { kind: linux, image: x, binds: [y:z] }', 'c: { kind: nokia_srlinux, image: x }']
    const text = ['mgmt: { network: x }', lab(nodes, ['- endpoints: ["a.b:ethernet-1/1", "c:e1-1"]'])].join(
      '\n',
    )
    expect(await notesOf(text)).to.deep.equal([
      "1:1 left out: 'mgmt'; there is no management network, and no eth0 of it",
      "5:5 'a.b' is called 'a-b' here",
      "5:25 left out: 'image', 2 times; no containers are started, hosts are network namespaces",
      "5:35 left out: 'binds'; no containers are started, hosts are network namespaces",
      "6:5 a node of kind 'nokia_srlinux': plain hosts here, with the kernel's own stack and no software of that kind",
      "8:19 'ethernet-1/1' of 'a.b' is the interface 'ethernet-1-1' here",
    ])
  })

  describe('are refused', () => {
    it('with the nearest valid word', async () => {
      const links = [
        '- endpoint: [a:eth1, b:eth1]',
        '- { type: vet, endpoints: [a:eth1, b:eth1] }',
        '- endpoints: [a:eth1, bb:eth1]',
      ]
      expect(await problemsOf(lab(['a: { kinds: linux }', 'bbb: { kind: linux }'], links))).to.deep.equal([
        "4:5 'a' has no kind: give it one, such as 'kind: linux'",
        "4:10 unknown key 'kinds'; did you mean 'kind'?",
        "7:7 a link needs 'endpoints', a list of two such as ['a:eth1', 'b:eth1'], and here are 0",
        "8:15 'vet' is no type of link; did you mean 'veth'?",
        "9:27 no node 'bb'; did you mean 'bbb'?",
      ])
    })

    it('where a link has not two ends, an interface two links, or an address no sense', async () => {
      const links = [
        ...[
          '- endpoints: [a:eth1]',
          '- endpoints: [a, b:eth1]',
          '- endpoints: [a:eth2, b:eth2]',
          '- endpoints: [a:eth2, b:eth3]',
        ],
        "- endpoints: [{ node: a, interface: eth5, mac: '01:00:00:00:00:00' }, { node: b, interface: eth5, ipv4: 1.2.3 }]",
        ...[
          '- endpoints: ["host:x", "macvlan:y"]',
          '- 7',
          '- { type: host, endpoint: { node: a, interface: eth8 } }',
        ],
      ]
      expect(await problemsOf(lab(linux('a', 'b'), links))).to.deep.equal([
        "7:18 a link needs 'endpoints', a list of two such as ['a:eth1', 'b:eth1'], and here are 1",
        "8:19 an endpoint must be 'node:interface', not 'a'",
        "10:19 'eth2' of 'a' has a link already",
        "11:19 the MAC address of 'eth5' of 'a' must be the address of one interface (an even first byte, and not all zeros), not '01:00:00:00:00:00'",
        "11:75 the address of 'eth5' of 'b' must be an IPv4 or IPv6 address with its prefix length, such as '10.0.0.1/24', not '1.2.3'",
        '12:7 a link needs a node at one of its ends',
        "13:7 a link must be a mapping, such as { endpoints: ['a:eth1', 'b:eth1'] }",
        "14:7 a link of type 'host' needs 'host-interface', 1 to 15 characters without '/'",
      ])
    })

    it('when they are templates', async () => {
      expect(await problemsOf('name: x\ntopology:\n  nodes:\n{{ range .nodes }}\n')).to.deep.equal([
        '4:1 this is a template; render it first, and import the file that comes of it',
      ])
    })
  })

  it('note whose network a container would have shared', async () => {
    const nodes = [
      ...linux('a'),
      'b: { kind: linux, network-mode: "container:a" }',
      'c: { kind: linux, network-mode: host }',
      'd: { kind: linux, network-mode: none }',
    ]
    expect((await notesOf(lab(nodes))).map((note) => note.replace(/^\S+ /, ''))).to.deep.equal([
      "left out: 'network-mode: container:a'; here it is a host with a network of its own, and not in that of a",
      "left out: 'network-mode: host'; here it is a host with a network of its own, and not in that of this machine",
      "left out: 'network-mode'; no containers are started, hosts are network namespaces",
    ])
  })

  it('are recognised by their names, and by what is in them', async () => {
    const text = lab(linux('a'))
    expect(recognise(text)).to.deep.equal(['containerlab'])
    expect(recognise('', file)).to.deep.equal(['containerlab'])
    expect(recognise('fabrics: {}', 'lab.yaml')).to.deep.equal([])
    const { topology } = await inspectTopology(text, 'any.yaml')
    expect(topology?.hosts).to.deep.equal({ a: {} })
  })
})
