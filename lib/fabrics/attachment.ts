/** What a port has in its fabric, whatever its kind: the options of `attach` and `configure`. */
import { isGroupMac, macRule } from '../values/addresses.js'
import type { PortSettings } from '../binding.js'
import { EtherloomError } from '../values/errors.js'
import {
  about,
  either,
  flag,
  list,
  mapping,
  optional,
  optionsReader,
  type RulesOf,
  type Values,
} from '../values/options.js'
import { abortSignal } from '../values/signals.js'
import { nameRule } from '../values/names.js'
import { duration, type Duration } from '../values/units.js'
import { stormRule, type StormOptions } from './storm.js'
import { vlanRule, type VlanOptions } from './vlan.js'

/** What a port has in its fabric. What is left out, when attaching, is as if there were no such option. */
export interface AttachOptions {
  /**
   * Travel of every frame to the port, behind what its path does to it; order is kept. Default 0s.
   * On the path such a frame counts as in flight.
   */
  delay?: Duration
  /** Which frames the port takes; others are dropped as `not-for-us`. Default: all. */
  receive?: ReceiveOptions
  /** How much of what it sends is flooded, in frames a second; the rest is dropped as `storm`. Default: all of it. */
  storm?: StormOptions
  /**
   * The name of its split-horizon group: ports of one group do not hear each other, except where a policy allows the
   * path. For hubs and switches; not to be configured. Default: in none.
   */
  group?: string
  /**
   * Its VLANs. For switches, as soon as one port has any: those without are `{ access: 1 }` then.
   * Default: none, so that tags pass as they are.
   */
  vlan?: VlanOptions
}

/** What takes its time and may be ended before. */
export interface Abortable {
  /** Ends it: nothing of it stays, and the promise is rejected with the signal's reason. */
  signal?: AbortSignal
}

/** What the address filter of a network card lets in, by the destination address of a frame. */
export interface ReceiveOptions {
  /** Stations whose frames the port takes, as `02:00:00:00:00:01`. Required, unless it is promiscuous. */
  addresses?: string[]
  /** Frames to ff:ff:ff:ff:ff:ff. Default true. */
  broadcast?: boolean
  /** Frames to every other group address, to these only, or to none. Default true. */
  multicast?: boolean | string[]
  /** Takes every frame, whatever else is said here. Default false. */
  promiscuous?: boolean
}

type ReceiveSettings = NonNullable<PortSettings['receive']>

const station = about(
  'The MAC address of a station.',
  macRule(
    'the address of one station (an even first byte)',
    '[02468aceACE]',
    '02:00:00:00:00:01',
    (mac) => !isGroupMac(mac),
  ),
)
const group = about(
  'The MAC address of a group.',
  macRule('a group address (an odd first byte)', '[13579bdfBDF]', '01:00:5e:00:00:01', isGroupMac),
)

/** What `multicast` may be: all of them, none, or a list. */
const groups = either<boolean | Uint8Array[] | undefined>('true, false or a list of group addresses', [
  flag(),
  list(group),
])

const receiveKeys = {
  addresses: about(
    'Stations whose frames the port takes. Required, unless it is promiscuous.',
    optional(list(station)),
  ),
  broadcast: about('Whether it takes frames to ff:ff:ff:ff:ff:ff.', flag(true)),
  multicast: about(
    'Frames to every other group address, to these only, or to none.',
    optional(groups, true, true),
  ),
  promiscuous: about('Whether it takes every frame.', flag(false)),
} satisfies RulesOf<ReceiveOptions>

/** null for every frame. */
const receiveRule = mapping(receiveKeys, {
  owner: 'receive',
  finish: ({ addresses, broadcast, multicast, promiscuous }): ReceiveSettings | null => {
    if (promiscuous) return null
    if (addresses === undefined)
      throw new EtherloomError(
        'ERR_ETHERLOOM_OPTION',
        "option 'addresses' of receive is required: without it the port takes no frame to a single station; or give promiscuous: true",
      )
    const all = [...addresses, ...(Array.isArray(multicast) ? multicast : [])]
    return { broadcast, multicast: multicast === true, addresses: BigUint64Array.from(all, numberOf) }
  },
})

/** @internal What `attach` and `configure` are given, and ports of topology files have. */
export const attachRules = {
  delay: about('Travel of every frame to the port, behind what its path does to it. Default 0s.', duration()),
  receive: about(
    'Which frames the port takes, by their destination, as the filter of a network card.',
    receiveRule,
    { examples: [{ addresses: ['02:00:00:00:00:01'] }] },
  ),
  storm: about('How many frames of the port its fabric floods; the rest is dropped as storm.', stormRule, {
    examples: [{ broadcast: 100, multicast: 1000 }],
  }),
  group: about(
    'Split-horizon group: ports of one group do not hear each other unless a path entry names both.',
    nameRule(),
  ),
  vlan: vlanRule,
} satisfies RulesOf<AttachOptions>

/** @internal Options as they are checked: undefined where nothing was said. */
export type AttachSettings = Values<typeof attachRules>

/** @internal Checks what `attach` or `configure` is given. */
export const readAttachOptions = optionsReader('attach', { ...attachRules, signal: abortSignal })

/** @internal What the addon is told. */
export const portSettings = ({ delay, receive, storm, group, vlan }: AttachSettings): PortSettings => ({
  delay: delay ?? 0n,
  receive: receive ?? undefined,
  storm,
  group,
  vlan,
})

const numberOf = (mac: Uint8Array): bigint => mac.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n)
