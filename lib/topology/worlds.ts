/**
 * The worlds of a topology: what is checked of them beforehand, and how they are made. Called by resolve.ts and site.ts.
 */
import { limits } from '../values/limits.js'
import { suggestion } from '../values/options.js'
import { formatCount } from '../values/units.js'
import { attempt, type Complain, type Place } from '../values/problem.js'
import { fabricKinds } from '../fabrics/index.js'
import { portKindOf, type NicMapping } from '../ports/index.js'
import { EtherloomError } from '../values/errors.js'
import { linkModels } from '../world/models/index.js'
import type { LinkQualityModel } from '../world/models/model.js'
import { movements } from '../world/movements/index.js'
import type { Movement } from '../world/movements/movement.js'
import type { CommonWorldOptions } from '../world/options.js'
import { quote } from '../values/quote.js'
import type { Plan, PortPlan } from './plan.js'
import type { TopologyWorld } from './schema.js'

/** The names of a world's nodes, in the order of matrices. */
export function nodesOf(world: TopologyWorld, { fabrics }: Plan): string[] {
  if ('wires' in world) return Object.keys(world.wires)
  return world.nodes ?? [...(fabrics.get(world.fabric)?.ports.keys() ?? [])]
}

/** Complains of names that lead nowhere, and of what the world's constructor would refuse; warns of what is left out. */
export function checkWorld(
  world: TopologyWorld,
  plan: Plan,
  place: Place,
  complain: Complain,
  warn: Complain,
): void {
  if ('wires' in world) checkWires(world.wires, plan, [...place, 'wires'], complain)
  else {
    checkFabric(world, plan, place, complain)
    checkAlone(world, plan, [...place, world.nodes ? 'nodes' : 'fabric'], complain)
  }
  const nodes = nodesOf(world, plan).length
  if (nodes > limits.worldNodes)
    complain(
      place,
      `a world may have ${formatCount(limits.worldNodes)} nodes, not ${formatCount(nodes)}`,
      'key',
    )
  attempt(() => modelOf(world), [...place, 'model'], complain)
  attempt(
    () => {
      const movement = movementOf(world)
      movement?.begin({ nodes, reach: 0, seed: 0n })
      for (const note of movement?.notes ?? []) warn([...place, 'movement'], note)
    },
    [...place, 'movement'],
    complain,
  )
  if (world.movement === undefined && world.step !== undefined && world.step !== 'manual')
    complain([...place, 'step'], "a world without 'movement' takes no steps by itself; leave 'step' out")
}

function checkFabric(
  { fabric, nodes }: Exclude<TopologyWorld, { wires: unknown }>,
  { fabrics }: Plan,
  place: Place,
  complain: Complain,
): void {
  const found = fabrics.get(fabric)
  if (!found) {
    complain([...place, 'fabric'], `no fabric ${quote(fabric)}${suggestion(fabric, [...fabrics.keys()])}`)
    return
  }
  if (fabricKinds.get(found.kind).ports !== undefined)
    complain(
      [...place, 'fabric'],
      `${quote(fabric)} is a ${found.kind}; the nodes of a world are on a hub, or have wires`,
    )
  else if (found.options.forwarding !== 'deny')
    complain(
      [...place, 'fabric'],
      `${quote(fabric)} must have forwarding: deny, since only the links of the world carry`,
    )
  nodes?.forEach((node, index) => {
    if (!found.ports.has(node))
      complain(
        [...place, 'nodes', index],
        `no port ${quote(node)} in ${quote(fabric)}${suggestion(node, [...found.ports.keys()])}`,
      )
    else if (nodes.indexOf(node) < index)
      complain([...place, 'nodes', index], `${quote(node)} is there twice`)
  })
}

/** Two worlds that both link a pair would undo each other's links. */
function checkAlone(world: TopologyWorld, plan: Plan, place: Place, complain: Complain): void {
  const nodes = new Set(nodesOf(world, plan))
  for (const [name, other] of plan.worlds) {
    if (other === world) return
    if (!('fabric' in other && 'fabric' in world) || other.fabric !== world.fabric) continue
    const [a, b] = nodesOf(other, plan).filter((node) => nodes.has(node))
    if (a !== undefined && b !== undefined)
      complain(
        place,
        `${quote(a)} and ${quote(b)} are nodes of world ${quote(name)} too; one world only can link a pair`,
      )
  }
}

function checkWires(
  nics: Record<string, NicMapping>,
  { hosts }: Plan,
  place: Place,
  complain: Complain,
): void {
  for (const [node, nic] of Object.entries(nics)) {
    const host = hostOf(nic)
    if (host !== undefined && !hosts.has(host))
      complain(
        [...place, node, portKindOf(nic).key],
        `no host ${quote(host)}${suggestion(host, [...hosts.keys()])}`,
      )
    attempt(() => nicPlan(node, nic, 1), [...place, node], complain)
  }
}

/** The host that gets a node's interfaces. */
export const hostOf = (nic: NicMapping): string | undefined => portKindOf(nic).ownInterface?.(nic).host

/** What `new World` takes, from the keys that all worlds have. */
export function worldOptions(world: TopologyWorld): CommonWorldOptions {
  const { step, missing, hook } = world
  const movement = movementOf(world)
  return {
    model: modelOf(world),
    ...(movement && { movement }),
    ...(step !== undefined && step !== 'manual' && { every: step }),
    ...(missing !== undefined && { missing }),
    ...(hook !== undefined && { hook }),
  }
}

function modelOf({ model = 'range', bandwidth }: TopologyWorld): LinkQualityModel {
  const [key, given] =
    typeof model === 'string' ? [model, {}] : (Object.entries(model)[0] as [string, object])
  return linkModels.get(key).make(given, bandwidth)
}

function movementOf({ movement }: TopologyWorld): Movement | undefined {
  if (movement === undefined) return undefined
  const kind = [...movements].find(({ key }) => Object.hasOwn(movement, key))
  return (kind ?? movements.get(Object.keys(movement)[0] ?? '')).make(movement)
}

/** The port behind an interface of a node: its name and its plan. */
export function nicPlan(node: string, nic: NicMapping, number: number): { name: string; plan: PortPlan } {
  const { key, numbered } = portKindOf(nic)
  if (!numbered)
    throw new EtherloomError(
      'ERR_ETHERLOOM_TOPOLOGY',
      `ports of the kind ${quote(key)} have no numbered interfaces`,
    )
  const { name, given } = numbered.make(node, nic, number)
  return { name, plan: given as PortPlan }
}

/** The name of the wire between two nodes, by the pattern that the world has for it. */
export function wireNameOf(pattern: string, nodes: readonly [a: string, b: string]): string {
  let next = 0
  const fill = (_: string, digits?: string): string => `${nodes[next++]}`.padStart(Number(digits ?? 0), '0')
  return pattern.replace(/%(?:s|0(\d)d)/g, fill)
}
