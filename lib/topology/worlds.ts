/**
 * The worlds of a topology: what is checked of them beforehand, and how they are made. Called by plan.ts and network.ts.
 */
import { suggestion } from '../values/options.js'
import { models } from '../world/models/index.js'
import type { LinkQualityModel } from '../world/models/model.js'
import { movements } from '../world/movements/index.js'
import type { Movement } from '../world/movements/movement.js'
import type { CommonWorldOptions } from '../world/world.js'
import type { Place } from './check.js'
import { check, type Complain, type Plan, type PortPlan } from './plan.js'
import type { TopologyNic, TopologyWorld } from './schema.js'

/** The names of a world's nodes, in the order of matrices. */
export function nodesOf(world: TopologyWorld, { fabrics }: Plan): string[] {
  if ('wires' in world) return Object.keys(world.wires)
  return world.nodes ?? [...(fabrics.get(world.fabric)?.ports.keys() ?? [])]
}

/** Complains of names that lead nowhere, and of what the world's constructor would refuse. */
export function checkWorld(world: TopologyWorld, plan: Plan, place: Place, complain: Complain): void {
  if ('wires' in world) checkWires(world.wires, plan, [...place, 'wires'], complain)
  else {
    checkFabric(world, plan, place, complain)
    checkAlone(world, plan, [...place, world.nodes ? 'nodes' : 'fabric'], complain)
  }
  check(() => modelOf(world), [...place, 'model'], complain)
  check(
    () => {
      const nodes = nodesOf(world, plan).length
      movementOf(world)?.begin({ nodes, reach: 0, seed: 0n })
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
    complain([...place, 'fabric'], `no fabric '${fabric}'${suggestion(fabric, [...fabrics.keys()])}`)
    return
  }
  if (found.kind === 'wire')
    complain([...place, 'fabric'], `'${fabric}' is a wire; the nodes of a world are on a hub, or have wires`)
  else if (found.options.forwarding !== 'deny')
    complain(
      [...place, 'fabric'],
      `'${fabric}' must have forwarding: deny, since only the links of the world carry`,
    )
  nodes?.forEach((node, index) => {
    if (!found.ports.has(node))
      complain(
        [...place, 'nodes', index],
        `no port '${node}' in '${fabric}'${suggestion(node, [...found.ports.keys()])}`,
      )
    else if (nodes.indexOf(node) < index) complain([...place, 'nodes', index], `'${node}' is there twice`)
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
      complain(place, `'${a}' and '${b}' are nodes of world '${name}' too; one world only can link a pair`)
  }
}

function checkWires(
  nics: Record<string, TopologyNic>,
  { hosts }: Plan,
  place: Place,
  complain: Complain,
): void {
  for (const [node, nic] of Object.entries(nics))
    if ('host' in nic && !hosts.has(nic.host))
      complain([...place, node, 'host'], `no host '${nic.host}'${suggestion(nic.host, [...hosts])}`)
}

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
  const [name, given] =
    typeof model === 'string' ? [model, {}] : (Object.entries(model)[0] as [string, object])
  const kind = models[name as keyof typeof models]
  return new kind({
    ...(bandwidth !== undefined && name !== 'logDistance' && { bandwidth }),
    ...given,
  })
}

function movementOf({ movement }: TopologyWorld): Movement | undefined {
  if (movement === undefined) return undefined
  if ('core' in movement) {
    const { core: topologies, ...options } = movement
    return new movements.core({ topologies, ...options })
  }
  if ('matrix' in movement) return new movements.matrices({ matrices: [movement.matrix] })
  if ('matrices' in movement) return new movements.matrices(movement)
  if ('randomWalk' in movement) return new movements.randomWalk(movement.randomWalk as never)
  return new movements.randomWaypoint(movement.randomWaypoint as never)
}

/** The port behind an interface of a node: its name and its plan. */
export function nicPlan(
  node: string,
  nic: TopologyNic,
  number: number,
): { name: string; plan: Exclude<PortPlan, { kind: 'patch' }> } {
  const words = { '%d': `${number}`, '%x': number.toString(16), '%i': `${number - 1}` }
  const fill = (pattern: string): string =>
    pattern.replace(/%[dxi]/, (word) => words[word as keyof typeof words])
  if ('packet' in nic) {
    const name = fill(nic.packet)
    return { name, plan: { kind: 'packet', interface: name } }
  }
  const addresses = nic.addresses?.slice(number - 1, number) ?? []
  const mac = nic.macs?.[number - 1]
  const own = { addresses, ...(mac !== undefined && { mac }) }
  if ('host' in nic) {
    // Interfaces of hosts can have one name in several of them; ports of a wire cannot.
    const { interface: pattern = 'link%d', as = `${node}.${pattern}`, macs: _, ...options } = nic
    return { name: fill(as), plan: { kind: 'tap', ...options, interface: fill(pattern), ...own } }
  }
  const { tap, macs: _, ...options } = nic
  const name = fill(tap)
  return { name, plan: { kind: 'tap', ...options, interface: name, ...own } }
}

/** The name of the wire between two nodes, by the pattern that the world has for it. */
export function wireNameOf(pattern: string, nodes: readonly [a: string, b: string]): string {
  let next = 0
  const fill = (_: string, digits?: string): string => `${nodes[next++]}`.padStart(Number(digits ?? 0), '0')
  return pattern.replace(/%(?:s|0(\d)d)/g, fill)
}
