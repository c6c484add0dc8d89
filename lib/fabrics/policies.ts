/** The policies of a fabric's paths, and the transactions that change them. Called by Fabric. */
import { native } from '../binding.js'
import { readPolicy, type Applied, type Policy } from '../policy/policy.js'
import { PolicyRecords } from '../policy/records.js'
import type { Port, PortFabric } from '../ports/port.js'
import { EtherloomError, locate } from '../values/errors.js'
import { isMapping, refuse } from '../values/options.js'
import type { PathChange } from './path.js'

/** What a change has instead of the number of a record when the path is to have no policy of its own. */
const noPolicy = 0xffffffff

/** A change with `keepStreams` does not start the path's random streams anew, whatever `seed` its policy has. */
export type PolicyChange = PathChange & { keepStreams?: boolean }

export class Policies {
  readonly #fabric: PortFabric
  /**
   * The policy of each path that has, or once had, one. Undefined: the default holds again. Such a path stays listed, since it
   * keeps counters of its own.
   */
  readonly #rows = new Map<Port, Map<Port, Policy | undefined>>()

  constructor(fabric: PortFabric) {
    this.#fabric = fabric
  }

  /** The policy that the path was given last, the same object until it is given another. */
  get(from: Port, to: Port): Policy | undefined {
    return this.#rows.get(from)?.get(to)
  }

  /** The paths that have a policy of their own, or once had one. */
  *[Symbol.iterator](): Iterator<[from: Port, to: Port, policy: Policy | undefined]> {
    for (const [from, row] of this.#rows) for (const [to, policy] of row) yield [from, to, policy]
  }

  /** Forgets the policies of all paths from and to a port. */
  forget(port: Port): void {
    this.#rows.delete(port)
    for (const row of this.#rows.values()) row.delete(port)
  }

  /** Forgets all policies. */
  clear(): void {
    this.#rows.clear()
  }

  /** The two ends of a path. @throws EtherloomError what `Fabric.port` throws, ERR_ETHERLOOM_OPTION for one port twice */
  pair(from: Port | string, to: Port | string): [Port, Port] {
    const pair: [Port, Port] = [this.#fabric.port(from), this.#fabric.port(to)]
    if (pair[0] !== pair[1]) return pair
    throw new EtherloomError(
      'ERR_ETHERLOOM_OPTION',
      `a path joins two different ports, not '${pair[0].name}' to itself: a frame never returns to the port it came from`,
    )
  }

  /** Changes all of these paths in one transaction, or none; the ticket says when it holds for every frame. */
  change(list: readonly PolicyChange[], flush: boolean): Applied & { ticket: number } {
    const { id, engine } = this.#fabric
    const records = new PolicyRecords((data) => engine.share(data))
    const known = new Map<Policy, number>()
    const compiled: Policy[] = [] // by the number of their record
    const recordOf = (policy: Policy, keepStreams = false): number => {
      const before = keepStreams ? undefined : known.get(policy)
      if (before !== undefined) return before
      const spec = readPolicy(policy)
      const record = records.add(keepStreams ? { ...spec, seed: undefined } : spec)
      compiled[record] = spec.policy
      if (!keepStreams) known.set(policy, record)
      return record
    }
    const each = (work: (change: PolicyChange, index: number) => void): void => {
      list.forEach((change, index) => {
        try {
          work(isMapping(change) ? change : refuse('a change', 'an object', change), index)
        } catch (error) {
          throw list.length === 1 ? error : locate(error, `change ${index + 1} of ${list.length}`)
        }
      })
    }
    const triples = new Uint32Array(3 * list.length)
    each(({ policy, keepStreams }, index) => {
      triples[3 * index + 2] = policy === null ? noPolicy : recordOf(policy, keepStreams)
    })
    // Ports are looked up after the policies are read: reading can run code of the user (a getter), which may detach one.
    const ends = new Array<Port>(2 * list.length)
    each(({ from, to }, index) => {
      const [source, target] = this.pair(from, to)
      ends[2 * index] = source
      ends[2 * index + 1] = target
      triples[3 * index] = source.id
      triples[3 * index + 1] = target.id
    })
    const [up, down, changed, ticket] = native(() => engine.native.apply(id, records.bytes, triples, flush))
    for (let end = 0, number = 2; end < ends.length; end += 2, number += 3)
      this.#remember(ends[end] as Port, ends[end + 1] as Port, compiled[triples[number] as number])
    return { up, down, changed, ticket }
  }

  #remember(from: Port, to: Port, policy: Policy | undefined): void {
    let row = this.#rows.get(from)
    if (!row) this.#rows.set(from, (row = new Map<Port, Policy | undefined>()))
    if (policy || row.has(to)) row.set(to, policy)
  }
}
