/** Going over to another topology. */
import type { NetworkApplied } from '../../topology/network.js'
import type { Topology } from '../../topology/schema.js'
import { about, list, required, text } from '../../values/options.js'
import { anything, fields, method } from '../method.js'
import { appliedKeys } from './path.js'

export interface Change {
  topology: Topology
}

/** What going over to another topology did. */
export const appliedSteps = {
  ...appliedKeys,
  steps: about('each step, in words', required(list(text({ max: 65_536 })))),
}

export const apply = method<Change, NetworkApplied>({
  description:
    'Goes over to another topology by the difference only. Where a step of that fails, what was there before comes back. Names of files in it are absolute.',
  parameters: {
    topology: about('the whole topology, as in a file', required(anything<Topology>('a topology'))),
  },
  result: fields<NetworkApplied>(appliedSteps),
  example: {
    params: { topology: { fabrics: { core: { kind: 'hub', ports: {} } } } },
    result: { up: 0, down: 2, changed: 0, steps: ['set 2 paths of core'] },
  },
  call: async ({ topology }, instance) => (await instance).apply(topology),
})
