/** Topologies as files of containerlab: nodes, links and bridges, what stands in comments, and the way back. */
import { expect } from 'chai'
import { parse } from 'yaml'
import { writeContainerlab } from '../../lib/topology/containerlab.js'
import { importFiles } from '../../lib/topology/import/index.js'
import { parseTopology } from '../../lib/topology/load.js'

const text = `
name: lab
hosts: { a: { addresses: [10.0.0.1/24] }, b: {} }
fabrics:
  a-b:
    kind: wire
    ports:
      a: { host: a }
      b: { host: b, interface: lan, addresses: [10.0.0.2/24], mac: '02:00:00:00:00:0b', mtu: 1400 }
    paths:
      - { between: [a, b], delay: 5ms, jitter: 500us, loss: 1%, rate: 2Mbit, duplicate: 0.1 }
  cable: { kind: wire, ports: { b: { host: b }, s: { patch: office.b } } }
  office:
    kind: switch
    ports: { b: { patch: cable.s }, out: { tap: lab0 }, up: { patch: yard.down }, nic: { packet: enp1s0 } }
  yard: { kind: hub, ports: { down: { patch: office.up }, far: { udp: '127.0.0.1:5000' } } }
`
const written = async (): Promise<{ text: string; notes: string[] }> =>
  writeContainerlab(await parseTopology(text, 'lab.yaml'), 'other')

describe('topologies as files of containerlab', () => {
  it('have a node for each host, a bridge for each switch and hub, and a link for each wire, port and patch', async () => {
    const file = await written()
    expect(file.text.split('\n').filter((line) => line.startsWith('#'))).to.deep.equal(
      file.notes.map((note) => `# ${note}`),
    )
    const node = { kind: 'linux', image: 'alpine:3', 'network-mode': 'none' }
    expect(parse(file.text)).to.deep.equal({
      name: 'lab',
      topology: {
        nodes: {
          a: { ...node, exec: ['ip address add 10.0.0.1/24 dev eth0'] },
          b: { ...node, exec: ['ip address add 10.0.0.2/24 dev lan'] },
          office: { kind: 'bridge' },
          yard: { kind: 'bridge' },
        },
        links: [
          {
            type: 'veth',
            endpoints: [
              { node: 'a', interface: 'eth0' },
              { node: 'b', interface: 'lan', mac: '02:00:00:00:00:0b' },
            ],
            mtu: 1400,
          },
          { endpoints: ['b:eth0', 'office:loom1'] },
          { endpoints: ['host:lab0', 'office:loom2'] },
          { endpoints: ['yard:loom3', 'office:loom4'] },
        ],
      },
    })
  })

  it('tell what is not in them, with the command that does it', async () => {
    const netem = 'containerlab tools netem set -n clab-lab'
    expect((await written()).notes).to.deep.equal([
      'the bridge office must be there first: ip link add office type bridge && ip link set office up',
      'the bridge yard must be there first: ip link add yard type bridge && ip link set yard up',
      'yard was a hub; a bridge sends frames only where it saw their address',
      'left out: a link of office to the interface enp1s0',
      'left out: the port yard.far; containerlab has no such link',
      `once it is up: ${netem}-a -i eth0 --delay 5ms --jitter 0.5ms --loss 1 --rate 2000`,
      'left out: of what a-b.a sends: duplicate',
      `once it is up: ${netem}-b -i lan --delay 5ms --jitter 0.5ms --loss 1 --rate 2000`,
      'left out: of what a-b.b sends: duplicate',
    ])
  })

  it('have the routes and settings of hosts, and tell what else of them is left out', async () => {
    const file = await writeContainerlab(
      await parseTopology(
        `
hosts:
  r:
    addresses: [10.0.0.1/24, 'fd00::1/64']
    mtu: 1400
    mac: '02:00:00:00:00:01'
    routes: [{ to: default, via: 10.0.0.2 }, { to: 'fd01::/64', via: 'fd00::2', metric: 5 }, { to: 10.9.0.0/16, dev: eth0 }]
    dns: { servers: [10.0.0.2] }
    forwarding: { ipv4: true }
    ipv6: { dad: false }
    sysctls: { net.ipv4.tcp_rmem: '1 2 3', net.ipv4.conf.eth0.rp_filter: 0, net.ipv4.conf.all.rp_filter: 0 }
    run: sleep 1
  q:
fabrics: { r-q: { kind: wire, ports: { r: { host: r }, q: { host: q } } } }
`,
        'lab.yaml',
      ),
      'lab',
    )
    const { nodes, links } = (parse(file.text) as { topology: { nodes: object; links: object } }).topology
    expect(nodes).to.have.deep.property('r', {
      ...{ kind: 'linux', image: 'alpine:3', 'network-mode': 'none' },
      exec: [
        ...['sysctl -w net.ipv6.conf.eth0.accept_dad=0', 'sysctl -w net.ipv4.conf.eth0.rp_filter=0'],
        ...['ip address add 10.0.0.1/24 dev eth0', 'ip address add fd00::1/64 dev eth0'],
        ...['ip route add default via 10.0.0.2', 'ip -6 route add fd01::/64 via fd00::2 metric 5'],
        'ip route add 10.9.0.0/16 dev eth0',
      ],
      sysctls: {
        ...{ 'net.ipv4.ip_forward': 1, 'net.ipv6.conf.default.accept_dad': 0 },
        ...{ 'net.ipv6.conf.all.disable_ipv6': 0, 'net.ipv6.conf.default.disable_ipv6': 0 },
        ...{ 'net.ipv4.tcp_rmem': '1 2 3', 'net.ipv4.conf.all.rp_filter': 0 },
      },
    })
    expect(links).to.deep.equal([
      {
        type: 'veth',
        endpoints: [
          { node: 'r', interface: 'eth0', mac: '02:00:00:00:00:01' },
          { node: 'q', interface: 'eth0' },
        ],
        mtu: 1400,
      },
    ])
    expect(file.notes).to.deep.equal(['left out: dns of the host r', 'left out: run of the host r'])
    const { topology } = await importFiles('containerlab', [{ file: 'lab.clab.yml', text: file.text }])
    expect(topology?.hosts?.r?.routes).to.have.lengthOf(3)
  })

  it('call nodes otherwise whose names mean something else at the end of a link', async () => {
    const text = `
hosts: { host: { addresses: [10.0.0.1/24] }, host-2: {}, macvlan: {} }
fabrics:
  w: { kind: wire, ports: { one: { host: host }, two: { host: macvlan, mac: '02:00:00:00:00:01' } } }
  mgmt-net: { kind: switch, ports: { one: { host: host-2 } } }
`
    const file = await writeContainerlab(await parseTopology(text, 'lab.yaml'), 'lab')
    const { nodes, links } = (parse(file.text) as { topology: { nodes: object; links: object } }).topology
    expect(nodes).to.have.all.keys('host-3', 'host-2', 'macvlan-2', 'mgmt-net-2')
    expect(nodes).to.have.deep.nested.property('host-3.exec', ['ip address add 10.0.0.1/24 dev eth0'])
    expect(links).to.deep.equal([
      {
        type: 'veth',
        endpoints: [
          { node: 'host-3', interface: 'eth0' },
          { node: 'macvlan-2', interface: 'eth0', mac: '02:00:00:00:00:01' },
        ],
      },
      { endpoints: ['host-2:eth0', 'mgmt-net-2:loom1'] },
    ])
    expect(file.notes.slice(0, 2)).to.deep.equal([
      'the host host is called host-3; links of containerlab take host for no node',
      'the host macvlan is called macvlan-2; links of containerlab take macvlan for no node',
    ])
  })

  it('are read again as the same hosts and links', async () => {
    const { topology, problems } = await importFiles('containerlab', [
      { file: 'lab.clab.yml', text: (await written()).text },
    ])
    expect(problems).to.deep.equal([])
    expect(topology?.fabrics['a-b']?.ports).to.deep.equal({
      a: { host: 'a', interface: 'eth0', mtu: 1400, addresses: ['10.0.0.1/24'] },
      b: { host: 'b', interface: 'lan', mac: '02:00:00:00:00:0b', mtu: 1400, addresses: ['10.0.0.2/24'] },
    })
    expect(Object.keys(topology?.fabrics.office?.ports ?? {})).to.have.members(['b', 'lab0', 'yard'])
  })
})
