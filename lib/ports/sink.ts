/** SinkPort: a null device. */
import { calls } from '../binding.js'
import { about, optionsReader, type RulesOf } from '../values/options.js'
import { nameRule } from '../values/names.js'
import { Port, type PortFabric } from './port.js'

/** The options of a sink. */
export interface SinkPortOptions {
  /** Default `sink%d`. */
  name?: string
}

const readSinkOptions = optionsReader('SinkPort', {
  name: about("The port's name. Default: sink and a number.", nameRule()),
} satisfies RulesOf<SinkPortOptions>)

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
    const given = readSinkOptions(options)
    super(given.name ?? 'sink%d')
  }

  protected override async open(fabric: PortFabric): Promise<number> {
    return Promise.resolve(this.seatDevice(fabric, makeSink()))
  }
}
