/** One path: what it does, and what it is to do. */
import type { Applied } from '../../policy/policy.js'
import type { PathRow } from '../../topology/report.js'
import type { TopologyPolicy } from '../../topology/schema.js'
import { about, flag, integer, required, text } from '../../values/options.js'
import { anything, fields, method } from '../method.js'
import { pathExample, pathKeys } from './reports.js'

export interface PathEnds {
  from: string
  to: string
  fabric?: string
}

export interface PathChange extends PathEnds {
  both: boolean
  policy: TopologyPolicy & { allowed: boolean }
}

const most = Number.MAX_SAFE_INTEGER

/** The keys by which methods name a path. */
export const pathEnds = {
  from: about('the port that frames come from, as `red` or `core.red`', required(text())),
  to: about('the port that frames go to', required(text())),
  fabric: about('the fabric, where the ports alone do not say which', text()),
}

/** The keys of what a change did. */
export const appliedKeys = {
  up: about('pairs that frames can pass now and could not before', required(integer(0, most))),
  down: about('the reverse', required(integer(0, most))),
  changed: about('other changes', required(integer(0, most))),
}

export const showPath = method<PathEnds, PathRow>({
  description: 'The row of `paths` for one path, also where it has no policy of its own.',
  parameters: pathEnds,
  result: fields<PathRow>(pathKeys),
  example: { params: { from: 'core.red', to: 'blue' }, result: pathExample },
  call: async (ends, instance) =>
    (await import('../../topology/report.js')).pathRow((await instance).network, ends),
})

export const path = method<PathChange, Applied>({
  description:
    'Replaces the whole policy of a path, or of both paths between two ports. Answers when no frame can meet the old one.',
  parameters: {
    ...pathEnds,
    both: about('both directions', required(flag())),
    policy: about(
      'the whole new policy, with the keys of a topology file and `allowed`',
      required(anything<PathChange['policy']>('a policy')),
    ),
  },
  result: fields<Applied>(appliedKeys),
  example: {
    params: { from: 'core.red', to: 'blue', both: true, policy: { allowed: true, delay: '5ms' } },
    result: { up: 0, down: 0, changed: 2 },
  },
  call: async ({ policy, ...ends }, instance) => (await instance).network.setPath(ends, policy),
})
