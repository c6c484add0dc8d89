/** LogDistanceModel: how much power arrives, and which rate that is enough for. */
import { list, optional, readOptions, refuse, required, type Rule } from '../../values/options.js'
import type { PolicyOptions } from '../../policy/policy.js'
import { parseRate, type Rate } from '../../values/units.js'
import { isWithin, lastDistance, type LinkModelKind, type LinkQualityModel } from './model.js'

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

const ofdm: NonNullable<LogDistanceModelOptions['rates']> = [
  { power: -82, rate: '6Mbit' },
  { power: -81, rate: '9Mbit' },
  { power: -79, rate: '12Mbit' },
  { power: -77, rate: '18Mbit' },
  { power: -74, rate: '24Mbit' },
  { power: -70, rate: '36Mbit' },
  { power: -66, rate: '48Mbit' },
  { power: -65, rate: '54Mbit' },
]

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
    const given = readOptions('LogDistanceModel', options, {
      exponent: number(1, 10, 3),
      frequency: number(1, 300_000, 2412),
      power: number(-100, 100, 20),
      rates: optional(
        list(rateRow),
        ofdm.map((row) => rateRow(row, '')),
      ),
    })
    if (given.rates.length < 1 || given.rates.length > 64)
      refuse("option 'rates' of LogDistanceModel", 'a list of 1 to 64 entries', options.rates)
    const freeSpaceLoss = 20 * Math.log10((4 * Math.PI * given.frequency * 1e6) / 299_792_458)
    this.#exponent = given.exponent
    this.#powerAtOneMetre = given.power - freeSpaceLoss
    this.#rates = [...given.rates]
      .sort((one, other) => Number(other.bits - one.bits))
      .map(({ power, rate }) => ({ power, policy: { rate } }))
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

function number(min: number, max: number, fallback: number): Rule<number> {
  return optional(
    (value, subject) =>
      typeof value === 'number' && value >= min && value <= max
        ? value
        : refuse(subject, `a number from ${min} to ${max}`, value),
    fallback,
  )
}

function rateRow(value: unknown, subject: string): { power: number; rate: Rate; bits: bigint } {
  const row = readOptions(subject, value, {
    power: required(number(-200, 100, NaN)),
    rate: required(optional(parseRate)),
  })
  return { power: row.power, rate: (value as { rate: Rate }).rate, bits: row.rate }
}

/** @internal Its rates are those of its table. */
export const logDistanceKind: LinkModelKind<LogDistanceModelOptions> = {
  key: 'logDistance',
  make: (given) => new LogDistanceModel(given),
}
