/** Labs of other programs, run from their own files: their hosts reach each other with the delays that the files have. */
import { expect } from 'chai'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { closing } from '../helpers/fabric.js'
import { describeOnDevices } from '../helpers/kernel.js'
import { Host, pingCommand, soon, type PingOptions, type Pings } from '../helpers/network.js'

describeOnDevices('labs of other programs', function () {
  this.timeout(120_000)
  const close = closing()
  let machine: Host
  let folder: string

  beforeEach(async () => {
    machine = close(await Host.create(9))
    folder = await mkdtemp(join(tmpdir(), 'etherloom-labs-'))
    close({ close: () => rm(folder, { recursive: true }) })
  })

  /** `etherloom up FILE`, once it is up with so many ports. */
  async function up(file: string, text: string, ports: number): Promise<void> {
    await writeFile(join(folder, file), text)
    const program = machine.etherloom(folder, 'up', join(folder, file), '--name', 'lab')
    expect(await program.line()).to.equal(`lab: up with ${ports} ports; Ctrl-C ends it`)
  }

  const exec = (host: string, ...command: string[]): Promise<string> =>
    machine.etherloom(folder, 'exec', '--name', 'lab', host, '--', ...command).rest()

  /** Pings from a host of the lab. */
  const ping = async (from: string, to: string, options?: PingOptions): Promise<Pings> =>
    JSON.parse(await exec(from, ...pingCommand(to, 5, 0.05, options))) as Pings

  it("containerlab's: hosts on a bridge and on a wire, with the addresses and routes of their commands", async () => {
    const text = `
name: three
topology:
  kinds: { linux: { image: none } }
  nodes:
    red: { kind: linux, exec: [ip addr add 10.3.0.1/24 dev eth1], sysctls: { net.ipv4.ip_forward: 1 } }
    green:
      kind: linux
      exec:
        - ip route add 10.4.0.0/24 via 10.3.0.1
        - ip addr add 10.3.0.2/24 dev lan
        - ip link set lan mtu 1400
    blue: { kind: linux, exec: [ip route add default via 10.4.0.1 dev eth1] }
    middle: { kind: bridge }
  links:
    - endpoints: [red:eth1, middle:a]
    - endpoints: [middle:b, green:lan]
    - endpoints:
        - { node: red, interface: eth2, ipv4: 10.4.0.1/24 }
        - { node: blue, interface: eth1, ipv4: 10.4.0.2/24, mac: '02:00:00:00:00:0b' }
`
    await up('three.clab.yml', text, 4)
    expect(await ping('red', '10.3.0.2')).to.include({ received: 5, duplicates: 0 })
    expect(await ping('blue', '10.3.0.2')).to.include({ received: 5, duplicates: 0 })
    expect(await ping('blue', '10.4.0.1')).to.include({ received: 5, duplicates: 0 })
    expect(await exec('green', 'cat', '/sys/class/net/lan/mtu')).to.equal('1400')
    expect(await exec('blue', 'cat', '/sys/class/net/eth1/address')).to.equal('02:00:00:00:00:0b')
  })

  it("GNS3's: hosts on a switch with VLANs, and the delay of a link's filter, there and back", async () => {
    const pc = (id: string, address: string): object => ({
      ...{ node_id: id, name: id, node_type: 'vpcs', properties: { startup_script: `ip ${address}/24` } },
    })
    const port = (port_number: number, vlan: number): object => ({ port_number, type: 'access', vlan })
    const link = (pc: string, port_number: number, filters: object): object => ({
      filters,
      nodes: [
        { node_id: pc, adapter_number: 0, port_number: 0 },
        { node_id: 'middle', adapter_number: 0, port_number },
      ],
    })
    const nodes = [
      ...[pc('red', '10.3.0.1'), pc('green', '10.3.0.2'), pc('blue', '10.3.0.3')],
      {
        ...{ node_id: 'middle', name: 'middle', node_type: 'ethernet_switch' },
        properties: { ports_mapping: [port(0, 5), port(1, 5), port(2, 6)] },
      },
    ]
    const links = [link('red', 0, { delay: [30] }), link('green', 1, { delay: [20] }), link('blue', 2, {})]
    await up('three.gns3', JSON.stringify({ project_id: 'x', name: 'three', topology: { nodes, links } }), 7)
    const pings = await ping('red', '10.3.0.2')
    expect(pings).to.include({ received: 5, duplicates: 0 })
    expect(pings.shortest).to.be.at.least(100)
    expect((await ping('red', '10.3.0.3', soon)).received).to.equal(0)
  })

  it("CORE's: hosts on a link with a delay of its own in each direction, and in range of each other", async () => {
    const device = (id: number, x: number): string =>
      `<device id="${id}" name="n${id}" type="PC"><position x="${x}" y="0"/></device>`
    const iface = (number: number, name: string, ip: string): string =>
      `<iface${number} id="0" name="${name}" ip4="${ip}" ip4_mask="24"/>`
    const options = (delay: number): string => `<options delay="${delay}" unidirectional="1"/>`
    const wireless = (id: number): string =>
      `<link node1="${id}" node2="9">${iface(1, 'w', `10.4.0.${id}`)}</link>`
    const text = `<scenario>
<networks><network id="9" name="air" type="WIRELESS_LAN"/></networks>
<devices>${device(1, 0)}${device(2, 100)}${device(3, 190)}</devices>
<links>
  <link node1="1" node2="2">${iface(1, 'eth0', '10.3.0.1')}${iface(2, 'lan', '10.3.0.2')}${options(30_000)}</link>
  <link node1="2" node2="1">${iface(1, 'lan', '10.3.0.2')}${iface(2, 'eth0', '10.3.0.1')}${options(20_000)}</link>
  ${[1, 2, 3].map(wireless).join('')}
</links>
<mobility_configurations><mobility_configuration node="9" model="basic_range">
  <configuration name="range" value="100"/><configuration name="delay" value="10000"/>
</mobility_configuration></mobility_configurations></scenario>`
    await up('air.xml', text, 5)
    const wired = await ping('n1', '10.3.0.2')
    expect(wired).to.include({ received: 5, duplicates: 0 })
    expect(wired.shortest).to.be.at.least(50)
    for (const [one, other] of [
      ['n1', '10.4.0.2'],
      ['n3', '10.4.0.2'],
    ] as const) {
      const pings = await ping(one, other)
      expect(pings).to.include({ received: 5, duplicates: 0 })
      expect(pings.shortest).to.be.at.least(20)
    }
    expect((await ping('n1', '10.4.0.3', soon)).received, 'out of range').to.equal(0)
  })
})
