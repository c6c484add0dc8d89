/** RangeModel: connected or not, by the distance alone. */
import { about, integer, readOptions, type RulesOf } from '../../values/options.js'
import type { PolicyOptions } from '../../policy/policy.js'
import { rate, type Rate } from '../../values/units.js'
import { isWithin, withBandwidth, type LinkModelKind, type LinkQualityModel } from './model.js'

/** How far links reach, and how fast they are. */
export interface RangeModelOptions {
  /** Connected below this distance, in metres. 1 to 1000000, default 30. */
  range?: number
  /** Of every link, in each direction. Default: no limit. */
  bandwidth?: Rate
}

const rangeRules = {
  range: about('Connected below this distance.', integer(1, 1_000_000, { unit: 'metres', default: 30 })),
  bandwidth: about('Bits per second of links, in each direction. Default: no limit.', rate()),
} satisfies RulesOf<RangeModelOptions>

/** Links shorter than the range have the bandwidth and no other limit. MiniWorld's `LinkQualityModelRange`. */
export class RangeModel implements LinkQualityModel {
  readonly name = 'range'
  readonly maxConnectedDistance: number
  readonly #policy: PolicyOptions

  /** @throws EtherloomError ERR_ETHERLOOM_OPTION, ERR_ETHERLOOM_UNKNOWN_OPTION */
  constructor(options: RangeModelOptions = {}) {
    const { range } = readOptions('RangeModel', options, rangeRules)
    this.maxConnectedDistance = range - 1
    this.#policy = options.bandwidth === undefined ? {} : { rate: options.bandwidth }
  }

  quality(distance: number): PolicyOptions | null {
    return isWithin(this, distance) ? this.#policy : null
  }
}

/** @internal */
export const rangeKind: LinkModelKind<RangeModelOptions, 'range'> = {
  key: 'range',
  description: 'Connected or not, by the distance alone.',
  options: rangeRules,
  make: (given, bandwidth) => new RangeModel(withBandwidth(given, bandwidth)),
}
