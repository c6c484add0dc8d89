/**
 * VLANs of a switch's port, as users write them (IEEE 802.1Q). For `Switch.attach` and topology files.
 */
import { EtherloomError } from '../values/errors.js'
import { integer, list, optional, readOptions, refuse, type Rule } from '../values/options.js'

/**
 * The VLANs of a port, 1 to 4094, in the words of switches. An access port is in one VLAN, whose frames pass it without
 * a tag. A trunk carries several, or all, with their tags; those of the `native` one, if there is one, without.
 */
export type VlanOptions = { access: number } | { trunk: number[] | 'all'; native?: number }

/** @internal The same in the words of the native half: which have a tag, and which one has none (0: no one). */
export interface PortVlans {
  tagged: Uint16Array
  untagged: number
}

const [first, last] = [1, 4094] as const
const everyVlan = Array.from({ length: last }, (_, index) => first + index)

/** @internal A rule for a VLAN identifier; 0 and 4095 are reserved (IEEE 802.1Q, table 9-2). */
export const vlanId = (): Rule<number | undefined> => integer(first, last)

/** @internal A rule for what a trunk carries. */
export const trunkRule: Rule<number[] | 'all'> = (value, subject) => {
  if (value === 'all') return value
  if (!Array.isArray(value) || value.length === 0)
    return refuse(subject, "a list of VLANs such as [10, 20], or 'all'", value)
  return list(vlanId())(value, subject) as number[]
}

/** @internal A rule for the VLANs of a port. */
export const vlanRule: Rule<PortVlans | undefined> = optional((value, subject) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    refuse(subject, "such as { access: 10 }, { trunk: [10, 20] } or { trunk: 'all', native: 1 }", value)
  const given = readOptions('vlan', value, {
    access: vlanId(),
    trunk: optional(trunkRule),
    native: vlanId(),
  })
  if ((given.access === undefined) === (given.trunk === undefined))
    throw new EtherloomError('ERR_ETHERLOOM_OPTION', `${subject} must have either 'access' or 'trunk'`)
  if (given.access !== undefined && given.native !== undefined)
    throw new EtherloomError(
      'ERR_ETHERLOOM_OPTION',
      `${subject} must have no 'native' with 'access': all frames of an access port are without a tag`,
    )
  const { access, trunk = [], native = 0 } = given
  return { tagged: Uint16Array.from(trunk === 'all' ? everyVlan : trunk), untagged: access ?? native }
})

/** @internal As a cell of a table: `10`, `10,20`, `10,20 native 1`, `all`. */
export function describeVlan(vlan: VlanOptions): string {
  if ('access' in vlan) return `${vlan.access}`
  const carried = vlan.trunk === 'all' ? 'all' : vlan.trunk.join(',')
  return vlan.native === undefined ? `trunk ${carried}` : `trunk ${carried} native ${vlan.native}`
}
