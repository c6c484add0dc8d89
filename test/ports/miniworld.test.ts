/**
 * Scenarios of MiniWorld on real kernel stacks: the examples of its documentation with the ports, pairs and reports that
 * it prints for them, and five topologies one after the other, on a hub and on wires.
 */
import { expect } from 'chai'
import { mkdtempSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { linkReports } from '../../lib/topology/links-report.js'
import { loadTopology, parseTopology } from '../../lib/topology/load.js'
import { Network } from '../../lib/topology/network.js'
import type { WorldStep } from '../../lib/world/world.js'
import { reports } from '../../lib/topology/report.js'
import { closing } from '../helpers/fabric.js'
import { frame, station, tagOf } from '../helpers/frames.js'
import { Child, describeOnDevices, testFile } from '../helpers/kernel.js'
import { Host, Sniffer } from '../helpers/network.js'

const folder = 'examples/miniworld'
const configFile = async (): Promise<{ file: string; text: string }> => {
  const file = `${folder}/config.json`
  return { file, text: await readFile(file, 'utf8') }
}

/** What MiniWorld's models give at distance 1. */
const exponential = {
  bandwidth: '54000.0',
  delay: '1.00ms 0.10ms 25%',
  loss: null,
  limit: null,
  corrupt: null,
  duplicate: null,
  reorder: null,
  rate: null,
}
const range = { ...exponential, bandwidth: null, delay: null }
const managed = { "('1', 'mgmt')": null, "('2', 'mgmt')": null, "('3', 'mgmt')": null }

describeOnDevices('scenarios of MiniWorld', function () {
  this.timeout(120_000)
  const keep = closing()

  const start = async (file: string): Promise<Network> =>
    keep(
      await Network.up(
        await loadTopology(`${folder}/${file}`, () => undefined, { config: await configFile() }),
      ),
    )

  /** Starts a program in a node that ends with the test at the latest. */
  const inNode = (network: Network, node: string, ...command: string[]): Child =>
    keep(new Child(command, network.hosts.get(node)!.path))

  /** Takes a step; who was out of reach before it is not remembered as unreachable. */
  async function step(network: Network): Promise<WorldStep> {
    const [taken] = await network.step()
    for (const node of network.hosts.keys())
      await inNode(network, node, 'ip', 'neighbour', 'flush', 'all').rest()
    return taken!
  }

  async function answers(network: Network, node: string, address: string, patience = '10'): Promise<boolean> {
    const noAnswer = 1
    const words = ['-q', '-n', '-c', '1', '-W', patience, address]
    return (await inNode(network, node, 'ping', ...words).rest(noAnswer)).includes(' 1 received')
  }

  async function sniff(network: Network, node: string, name: string): Promise<Sniffer> {
    const sniffer = new Sniffer(inNode(network, node, 'python3', testFile('ports/programs/sniff.py'), name))
    await sniffer.ready()
    return sniffer
  }

  async function transfer(network: Network, [from, to]: [string, string], address: string): Promise<void> {
    const program = testFile('ports/programs/tcp.mjs')
    const receiver = inNode(network, to, process.execPath, program, 'receive', address)
    expect(await receiver.line()).to.equal('ready')
    const sender = inNode(network, from, process.execPath, program, 'send', address, '1000000')
    const [sent, received] = await Promise.all([sender.rest(), receiver.rest()])
    expect(JSON.parse(received)).to.deep.equal(JSON.parse(sent)).and.to.include({ bytes: 1_000_000 })
  }

  /** The ports of each fabric, as `brctl show` lists the taps of bridges. */
  const bridges = (network: Network): Record<string, string[]> => {
    const found: Record<string, string[]> = {}
    for (const { fabric, port } of reports.ports(network)) (found[fabric] ??= []).push(port)
    return found
  }
  const mgmt = (numbers: number[]): string[] => numbers.map((number, node) => `tap_0000${node + 1}_${number}`)

  /** The pairs of taps that may speak, as the rules of ebtables name them; numbers are those of the marks. */
  const pairs = (network: Network): string[] => reports.links(network).map(({ ports }) => ports.join(' '))

  it('Bridged WiFi: the hub, the rules and the reports of the documentation', async () => {
    const network = await start('bridged-wifi.json')
    const switches = { wifi1: ['tap_00001_1', 'tap_00002_1', 'tap_00003_1'], mgmt: mgmt([2, 2, 2]) }
    expect(bridges(network)).to.deep.equal(switches)
    expect(linkReports.connections(network)).to.deep.equal({ 1: ['mgmt'], 2: ['mgmt'], 3: ['mgmt'] })
    expect(linkReports.links(network)).to.deep.equal(managed)
    expect(linkReports.distances(network)).to.deep.equal({})
    // The management network is there before the first step, and it alone.
    expect(await answers(network, '1', '172.21.0.3')).to.equal(true)
    expect(await answers(network, '1', '10.0.0.2', '0.5')).to.equal(false)

    await step(network) // chain5
    expect(bridges(network)).to.deep.equal(switches)
    const chain = ['tap_00001_1 tap_00002_1', 'tap_00002_1 tap_00003_1'] // marks 1 and 2
    expect(pairs(network)).to.deep.equal(chain)
    expect(linkReports.connections(network)).to.deep.equal({
      1: ['2', 'mgmt'],
      2: ['3', 'mgmt'],
      3: ['mgmt'],
    })
    expect(linkReports.links(network)).to.deep.equal({
      "('1', '2')": exponential,
      "('2', '3')": exponential,
      ...managed,
    })
    expect(linkReports.distances(network)).to.deep.equal({
      "('1', '2')": '1',
      "('1', '3')": '-1',
      "('2', '3')": '1',
    })
    expect(await answers(network, '1', '10.0.0.2')).to.equal(true)
    expect(await answers(network, '2', '10.0.0.3')).to.equal(true)
    expect(await answers(network, '1', '10.0.0.3', '0.5')).to.equal(false)
    expect(await answers(network, '1', '172.21.0.3')).to.equal(true)
    await transfer(network, ['1', '2'], '10.0.0.2')

    await step(network) // cycle5: of nodes 1 to 3 the same
    expect(pairs(network)).to.deep.equal(chain)
    await step(network) // wheel5: 1-3 gets mark 3
    expect([...pairs(network)].sort()).to.deep.equal([...chain, 'tap_00001_1 tap_00003_1'].sort())
    expect(await answers(network, '1', '10.0.0.3')).to.equal(true)
  })

  it('Bridged WiFi: a broadcast gets to whom the sender is linked to, once, and back to nobody', async () => {
    const network = await start('bridged-wifi.json')
    await step(network)
    const [one, two, three] = await Promise.all(['1', '2', '3'].map((node) => sniff(network, node, 'eth0')))
    const ours = (sniffed: { direction: string; bytes: Buffer }[]): string[] =>
      sniffed.map(({ direction, bytes }) => `${direction} ${tagOf(bytes)}`)
    const last = frame({ from: station(2), tag: 3 })
    one!.send(frame({ from: station(1), tag: 1 })) // to 2 only
    const atTwo = await two!.upTo(frame({ from: station(1), tag: 1 }))
    expect(ours(atTwo)).to.deep.equal(['in 1'])
    three!.send(frame({ from: station(3), tag: 2 })) // to 2 only
    expect(ours(await two!.upTo(frame({ from: station(3), tag: 2 })))).to.deep.equal(['in 2'])
    two!.send(last) // to both; comes last everywhere
    expect(ours(await one!.upTo(last))).to.deep.equal(['in 3'])
    expect(ours(await three!.upTo(last))).to.deep.equal(['in 3'])
  })

  it('Bridged LAN: the taps of the documentation, a wire for each connection', async () => {
    const network = await start('bridged-lan.json')
    expect(bridges(network)).to.deep.equal({ mgmt: mgmt([5, 4, 4]) })
    expect(await answers(network, '2', '172.21.0.1')).to.equal(true)

    await step(network)
    const chain = {
      mgmt: mgmt([5, 4, 4]),
      br_00001_00002: ['tap_00001_1', 'tap_00002_1'],
      br_00002_00003: ['tap_00002_2', 'tap_00003_1'],
    }
    expect(bridges(network)).to.deep.equal(chain)
    const inside = await inNode(network, '2', 'ip', '-brief', 'link').rest()
    expect(inside.replace(/ +\S+ +/g, ' ').match(/^\w+ [\da-f:]+/gm)).to.deep.equal([
      'lo 00:00:00:00:00:00',
      'mgmt 0a:01:00:00:00:02',
      'eth0 02:01:00:00:00:02',
      'eth1 02:02:00:00:00:02',
    ])
    expect(linkReports.links(network)).to.deep.equal({ "('1', '2')": range, "('2', '3')": range, ...managed })
    expect(await answers(network, '1', '10.0.0.2')).to.equal(true)
    expect(await answers(network, '3', '10.1.0.1')).to.equal(true)
    await transfer(network, ['1', '2'], '10.0.0.2')

    await step(network)
    expect(bridges(network)).to.deep.equal(chain)
    await step(network)
    expect(bridges(network)).to.deep.equal({ ...chain, br_00001_00003: ['tap_00001_2', 'tap_00003_2'] })
    expect(linkReports.connections(network)).to.deep.equal({
      1: ['2', '3', 'mgmt'],
      2: ['3', 'mgmt'],
      3: ['mgmt'],
    })
    expect(await answers(network, '1', '10.2.0.2')).to.equal(true)
  })

  describe('with machines started elsewhere', () => {
    /** A host of machines, with an instance on it. */
    async function serve(): Promise<{ etherloom: (...words: string[]) => Child; host: Host }> {
      const host = keep(await Host.create(1))
      const directory = mkdtempSync(join(tmpdir(), 'etherloom-miniworld-'))
      keep({
        close: () => {
          rmSync(directory, { recursive: true })
        },
      })
      return { etherloom: (...words) => host.etherloom(directory, ...words), host }
    }

    it('packet: by the TAPs that they opened', async () => {
      const { etherloom, host } = await serve()
      const machines: Sniffer[] = []
      for (const node of [1, 2, 3]) {
        const name = `tap_0000${node}_1`
        const machine = new Sniffer(host.start('python3', testFile('ports/programs/machine.py'), name))
        await machine.ready()
        await host.ip('link', 'set', name, 'up')
        machines.push(machine)
      }
      const instance = etherloom('up', `${folder}/bridged-wifi.json`, '--machines', 'packet')
      expect(await instance.line()).to.equal('bridged-wifi: up with 3 ports; Ctrl-C ends it')
      await etherloom('step').rest()
      const [one, two, three] = machines as [Sniffer, Sniffer, Sniffer]
      const [first, last] = [frame({ from: station(1), tag: 1 }), frame({ from: station(2), tag: 2 })]
      one.send(first)
      expect((await two.upTo(first)).map(({ bytes }) => bytes)).to.deep.equal([first])
      two.send(last)
      expect((await three.upTo(last)).map(({ bytes }) => bytes)).to.deep.equal([last])
      expect((await one.upTo(last)).map(({ bytes }) => bytes)).to.deep.equal([last])
      await etherloom('down').rest()
      await instance.rest()
      expect(await host.link('tap_00001_1')).to.not.equal(undefined)
    })

    it('taps: that are given the interfaces', async () => {
      const { etherloom, host } = await serve()
      const instance = etherloom('up', `${folder}/bridged-lan.json`, '--machines', 'taps')
      expect(await instance.line()).to.equal('bridged-lan: up with 0 ports; Ctrl-C ends it')
      await etherloom('step').rest()
      const machines = [keep(await Host.create(1)), keep(await Host.create(2))] as const
      for (const machine of machines) {
        const name = `tap_0000${machine.number}_1`
        await host.ip('link', 'set', name, 'netns', machine.namespace.path)
        await machine.ip('address', 'add', `${machine.address}/24`, 'dev', name)
        await machine.ip('link', 'set', name, 'up')
      }
      expect(await machines[0].ping(machines[1], 10, 0.01)).to.include({ received: 10, duplicates: 0 })
      await etherloom('down').rest()
      await instance.rest()
      expect(await machines[0].link('tap_00001_1')).to.equal(undefined)
    })
  })

  describe('switch through five topologies, after each of which exactly those reach each other that are linked', () => {
    const edges: Record<string, string> = {
      chain: '12 23 34 45',
      clique: '12 13 14 15 23 24 25 34 35 45',
      cycle: '12 15 23 34 45',
      star: '12 13 14 15',
      wheel: '12 13 14 15 23 25 34 45',
    }
    const counts = ['4 up, 0 down', '6 up, 0 down', '0 up, 5 down', '2 up, 3 down', '4 up, 0 down']
    const scenario = (mode: 'single' | 'multi'): string =>
      JSON.stringify({
        cnt_nodes: 5,
        walk_model: { name: 'core' },
        network: {
          backend: { connection_mode: mode },
          links: { model: 'x.LinkQualityModelWiFiExponential' },
          core: { topologies: Object.keys(edges).map((name) => [0, `topologies/${name}5.xml`]), mode: 'lan' },
        },
      })

    /** The address of `to` that `from` can reach it by; undefined where they were never linked. */
    function addressOf(
      network: Network,
      mode: 'single' | 'multi',
      from: number,
      to: number,
    ): string | undefined {
      if (mode === 'single') return `10.0.0.${to}`
      const wire = `br_0000${Math.min(from, to)}_0000${Math.max(from, to)}`
      const port = bridges(network)[wire]?.find((name) => name.startsWith(`tap_0000${to}_`))
      const lan = network.export().worlds?.lan
      if (port === undefined || lan === undefined || !('wires' in lan)) return undefined
      const nics = lan.wires[`${to}`] as { addresses?: string[] }
      return nics.addresses?.[Number.parseInt(port.split('_')[2]!, 16) - 1]?.replace(/\/\d+$/, '')
    }

    for (const mode of ['single', 'multi'] as const)
      it(`with connection_mode ${mode}`, async () => {
        const file = `${folder}/five.json`
        const network = keep(await Network.up(await parseTopology(scenario(mode), file)))
        for (const [index, expected] of Object.values(edges).entries()) {
          const { up, down } = await step(network)
          expect(`${up} up, ${down} down`).to.equal(counts[index])
          const nodes = [1, 2, 3, 4, 5]
          const reached = await Promise.all(
            nodes.flatMap((from) =>
              nodes
                .filter((to) => to > from)
                .map(async (to) => {
                  const address = addressOf(network, mode, from, to)
                  const linked = expected.split(' ').includes(`${from}${to}`)
                  if (address === undefined) return ''
                  return (await answers(network, `${from}`, address, linked ? '10' : '0.5'))
                    ? `${from}${to}`
                    : ''
                }),
            ),
          )
          expect(reached.filter((pair) => pair !== '').sort()).to.deep.equal(expected.split(' ').sort())
        }
        const links = Object.values(linkReports.links(network)).filter((link) => link !== null)
        expect(links).to.have.lengthOf(8)
        for (const link of links) expect(link).to.deep.equal(exponential)
      })
  })
})
