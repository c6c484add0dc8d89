/**
 * Files that policies name. Called when a topology file or the words of a command have been read, before policies are.
 */
import path from 'node:path'
import type { Topology, TopologyPolicy, TopologyWorld } from './schema.js'

/** The policy with the files that it names taken as relative to `folder`. */
export function policyIn<Policy extends TopologyPolicy>(folder: string, policy: Policy): Policy {
  const { distribution, slot, trace } = policy
  const located = { ...policy }
  if (typeof trace === 'string') located.trace = path.resolve(folder, trace)
  else if (namesFile(trace)) located.trace = { ...trace, file: path.resolve(folder, trace.file) }
  if (namesFile(distribution)) located.distribution = { file: path.resolve(folder, distribution.file) }
  if (slot && 'distribution' in slot && namesFile(slot.distribution))
    located.slot = { ...slot, distribution: { file: path.resolve(folder, slot.distribution.file) } }
  return located
}

/** The same for all policies of a topology. */
export function topologyIn(folder: string, topology: Topology): Topology {
  const fabrics = Object.entries(topology.fabrics).map(([name, fabric]) => [
    name,
    fabric.paths ? { ...fabric, paths: fabric.paths.map((entry) => policyIn(folder, entry)) } : fabric,
  ])
  const located = { ...topology, fabrics: Object.fromEntries(fabrics) as Topology['fabrics'] }
  if (topology.worlds === undefined) return located
  const worlds = Object.entries(topology.worlds).map(([name, world]) => [name, worldIn(folder, world)])
  return { ...located, worlds: Object.fromEntries(worlds) as Topology['worlds'] & object }
}

function worldIn(folder: string, world: TopologyWorld): TopologyWorld {
  const { movement } = world
  if (movement === undefined || !('core' in movement)) return world
  const core = movement.core.map((entry) =>
    typeof entry === 'string'
      ? path.resolve(folder, entry)
      : { ...entry, file: path.resolve(folder, entry.file) },
  )
  return { ...world, movement: { ...movement, core } }
}

function namesFile<Value>(value: Value): value is Extract<Value, { file: string }> {
  return typeof value === 'object' && value !== null && 'file' in value
}
