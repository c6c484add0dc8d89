/**
 * What a topology comes to once its names are resolved: hosts, fabrics, ports and the policy of each directed pair.
 * Made by resolve.ts; diff.ts compares plans and site.ts carries them out.
 */
import { isDeepStrictEqual } from 'node:util'
import { attachRules, type AttachOptions } from '../fabrics/attachment.js'
import type { ListenOptions } from '../fabrics/socket-server.js'
import type { HostSettings } from './host-rules.js'
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
  listen?: ListenOptions
  /** By `pathKey`. */
  paths: Map<string, PathPlan>
  timeline: TopologyTimelineEntry[]
}

/** What stands at a host itself: what a file says there of its only interface stands at the port. */
export type HostPlan = HostSettings

export interface Plan {
  engine: EnginePlan
  hosts: Map<string, HostPlan>
  fabrics: Map<string, FabricPlan>
  worlds: Map<string, TopologyWorld>
}

export const emptyPlan = (engine: EnginePlan): Plan => ({
  engine,
  hosts: new Map(),
  fabrics: new Map(),
  worlds: new Map(),
})

/** The plan as it is now, whatever steps are taken later. */
export const copyOf = ({ engine, hosts, fabrics, worlds }: Plan): Plan => ({
  engine,
  hosts: new Map(hosts),
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
    ...(plan.hosts.size > 0 && { hosts: Object.fromEntries(plan.hosts) }),
    fabrics,
    ...(plan.worlds.size > 0 && { worlds: Object.fromEntries(plan.worlds) }),
  }
}

function fabricOf({ kind, options, ports, listen, paths, timeline }: FabricPlan): TopologyFabric {
  return {
    kind,
    ...options,
    ports: Object.fromEntries(ports),
    ...(listen && { listen }),
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
