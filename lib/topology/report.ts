/**
 * What a network is doing, as rows of plain values that print as tables and travel as JSON.
 * Called by the control socket for `show` and by the live view of `up`.
 */
import { fabricKinds } from '../fabrics/index.js'
import { nameOfKind, portKindOf } from '../ports/index.js'
import type { DeviceFacts } from '../ports/kind.js'
import type { Drops, Lateness, PathStats } from '../values/stats.js'
import type { TimelineProgress } from '../timeline/timeline.js'
import type { LearnedAddress } from '../fabrics/kind.js'
import { describeVlan } from '../fabrics/vlan.js'
import type { WorldLink } from '../world/world.js'
import { findEnds } from './ends.js'
import type { Network } from './network.js'
import type { PathPlan } from './plan.js'
import { ownInterfaceOf } from './plan-ports.js'
import type { TopologyPolicy } from './schema.js'

export interface PortRow extends DeviceFacts {
  fabric: string
  port: string
  kind: string
  /** Where the port leads: an interface (of a host), a port of another fabric, a socket, or outside. */
  leadsTo: string
  state: string
  carrier: 'on' | 'off'
  /** Its split-horizon group, if it is in one. */
  group?: string
  /** Its VLANs, if it was given any: `10`, `trunk 10,20 native 1`, `trunk all`. */
  vlan?: string
  receivedFrames: bigint
  receivedBytes: bigint
  transmittedFrames: bigint
  transmittedBytes: bigint
  dropped: bigint
}

export interface PathRow extends Omit<PathStats, 'dropped' | 'toJSON'> {
  fabric: string
  from: string
  to: string
  allowed: boolean
  policy: TopologyPolicy
  dropped: bigint
}

export interface AddressRow extends LearnedAddress {
  fabric: string
}

export interface DropRow {
  fabric: string
  /** A port, or a path as `from > to`. */
  at: string
  reason: string
  frames: bigint
  /** What to do about it, where the port knows. */
  advice?: string
}

export interface HostRow {
  host: string
  /** Its network namespace, while the instance runs. */
  namespace: string
  /** The user namespace that owns it. */
  userNamespace: string
  interfaces: string[]
}

/** A program of a host. */
export interface RunRow {
  /** As `red`, or `red.web` with its name. */
  run: string
  host: string
  /** `waiting`: it will be started again. */
  state: 'running' | 'waiting' | 'ended'
  /** While it runs. */
  pid?: number
  /** How often it was started. */
  starts: number
  /** How it ended last: its exit code, or the signal. */
  ended?: string
  command: string
}

/** An entry of a fabric's timeline. */
export interface TimelineRow extends TimelineProgress {
  fabric: string
}

export interface WorldRow {
  world: string
  nodes: number
  /** Links that are up. */
  links: number
  /** Steps taken. */
  steps: number
  /** Whether more come by themselves. */
  running: boolean
}

/** A link of a world that is up. */
export interface LinkRow extends Omit<WorldLink, 'policy'> {
  world: string
  policy: TopologyPolicy
}

/** How late frames left a worker's paths, compared with when they were due. Times are nanoseconds. */
export interface LatenessRow extends Omit<Lateness, 'toJSON'> {
  worker: number
}

/** What `show` can be asked for, by name. */
export interface Reports {
  ports: PortRow[]
  paths: PathRow[]
  addresses: AddressRow[]
  drops: DropRow[]
  hosts: HostRow[]
  runs: RunRow[]
  timeline: TimelineRow[]
  worlds: WorldRow[]
  links: LinkRow[]
  lateness: LatenessRow[]
}

export const reports: { [What in keyof Reports]: (network: Network) => Reports[What] } = {
  ports: portRows,
  paths: pathRows,
  addresses: addressRows,
  drops: dropRows,
  hosts: hostRows,
  runs: runRows,
  timeline: timelineRows,
  worlds: worldRows,
  links: linkRows,
  lateness: latenessRows,
}

function portRows(network: Network): PortRow[] {
  return [...network.fabrics].flatMap(([fabric, { ports }]) =>
    [...ports].flatMap(([name, port]) => {
      const plan = network.portPlan(port)
      if (plan === undefined || port.id < 0) return [] // somebody else's, or not attached yet
      const kind = portKindOf(plan)
      const { received, transmitted, dropped } = port.stats()
      return {
        fabric,
        port: name,
        kind: nameOfKind(kind),
        leadsTo: kind.leadsTo(plan),
        state: port.state,
        carrier: port.carrierOn ? 'on' : 'off',
        ...(plan.group !== undefined && { group: plan.group }),
        ...(plan.vlan !== undefined && { vlan: describeVlan(plan.vlan) }),
        ...kind.device?.(port, network.engine),
        receivedFrames: received.frames,
        receivedBytes: received.bytes,
        transmittedFrames: transmitted.frames,
        transmittedBytes: transmitted.bytes,
        dropped: sum(dropped),
      }
    }),
  )
}

function pathRows(network: Network): PathRow[] {
  return eachPath(network, (fabric, plan, stats) => [rowOfPath(fabric, plan, stats)])
}

/** The row of one path, also where it has no policy of its own. `ends` as in `Network.setPath`. */
export function pathRow(network: Network, ends: { from: string; to: string; fabric?: string }): PathRow {
  const { fabric, ports } = findEnds(network.fabrics, [ends.from, ends.to], ends.fabric)
  const [from = '', to = ''] = ports
  const path = fabric.path(from, to)
  return rowOfPath(fabric.name, { from, to, policy: path.policy as PathPlan['policy'] }, path.stats())
}

function rowOfPath(
  fabric: string,
  { from, to, policy: { allowed, ...policy } }: PathPlan,
  stats: PathStats,
): PathRow {
  return { fabric, from, to, allowed, policy, ...stats, dropped: sum(stats.dropped) }
}

function addressRows({ fabrics, plan }: Network): AddressRow[] {
  return [...fabrics].flatMap(([name, fabric]) => {
    const kind = plan.fabrics.get(name)?.kind // none of the wires of worlds
    const learned = kind === undefined ? undefined : fabricKinds.get(kind).addresses?.(fabric)
    return (learned ?? []).map((address) => ({ fabric: name, ...address }))
  })
}

function dropRows(network: Network): DropRow[] {
  const rows = (fabric: string, at: string, dropped: Drops): DropRow[] =>
    Object.entries(dropped).flatMap(([reason, frames]) =>
      frames === 0n ? [] : [{ fabric, at, reason, frames }],
    )
  const atPorts = [...network.fabrics].flatMap(([fabric, { ports }]) =>
    [...ports].flatMap(([name, port]) => {
      const plan = network.portPlan(port)
      const kind = plan && portKindOf(plan)
      return rows(fabric, name, port.stats().dropped).map((row) => {
        const advice = kind?.advice?.(port, row.reason)
        return advice === undefined ? row : { ...row, advice }
      })
    }),
  )
  const onPaths = eachPath(network, (fabric, { from, to }, { dropped }) =>
    rows(fabric, `${from} > ${to}`, dropped),
  )
  return [...atPorts, ...onPaths]
}

function hostRows(network: Network): HostRow[] {
  const own = [...network.fabrics.values()].flatMap(({ ports }) =>
    [...ports.values()].flatMap((port) => {
      const plan = network.portPlan(port)
      return (plan && ownInterfaceOf(plan)) ?? []
    }),
  )
  return [...network.hosts].map(([host, { path }]) => ({
    host,
    namespace: path,
    userNamespace: `/proc/${process.pid}/ns/user`,
    interfaces: own.flatMap(({ host: its, name }) => (its === host && name !== undefined ? [name] : [])),
  }))
}

function runRows({ runs }: Network): RunRow[] {
  return [...runs.values()].map(({ plan: { host, run, command }, state, pid, starts, last }) => ({
    run,
    host,
    state,
    ...(pid !== undefined && { pid }),
    starts,
    ...(last && { ended: last.signal ?? `${last.code}` }),
    command: typeof command === 'string' ? command : command.map(shellWord).join(' '),
  }))
}

/** A word as a shell takes it. */
const shellWord = (word: string): string =>
  /^[\w.,:/%+=@-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`

function timelineRows(network: Network): TimelineRow[] {
  return [...network.timelines].flatMap(([fabric, { progress }]) =>
    progress.map((row) => ({ fabric, ...row })),
  )
}

function worldRows({ worlds }: Network): WorldRow[] {
  return [...worlds].map(([name, world]) => ({
    world: name,
    nodes: world.nodes.length,
    links: world.links().length,
    steps: world.steps,
    running: world.running,
  }))
}

function linkRows({ worlds }: Network): LinkRow[] {
  return [...worlds].flatMap(([name, world]) =>
    world.links().map(({ policy: { allowed: _, ...policy }, ...link }) => ({
      world: name,
      ...link,
      policy: policy as TopologyPolicy,
    })),
  )
}

function latenessRows({ engine, plan }: Network): LatenessRow[] {
  return Array.from({ length: plan.engine.workers ?? 1 }, (_, worker) => ({
    worker,
    ...engine.lateness(worker),
  }))
}

/** What `rows` says of every path that has a policy, with the one in force: a timeline's, where it has changed it. */
function eachPath<Row>(
  network: Network,
  rows: (fabric: string, plan: PathPlan, stats: PathStats) => Row[],
): Row[] {
  return [...network.fabrics].flatMap(([name, fabric]) =>
    fabric.stats().paths.flatMap(({ from, to, allowed: _, ...stats }) => {
      const policy = fabric.path(from, to).policy as PathPlan['policy']
      return rows(name, { from, to, policy }, stats)
    }),
  )
}

const sum = (dropped: Drops): bigint => Object.values(dropped).reduce((total, frames) => total + frames, 0n)
