/** LogDistanceModel: how much power arrives, and which rate that is enough for. */
import {
  about,
  list,
  mapping,
  number,
  optional,
  readOptions,
  refuse,
  required,
  type RulesOf,
} from '../../values/options.js'
import type { PolicyOptions } from '../../policy/policy.js'
import { formatRate, rate, type Rate } from '../../values/units.js'
import { isWithin, lastDistance, type LinkModelKind, type LinkQualityModel } from './model.js'

/** The radios and their surroundings. */
export interface LogDistanceModelOptions {
  /** Path loss exponent: 2 in free space, 2.7 to 3.5 in cities, up to 6 inside buildings. 1 to 10, default 3. */
  exponent?: number
  /** In MHz. 1 to 300000, default 2412, the first channel of 2.4 GHz. */
  frequency?: number
  /** Power that is sent, antenna gains included, in dBm. -100 to 100, default 20. */
  power?: number
  /**
   * The least power in dBm that each rate needs, 1 to 64 of them in any order. Default: IEEE 802.11-2016, table 17-18,
   * for channels of 20 MHz, from -82 dBm for 6 Mbit/s to -65 dBm for 54 Mbit/s.
   */
  rates?: readonly { power: number; rate: Rate }[]
}

/** The rates of IEEE 802.11 in Mbit/s, each with the least power that it needs. */
const ofdm = [
  [-82, 6],
  [-81, 9],
  [-79, 12],
  [-77, 18],
  [-74, 24],
  [-70, 36],
  [-66, 48],
  [-65, 54],
] as const

const rateRow = mapping({
  power: required(about('The least power that the rate needs, in dBm.', number(-200, 100))),
  rate: required(about('Bits per second.', rate())),
})

const logDistanceRules = {
  exponent: about(
    'Path loss exponent: 2 in free space, up to 6 inside buildings.',
    number(1, 10, { default: 3 }),
  ),
  frequency: about('Of the carrier.', number(1, 300_000, { unit: 'MHz', default: 2412 })),
  power: about(
    'Power that is sent, antenna gains included.',
    number(-100, 100, { unit: 'dBm', default: 20 }),
  ),
  rates: about(
    "Rates by the power that arrives, 1 to 64 of them. Default: IEEE 802.11's of 20 MHz.",
    optional(list(rateRow)),
  ),
} satisfies RulesOf<LogDistanceModelOptions>

/** Nobody's radio reaches further; bounds what a table can ask for. */
const farthest = 1_000_000

/**
 * Path loss L(d) = L(1 m) + 10 n log10(d / 1 m), with the loss of free space at 1 m (Rappaport, Wireless
 * Communications, section 4.9), and the fastest rate of a table that the arriving power is enough for. No delay and no
 * loss of frames.
 */
export class LogDistanceModel implements LinkQualityModel {
  readonly name = 'logDistance'
  readonly maxConnectedDistance: number
  readonly #exponent: number
  readonly #powerAtOneMetre: number
  /** The fastest first. */
  readonly #rates: readonly { power: number; policy: PolicyOptions }[]

  /** @throws EtherloomError ERR_ETHERLOOM_OPTION, ERR_ETHERLOOM_UNKNOWN_OPTION */
  constructor(options: LogDistanceModelOptions = {}) {
    const given = readOptions('LogDistanceModel', options, logDistanceRules)
    const { rates = ofdm.map(([power, mbit]) => ({ power, rate: BigInt(mbit) * 1_000_000n })) } = given
    if (rates.length < 1 || rates.length > 64)
      refuse("option 'rates' of LogDistanceModel", 'a list of 1 to 64 entries', options.rates)
    const freeSpaceLoss = 20 * Math.log10((4 * Math.PI * given.frequency * 1e6) / 299_792_458)
    this.#exponent = given.exponent
    this.#powerAtOneMetre = given.power - freeSpaceLoss
    this.#rates = [...rates]
      .sort((one, other) => Number(other.rate - one.rate))
      .map(({ power, rate }) => ({ power, policy: { rate: formatRate(rate) as Rate } }))
    this.maxConnectedDistance = lastDistance(
      (distance) => distance <= farthest && this.#fastestAt(distance) !== null,
    )
  }

  /** The power that arrives, in dBm; below 1 m as at 1 m. */
  powerAt(distance: number): number {
    return this.#powerAtOneMetre - 10 * this.#exponent * Math.log10(Math.max(distance, 1))
  }

  quality(distance: number): PolicyOptions | null {
    return isWithin(this, distance) ? this.#fastestAt(distance) : null
  }

  #fastestAt(distance: number): PolicyOptions | null {
    const power = this.powerAt(distance)
    return this.#rates.find((row) => power >= row.power)?.policy ?? null
  }
}

/** @internal Its rates are those of its table. */
export const logDistanceKind: LinkModelKind<LogDistanceModelOptions, 'logDistance'> = {
  key: 'logDistance',
  description: 'Log-distance path loss, and the rate that the arriving power is enough for.',
  options: logDistanceRules,
  make: (given) => new LogDistanceModel(given),
}
