/** What must hold: the documented sums of counters, and that a process grows by nothing. Pure functions; called by interpret.ts and soak.ts. */
import type { FabricStats, PathStats } from '../../lib/index.js'

const total = (counts: Iterable<bigint>): bigint => [...counts].reduce((sum, each) => sum + each, 0n)

/** What is wrong with the sum of one path; undefined where nothing is. */
export function imbalance(what: string, stats: PathStats): string | undefined {
  const { offered, duplicated, delivered, waiting, inFlight } = stats
  const dropped = total(Object.values(stats.dropped))
  if (offered + duplicated === delivered + dropped + waiting + inFlight) return undefined
  return (
    `${what}: offered ${offered} + duplicated ${duplicated} is not delivered ${delivered} + dropped ${dropped} + ` +
    `waiting ${waiting} + inFlight ${inFlight}`
  )
}

/** All accounts of a fabric with their names: its paths, and what ports have for paths without a policy. */
export const accounts = ({ ports, paths }: FabricStats): [what: string, stats: PathStats][] => [
  ...paths.map((path): [string, PathStats] => [`${path.from} > ${path.to}`, path]),
  ...Object.entries(ports).map(([name, { defaults }]): [string, PathStats] => [
    `${name} > (default)`,
    defaults,
  ]),
]

/** What is wrong with the sums of a fabric at any time. */
export const imbalances = (stats: FabricStats): string[] =>
  accounts(stats).flatMap(([what, account]) => imbalance(what, account) ?? [])

export const offeredOf = (stats: FabricStats): bigint =>
  total(accounts(stats).map(([, { offered }]) => offered))

/** How many frames wait or are under way. */
export const underWay = (stats: FabricStats): bigint =>
  total(accounts(stats).map(([, { waiting, inFlight }]) => waiting + inFlight))

/**
 * What is wrong once nothing moves. While no port has ever left, and taken its numbers along, what the ports have transmitted
 * is what their paths have delivered.
 */
export function faultsWhenQuiet(stats: FabricStats, portsLeft: boolean): string[] {
  const faults = imbalances(stats)
  const left = underWay(stats)
  if (left !== 0n) faults.push(`${left} frames wait or are under way for ever`)
  if (portsLeft) return faults
  const transmitted = total(Object.values(stats.ports).map((port) => port.transmitted.frames))
  const delivered = total(accounts(stats).map(([, account]) => account.delivered))
  if (transmitted !== delivered)
    faults.push(`the ports transmitted ${transmitted} frames, and their paths delivered ${delivered}`)
  return faults
}

/** Counters that only grow while the port or path is there; what `before` had more of. */
export function shrunkCounters(before: FabricStats, now: FabricStats): string[] {
  const earlier = new Map(accounts(before))
  return accounts(now).flatMap(([what, account]) =>
    (['offered', 'duplicated', 'delivered'] as const).flatMap((counter) => {
      const had = earlier.get(what)?.[counter] ?? 0n
      return account[counter] < had ? [`${what}: ${counter} fell from ${had} to ${account[counter]}`] : []
    }),
  )
}

/** What the process has after a round, when everything of the round is closed. */
export interface Sample {
  rss: number
  descriptors: number
  threads: number
}

/**
 * By how much the median of the last third of rounds may be above that of the first. Memory: V8's heap and the allocator's
 * arenas settle only slowly, and a leak of one frame per round is 2 MB in a thousand.
 */
export const bounds: Sample = { rss: 64 << 20, descriptors: 2, threads: 2 }

/** Fewer samples, behind the warm-up, say nothing. */
export const fewestSamples = 30

/** What grew; undefined where there were too few rounds to tell. The first fifth is warm-up. */
export function growth(samples: readonly Sample[]): string[] | undefined {
  const judged = samples.slice(Math.ceil(samples.length / 5))
  if (judged.length < fewestSamples) return undefined
  const third = Math.floor(judged.length / 3)
  const [first, last] = [judged.slice(0, third), judged.slice(-third)]
  return (Object.keys(bounds) as (keyof Sample)[]).flatMap((what) => {
    const [before, after] = [first, last].map((part) => median(part.map((sample) => sample[what]))) as [
      number,
      number,
    ]
    if (after - before <= bounds[what]) return []
    return [`${what} grew from ${before} to ${after}, by more than ${bounds[what]} (medians of thirds)`]
  })
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other)
  return sorted[Math.floor(sorted.length / 2)] ?? NaN
}
