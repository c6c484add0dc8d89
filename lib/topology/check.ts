/**
 * Checks a parsed topology, or a policy, and puts every mistake into a sentence with the place it is at.
 * Called by load.ts for files, by Network for topologies built in a program, and by the command line for policies.
 */
import { check } from '../values/check.js'
import { limits } from '../values/limits.js'
import type { Complain, Place, Problem } from '../values/problem.js'
import { formatCount } from '../values/units.js'
import type { Away } from './plan-ports.js'
import type { Plan } from './plan.js'
import { planOf, type ReadTopology } from './resolve.js'
import { policyRule, topologyRule, type Topology, type TopologyPolicy } from './schema.js'
import { warnOf } from './warnings.js'

/** `warnings` are about what is valid and looks wrong. */
export type Checked =
  { topology: Topology; plan: Plan; problems: []; warnings: Problem[] } | { problems: Problem[] }

/**
 * The topology that `data` states, with everything resolved, or all that is wrong with it. Files that it names are
 * relative to `folder`, by default that of the process. `isAway` is of ports that run.
 */
export function checkTopology(data: unknown, folder = '.', isAway?: Away): Checked {
  const { value, problems: ofShape } = check(topologyRule(), data, { folder })
  if (value === undefined || ofShape.length > limits.mistakes) return { problems: firstOf(ofShape) }
  const into =
    (found: Problem[]): Complain =>
    (place, message, at = 'value') => {
      if (!ofShape.some((mistake) => isInside(mistake.place, place))) found.push({ place, at, message })
      if (found === resolved && found.length > limits.mistakes) throw new Enough()
    }
  const [resolved, warnings]: [Problem[], Problem[]] = [[], []]
  let plan: Plan
  try {
    plan = planOf(value as ReadTopology, into(resolved), into(warnings), isAway)
  } catch (error) {
    if (!(error instanceof Enough)) throw error
    return { problems: firstOf([...ofShape, ...resolved]) }
  }
  const problems = [...ofShape, ...resolved]
  if (problems.length > 0) return { problems: firstOf(problems) }
  warnOf(plan, data, into(warnings))
  return { topology: value as Topology, plan, problems: [], warnings }
}

/** Thrown by who is told of a mistake, where there are so many that nobody looks for more. */
class Enough extends Error {}

/** As many as are listed, and a word where there are more. */
function firstOf(problems: Problem[]): Problem[] {
  if (problems.length <= limits.mistakes) return problems
  const message = `there are more than ${formatCount(limits.mistakes)} mistakes, of which the first follow`
  return [{ place: [], at: 'value', message }, ...problems.slice(0, limits.mistakes)]
}

/** Whether a mistake is there, or in the same port or world: what more is said of that may only follow from it. */
function isInside(mistake: Place, place: Place): boolean {
  const [room, , list] = place
  const isEntry = list === 'paths' || list === 'timeline'
  const whole = isEntry ? place : place.slice(0, room === 'fabrics' ? 4 : 2)
  return whole.every((step, index) => mistake[index] === step)
}

/** The policy that `data` states, its files relative to `folder`, or all that is wrong with it. */
export function checkPolicy(
  data: unknown,
  folder = '.',
): { policy: TopologyPolicy } | { problems: Problem[] } {
  const { value, problems } = check(policyRule, data, { folder, whole: 'the policy' })
  return problems.length === 0 ? { policy: value as TopologyPolicy } : { problems }
}
