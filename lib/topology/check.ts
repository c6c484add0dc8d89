/**
 * Checks a parsed topology, or a policy, and puts every mistake into a sentence with the place it is at.
 * Called by load.ts for files, by Network for topologies built in a program, and by the command line for policies.
 */
import { check } from '../values/check.js'
import type { Problem } from '../values/problem.js'
import type { Plan } from './plan.js'
import { planOf } from './resolve.js'
import { policyRule, topologyRule, type Topology, type TopologyPolicy } from './schema.js'
import { warnOf } from './warnings.js'

/** `warnings` are about what is valid and looks wrong. */
export type Checked =
  { topology: Topology; plan: Plan; problems: []; warnings: Problem[] } | { problems: Problem[] }

/**
 * The topology that `data` states, with everything resolved, or all that is wrong with it. Files that it names are
 * relative to `folder`, by default that of the process.
 */
export function checkTopology(data: unknown, folder = '.'): Checked {
  const { value, problems } = check(topologyRule(), data, { folder })
  if (problems.length > 0) return { problems }
  const topology = value as Topology
  const plan = planOf(topology, (place, message, at = 'value') => problems.push({ place, at, message }))
  if (problems.length > 0) return { problems }
  const warnings: Problem[] = []
  warnOf(plan, data, (place, message, at = 'value') => warnings.push({ place, at, message }))
  return { topology, plan, problems: [], warnings }
}

/** The policy that `data` states, its files relative to `folder`, or all that is wrong with it. */
export function checkPolicy(
  data: unknown,
  folder = '.',
): { policy: TopologyPolicy } | { problems: Problem[] } {
  const { value, problems } = check(policyRule, data, { folder, whole: 'the policy' })
  return problems.length === 0 ? { policy: value as TopologyPolicy } : { problems }
}
