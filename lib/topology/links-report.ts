/**
 * The links of a running network's worlds in the JSON that MiniWorld's `mwcli info` prints, so that scripts made for it
 * go on working. Called by the control socket for `etherloom info`.
 *
 * A node is called by its host, by the number in MiniWorld's names for interfaces (`tap_00012_1`), or else by its name
 * in the world. Fabrics that are no world's, such as a management network, appear as nodes of their own.
 */
import { portKindOf } from '../ports/index.js'
import type { PolicyOptions } from '../policy/policy.js'
import { parseDuration, parseRate, type Duration } from '../values/units.js'
import type { World } from '../world/world.js'
import type { Network } from './network.js'
import type { PortPlan } from './plan.js'

/** How `info links` says what a link does: the options of tc as text, null where there is none. */
export interface LinkQuality {
  /** kbit/s. */
  bandwidth: string | null
  delay: string | null
  loss: string | null
  limit: string | null
  corrupt: string | null
  duplicate: string | null
  reorder: string | null
  /** Of netem; never used, as in MiniWorld. */
  rate: null
}

/** What `info` can be asked for, by name. */
export interface LinkReports {
  /** For each node those after it that it is linked to. */
  connections: Record<string, string[]>
  /** By `('1', '2')`; null for links to a network that is no world's. */
  links: Record<string, LinkQuality | null>
  /** In whole metres as text, by `('1', '2')`; -1 out of reach. */
  distances: Record<string, string>
}

export const linkReports: { [What in keyof LinkReports]: (network: Network) => LinkReports[What] } = {
  connections: (network) => {
    const found: Record<string, string[]> = {}
    for (const { ends } of linkedPairs(network)) {
      const others = (found[ends[0]] ??= [])
      if (others.at(-1) !== ends[1]) others.push(ends[1]) // two nodes can be linked in several worlds
    }
    return found
  },
  links: (network) =>
    Object.fromEntries(
      linkedPairs(network).map(({ ends, policy }) => [
        pairName(ends),
        policy === null ? null : quality(policy),
      ]),
    ),
  distances: (network) =>
    Object.fromEntries(
      [...network.worlds]
        .flatMap(([name, world]) => distancesOf(namesOf(network, name, world), world))
        .sort(inOrder)
        .map(({ ends, distance }) => [pairName(ends), `${distance}`]),
    ),
}

type Ends = [a: string, b: string]
/** What reports call a node of a world. */
type Names = (node: string) => string

/** All pairs of a world's nodes, once it has taken a step; those of which no distance is known are out of reach. */
function distancesOf(nameOf: Names, world: World): { ends: Ends; distance: number }[] {
  if (world.steps === 0) return []
  const known = new Map(world.distances().map(({ a, b, distance }) => [pairName([a, b]), distance]))
  return world.nodes.flatMap((a, index) =>
    world.nodes.slice(index + 1).map((b) => ({
      ends: endsOf(nameOf(a), nameOf(b)),
      distance: known.get(pairName([a, b])) ?? -1,
    })),
  )
}

/** Who is linked to whom: by a world, with the policy; or, with null, by being on a fabric that is no world's. */
function linkedPairs(network: Network): { ends: Ends; policy: PolicyOptions | null }[] {
  const worlds = [...network.worlds].map(([name, world]) => ({
    world,
    nameOf: namesOf(network, name, world),
  }))
  const moved = worlds.flatMap(({ world, nameOf }) =>
    world.links().map(({ a, b, policy }) => ({
      ends: endsOf(nameOf(a), nameOf(b)),
      policy: policy,
    })),
  )
  const nodes = new Set(worlds.flatMap(({ world, nameOf }) => world.nodes.map(nameOf)))
  const ofWorlds = new Set(
    [...network.plan.worlds.values()].map((plan) => ('fabric' in plan ? plan.fabric : '')),
  )
  const still = [...network.plan.fabrics]
    .filter(([fabric]) => !ofWorlds.has(fabric))
    .flatMap(([fabric, { ports }]) =>
      [...ports]
        .map(([port, plan]) => ownerOf(port, plan))
        .filter((node) => nodes.has(node))
        .map((node) => ({ ends: [node, fabric] as Ends, policy: null })),
    )
  return [...moved, ...still].sort(inOrder)
}

/** Nodes that are ports are called by those who own the ports. */
function namesOf({ plan }: Network, name: string, world: World): Names {
  const planned = plan.worlds.get(name)
  const ports = planned && 'fabric' in planned ? plan.fabrics.get(planned.fabric)?.ports : undefined
  const names = new Map(world.nodes.map((node) => [node, ownerOf(node, ports?.get(node))]))
  return (node) => names.get(node) ?? node
}

function ownerOf(port: string, plan: PortPlan | undefined): string {
  const host = plan && portKindOf(plan).ownInterface?.(plan).host
  if (host !== undefined) return host
  const id = /^tap_(\d+)_[0-9a-f]+$/.exec(port)?.[1]
  return id === undefined ? port : `${Number(id)}`
}

function quality(policy: PolicyOptions): LinkQuality {
  const { rate, delay, jitter, delayCorrelation, loss, queue, corrupt, duplicate, reorder } = policy
  const correlation = delayCorrelation === undefined ? '' : ` ${delayCorrelation * 100}%`
  return {
    bandwidth: rate === undefined ? null : decimal(Number(parseRate(rate)) / 1000),
    delay:
      delay === undefined
        ? null
        : `${milliseconds(delay)}${jitter === undefined ? '' : ` ${milliseconds(jitter)}${correlation}`}`,
    loss: percent(loss),
    limit: queue === undefined ? null : queue.replace(/ ?frames?$/, ''),
    corrupt: percent(corrupt),
    duplicate: percent(duplicate),
    reorder: percent(reorder),
    rate: null,
  }
}

const milliseconds = (time: Duration): string => `${(Number(parseDuration(time)) / 1e6).toFixed(2)}ms`
/** As Python prints a float. */
const decimal = (value: number): string => (Number.isInteger(value) ? `${value}.0` : `${value}`)
const percent = (chance: unknown): string | null => {
  const rate = typeof chance === 'object' && chance !== null && 'rate' in chance ? chance.rate : chance
  return typeof rate === 'number' && rate > 0 ? `${rate * 100}%` : null
}

/** As Python prints a tuple. */
const pairName = ([a, b]: Ends): string => `('${a}', '${b}')`

const endsOf = (a: string, b: string): Ends => (compare(a, b) < 0 ? [a, b] : [b, a])
const inOrder = (one: { ends: Ends }, other: { ends: Ends }): number =>
  compare(one.ends[0], other.ends[0]) || compare(one.ends[1], other.ends[1])

/** Numbers by their size, and before all names. */
function compare(one: string, other: string): number {
  const [first, second] = [Number(one), Number(other)]
  if (Number.isNaN(first) !== Number.isNaN(second)) return Number.isNaN(first) ? 1 : -1
  return Number.isNaN(first) ? (one < other ? -1 : Number(one > other)) : first - second
}
