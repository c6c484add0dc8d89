/**
 * What has to happen to turn one plan into another.
 * Called by Network, which carries the changes out in order and, when one fails, those that lead back.
 *
 * Theory of operation. The order lets every step find what it needs: old ports go before new ones come, for they may
 * use the same interface; hosts are made before ports enter them, get what belongs to their interfaces when these are there,
 * and are removed after all else, because a removed
 * network namespace cannot be brought back as it was. One that stays gets settings that interfaces need, as IPv6, before these come. A port whose plan differs is replaced, but for what can be changed in
 * its seat, and so is one whose fabric or whose patched peer is; the paths that touch a replaced port are set again. A timeline that is the same goes on, also
 * where ports and paths change under it; one that differs stops before all else, and the new one starts after all else.
 * Programs end before all else and start after all else, but for those that are the same. A host that is another place now, such as
 * another container, is another host, with all that is in it.
 * A world ends and begins anew when it differs, or one of its nodes' ports. Peers come to a fabric that has all else.
 */
import { isDeepStrictEqual } from 'node:util'
import { foreignOf, isForeign } from '../containers/foreign.js'
import { listensAt, type ListenOptions } from '../fabrics/servers/index.js'
import type { PortReference } from '../ports/kind.js'
import {
  apart,
  copyOf,
  type FabricPlan,
  type HostPlan,
  type PathPlan,
  type Plan,
  type PortPlan,
  type RunPlan,
} from './plan.js'
import type { TopologyTimelineEntry, TopologyWorld } from './schema.js'
import { ownInterfaceOf, peerOf } from './plan-ports.js'
import { hostOf, nodesOf } from './worlds.js'

/** A path's new policy; null stands for the fabric's default. */
export interface PathChange {
  from: string
  to: string
  policy: PathPlan['policy'] | null
}

/** A port of a plan. */
export type PlannedPort = PortReference & { plan: PortPlan }

export type Change =
  /** `label`: to the name that the plan gives it, which depends on the others of its host. */
  | { do: 'quit' | 'run' | 'label'; key: string; plan: RunPlan }
  | ({ do: 'detach' | 'attach' } & PlannedPort)
  /** Both ends of a pair of ports. */
  | { do: 'unpatch' | 'patch'; ends: [PlannedPort, PlannedPort] }
  /** To what the plan says of its seat. */
  | ({ do: 'configure' } & PlannedPort)
  | { do: 'close' | 'open'; fabric: string; plan: FabricPlan }
  /** `equip`: to what the plan says of it; `prepare`: to what of that interfaces which come may need. */
  | { do: 'create' | 'prepare' | 'equip'; host: string; plan: HostPlan }
  | { do: 'remove'; host: string }
  | { do: 'set'; fabric: string; paths: PathChange[] }
  | { do: 'stop' | 'start'; fabric: string; timeline: TopologyTimelineEntry[] }
  | { do: 'end' | 'begin'; world: string; plan: TopologyWorld }
  | { do: 'unlisten' | 'listen'; fabric: string; listen: ListenOptions }

/** The ordered changes from one plan to the other; none when they mean the same. */
export function diff(before: Plan, after: Plan): Change[] {
  const keptFabrics = new Set(
    [...after.fabrics.keys()].filter((name) => sameFabric(before.fabrics.get(name), after.fabrics.get(name))),
  )
  const staysHost = (host: string): boolean => sameHost(before.hosts.get(host), after.hosts.get(host))
  const isKept = ({ fabric, port }: PortReference): boolean => {
    const [old, now] = [portIn(before, { fabric, port }), portIn(after, { fabric, port })]
    if (!keptFabrics.has(fabric) || old === undefined) return false
    const host = ownInterfaceOf(old)?.host
    return (host === undefined || staysHost(host)) && isDeepStrictEqual(fixed(old), now && fixed(now))
  }
  const staysAttached = (end: PortReference): boolean => {
    const plan = portIn(after, end)
    const peer = plan && peerOf(plan)
    return isKept(end) && (!peer || isKept(peer))
  }
  const staysWorld = (name: string): boolean => sameWorld(name, before, after, staysAttached, staysHost)
  return [
    ...runChanges(before, after, 'quit', staysHost),
    ...labelChanges(before, after),
    ...timelineChanges('stop', before, after, keptFabrics),
    ...worldChanges(before, staysWorld, 'end'),
    ...listenChanges('unlisten', before, after, keptFabrics),
    ...portChanges(before, staysAttached, 'detach', 'unpatch'),
    ...fabricChanges(before, keptFabrics, 'close'),
    ...[...before.hosts.keys()]
      .filter((host) => after.hosts.has(host) && !staysHost(host))
      .map((host) => ({ do: 'remove' as const, host })),
    ...[...after.hosts]
      .filter(([host]) => !staysHost(host))
      .map(([host, plan]) => ({ do: 'create' as const, host, plan })),
    ...preparations(before, after, staysAttached),
    ...fabricChanges(after, keptFabrics, 'open'),
    ...portChanges(after, staysAttached, 'attach', 'patch'),
    ...hostChanges(before, after, staysAttached),
    ...seatChanges(before, after, staysAttached),
    ...pathChanges(before, after, staysAttached),
    ...worldChanges(after, staysWorld, 'begin'),
    ...listenChanges('listen', after, before, keptFabrics),
    ...[...before.hosts.keys()]
      .filter((host) => !after.hosts.has(host))
      .map((host) => ({ do: 'remove' as const, host })),
    ...timelineChanges('start', after, before, keptFabrics),
    ...runChanges(after, before, 'run', staysHost),
  ]
}

/** The plan as it would be if a host and all that is in it were not there. */
export function withoutHost(plan: Plan, host: string): Plan {
  const made = copyOf(plan)
  made.hosts.delete(host)
  for (const [key, run] of made.runs) if (run.host === host) made.runs.delete(key)
  for (const [name, fabric] of made.fabrics) {
    const gone = [...fabric.ports].flatMap(([port, plan]) =>
      ownInterfaceOf(plan)?.host === host ? [port] : [],
    )
    for (const port of gone) fabric.ports.delete(port)
    for (const [key, { from, to }] of fabric.paths)
      if (gone.includes(from) || gone.includes(to)) fabric.paths.delete(key)
    for (const [world, given] of made.worlds)
      if (
        'fabric' in given &&
        given.fabric === name &&
        gone.some((port) => nodesOf(given, plan).includes(port))
      )
        made.worlds.delete(world)
  }
  for (const [world, given] of made.worlds)
    if ('wires' in given && Object.values(given.wires).some((nic) => hostOf(nic) === host))
      made.worlds.delete(world)
  return made
}

/** Programs that the other plan does not have, or in a host that it does not have. */
function runChanges(
  plan: Plan,
  other: Plan,
  verb: 'quit' | 'run',
  staysHost: (host: string) => boolean,
): Change[] {
  return [...plan.runs].flatMap(([key, run]) =>
    other.runs.has(key) && staysHost(run.host) ? [] : [{ do: verb, key, plan: run }],
  )
}

/** Whether a host is in both plans, and in the same place. */
const sameHost = (old: HostPlan | undefined, now: HostPlan | undefined): boolean =>
  old !== undefined && now !== undefined && isDeepStrictEqual(foreignOf(old), foreignOf(now))

/** Programs that go on under another name. */
function labelChanges(before: Plan, after: Plan): Change[] {
  return [...after.runs].flatMap(([key, plan]): Change[] => {
    const old = before.runs.get(key)
    return old === undefined || old.run === plan.run ? [] : [{ do: 'label', key, plan }]
  })
}

/** Hosts that get interfaces. */
const renewedHosts = (after: Plan, stays: (end: PortReference) => boolean): Set<string | undefined> =>
  new Set(
    [...after.fabrics].flatMap(([fabric, { ports }]) =>
      [...ports].flatMap(([port, plan]) => (stays({ fabric, port }) ? [] : [ownInterfaceOf(plan)?.host])),
    ),
  )

/** Hosts that stay, have other settings of their kernel, and get interfaces. */
function preparations(before: Plan, after: Plan, stays: (end: PortReference) => boolean): Change[] {
  const renewed = renewedHosts(after, stays)
  return [...after.hosts].flatMap(([host, plan]): Change[] => {
    const old = before.hosts.get(host)
    return sameHost(old, plan) && renewed.has(host) && !isDeepStrictEqual(kernelOf(old ?? {}), kernelOf(plan))
      ? [{ do: 'prepare', host, plan }]
      : []
  })
}

/** What a host's plan says of its kernel alone. */
const kernelOf = ({ routes: _routes, dns: _dns, ...settings }: HostPlan): HostPlan => settings

/** Hosts whose settings differ, or belong to interfaces that are new. */
function hostChanges(before: Plan, after: Plan, stays: (end: PortReference) => boolean): Change[] {
  const renewed = renewedHosts(after, stays)
  return [...after.hosts].flatMap(([host, plan]): Change[] => {
    const old = before.hosts.get(host) ?? {}
    const isSame = isDeepStrictEqual(old, plan) && !renewed.has(host)
    const isNothing = [old, plan].every((each) => Object.keys(each).length === 0)
    return isSame || isNothing ? [] : [{ do: 'equip', host, plan }]
  })
}

/** Timelines that the other plan does not have, or not in the same way. */
function timelineChanges(
  verb: 'stop' | 'start',
  plan: Plan,
  other: Plan,
  kept: ReadonlySet<string>,
): Change[] {
  return [...plan.fabrics].flatMap(([fabric, { timeline }]) => {
    const same = kept.has(fabric) && isDeepStrictEqual(timeline, other.fabrics.get(fabric)?.timeline)
    return timeline.length === 0 || same ? [] : [{ do: verb, fabric, timeline }]
  })
}

/** What a plan listens for, and the other does not, or not in the same way. */
function listenChanges(
  verb: 'listen' | 'unlisten',
  plan: Plan,
  other: Plan,
  kept: ReadonlySet<string>,
): Change[] {
  return [...plan.fabrics].flatMap(([fabric, { listen }]) => {
    const others = kept.has(fabric) ? (other.fabrics.get(fabric)?.listen ?? []) : []
    return listen.flatMap((each) =>
      others.some((theirs) => isDeepStrictEqual(each, theirs)) ? [] : [{ do: verb, fabric, listen: each }],
    )
  })
}

/** A port's plan without what `Fabric.configure` can change. */
function fixed({ delay: _delay, receive: _receive, storm: _storm, ...rest }: PortPlan): object {
  return rest
}

function seatChanges(before: Plan, after: Plan, stays: (end: PortReference) => boolean): Change[] {
  return [...after.fabrics].flatMap(([fabric, { ports }]) =>
    [...ports].flatMap(([port, plan]): Change[] => {
      if (!stays({ fabric, port })) return []
      const [old, now] = [portIn(before, { fabric, port }) ?? plan, plan].map((each) => apart(each).seat)
      return isDeepStrictEqual(old, now) ? [] : [{ do: 'configure', fabric, port, plan }]
    }),
  )
}

/** Whether a world can go on: it is the same, and so is all that it stands on. */
function sameWorld(
  name: string,
  before: Plan,
  after: Plan,
  stays: (end: PortReference) => boolean,
  staysHost: (host: string) => boolean,
): boolean {
  const [old, now] = [before.worlds.get(name), after.worlds.get(name)]
  if (!old || !now || !isDeepStrictEqual(old, now)) return false
  if ('wires' in now)
    return Object.values(now.wires).every((nic) => {
      const host = hostOf(nic)
      return host === undefined || staysHost(host)
    })
  const nodes = nodesOf(now, after)
  const same = isDeepStrictEqual(nodes, nodesOf(old, before))
  return same && nodes.every((port) => stays({ fabric: now.fabric, port }))
}

function worldChanges({ worlds }: Plan, stays: (name: string) => boolean, verb: 'end' | 'begin'): Change[] {
  return [...worlds].flatMap(([world, plan]) => (stays(world) ? [] : [{ do: verb, world, plan }]))
}

function portIn(plan: Plan, { fabric, port }: PortReference): PortPlan | undefined {
  return plan.fabrics.get(fabric)?.ports.get(port)
}

/** Whether a fabric can go on as it is; its ports and paths do not matter. */
function sameFabric(old: FabricPlan | undefined, now: FabricPlan | undefined): boolean {
  return old?.kind === now?.kind && isDeepStrictEqual(old?.options, now?.options)
}

function fabricChanges(plan: Plan, kept: ReadonlySet<string>, verb: 'close' | 'open'): Change[] {
  return [...plan.fabrics]
    .filter(([fabric]) => !kept.has(fabric))
    .map(([fabric, plan]) => ({ do: verb, fabric, plan }))
}

/** The ports of a plan that do not stay; the two ends of a pair are one change. */
function portChanges(
  plan: Plan,
  stays: (end: PortReference) => boolean,
  verb: 'detach' | 'attach',
  patchVerb: 'unpatch' | 'patch',
): Change[] {
  return [...plan.fabrics].flatMap(([fabric, { ports }]) =>
    [...ports].flatMap(([port, own]): Change[] => {
      if (stays({ fabric, port })) return []
      const peer = peerOf(own)
      if (!peer) return [{ do: verb, fabric, port, plan: own }]
      // Fabrics differ at the two ends, so exactly one of them has the lesser name.
      const other = portIn(plan, peer)
      if (!other) return [{ do: verb, fabric, port, plan: own }] // where a pair was begun, and failed
      if (fabric > peer.fabric) return []
      return [
        {
          do: patchVerb,
          ends: [
            { fabric, port, plan: own },
            { ...peer, plan: other },
          ],
        },
      ]
    }),
  )
}

function pathChanges(before: Plan, after: Plan, stays: (end: PortReference) => boolean): Change[] {
  return [...after.fabrics].flatMap(([fabric, { paths }]): Change[] => {
    const old = before.fabrics.get(fabric)?.paths ?? new Map<string, PathPlan>()
    const stay = ({ from, to }: PathPlan): boolean =>
      stays({ fabric, port: from }) && stays({ fabric, port: to })
    const set = [...paths].flatMap(([key, path]) =>
      stay(path) && isDeepStrictEqual(path, old.get(key)) ? [] : [path],
    )
    const reset = [...old].flatMap(([key, path]) =>
      stay(path) && !paths.has(key) ? [{ from: path.from, to: path.to, policy: null }] : [],
    )
    const changes = [...set, ...reset]
    return changes.length === 0 ? [] : [{ do: 'set', fabric, paths: changes }]
  })
}

/** Steps that may be taken together stand together: ports and programs that go, which may take long to end. */
export function inGroups(changes: readonly Change[]): Change[][] {
  const going: Partial<Record<Change['do'], string>> = { detach: 'port', unpatch: 'port', quit: 'run' }
  const groups: Change[][] = []
  for (const change of changes) {
    const last = groups.at(-1)
    const kind = going[change.do]
    if (kind !== undefined && last?.[0] && kind === going[last[0].do]) last.push(change)
    else groups.push([change])
  }
  return groups
}

/** A step as a user reads it. */
export function inWords(change: Change): string {
  switch (change.do) {
    case 'create':
      return `${isForeign(change.plan) ? 'enter' : 'create'} host ${change.host}`
    case 'prepare':
    case 'remove':
      return `${change.do} host ${change.host}`
    case 'quit':
    case 'run':
      return `${change.do === 'run' ? 'run' : 'end'} ${change.plan.run}`
    case 'label':
      return `go on with ${change.plan.run}`
    case 'equip':
      return `configure host ${change.host}`
    case 'open':
    case 'close':
      return `${change.do} ${change.plan.kind} ${change.fabric}`
    case 'attach':
    case 'detach':
    case 'configure':
      return `${change.do} port ${change.fabric}.${change.port}`
    case 'patch':
    case 'unpatch':
      return `${change.do} ${change.ends.map(({ fabric, port }) => `${fabric}.${port}`).join(' and ')}`
    case 'stop':
    case 'start':
      return `${change.do} timeline of ${change.fabric}`
    case 'listen':
      return `listen at ${listensAt(change.listen)[0].place} for ${change.fabric}`
    case 'unlisten':
      return `listen at ${listensAt(change.listen)[0].place} for ${change.fabric} no more`
    case 'end':
    case 'begin':
      return `${change.do} world ${change.world}`
    case 'set':
      return `set ${change.paths.length} path${change.paths.length === 1 ? '' : 's'} of ${change.fabric}`
  }
}
