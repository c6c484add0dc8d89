/** What `show topology` would write of a topology, or of a policy, reads as what was read. */
import { isDeepStrictEqual } from 'node:util'
import { checkTopology } from '../../lib/topology/check.js'
import { inspectTopology } from '../../lib/topology/load.js'
import { topologyOf, type Plan } from '../../lib/topology/plan.js'
import type { Topology, TopologyPolicy } from '../../lib/topology/schema.js'
import { writeYaml } from '../../lib/topology/yaml.js'
import { insists } from './target.js'

/** What a running instance of the topology would export. */
function exported(topology: Topology): Topology {
  const checked = checkTopology(topology)
  insists(
    'plan' in checked,
    `a topology that was right is refused: ${'problems' in checked ? checked.problems[0]?.message : ''}`,
  )
  return topologyOf((checked as { plan: Plan }).plan)
}

/** Holds a topology that is right to being written, and read again as the same. */
export async function readsAgain(topology: Topology): Promise<void> {
  const once = exported(topology)
  const again = await inspectTopology(await writeYaml(once), 'net.yaml')
  insists(again.topology !== undefined, `what it exports is refused: ${again.problems[0]?.message}`)
  insists(
    isDeepStrictEqual(exported(again.topology as Topology), once),
    'what it exports reads as another topology',
  )
}

/** Holds a policy that `allow` would take to being taken from a file, written, and read again as the same. */
export const policyReadsAgain = (policy: TopologyPolicy): Promise<void> =>
  readsAgain({
    fabrics: {
      one: {
        kind: 'hub',
        ports: { a: { patch: 'other.a' }, b: { patch: 'other.b' } },
        paths: [{ from: 'a', to: 'b', ...policy }],
      },
      other: { kind: 'hub', ports: { a: { patch: 'one.a' }, b: { patch: 'one.b' } } },
    },
  })
