/** Hub: every frame goes to every other port that paths allow. */
import { Fabric, fabricRules, type FabricOptions } from './fabric.js'
import type { FabricKind } from './kind.js'
import { readOptions } from '../values/options.js'

/**
 * Floods: unicast is overheard, and the overheard copy uses up the overhearing path's own rate, as on a shared medium.
 * A frame never returns to the port it came from.
 *
 * @example
 * const hub = new Hub({ name: 'wifi1', forwarding: 'deny' })
 * const left = await hub.attach(new TapPort({ name: 'left0' }))
 * const right = await hub.attach(new TapPort({ name: 'right0' }))
 * await hub.between(left, right).allow({ delay: '10ms', rate: '54Mbit', loss: 0.01 })
 */
export class Hub extends Fabric {
  /** @throws EtherloomError ERR_ETHERLOOM_OPTION, ERR_ETHERLOOM_UNKNOWN_OPTION */
  constructor(options: FabricOptions = {}) {
    super('hub', readOptions('Hub', options, fabricRules), {})
  }
}

/** @internal */
export const hubKind: FabricKind<FabricOptions, Hub, 'hub'> = {
  key: 'hub',
  description: 'Every frame goes to every other port.',
  options: {},
  make: (options) => new Hub(options),
  attach: ['group'],
}
