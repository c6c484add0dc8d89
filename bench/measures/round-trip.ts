// How long a small UDP datagram takes to the receiver's program and back, one at a time.
//
// What is equal: both programs, which wait in blocking calls and run on either of the two cores, wherever the scheduler
// puts them: where they run together a bridge wakes nobody on another core, as it would not anywhere else. A process that
// forwards has its core, which it shares with them.

import { setTimeout as sleep } from 'node:timers/promises'
import { built } from '../build.js'
import type { Measure } from '../case.js'

export function roundTrip({ payload }: { payload: number }): Measure {
  return {
    figures: [
      { name: 'median', unit: 'µs', digits: 1, better: 'less' },
      { name: 'p99', unit: 'µs', digits: 1 },
      { name: 'longest', unit: 'µs', digits: 0 },
      { name: 'lost', unit: 'datagrams', digits: 0 },
    ],

    async sample(network, _session, { machine, seconds }) {
      await network.upWithIp()
      const core = [machine.generatorCore, machine.forwarderCore]
      const address = network.ports.find(({ host }) => host === network.receiver)?.ip ?? ''
      await network.start([built('round_trip'), 'echo'], { core, namespace: network.receiver.path })
      const asking = await network.start([built('round_trip'), 'ask', address, String(payload)], {
        core,
        namespace: network.sender.path,
      })
      await sleep(seconds * 1000)
      const { median, p99, longest, lost } = JSON.parse(await asking.stop()) as Record<string, number>
      return [median ?? NaN, p99 ?? NaN, longest ?? NaN, lost ?? NaN]
    },
  }
}
