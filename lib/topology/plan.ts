/**
 * What a topology comes to once its names are resolved: hosts, fabrics, ports and the policy of each directed pair.
 * Made by resolve.ts; diff.ts compares plans and site.ts carries them out.
 */
import { isDeepStrictEqual } from 'node:util'
import { attachRules, type AttachOptions } from '../fabrics/attachment.js'
import type { ListenOptions } from '../fabrics/servers/index.js'
import type { HostSettings, RunEntry, RunRestart, TopologyHost } from './host-rules.js'
import type {
  Topology,
  TopologyFabric,
  TopologyPath,
  TopologyPolicy,
  TopologyPort,
  TopologyTimelineEntry,
  TopologyWorld,
} from './schema.js'

/** Settings of the engine; they cannot change while it runs. */
export type EnginePlan = Omit<Topology, 'hosts' | 'fabrics' | 'worlds'>

/** A port's mapping as files have it, with the name of its own interface and all its addresses filled in. */
export type PortPlan = TopologyPort

export interface PathPlan {
  from: string
  to: string
  policy: TopologyPolicy & { allowed: boolean }
}

export interface FabricPlan {
  kind: TopologyFabric['kind']
  /** Those of its constructor. */
  options: Omit<TopologyFabric, 'kind' | 'ports' | 'listen' | 'paths' | 'timeline'>
  ports: Map<string, PortPlan>
  /** Where peers connect that become ports; they and their paths are in no plan. */
  listen: readonly ListenOptions[]
  /** By `pathKey`. */
  paths: Map<string, PathPlan>
  timeline: TopologyTimelineEntry[]
}

/** What stands at a host itself: what a file says there of its only interface stands at the port. */
export type HostPlan = HostSettings

/** A program of a host. */
export interface RunPlan {
  host: string
  /** What it is called: the host, or `HOST.NAME` where that is needed. */
  run: string
  command: string | string[]
  restart: RunRestart
  /** As the file has it. */
  entry: string | RunEntry
}

export interface Plan {
  engine: EnginePlan
  hosts: Map<string, HostPlan>
  /** By what makes each what it is, so that the same program goes on beside others. */
  runs: Map<string, RunPlan>
  fabrics: Map<string, FabricPlan>
  worlds: Map<string, TopologyWorld>
}

export const emptyPlan = (engine: EnginePlan): Plan => ({
  engine,
  hosts: new Map(),
  runs: new Map(),
  fabrics: new Map(),
  worlds: new Map(),
})

/** The plan as if it named other files than these, so that what names one of them is not what it was. */
export const withoutFiles = (plan: Plan, files: ReadonlySet<string>): Plan =>
  files.size === 0 ? plan : (renamed(plan, files) as Plan)

function renamed(value: unknown, files: ReadonlySet<string>): unknown {
  if (!names(value, files)) return value // as it is, and so equal to what it was
  if (typeof value === 'string') return `${value}\0`
  const inside = (each: unknown): unknown => renamed(each, files)
  if (Array.isArray(value)) return value.map(inside)
  if (value instanceof Map) return new Map([...value].map(([key, each]) => [key, inside(each)]))
  return Object.fromEntries(Object.entries(value as object).map(([key, each]) => [key, inside(each)]))
}

/** Whether one of the files is named in it. */
function names(value: unknown, files: ReadonlySet<string>): boolean {
  if (typeof value === 'string') return files.has(value)
  if (value === null || typeof value !== 'object') return false
  const parts = value instanceof Map ? [...(value.values() as Iterable<unknown>)] : Object.values(value)
  return parts.some((each) => names(each, files))
}

/** The plan as it is now, whatever steps are taken later. */
export const copyOf = ({ engine, hosts, runs, fabrics, worlds }: Plan): Plan => ({
  engine,
  hosts: new Map(hosts),
  runs: new Map(runs),
  fabrics: new Map(
    [...fabrics].map(([name, fabric]) => [
      name,
      { ...fabric, ports: new Map(fabric.ports), paths: new Map(fabric.paths) },
    ]),
  ),
  worlds: new Map(worlds),
})

/** Identifies a directed pair; '>' is in no name. */
export const pathKey = (from: string, to: string): string => `${from}>${to}`

/** The mapping of a port in two: what it has in its fabric, the options of `attach`, and what only its kind knows. */
export function apart(plan: PortPlan): { seat: AttachOptions; given: object } {
  const entries = Object.entries(plan)
  const isSeat = ([key]: [string, unknown]): boolean => Object.hasOwn(attachRules, key)
  return {
    seat: Object.fromEntries(entries.filter(isSeat)),
    given: Object.fromEntries(entries.filter((entry) => !isSeat(entry))),
  }
}

/** The topology that a plan came from, in its shortest form; its plan is the same again. */
export function topologyOf(plan: Plan): Topology {
  const fabrics = Object.fromEntries([...plan.fabrics].map(([name, fabric]) => [name, fabricOf(fabric)]))
  return {
    ...plan.engine,
    ...(plan.hosts.size > 0 && { hosts: hostsOf(plan) }),
    fabrics,
    ...(plan.worlds.size > 0 && { worlds: Object.fromEntries(plan.worlds) }),
  }
}

function hostsOf({ hosts, runs }: Plan): Record<string, TopologyHost> {
  const all = [...runs.values()]
  return Object.fromEntries(
    [...hosts].map(([host, plan]) => {
      const entries = all.flatMap((run) => (run.host === host ? [run.entry] : []))
      const [first] = entries
      const run = entries.length === 1 && typeof first === 'string' ? first : entries
      return [host, { ...plan, ...(entries.length > 0 && { run }) }]
    }),
  )
}

function fabricOf({ kind, options, ports, listen, paths, timeline }: FabricPlan): TopologyFabric {
  return {
    kind,
    ...options,
    ports: Object.fromEntries(ports),
    ...(listen.length > 0 && { listen: listen.length === 1 ? (listen[0] as ListenOptions) : [...listen] }),
    ...(paths.size > 0 && { paths: pathEntries(paths) }),
    ...(timeline.length > 0 && { timeline }),
  }
}

/** One entry per path, or per pair where both directions have the same policy. */
function pathEntries(paths: ReadonlyMap<string, PathPlan>): TopologyPath[] {
  return [...paths].flatMap(([key, { from, to, policy }]): TopologyPath[] => {
    const back = pathKey(to, from)
    const same = isDeepStrictEqual(policy, paths.get(back)?.policy)
    if (same && back < key) return []
    const { allowed, ...rest } = policy
    const written = { ...(!allowed && { allowed }), ...rest }
    return [same ? { between: [from, to], ...written } : { from, to, ...written }]
  })
}
