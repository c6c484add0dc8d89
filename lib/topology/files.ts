/**
 * Files that policies name. Called when a topology file or the words of a command have been read, before policies are.
 */
import path from 'node:path'
import type { Topology, TopologyPolicy } from './schema.js'

/** The policy with the files that it names taken as relative to `folder`. */
export function policyIn<Policy extends TopologyPolicy>(folder: string, policy: Policy): Policy {
  const { distribution, trace } = policy
  const located = { ...policy }
  if (typeof trace === 'string') located.trace = path.resolve(folder, trace)
  else if (namesFile(trace)) located.trace = { ...trace, file: path.resolve(folder, trace.file) }
  if (namesFile(distribution)) located.distribution = { file: path.resolve(folder, distribution.file) }
  return located
}

/** The same for all policies of a topology. */
export function topologyIn(folder: string, topology: Topology): Topology {
  const fabrics = Object.entries(topology.fabrics).map(([name, fabric]) => [
    name,
    fabric.paths ? { ...fabric, paths: fabric.paths.map((entry) => policyIn(folder, entry)) } : fabric,
  ])
  return { ...topology, fabrics: Object.fromEntries(fabrics) as Topology['fabrics'] }
}

function namesFile<Value>(value: Value): value is Extract<Value, { file: string }> {
  return typeof value === 'object' && value !== null && 'file' in value
}
