/**
 * What the demo measures, from outside etherloom: real programs in the hosts, on the hosts' own kernel stacks.
 * Built and closed by runDemo, used by the phases.
 */
import { fileURLToPath } from 'node:url'
import { EtherloomError } from '../../lib/errors.js'
import type { Fabric } from '../../lib/fabric.js'
import { loadTopology } from '../../lib/topology/load.js'
import { Network } from '../../lib/topology/network.js'
import type { Passed } from './peer.js'
import { Programs } from './programs.js'
import { addresses, type Host, type Relation } from './scene.js'

/** Both ends of a TCP transfer. */
export interface Transfer {
  sent: Passed
  received: Passed
}

type Ends = Pick<Relation, 'from' | 'to'>

const topologyFile = fileURLToPath(
  new URL(
    import.meta.url.endsWith('.ts')
      ? '../../examples/three-hosts.yaml'
      : '../../../examples/three-hosts.yaml',
    import.meta.url,
  ),
)

/** Fixed, so that whoever runs the demo again meets the same losses. */
const seed = 1

/** The running topology, and the programs in its hosts. */
export class Lab {
  readonly #network: Network
  readonly #programs = new Programs()

  private constructor(network: Network) {
    this.#network = network
  }

  /** @throws EtherloomError what loading and building the topology can throw */
  static async build(): Promise<Lab> {
    return new Lab(await Network.up({ ...(await loadTopology(topologyFile)), seed }))
  }

  get fabric(): Fabric {
    const [fabric] = this.#network.fabrics.values()
    if (fabric) return fabric
    throw new EtherloomError('ERR_ETHERLOOM_NAME', `${topologyFile} has no fabric`)
  }

  /** Ends the measurement under way: it throws. So does every later one. */
  interrupt(): void {
    this.#programs.interrupt()
  }

  /** Ends what runs in the hosts, then the hosts. */
  async close(): Promise<void> {
    await this.#programs.close()
    await this.#network.close()
  }

  /**
   * Frames so far, by the fabric's own counters: those that it heard from the two hosts, and those that it passed on
   * over paths without a policy, which between hosts that are denied is every frame from one to the other.
   */
  frames({ from, to }: Ends): { heard: number; passed: number } {
    const stats = [from, to].map((host) => this.fabric.port(host).stats())
    return {
      heard: sum(stats.map(({ received }) => received.frames)),
      passed: sum(stats.map(({ defaults }) => defaults.delivered)),
    }
  }

  /** Waits until one host answers the other, so that both know their addresses; gives up after 5 s. */
  async meet({ from, to }: Ends): Promise<void> {
    await this.#programs.ping(this.#at(from), ['-c', '1', '-i', '0.2', '-w', '5', addresses[to]])
  }

  /** Pings every `interval` seconds; the round trips of those that were answered, in milliseconds. */
  async ping(
    { from, to }: Ends,
    pings: number,
    interval: number,
    progress?: (answers: number) => void,
  ): Promise<number[]> {
    const args = ['-c', String(pings), '-i', String(interval), '-W', '0.5', addresses[to]]
    return this.#programs.ping(this.#at(from), args, progress)
  }

  /** Sends UDP at so many Mbit/s, Ethernet headers included. What arrived, or undefined where it broke off. */
  async udp(
    { from, to }: Ends,
    rate: number,
    seconds: number,
    progress: (soFar: Passed) => void,
  ): Promise<Passed | undefined> {
    const sink = this.#programs.startPeer(this.#at(to), ['udp-sink'], progress)
    const args = ['udp-source', addresses[to], await sink.port(), rate, seconds]
    await this.#programs.startPeer(this.#at(from), args).result()
    sink.finish()
    return sink.result()
  }

  /** Transfers random bytes over TCP for so long; undefined where one end broke off. */
  async tcp(
    { from, to }: Ends,
    seconds: number,
    progress: (soFar: Passed) => void,
  ): Promise<Transfer | undefined> {
    const sink = this.#programs.startPeer(this.#at(to), ['tcp-sink'], progress)
    const args = ['tcp-source', addresses[to], await sink.port(), seconds]
    const sent = await this.#programs.startPeer(this.#at(from), args).result()
    if (!sent) sink.kill()
    const received = await sink.result()
    return sent && received && { sent, received }
  }

  #at(host: Host): string {
    const namespace = this.#network.hosts.get(host)
    if (namespace) return namespace.path
    throw new EtherloomError('ERR_ETHERLOOM_NAME', `${topologyFile} has no host '${host}'`)
  }
}

const sum = (counts: bigint[]): number => Number(counts.reduce((total, count) => total + count, 0n))
