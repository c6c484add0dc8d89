/** Worlds of real TAPs in namespaces: who hears whom after each step, on the air and by wires. */
import { expect } from 'chai'
import { Hub, Engine, TapPort, WifiExponentialModel, World } from '../../lib/index.js'
import { closing, until } from '../helpers/fabric.js'
import { describeUnless, lacksNetwork, lacksProgram, testFile, type Child } from '../helpers/kernel.js'
import { Host } from '../helpers/network.js'

const topologies = {
  chain: ['12', '23', '34', '45'],
  clique: ['12', '13', '14', '15', '23', '24', '25', '34', '35', '45'],
  cycle: ['12', '15', '23', '34', '45'],
  star: ['12', '13', '14', '15'],
  wheel: ['12', '13', '14', '15', '23', '25', '34', '45'],
}
const nodes = ['1', '2', '3', '4', '5'] as const
const matrixOf = (edges: readonly string[]): number[][] =>
  nodes.map((a) => nodes.map((b) => (edges.includes([a, b].sort().join('')) ? 1 : -1)))
const bothWays = (edges: readonly string[]) => edges.flatMap((edge) => [edge, edge[1]! + edge[0]!]).sort()

/** A program in each host that sends and hears on all its interfaces. */
class Ears {
  readonly #programs: Child[] = []
  readonly #heard: string[] = []
  #sent = 0
  #tag = 0

  async open(hosts: readonly Host[]): Promise<void> {
    for (const { number } of hosts) {
      const host = hosts[number - 1]!
      const program = host.start('python3', testFile('ports/programs/neighbours.py'), `${number}`)
      expect(await program.line()).to.equal('ready')
      this.#programs.push(program)
      void this.#listen(program, number)
    }
  }

  /**
   * Sends from every host and waits for so many copies. One too many that comes later has an older tag, and shows with
   * the next call.
   */
  async pairs(expected: number): Promise<string[]> {
    this.#heard.length = this.#sent = 0
    this.#tag++
    for (const program of this.#programs) program.tell(`send ${this.#tag}`)
    await until(() => this.#sent === this.#programs.length && this.#heard.length >= expected)
    return [...this.#heard].sort()
  }

  async #listen(program: Child, number: number): Promise<void> {
    for (;;) {
      const line = await program.line().catch(() => undefined)
      if (line === undefined) return
      const [word, from, tag] = line.split(' ')
      if (word === 'sent') this.#sent++
      else this.#heard.push(Number(tag) === this.#tag ? `${from}${number}` : `late ${from}${number}`)
    }
  }
}

describeUnless(lacksNetwork() ?? lacksProgram('python3'), 'World of TAPs', function () {
  this.timeout(120_000)
  const closes = closing()

  const makeHosts = async (): Promise<Host[]> => {
    const hosts: Host[] = []
    for (const node of nodes) hosts.push(closes(await Host.create(Number(node))))
    return hosts
  }
  const switches = async (world: World, ears: Ears) => {
    for (const [name, edges] of Object.entries({ ...topologies, last: topologies.clique })) {
      await world.step(matrixOf(edges))
      expect(await ears.pairs(2 * edges.length), name).to.deep.equal(bothWays(edges))
    }
  }

  it('on the air: exactly the linked hear each other, through five topologies', async () => {
    const hosts = await makeHosts()
    const hub = closes(new Hub({ forwarding: 'deny', engine: { seed: 1 } }))
    for (const host of hosts) await hub.attach(host.tap({ name: `${host.number}` }))
    const world = closes(new World({ fabric: hub, model: new WifiExponentialModel() }))
    const ears = new Ears()
    await ears.open(hosts)
    await switches(world, ears)
  })

  it('by wires: the same, and who looks sees the carrier go and come', async () => {
    const hosts = await makeHosts()
    const engine = closes(new Engine({ seed: 1 }))
    const nic = (node: string, number: number) => {
      const name = `tap_0000${node}_${number}`
      return new TapPort({ name, namespace: hosts[Number(node) - 1]!.namespace })
    }
    const world = closes(new World({ engine, nodes, nic }))
    const ears = new Ears()
    await ears.open(hosts)
    await switches(world, ears)
    await world.step(matrixOf(topologies.star))
    // The kernel tells of carriers a little later than they change.
    const without = async (expected: string[]): Promise<void> => {
      for (;;) {
        const links = await hosts[1]!.ip<{ ifname: string; flags: string[] }[]>('link', 'show')
        const found = links.filter(({ flags }) => flags.includes('NO-CARRIER')).map(({ ifname }) => ifname)
        if (found.sort().join() === expected.join()) return
      }
    }
    await without(['tap_00002_2', 'tap_00002_3', 'tap_00002_4'])
    await world.step(matrixOf(topologies.clique))
    await without([])
    await world.close()
    expect(await hosts[1]!.link('tap_00002_1')).to.equal(undefined)
  })

  it('a relayed ping of two hops takes no less than the delays of its links', async () => {
    const hosts = await makeHosts()
    const hub = closes(new Hub({ forwarding: 'deny', engine: { seed: 1 } }))
    for (const host of hosts.slice(0, 3)) await hub.attach(host.tap({ name: `${host.number}` }))
    const world = closes(new World({ fabric: hub, model: new WifiExponentialModel() }))
    await world.step([['1', '2', 1], ['2', '3', 1], ['1', '3', -1]]) // prettier-ignore
    const [one, two, three] = hosts as [Host, Host, Host]
    await two.run('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv4.conf.all.send_redirects=0', 'net.ipv4.conf.eth0.send_redirects=0') // prettier-ignore
    await one.ip('route', 'add', `${three.address}/32`, 'via', two.address)
    await three.ip('route', 'add', `${one.address}/32`, 'via', two.address)
    const direct = await one.ping(two, 10, 0.01)
    expect([direct.received, direct.duplicates]).to.deep.equal([10, 0])
    expect(direct.shortest).to.be.at.least(1.8)
    const relayed = await one.ping(three, 10, 0.01)
    expect(relayed.received).to.equal(10)
    expect(relayed.shortest).to.be.at.least(3.6)
  })
})
