/** Resolves a topology of valid shape: every name leads to what it means, or is complained of. Called by check.ts. */
import { fabricKinds, fabricsThat } from '../fabrics/index.js'
import { readListenOptions, type ListenOptions } from '../fabrics/socket-server.js'
import { attempt, type Complain, type Place } from '../values/problem.js'
import { checkTimeline, planPaths } from './paths.js'
import { emptyPlan, type FabricPlan, type Plan } from './plan.js'
import { planPorts } from './ports.js'
import type { Topology } from './schema.js'
import { checkWorld } from './worlds.js'

/** What a topology comes to. What leads nowhere or cannot be is handed to `complain`. */
export function planOf(topology: Topology, complain: Complain): Plan {
  const { hosts, fabrics, worlds, ...engine } = topology
  const plan = emptyPlan(engine)
  plan.hosts = new Set(Object.keys(hosts ?? {}))
  const ports = planPorts(topology, complain)
  for (const [name, fabric] of Object.entries(fabrics)) {
    const place = ['fabrics', name]
    const { kind, ports: _, listen, paths = [], timeline = [], ...options } = fabric
    const own = ports.get(name) ?? new Map<string, never>()
    const exactly = fabricKinds.get(kind).ports
    if (exactly !== undefined && own.size !== exactly)
      complain(
        [...place, 'ports'],
        `${kind} '${name}' must have exactly ${exactly} ports, not ${own.size}`,
        'key',
      )
    if (listen) checkListen(listen, kind, [...place, 'listen'], complain)
    const planned: FabricPlan = {
      kind,
      options,
      ports: own,
      ...(listen && { listen }),
      paths: planPaths(paths, own, [...place, 'paths'], complain),
      timeline,
    }
    checkTimeline(planned, [...place, 'timeline'], complain)
    plan.fabrics.set(name, planned)
  }
  plan.worlds = new Map(Object.entries(worlds ?? {}))
  for (const [name, world] of plan.worlds) checkWorld(world, plan, ['worlds', name], complain)
  return plan
}

function checkListen(listen: ListenOptions, kind: string, place: Place, complain: Complain): void {
  const { ports } = fabricKinds.get(kind)
  if (ports !== undefined)
    complain(
      place,
      `'listen' is for ${fabricsThat((kind) => kind.ports === undefined)}; a ${kind} has ${ports === 2 ? 'two' : ports} ports, such as 'socket'`,
      'key',
    )
  attempt(() => readListenOptions(listen), place, complain)
}
