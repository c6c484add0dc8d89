// What TCP gets through, between two real kernel stacks: iperf3 from the sender to the receiver.
//
// What is equal: both ends, which run on either of the two cores, wherever the scheduler puts them, and the kernels'
// default congestion control. What is not: a process forwards on a core that it shares with the ends, while the kernel's
// bridge forwards within the sends of the ends. Pinning an end would decide the comparison: with the receiver on the
// forwarder's core a process pays for both, and with both ends on one core the bridge has only that one.

import type { Measure, Setup } from '../case.js'
import { probe, run } from '../children.js'
import type { Network } from '../network.js'
import { processorSecondsOf } from '../processes.js'

/** Slow start is over, and buffers have grown. Whole seconds, as iperf3 takes them. */
const warmUpSeconds = 1
/** How long nothing may come before iperf3 gives up. */
const patienceMs = 5000

export function tcp({ streams }: { streams: number }): Measure {
  return {
    figures: [
      { name: 'throughput', unit: 'Gbit/s', digits: 2, better: 'more' },
      { name: 'retransmitted', unit: 'segments', digits: 0 },
      // Of its core, for the process that forwards, in the whole run.
      { name: 'busy', unit: '%', digits: 0 },
      // By all paths, for whatever reason, in the whole run; only etherloom says so.
      { name: 'lost', unit: 'frames', digits: 0 },
      // Processor time of that process for each kilobyte that came, warming up included in both.
      { name: 'cost', unit: 'ns/kB', digits: 0, better: 'less' },
    ],

    unavailable: () => probe('iperf3', '--version'),

    async sample(network, session, setup) {
      await network.upWithIp()
      const start = { at: performance.now(), processor: await processorTime(session.pid) }
      const end = await iperf(network, setup, streams)
      const elapsed = (performance.now() - start.at) / 1000
      const busy = (((await processorTime(session.pid)) - start.processor) / elapsed) * 100
      return [
        end.sum_received.bits_per_second / 1e9,
        end.sum_sent.retransmits,
        busy,
        lostByPaths(await session.stop()),
        (busy / 100 / (end.sum_received.bits_per_second / 8e3)) * 1e9,
      ]
    },
  }
}

async function processorTime(pid: number | undefined): Promise<number> {
  return pid === undefined ? NaN : processorSecondsOf(pid)
}

/** The part of iperf3's account that is used, without the time of warming up. */
interface IperfEnd {
  sum_sent: { retransmits: number }
  sum_received: { bits_per_second: number }
}

async function iperf(network: Network, { machine, seconds }: Setup, streams: number): Promise<IperfEnd> {
  const core = [machine.generatorCore, machine.forwarderCore]
  const { sender, receiver } = network
  const address = network.ports.find(({ host }) => host === receiver)?.ip ?? ''
  const server = ['iperf3', '--server', '--one-off', '--forceflush']
  await network.start(server, { core, namespace: receiver.path })
  const client = [
    ['iperf3', '--client', address, '--json', '--interval', '0', '--parallel', String(streams)],
    ['--time', String(Math.ceil(seconds)), '--omit', String(warmUpSeconds)],
    ['--connect-timeout', String(patienceMs), '--snd-timeout', String(patienceMs)],
  ]
  const said = await run(['setpriv', '--pdeathsig', 'KILL', ...client.flat()], {
    core,
    namespace: sender.path,
  })
  return (JSON.parse(said) as { end: IperfEnd }).end
}

/** NaN for a peer that does not count. */
function lostByPaths(statement: unknown): number {
  const paths = (statement as { paths?: { dropped: Record<string, number> }[] } | undefined)?.paths
  if (paths === undefined) return NaN
  return paths.flatMap(({ dropped }) => Object.values(dropped)).reduce((sum, count) => sum + count, 0)
}
