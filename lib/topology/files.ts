/**
 * Files that policies name. Called when a topology file or the words of a command have been read, before policies are.
 */
import path from 'node:path'
import type { Topology, TopologyPolicy } from './schema.js'

/** The policy with the files that it names taken as relative to `folder`. */
export function policyIn<Policy extends TopologyPolicy>(folder: string, policy: Policy): Policy {
  const { distribution } = policy
  if (typeof distribution !== 'object' || !('file' in distribution)) return policy
  return { ...policy, distribution: { file: path.resolve(folder, distribution.file) } }
}

/** The same for all policies of a topology. */
export function topologyIn(folder: string, topology: Topology): Topology {
  const fabrics = Object.entries(topology.fabrics).map(([name, fabric]) => [
    name,
    fabric.paths ? { ...fabric, paths: fabric.paths.map((entry) => policyIn(folder, entry)) } : fabric,
  ])
  return { ...topology, fabrics: Object.fromEntries(fabrics) as Topology['fabrics'] }
}
