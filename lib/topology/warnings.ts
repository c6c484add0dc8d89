/**
 * What is valid in a topology and looks like a mistake: a word to the user, not a refusal. Called by check.ts.
 */
import { impairments } from '../policy/impairments/index.js'
import type { ImpairmentKind } from '../policy/impairments/impairment.js'
import type { Complain } from '../values/problem.js'
import type { PathPlan, Plan, PortPlan } from './plan.js'
import { ownInterfaceOf, peerOf } from './plan-ports.js'

/** Hands to `warn` all that looks wrong; `data` is the topology as it was written, where 100% is not yet 1. */
export function warnOf(plan: Plan, data: unknown, warn: Complain): void {
  const { fabrics } = data as { fabrics: Record<string, { paths?: object[]; timeline?: object[] }> }
  for (const [name, { paths, timeline }] of Object.entries(fabrics))
    for (const [key, entries] of Object.entries({ paths, timeline }))
      entries?.forEach((entry, index) => {
        warnOfCertainties(entry, (place, ...rest) => {
          warn(['fabrics', name, key, index, ...place], ...rest)
        })
      })
  warnOfEqualAddresses(plan, warn)
}

/** A user who means one per cent writes 1, too. */
function warnOfCertainties(policy: Partial<PathPlan['policy']>, warn: Complain): void {
  if (policy.allowed === false) return
  for (const [option, { certainty }] of Object.entries<Pick<ImpairmentKind<unknown>, 'certainty'>>(
    impairments,
  )) {
    if (certainty === undefined) continue
    const given: unknown = policy[option as keyof typeof impairments]
    const inRate = typeof given === 'object' && given !== null && 'rate' in given
    if ((inRate ? given.rate : given) === 1)
      warn(
        [option, ...(inRate ? ['rate'] : [])],
        `every frame ${certainty}, for 1 is a certainty; write 1% or 0.01 for one in a hundred, 100% for all`,
      )
  }
}

/** Two interfaces with one address are not told apart by those who hear both. */
function warnOfEqualAddresses(plan: Plan, warn: Complain): void {
  const segmentOf = segments(plan)
  const seen = new Map<string, string>()
  for (const [fabric, { ports }] of plan.fabrics)
    for (const [name, port] of ports) {
      const own = ownInterfaceOf(port)
      if (!own) continue
      const place = ['fabrics', fabric, 'ports', name]
      const meet = (address: string, key: string, what: string): void => {
        const identity = `${segmentOf(fabric)} ${vlanOf(port)} ${address.toLowerCase()}`
        const other = seen.get(identity)
        if (other === undefined) seen.set(identity, `${fabric}.${name}`)
        else warn([...place, key], `${what} ${address} is that of ${other} too, which is on the same network`)
      }
      if (own.mac !== undefined) meet(own.mac, 'mac', 'the MAC address')
      for (const address of own.addresses) meet(address.replace(/\/.*/, ''), 'addresses', 'the address')
    }
}

/** Those on different access VLANs of a network do not meet. */
function vlanOf({ vlan }: PortPlan): string {
  return vlan && 'access' in vlan ? `${vlan.access}` : ''
}

/** Gives for each fabric one name of all that are joined with it. */
function segments({ fabrics }: Plan): (fabric: string) => string {
  const joined = new Map([...fabrics.keys()].map((name) => [name, name]))
  const root = (name: string): string => {
    const up = joined.get(name) ?? name
    return up === name ? name : root(up)
  }
  for (const [name, { ports }] of fabrics)
    for (const port of ports.values()) {
      const peer = peerOf(port)
      if (peer) joined.set(root(name), root(peer.fabric))
    }
  return root
}
