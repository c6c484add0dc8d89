/** Switch: a learning bridge (IEEE 802.1Q, clause 8, without spanning tree). */
import { readAddress } from '../values/addresses.js'
import { native } from '../binding.js'
import { Fabric, fabricRules, type FabricOptions } from './fabric.js'
import type { FabricKind, LearnedAddress } from './kind.js'
import { about, flag, integer, optionsReader, type RulesOf } from '../values/options.js'
import { duration, formatDuration, type Duration } from '../values/units.js'

/** What a switch can have beyond other fabrics: how long and how much it learns. */
export interface SwitchOptions extends FabricOptions {
  /** How long an address is known after a frame from it. Default 300s; 0s learns nothing. */
  ageing?: Duration
  /** Addresses the table holds, 1 to 1048576. Default 8192. A full table evicts from the port that has most. */
  addresses?: number
  /** Passes on frames to 01:80:C2:00:00:0x, which bridges keep to one link. Default false. */
  forwardReserved?: boolean
}

/** What a switch has beyond other fabrics. */
const switchRules = {
  ageing: about('How long a silent address is remembered.', duration({ default: '300s' })),
  addresses: about('How many addresses the table holds.', integer(1, 1 << 20, { default: 8192 })),
  forwardReserved: about('Whether to pass on frames to 01:80:C2:00:00:0x.', flag(false)),
}

const readSwitchOptions = optionsReader('Switch', {
  ...fabricRules,
  ...switchRules,
} satisfies RulesOf<SwitchOptions>)

/** Learns which addresses stand behind which port; unknown and group destinations are flooded. */
export class Switch extends Fabric {
  /** @internal */
  override readonly table: { ageing: bigint; addresses: number }

  /** @throws EtherloomError ERR_ETHERLOOM_OPTION, ERR_ETHERLOOM_UNKNOWN_OPTION */
  constructor(options: SwitchOptions = {}) {
    const { ageing, addresses, forwardReserved, ...given } = readSwitchOptions(options)
    super('switch', given, { ageing, addresses, forwardReserved })
    this.table = { ageing, addresses }
  }

  /** What it has learned and not forgotten. */
  addresses(): LearnedAddress[] {
    return native(() => this.engine.native.addresses(this.id)).flatMap(({ address, port, age }) => {
      const at = this.portAt(port)
      return at ? [{ ...readAddress(address), port: at.name, age: formatDuration(age) }] : []
    })
  }
}

/** @internal */
export const switchKind: FabricKind<SwitchOptions, Switch, 'switch'> = {
  key: 'switch',
  description: 'Frames go where their destination address was last seen.',
  options: switchRules,
  make: (options) => new Switch(options),
  attach: ['group', 'vlan', 'storm.unknown'],
  addresses: (fabric) => fabric.addresses(),
}
