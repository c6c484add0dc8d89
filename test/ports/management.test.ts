/** A management network beside a data network (S11), of a topology: real kernel stacks with an interface on each. */
import { expect } from 'chai'
import { Network, parseTopology } from '../../lib/index.js'
import { parseFrame } from '../../lib/testing/frames.js'
import { closing } from '../helpers/fabric.js'
import { Child, describeOnDevices, testFile } from '../helpers/kernel.js'
import { pingCommand, Sniffer, soon, type PingOptions, type Pings } from '../helpers/network.js'

const nodes = ['n1', 'n2', 'n3'] as const
const topology = (paths: string): string => `
hosts: { n1: , n2: , n3: }
fabrics:
  mgmt:
    kind: switch
    ports:
${nodes.map((node, index) => `      ${node}: { host: ${node}, interface: mgmt, addresses: [172.21.0.${index + 1}/16] }`).join('\n')}
  wifi1:
    kind: hub
    forwarding: deny
    ports:
${nodes.map((node, index) => `      ${node}: { host: ${node}, interface: mesh, addresses: [10.0.0.${index + 1}/16] }`).join('\n')}
    paths: [${paths}]
`

describeOnDevices('a management network (S11)', function () {
  this.timeout(120_000)
  const keep = closing()

  it('answers before the first step, while the data network is full or cut, and is no hub', async () => {
    const network = keep(await Network.up(await parseTopology(topology(''))))
    const path = (node: string) => network.hosts.get(node)!.path
    /** How many answers. */
    const ping = async (from: string, address: string, count: number, options?: PingOptions) => {
      const child = keep(new Child(pingCommand(address, count, 0.002, options), path(from)))
      const { received, duplicates } = JSON.parse(await child.rest()) as Pings
      expect(duplicates, 'duplicates').to.equal(0)
      return received
    }
    const expectManagement = async (when: string) => {
      for (const [from, to] of [
        ['n1', 2],
        ['n3', 1],
      ] as const)
        expect(await ping(from, `172.21.0.${to}`, 20), `${from} to n${to} ${when}`).to.equal(20)
    }

    await expectManagement('before the first step')
    expect(await ping('n1', '10.0.0.2', 1, soon), 'no data path yet').to.equal(0)
    await network.apply(await parseTopology(topology('{ between: [n1, n2], rate: 100kbit, queue: 5frames }')))
    expect(await ping('n1', '10.0.0.2', 1)).to.equal(1)
    const flood = keep(
      new Child(['ping', '-q', '-n', '-f', '-c', '2000', '-s', '1400', '-W', '1', '10.0.0.2'], path('n1')),
    )
    await expectManagement('while the data network overflows')
    await flood.close()
    await network.apply(await parseTopology(topology('')))
    expect(await ping('n1', '10.0.0.2', 1, soon), 'the data path is cut').to.equal(0)
    await expectManagement('while all data paths are cut')

    // Unicast between two that are known is not for the third, which sees its own.
    const witness = new Sniffer(
      keep(new Child(['python3', testFile('ports/programs/sniff.py'), 'mgmt'], path('n3'))),
    )
    await witness.ready()
    expect(await ping('n1', '172.21.0.2', 20)).to.equal(20)
    expect(await ping('n3', '172.21.0.1', 1)).to.equal(1)
    for (let heard = 0; heard < 2;) {
      const { ipv4, icmp } = parseFrame((await witness.next()).bytes)
      if (!ipv4 || !icmp) continue
      expect([ipv4.from, ipv4.to]).to.include('172.21.0.3')
      heard++
    }

    const bridge = network.fabrics.get('mgmt')!
    expect(bridge.stats().paths, 'nothing shapes it').to.deep.equal([])
    for (const port of bridge.ports.values()) expect(port.stats().dropped.queue).to.equal(0n)
  })
})
