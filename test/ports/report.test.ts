/** What `show ports` says of devices: how they receive, and what they carry whole. */
import { expect } from 'chai'
import { parseTopology } from '../../lib/topology/load.js'
import { Network } from '../../lib/topology/network.js'
import { reports } from '../../lib/topology/report.js'
import { closing } from '../helpers/fabric.js'
import { describeOnDevices } from '../helpers/kernel.js'

const topology = `
io: epoll
workers: 2
hosts: { red: null, green: null }
fabrics:
  lab:
    kind: hub
    ports:
      red: { host: red, napi: true, queues: 2 }
      green: { host: green }
      ring: { packet: lo }
      calls: { packet: lo, method: calls }
      out: { patch: other.in }
  other: { kind: hub, forwarding: deny, ports: { in: { patch: lab.out } } }
`

describeOnDevices('the report of ports', () => {
  const keep = closing()

  it('says how each device receives, on how many queues, and which super-frames it carries', async () => {
    const network = keep(await Network.up(await parseTopology(topology)))
    const rows = reports
      .ports(network)
      .map(({ port, method, queues, superFrames }) => [port, method, queues, superFrames])
    const superFrames = rows[0]![3] // of a TAP: what this kernel grants
    expect(superFrames).to.include('tcp')
    expect(rows).to.deep.equal([
      ['red', 'epoll', 2, superFrames],
      ['green', 'epoll', 1, superFrames],
      ['ring', 'ring', undefined, ['tcp', 'udp']],
      ['calls', 'calls', undefined, ['tcp', 'udp']],
      ['out', undefined, undefined, undefined],
      ['in', undefined, undefined, undefined],
    ])
    expect(network.export().fabrics.lab?.ports.red).to.deep.equal({
      host: 'red',
      interface: 'eth0',
      napi: true,
      queues: 2,
    })
  })
})
