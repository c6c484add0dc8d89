/** Path and timeline entries of a topology: which ports they mean, and what is wrong with them. Called by resolve.ts. */
import { layers, readPolicy, type Policy } from '../policy/policy.js'
import { portKindOf } from '../ports/index.js'
import { checkEntry } from '../timeline/entries.js'
import { limits } from '../values/limits.js'
import { suggestion } from '../values/options.js'
import { attempt, type Complain, type Place } from '../values/problem.js'
import { quote } from '../values/quote.js'
import { formatCount } from '../values/units.js'
import { pathKey, type FabricPlan, type PathPlan, type PortPlan } from './plan.js'
import type { TopologyPath, TopologyTimelineEntry } from './schema.js'

type Ports = ReadonlyMap<string, PortPlan>

/** How many pairs the entries of a topology have come to; asked before they are multiplied. */
export class PairBudget {
  readonly #pairs = { paths: 0, timeline: 0 }

  /** Whether so many more are too many, which is complained of where they first are. */
  exceeds(key: 'paths' | 'timeline', pairs: number, place: Place, complain: Complain): boolean {
    const most = key === 'paths' ? limits.pathPairs : limits.timelinePairs
    const before = this.#pairs[key]
    const after = (this.#pairs[key] += pairs)
    if (after > most && before <= most)
      complain(
        place,
        `entries of '${key}' may come to ${formatCount(most)} pairs of ports, and with this one they come to ${formatCount(after)}; name fewer ports: what holds between all of them is 'forwarding' of the fabric, and 'group' of its ports`,
      )
    return after > most
  }
}

/**
 * Expands path entries to directed pairs; a later entry replaces what an earlier one said of a pair. '*' does not mean
 * pairs within a group: who means them names them.
 */
export function planPaths(
  entries: readonly (TopologyPath | undefined)[],
  ports: Ports,
  budget: PairBudget,
  place: Place,
  complain: Complain,
): Map<string, PathPlan> {
  const paths = new Map<string, PathPlan>()
  entries.forEach((entry, index) => {
    if (entry === undefined) return
    const { from, to, policy } = readEntry(entry, portResolver(ports, [...place, index], complain))
    if (budget.exceeds('paths', from.length * to.length, [...place, index], complain)) return
    const byName = 'between' in entry || (entry.from !== '*' && entry.to !== '*')
    const pairs = from.flatMap((start) =>
      to
        .filter((end) => end !== start && (byName || !inOneGroup(ports, start, end)))
        .map((end) => [start, end] as const),
    )
    let compiled = policy
    attempt(
      () => {
        compiled = readPolicy(policy).policy as typeof policy
      },
      [...place, index],
      complain,
    )
    if (pairs.length === 0) complain([...place, index], 'a path needs two different ports')
    for (const [start, end] of pairs)
      paths.set(pathKey(start, end), { from: start, to: end, policy: compiled })
  })
  return paths
}

/**
 * Complains of what a timeline would refuse, and of entries whose options do not go with the policies that they lie over
 * at the beginning.
 */
export function checkTimeline(
  { options, ports, paths, timeline }: FabricPlan,
  budget: PairBudget,
  place: Place,
  complain: Complain,
): void {
  const [between, withinGroup] = [{ allowed: options.forwarding !== 'deny' }, { allowed: false }]
  const byDefault = (start: string, end: string): PathPlan['policy'] =>
    inOneGroup(ports, start, end) ? withinGroup : between
  const read: readonly (TopologyTimelineEntry | undefined)[] = timeline
  read.forEach((entry, index) => {
    if (entry === undefined) return
    const here = [...place, index]
    const resolve = portResolver(ports, here, complain)
    if ('port' in entry) {
      for (const name of resolve('port', entry.port)) {
        const port = ports.get(name)
        const reason = port && portKindOf(port).noCarrier
        if (reason !== undefined) complain([...here, 'port'], `${quote(name)} ${reason}`)
      }
      attempt(() => checkEntry(entry), here, complain)
      return
    }
    const from = 'between' in entry ? resolve('between', entry.between) : resolve('from', entry.from)
    const to = 'between' in entry ? from : resolve('to', entry.to)
    if (budget.exceeds('timeline', from.length * to.length, here, complain)) return
    const bases = new Set<PathPlan['policy']>()
    for (const start of from)
      for (const end of to)
        if (start !== end) bases.add(paths.get(pathKey(start, end))?.policy ?? byDefault(start, end))
    if (bases.size === 0) complain(here, 'a path needs two different ports')
    attempt(
      () => {
        const { samples } = checkEntry(entry)
        for (const base of bases) for (const sample of samples) readPolicy(layers(base, sample) as Policy)
      },
      here,
      complain,
    )
  })
}

/** Whether two ports are in one split-horizon group. */
function inOneGroup(ports: Ports, one: string, other: string): boolean {
  const group = ports.get(one)?.group
  return group !== undefined && group === ports.get(other)?.group
}

type PortResolver = (key: string, names: string | readonly string[]) => readonly string[]

/** Gives the ports that stand at a key of an entry, and complains of each name that is none. */
function portResolver(ports: Ports, place: Place, complain: Complain): PortResolver {
  return (key, names) => {
    if (names === '*') return [...ports.keys()]
    const list = typeof names === 'string' ? [names] : names
    list.forEach((name, index) => {
      if (!ports.has(name))
        complain(
          [...place, key, ...(list === names ? [index] : [])],
          `no port ${quote(name)} in this fabric${suggestion(name, [...ports.keys()])}`,
        )
    })
    return list
  }
}

function readEntry(
  entry: TopologyPath,
  resolve: PortResolver,
): { from: readonly string[]; to: readonly string[]; policy: PathPlan['policy'] } {
  if ('between' in entry) {
    const { between, ...policy } = entry
    const ends = resolve('between', between)
    return { from: ends, to: ends, policy: { allowed: true, ...policy } }
  }
  const { from, to, ...policy } = entry
  return { from: resolve('from', from), to: resolve('to', to), policy: { allowed: true, ...policy } }
}
