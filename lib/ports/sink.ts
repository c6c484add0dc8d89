/** SinkPort: a null device. */
import { calls } from '../binding.js'
import { readOptions } from '../values/options.js'
import { nameRule } from '../values/names.js'
import { Port, type PortFabric } from './port.js'

export interface SinkPortOptions {
  /** Default `sink%d`. */
  name?: string
}

const { makeSink } = calls<{ makeSink(): unknown }>()

/**
 * Takes every frame, of any length, counts it as transmitted, and never sends one: the far end of a benchmark, or of
 * what nobody is to receive. Privilege: none.
 *
 * @example
 * const sink = await hub.attach(new SinkPort())
 * sink.stats().transmitted.frames
 */
export class SinkPort extends Port {
  /** @throws EtherloomError ERR_ETHERLOOM_OPTION, ERR_ETHERLOOM_UNKNOWN_OPTION */
  constructor(options: SinkPortOptions = {}) {
    const given = readOptions('SinkPort', options, { name: nameRule() })
    super(given.name ?? 'sink%d')
  }

  protected override async open(fabric: PortFabric): Promise<number> {
    return Promise.resolve(this.seatDevice(fabric, makeSink()))
  }
}
