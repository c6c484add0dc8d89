// The Linux bridge, without spanning tree, in a namespace of its own, joining veth pairs: with no rule, and with rules as
// `ebtables` of iptables-nft makes them.

import type { Peer } from '../case.js'
import { probe, run } from '../children.js'
import { type Namespace, type Network } from '../network.js'

/** A receiver that never sends stays unknown, and the bridge floods what is addressed to it, as a hub does. */
export const linuxBridge: Peer = {
  name: 'Linux bridge',

  unavailable: () => probe('ip', 'link', 'add', 'name', 'bridge0', 'type', 'bridge'),

  async start(network) {
    await joinByBridge(network)
    return { stop: () => Promise.resolve(undefined) }
  },
}

/**
 * With a forward chain that drops, and that many rules that accept a pair of interfaces, each with a counter. The pairs
 * from the first port to the others come last.
 */
export const linuxBridgeWithRules = (rules: number): Peer => ({
  name: `Linux bridge, ${rules} rules`,

  unavailable: async () => (await linuxBridge.unavailable()) ?? probe('nft', ruleset([['from', 'to']])),

  async start(network) {
    const { between, names } = await joinByBridge(network)
    const [first = '', ...others] = names
    const needed = others.map((to) => [first, to] as const)
    const rest = Array.from(
      { length: rules - needed.length },
      (_, index) => [`other${index}`, `other${index + 1}`] as const,
    )
    await run(['nft', '-f', '-'], { namespace: between.path }, ruleset([...rest, ...needed]))
    return { stop: () => Promise.resolve(undefined) }
  },
})

function ruleset(pairs: readonly (readonly [from: string, to: string])[]): string {
  const accept = ([from, to]: readonly [string, string]) =>
    `add rule bridge filter FORWARD iifname "${from}" oifname "${to}" counter accept`
  return [
    'add table bridge filter',
    'add chain bridge filter FORWARD { type filter hook forward priority -200; policy drop; }',
    ...pairs.map(accept),
  ].join('\n')
}

/** The part without rules; `names` are the bridge's ports in `between`, in the order of the network's. */
export async function joinByBridge(network: Network): Promise<{ between: Namespace; names: string[] }> {
  const { between, names } = await network.legs()
  await between.ipBatch([
    'link add name bridge0 type bridge stp_state 0',
    'link set dev bridge0 up',
    ...names.map((name) => `link set dev ${name} master bridge0`),
  ])
  return { between, names }
}
