/**
 * Links as wires, one for each, between interfaces that the nodes get as they need them.
 *
 * Theory of operation. The first time that two nodes are linked, each gives the link its first unused interface, by
 * number from 1; a wire joins the two. When the link goes down the wire and the interfaces stay, without carrier, so that
 * who uses an interface sees the cable being pulled and put back; or, with `whenDown: 'remove'`, all of it goes, and the
 * numbers are free again.
 */
import type { Engine } from '../../engine/engine.js'
import { EtherloomError, locate } from '../../values/errors.js'
import { refuse } from '../../values/options.js'
import { Port } from '../../ports/port.js'
import { bothWays } from '../../fabrics/path.js'
import { Wire } from '../../fabrics/wire.js'
import type { LinkChange, LinkPlace, Links, Outcome } from './links.js'

/** Makes the port behind interface `number` (from 1) of a node. */
export type NicMaker = (node: string, number: number) => Port

/** Names the wire between two nodes. */
export type WireNamer = (a: string, b: string) => string

/** What becomes of the wire of a link that goes down. */
export type WhenDown = 'no-carrier' | 'remove'

interface Connection {
  wire: Wire
  /** Those of the lesser and of the greater node. */
  ends: [Port, Port]
  numbers: [number, number]
}

/** What the links of a world are made with. */
interface WireLinksOptions {
  engine: Engine
  nodes: readonly string[]
  nic: NicMaker
  wireName: WireNamer
  whenDown: WhenDown
}

export class WireLinks implements Links {
  readonly engine: Engine
  readonly nodes: readonly string[]
  readonly #options: WireLinksOptions
  readonly #connections = new Map<string, Connection>()
  /** The numbers of each node's interfaces that are in use. */
  readonly #used: Set<number>[]
  readonly #changed: (wire: Wire, exists: boolean) => void

  /** `changed` is told of each wire that comes or goes. */
  constructor(options: WireLinksOptions, changed: (wire: Wire, exists: boolean) => void) {
    this.engine = options.engine
    this.nodes = options.nodes
    this.#options = options
    this.#used = options.nodes.map(() => new Set())
    this.#changed = changed
  }

  renewed(): number[] {
    return []
  }

  change(changes: readonly LinkChange[]): Outcome | Promise<Outcome> {
    const known = changes.every(
      (change) =>
        this.#of(change) !== undefined && (change.policy !== null || this.#options.whenDown === 'no-carrier'),
    )
    const outcome: Outcome = { ticket: this.engine.native.latest(), failures: [] }
    if (!known) return this.#makeAndChange(changes, outcome)
    for (const change of changes) this.#attempt(change, outcome)
    return outcome
  }

  place(first: number, second: number): LinkPlace | undefined {
    const connection = this.#connections.get(keyOf(first, second))
    if (!connection) return undefined
    const [a, b] = connection.ends
    return { fabric: connection.wire.name, ports: [a.name, b.name] }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#connections.keys()].map((key) => this.#remove(key)))
  }

  #of({ first, second }: { first: number; second: number }): Connection | undefined {
    return this.#connections.get(keyOf(first, second))
  }

  async #makeAndChange(changes: readonly LinkChange[], outcome: Outcome): Promise<Outcome> {
    // Downs first: what they set free can be taken up again. In their order, so that numbers are given out by it.
    const inOrder = [...changes].sort(
      (one, other) => Number(one.policy !== null) - Number(other.policy !== null),
    )
    for (const change of inOrder) {
      try {
        if (change.policy === null && this.#options.whenDown === 'remove') {
          await this.#remove(keyOf(change.first, change.second))
          continue
        }
        if (!this.#of(change)) await this.#make(change)
      } catch (error) {
        outcome.failures.push({ change, error })
        continue
      }
      this.#attempt(change, outcome)
    }
    return outcome
  }

  #attempt(change: LinkChange, outcome: Outcome): void {
    try {
      outcome.ticket = Math.max(outcome.ticket, this.#set(change))
    } catch (error) {
      outcome.failures.push({ change, error })
    }
  }

  /** Down: the paths first, so that nothing is counted as lost for want of a carrier. Up: the other way round. */
  #set(change: LinkChange): number {
    const connection = this.#of(change)
    if (!connection) return this.engine.native.latest() // it was never up
    const { wire, ends } = connection
    const [from, to] = ends
    const { ticket } = wire.change(bothWays(from, to, change.policy), false)
    const others = ends.map((port) =>
      port.noCarrier === undefined ? port.setCarrier(change.policy !== null) : 0,
    )
    return Math.max(ticket, ...others)
  }

  async #make({ a, b, first, second }: LinkChange): Promise<void> {
    const numbers = [this.#firstUnused(first), this.#firstUnused(second)] as [number, number]
    const name = this.#options.wireName(a, b)
    const wire = new Wire({ name, engine: this.engine, forwarding: 'deny' })
    try {
      const ends = [this.#port(a, numbers[0]), this.#port(b, numbers[1])] as [Port, Port]
      for (const end of ends) await wire.attach(end)
      this.#used[first]?.add(numbers[0])
      this.#used[second]?.add(numbers[1])
      this.#connections.set(keyOf(first, second), { wire, ends, numbers })
      this.#changed(wire, true)
    } catch (error) {
      await wire.close()
      throw locate(error, `the link of '${a}' and '${b}'`)
    }
  }

  #port(node: string, number: number): Port {
    const port: unknown = this.#options.nic(node, number)
    return port instanceof Port
      ? port
      : refuse(`what 'nic' made for '${node}'`, 'a port, such as a TapPort', port)
  }

  async #remove(key: string): Promise<void> {
    const connection = this.#connections.get(key)
    if (!connection) return
    this.#connections.delete(key)
    const { wire, numbers } = connection
    key.split(' ').forEach((node, index) => this.#used[Number(node)]?.delete(numbers[index] as number))
    this.#changed(wire, false)
    if (!wire.closed && !this.engine.closed) await wire.close()
  }

  #firstUnused(node: number): number {
    const used = this.#used[node]
    if (!used) throw new EtherloomError('ERR_ETHERLOOM_NAME', `no node ${node + 1}`)
    let number = 1
    while (used.has(number)) number++
    return number
  }
}

const keyOf = (first: number, second: number): string => `${first} ${second}`
