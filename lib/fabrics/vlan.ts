/**
 * VLANs of a switch's port, as users write them (IEEE 802.1Q). For `Switch.attach` and topology files.
 */
import { EtherloomError } from '../values/errors.js'
import {
  about,
  either,
  integer,
  isMapping,
  list,
  mapping,
  oneOf,
  optional,
  optionsReader,
  refuse,
  required,
  shaped,
  type Rule,
} from '../values/options.js'

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

/** A VLAN identifier; 0 and 4095 are reserved (IEEE 802.1Q, table 9-2). */
const vlanId = about('A VLAN, as the identifier in its tags.', integer(first, last))

const every = oneOf(['all'])
const keys = {
  access: about('The VLAN of an access port; its frames pass the port without a tag.', integer(first, last)),
  trunk: about(
    "The VLANs that a trunk carries with their tags: a list, or 'all'.",
    either<'all' | number[] | undefined>("a list of VLANs such as [10, 20], or 'all'", [
      every,
      list(vlanId, { min: 1, expects: "a list of VLANs such as [10, 20], or 'all'" }),
    ]),
  ),
  native: about('The VLAN of frames without a tag. Default: they are dropped.', integer(first, last)),
}
const readVlan = optionsReader('vlan', keys)

/** @internal A rule for the VLANs of a port. */
export const vlanRule: Rule<PortVlans | undefined> = optional(
  shaped(read, {
    description: 'VLANs of the port, on a switch: { access: 10 }, or { trunk: [10, 20], native: 1 }.',
    form: {
      kind: 'either',
      branches: [
        mapping({ access: required(keys.access) }),
        mapping({ trunk: required(keys.trunk), native: keys.native }),
      ],
    },
  }),
)

function read(value: unknown, subject: string): PortVlans {
  if (!isMapping(value))
    refuse(subject, "such as { access: 10 }, { trunk: [10, 20] } or { trunk: 'all', native: 1 }", value)
  const given = readVlan(value)
  if ((given.access === undefined) === (given.trunk === undefined))
    throw new EtherloomError('ERR_ETHERLOOM_OPTION', `${subject} must have either 'access' or 'trunk'`)
  if (given.access !== undefined && given.native !== undefined)
    throw new EtherloomError(
      'ERR_ETHERLOOM_OPTION',
      `${subject} must have no 'native' with 'access': all frames of an access port are without a tag`,
    )
  const { access, trunk = [], native = 0 } = given
  return { tagged: Uint16Array.from(trunk === 'all' ? everyVlan : trunk), untagged: access ?? native }
}

/** @internal As a cell of a table: `10`, `10,20`, `10,20 native 1`, `all`. */
export function describeVlan(vlan: VlanOptions): string {
  if ('access' in vlan) return `${vlan.access}`
  const carried = vlan.trunk === 'all' ? 'all' : vlan.trunk.join(',')
  return vlan.native === undefined ? `trunk ${carried}` : `trunk ${carried} native ${vlan.native}`
}
