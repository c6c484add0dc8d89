/**
 * What a timeline makes of the paths and ports of its fabric. Called by timeline.ts: steps change the pictures, and then
 * what the pictures say is written, the paths in one transaction.
 *
 * The picture of a path is a base, options laid over it, and the outages that hold it down. The base is the path's policy
 * as somebody else set it: whenever the fabric has another policy than the one written last, that is the new base, and
 * nothing lies over it. The picture of a port is the same with its carrier.
 */
import type { Engine } from '../engine/engine.js'
import { layers, readPolicy, type Policy } from '../policy/policy.js'
import type { Port } from '../ports/port.js'
import type { Checked, Effect } from './entries.js'

/** @internal A fabric, as its timelines know it. */
export interface TimelineFabric {
  readonly name: string
  readonly engine: Engine
  readonly closed: boolean
  readonly ports: ReadonlyMap<string, Port>
  port(port: Port | string): Port
  /** The policy that the path was given last, the same object until it is given another. */
  ownPolicy(from: Port | string, to: Port | string): Policy | undefined
  allowsByDefault(from: Port, to: Port): boolean
  change(changes: readonly PolicyChange[], flush: boolean): unknown
}

interface PolicyChange {
  from: string
  to: string
  policy: Policy | null
  keepStreams: boolean
}

interface PathPicture {
  from: string
  to: string
  base: Policy | undefined
  over: Partial<Policy>
  outages: Set<Checked>
  written: Policy | undefined
  /** An entry has given a seed since. */
  reseeded: boolean
}

interface PortPicture {
  base: boolean
  over: boolean | undefined
  outages: Set<Checked>
  written: boolean
}

/** Does the work for an entry; what it throws is noted there. */
export type Attempt<Entry> = (entry: Entry, work: () => void) => void

export class Pictures<Entry extends Checked> {
  readonly #fabric: TimelineFabric
  readonly #paths = new Map<string, PathPicture>()
  readonly #ports = new Map<string, PortPicture>()
  /** What is to be written, with the entry that changed it last. */
  readonly #changedPaths = new Map<PathPicture, Entry>()
  readonly #changedPorts = new Map<string, Entry>()

  constructor(fabric: TimelineFabric) {
    this.#fabric = fabric
  }

  /** A step of this entry. Returns how many paths or ports it changes. */
  change(entry: Entry, effect: Effect): number {
    const everyPort = [...this.#fabric.ports.keys()].filter((name) => this.#has(name))
    const from = expand(entry.from, everyPort)
    if (!entry.to) {
      for (const name of from) this.#changePort(name, entry, effect)
      return from.length
    }
    const to = expand(entry.to, everyPort)
    for (const source of from)
      for (const target of to) if (source !== target) this.#changePath(source, target, entry, effect)
    return from.length * to.length
  }

  /** Sets paths and ports to what their pictures say; what cannot be is left out. */
  write(attempt: Attempt<Entry>): void {
    this.#writePaths(attempt)
    for (const [name, entry] of this.#changedPorts)
      attempt(entry, () => {
        this.#writePort(name)
      })
    this.#changedPaths.clear()
    this.#changedPorts.clear()
  }

  /** Paths have again the policies, and ports the carriers, that they were given by others. */
  restore(): void {
    const paths = [...this.#paths.values()].filter(
      ({ from, to, written }) => this.#has(from, to) && this.#fabric.ownPolicy(from, to) === written,
    )
    this.#fabric.change(
      paths.map(({ from, to, base }) => ({ from, to, policy: base ?? null, keepStreams: true })),
      false,
    )
    for (const [name, { base, written }] of this.#ports) {
      const port = this.#fabric.ports.get(name)
      if (port?.carrierOn === written) port.setCarrier(base)
    }
  }

  #has(...names: string[]): boolean {
    return names.every((name) => (this.#fabric.ports.get(name)?.id ?? -1) >= 0)
  }

  #changePath(from: string, to: string, entry: Entry, effect: Effect): void {
    const picture = this.#path(from, to)
    if ('set' in effect) {
      picture.over = layers(effect.reset ? {} : picture.over, effect.set)
      picture.reseeded ||= effect.set.seed !== undefined
    }
    if ('outage' in effect) mark(picture.outages, entry, effect.outage)
    this.#changedPaths.set(picture, entry)
  }

  #path(from: string, to: string): PathPicture {
    const key = `${from}>${to}`
    const own = this.#has(from, to) ? this.#fabric.ownPolicy(from, to) : undefined
    let picture = this.#paths.get(key)
    if (!picture) {
      picture = { from, to, base: own, over: {}, outages: new Set(), written: own, reseeded: false }
      this.#paths.set(key, picture)
    }
    if (own !== picture.written) Object.assign(picture, { base: own, over: {}, written: own })
    return picture
  }

  #changePort(name: string, entry: Entry, effect: Effect): void {
    const { carrierOn } = this.#fabric.port(name)
    let picture = this.#ports.get(name)
    if (!picture) {
      picture = { base: carrierOn, over: undefined, outages: new Set(), written: carrierOn }
      this.#ports.set(name, picture)
    }
    if (carrierOn !== picture.written) Object.assign(picture, { base: carrierOn, over: undefined })
    if ('carrier' in effect) picture.over = effect.carrier
    else if ('outage' in effect) mark(picture.outages, entry, effect.outage)
    this.#changedPorts.set(name, entry)
  }

  /** What cannot be is left out, so that the rest is one transaction. */
  #writePaths(attempt: Attempt<Entry>): void {
    const changes: PolicyChange[] = []
    for (const [picture, entry] of this.#changedPaths)
      attempt(entry, () => {
        const { from, to, base, over, outages, reseeded } = picture
        this.#fabric.port(from) // throws where it has gone
        this.#fabric.port(to)
        const changed = outages.size > 0 || Object.keys(over).length > 0
        const policy = changed ? this.#laidOver(picture) : (base ?? null)
        if (policy) readPolicy(policy)
        changes.push({ from, to, policy, keepStreams: !reseeded })
      })
    const last = [...this.#changedPaths.values()].at(-1)
    if (!last || changes.length === 0) return
    attempt(last, () => {
      this.#fabric.change(changes, false)
      for (const { from, to } of changes) {
        const picture = this.#paths.get(`${from}>${to}`)
        if (picture) Object.assign(picture, { written: this.#fabric.ownPolicy(from, to), reseeded: false })
      }
    })
  }

  #laidOver({ from, to, base, over, outages }: PathPicture): Policy {
    const allowed = this.#fabric.allowsByDefault(this.#fabric.port(from), this.#fabric.port(to))
    const down = outages.size > 0 ? { allowed: false } : {}
    return layers({ allowed }, base ?? {}, over, down) as Policy
  }

  #writePort(name: string): void {
    const picture = this.#ports.get(name) as PortPicture
    picture.written = (picture.over ?? picture.base) && picture.outages.size === 0
    this.#fabric.port(name).setCarrier(picture.written)
  }
}

const expand = (names: readonly string[], every: readonly string[]): readonly string[] =>
  names.includes('*') ? every : names

function mark<Entry>(outages: Set<Entry>, entry: Entry, begins: boolean): void {
  if (begins) outages.add(entry)
  else outages.delete(entry)
}
