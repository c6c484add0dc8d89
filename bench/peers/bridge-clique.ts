// What a world on a hub is to the Linux kernel: a bridge that floods, a chain that drops all pairs of ports but those which
// are linked, a class of the hierarchical token bucket (tc-htb(8)) for each directed link at the port that it leads to,
// and filters that find the class by the mark of the link. All are linked to all, and each step changes every class.
//
// The chain is the one that `ebtables` of iptables-nft makes, loaded at once by nft, since that `ebtables` has no
// --atomic-file and would need a process for each rule; and all frames pass it, since kernels without nft_meta_bridge
// refuse --logical-in. The filters are of bpf, which reads a mark wherever there is bpf: u32 takes one from tc and forgets
// it where the kernel is built without CLS_U32_MARK, and then its first filter takes all. Links have no delay, which
// would be a netem for each.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Peer } from '../case.js'
import { probe, run, type Placement } from '../children.js'
import { summarise } from '../statistics.js'
import { joinByBridge, linuxBridge } from './linux-bridge.js'

/** A directed link: the bridge's ports of its ends, and a number that both directions have. */
interface Link {
  from: string
  to: string
  mark: number
}

/** In kbit/s, one step after the other: what links of 2, 5 and 10 metres have by WifiExponentialModel. */
const rates = [54_000, 27_000, 13_500] as const
/** As bench/programs/world.ts waits between two steps. */
const pauseMs = 20

/** Joins all interfaces of the network, and states what bench/programs/world.ts does, without traffic. */
export const bridgeClique: Peer = {
  name: 'Linux bridge, 45 nodes (nft, htb, bpf; no atomic file, no logical-in, no delay)',

  unavailable: async () => {
    const link = { from: 'from', to: 'lo', mark: 1 }
    const commands = [...classifiers([link]), ...classes('add', [link], rates[0])]
    return (
      (await linuxBridge.unavailable()) ??
      (await probe('nft', ruleset([link]))) ??
      (await probe('sh', '-c', commands.map((command) => `tc ${command}`).join(' && ')))
    )
  },

  async start(network, { machine }) {
    const { between, names } = await joinByBridge(network)
    await between.ip('link', 'set', 'dev', 'bridge0', 'type', 'bridge', 'ageing_time', '0')
    const links = clique(names)
    const place: Placement = {
      namespace: between.path,
      core: [machine.forwarderCore, machine.generatorCore],
    }
    const timed = async (work: () => Promise<unknown>) => {
      const start = performance.now()
      await work()
      return performance.now() - start
    }
    const tc = (commands: string[]) => run(['tc', '-batch', '-'], place, commands.join('\n'))

    const first = await timed(async () => {
      await run(['nft', '-f', '-'], place, ruleset(links))
      await tc([...classifiers(links), ...classes('add', links, rates[0])])
    })
    const times: number[] = []
    const stopping = new AbortController()
    const change = async () => {
      const commands = classes('change', links, rates[(times.length + 1) % rates.length] ?? rates[0])
      times.push(await timed(() => tc(commands)))
    }
    const steps = async () => {
      do {
        await change()
        await sleep(pauseMs)
      } while (!stopping.signal.aborted)
    }
    const ended = steps()
    ended.catch(() => undefined) // reported by stop()
    return {
      async stop() {
        stopping.abort()
        await ended
        const pairs = links.length / 2
        const { median: step, max: worst } = summarise(times)
        return { step, worst, first, links: pairs, changes: pairs }
      },
    }
  },
}

function clique(names: readonly string[]): Link[] {
  let mark = 0
  return names.flatMap((from, index) =>
    names.slice(index + 1).flatMap((to) => {
      mark++
      return [{ from, to, mark }, { from: to, to: from, mark }] // prettier-ignore
    }),
  )
}

function ruleset(links: readonly Link[]): string {
  return [
    'add table bridge filter',
    'add chain bridge filter wifi1',
    ...links.map(
      ({ from, to, mark }) =>
        `add rule bridge filter wifi1 iifname "${from}" oifname "${to}" counter meta mark set ${mark} accept`,
    ),
    'add rule bridge filter wifi1 counter drop',
    'add chain bridge filter FORWARD { type filter hook forward priority -200; policy accept; }',
    'add rule bridge filter FORWARD counter jump wifi1',
  ].join('\n')
}

/** Commands for tc: a queueing discipline for each port that links lead to, and a filter for each link. */
function classifiers(links: readonly Link[]): string[] {
  const ports = [...new Set(links.map(({ to }) => to))]
  return [
    ...ports.map((port) => `qdisc add dev ${port} root handle 1: htb`),
    ...links.map(
      ({ to, mark }) =>
        `filter add dev ${to} parent 1: protocol all prio 1 bpf bytecode '${marked(mark)}' flowid ${classOf(mark)}`,
    ),
  ]
}

/** Commands for tc, one for each link. */
function classes(verb: 'add' | 'change', links: readonly Link[], kilobits: number): string[] {
  return links.map(
    ({ to, mark }) => `class ${verb} dev ${to} parent 1: classid ${classOf(mark)} htb rate ${kilobits}kbit`,
  )
}

/** Minor numbers are hexadecimal. */
const classOf = (mark: number): string => `1:${mark.toString(16)}`

/** Load the mark (SKF_AD_OFF + SKF_AD_MARK of linux/filter.h); whether it is this one; take the class, or do not. */
const marked = (mark: number): string => `4,32 0 0 4294963220,21 0 1 ${mark},6 0 0 4294967295,6 0 0 0`
