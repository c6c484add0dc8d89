/**
 * Resolves a topology: every name leads to what it means, or is complained of. Called by check.ts, also where something of
 * the file has no valid shape: then of all that does not depend on it.
 */
import path from 'node:path'
import { fabricKinds, fabricsThat } from '../fabrics/index.js'
import { checkListenOptions, listensAt, type ListenOptions } from '../fabrics/servers/index.js'
import { portKindOf } from '../ports/index.js'
import { attempt, type Complain, type Place } from '../values/problem.js'
import { quote } from '../values/quote.js'
import { checkHosts, runsOf, settingsOf } from './hosts.js'
import { checkTimeline, planPaths, PairBudget } from './plan-paths.js'
import { emptyPlan, type FabricPlan, type Plan } from './plan.js'
import { planPorts, type Away } from './plan-ports.js'
import type { Topology, TopologyFabric, TopologyWorld } from './schema.js'
import { checkWorld } from './worlds.js'

/** As `check` reads it: what has no valid shape is undefined, and its name is known all the same. */
export type ReadTopology = Omit<Topology, 'fabrics' | 'worlds'> & {
  fabrics: Record<string, TopologyFabric | undefined>
  worlds?: Record<string, TopologyWorld | undefined>
}

/**
 * What a topology comes to. What leads nowhere or cannot be is handed to `complain`, what is not applied and may be missed
 * to `warn`. `isAway` is of ports that run.
 */
export function planOf(
  { hosts = {}, fabrics, worlds = {}, ...engine }: ReadTopology,
  complain: Complain,
  warn: Complain,
  isAway: Away = () => false,
): Plan {
  const plan = emptyPlan(engine)
  const budget = new PairBudget()
  plan.hosts = new Map(Object.entries(hosts).map(([name, host]) => [name, settingsOf(name, host, complain)]))
  plan.runs = new Map(Object.entries(hosts).flatMap(([name, host]) => runsOf(name, host, complain)))
  const known = Object.entries(fabrics).filter((entry): entry is [string, TopologyFabric] => isRead(entry[1]))
  const unread = new Set(Object.keys(fabrics).filter((name) => !isRead(fabrics[name])))
  const ports = planPorts({ ...engine, hosts, fabrics: Object.fromEntries(known) }, unread, isAway, complain)
  for (const [name, fabric] of known) {
    const place = ['fabrics', name]
    const { kind, ports: _, listen, paths = [], timeline = [], ...options } = fabric
    const own = ports.get(name) ?? new Map<string, never>()
    const exactly = fabricKinds.get(kind).ports
    if (exactly !== undefined && own.size !== exactly)
      complain(
        [...place, 'ports'],
        `${kind} ${quote(name)} must have exactly ${exactly} ports, not ${own.size}`,
        'key',
      )
    const listens = [listen ?? []].flat() as (ListenOptions | undefined)[]
    checkListen(listens, Array.isArray(listen), kind, [...place, 'listen'], complain)
    const planned: FabricPlan = {
      kind,
      options,
      ports: own,
      listen: listens.every((each) => each !== undefined) ? listens : [],
      paths: planPaths(paths, own, budget, [...place, 'paths'], complain),
      timeline,
    }
    checkTimeline(planned, budget, [...place, 'timeline'], complain)
    plan.fabrics.set(name, planned)
  }
  checkListeners(plan, complain)
  for (const [name, world] of Object.entries(worlds)) {
    if (world === undefined || ('wires' in world && Object.values<unknown>(world.wires).includes(undefined)))
      continue
    plan.worlds.set(name, world)
    if (!('fabric' in world && unread.has(world.fabric)))
      checkWorld(world, plan, ['worlds', name], complain, warn)
  }
  checkHosts(plan, unread.size === 0, complain)
  return plan
}

const isRead = (fabric: TopologyFabric | undefined): boolean =>
  fabric !== undefined && Object.values<unknown>(fabric.ports).every((port) => port !== undefined)

function checkListen(
  listens: readonly (ListenOptions | undefined)[],
  isList: boolean,
  kind: string,
  place: Place,
  complain: Complain,
): void {
  const { ports } = fabricKinds.get(kind)
  if (ports !== undefined && listens.length > 0)
    complain(
      place,
      `'listen' is for ${fabricsThat((kind) => kind.ports === undefined)}; a ${kind} has ${ports === 2 ? 'two' : ports} ports, such as 'socket'`,
      'key',
    )
  for (const [index, options] of listens.entries()) {
    if (options === undefined) continue
    attempt(
      () => {
        checkListenOptions(options)
      },
      isList ? [...place, index] : place,
      complain,
    )
  }
}

/** Of each place one may listen at it: a port, or who takes peers for a fabric. */
function checkListeners({ fabrics }: Plan, complain: Complain): void {
  const known = new Map<string, string>()
  const take = (written: string, who: string, place: Place): void => {
    const identity = written.includes('/') ? path.resolve(written) : written
    const other = known.get(identity)
    if (/:0+$/.test(identity)) return // the kernel chooses
    if (other === undefined) known.set(identity, who)
    else complain(place, `${other} listens at ${quote(written)} already; give this one a socket of its own`)
  }
  for (const [name, { ports, listen }] of fabrics) {
    const place = ['fabrics', name]
    for (const [port, given] of ports) {
      const at = portKindOf(given).listensAt?.(given)
      if (at) take(at.place, `port ${name}.${port}`, [...place, 'ports', port, at.key])
    }
    for (const [index, each] of listen.entries()) {
      const entry = listen.length > 1 ? [index] : []
      for (const at of listensAt(each))
        take(at.place, `fabric ${quote(name)}`, [...place, 'listen', ...entry, at.key])
    }
  }
}
