// The kernel's token bucket filter (tc-tbf(8)) on the way out of the Linux bridge to the receiver.

import type { Peer } from '../case.js'
import { probe, run } from '../children.js'
import { joinByBridge } from './linux-bridge.js'

export function tokenBucket({ megabits }: { megabits: number }): Peer {
  const discipline = ['root', 'tbf', 'rate', `${megabits}mbit`, 'burst', '32kb', 'limit', '1mb']
  return {
    name: 'Linux bridge and tbf',

    unavailable: () => probe('tc', 'qdisc', 'add', 'dev', 'lo', ...discipline),

    async start(network) {
      const { between, names } = await joinByBridge(network)
      await run(['tc', 'qdisc', 'add', 'dev', names.at(-1) ?? '', ...discipline], {
        namespace: between.path,
      })
      return { stop: () => Promise.resolve(undefined) }
    },
  }
}
