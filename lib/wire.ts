/** Wire: exactly two ports, cross-connected; no addresses are looked at. */
import { Fabric, fabricRules, type FabricOptions } from './fabric.js'
import { readOptions } from './options.js'

/** Joins two ports. A third is refused. */
export class Wire extends Fabric {
  /** @throws EtherloomError ERR_ETHERLOOM_OPTION, ERR_ETHERLOOM_UNKNOWN_OPTION */
  constructor(options: FabricOptions = {}) {
    super('wire', readOptions('Wire', options, fabricRules), {}, 2)
  }
}
