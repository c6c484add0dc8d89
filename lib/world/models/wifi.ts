/** The WiFi models of MiniWorld: a bandwidth that falls with the distance, a delay that grows, and where the link ends. */
import { about, readOptions, type RulesOf } from '../../values/options.js'
import type { PolicyOptions } from '../../policy/policy.js'
import { formatDuration, formatRate, rate, type Duration, type Rate } from '../../values/units.js'
import { isWithin, lastDistance, withBandwidth, type LinkModelKind, type LinkQualityModel } from './model.js'

/** How fast the nearest links are. */
export interface WifiModelOptions {
  /** At distance 0. Default 54Mbit. */
  bandwidth?: Rate
}

const wifiRules = {
  bandwidth: about('Bits per second at distance 0.', rate({ default: '54Mbit' })),
} satisfies RulesOf<WifiModelOptions>

/** Links of less are cut. */
const leastBandwidth = 1_000_000

/** A bandwidth in bits per second, and a delay in milliseconds with a tenth of it as jitter, by distance. */
abstract class WifiModel implements LinkQualityModel {
  abstract readonly name: string
  readonly maxConnectedDistance: number
  /** Bits per second at distance 0. */
  protected readonly bandwidth: number

  /** @throws EtherloomError ERR_ETHERLOOM_OPTION, ERR_ETHERLOOM_UNKNOWN_OPTION */
  constructor(options: WifiModelOptions = {}) {
    const { bandwidth } = readOptions(new.target.name, options, wifiRules)
    this.bandwidth = Number(bandwidth)
    this.maxConnectedDistance = lastDistance((distance) => this.bandwidthAt(distance) >= leastBandwidth)
  }

  quality(distance: number): PolicyOptions | null {
    if (!isWithin(this, distance)) return null
    const rate = formatRate(BigInt(Math.round(this.bandwidthAt(distance)))) as Rate
    const delay = BigInt(Math.round(this.delayAt(distance) * 1e6))
    if (delay === 0n) return { rate }
    const jitter = formatDuration(delay / 10n) as Duration
    return { rate, delay: formatDuration(delay) as Duration, jitter, delayCorrelation: 0.25 }
  }

  /** Bits per second. */
  protected abstract bandwidthAt(distance: number): number
  /** Milliseconds. */
  protected abstract delayAt(distance: number): number
}

/**
 * With k = 2^floor(d / 4): bandwidth B / k and delay k ms, a tenth of it as jitter with correlation 0.25; cut below
 * 1 Mbit/s. MiniWorld's `LinkQualityModelWiFiExponential`.
 */
export class WifiExponentialModel extends WifiModel {
  /** Its word in topology files. */
  readonly name = 'exponential'

  protected bandwidthAt(distance: number): number {
    return this.bandwidth / this.delayAt(distance)
  }

  protected delayAt(distance: number): number {
    return 2 ** Math.floor(distance / 4)
  }
}

/**
 * With D = (d + 1) / 2, and 1 where that is less: bandwidth B / D and delay 2 (D - 1) ms, a tenth of it as jitter with
 * correlation 0.25; cut below 1 Mbit/s. MiniWorld's `LinkQualityModelWiFiLinear`.
 */
export class WifiLinearModel extends WifiModel {
  /** Its word in topology files. */
  readonly name = 'linear'

  protected bandwidthAt(distance: number): number {
    return this.bandwidth / Math.max((distance + 1) / 2, 1)
  }

  protected delayAt(distance: number): number {
    return 2 * (Math.max((distance + 1) / 2, 1) - 1)
  }
}

/** @internal */
export const exponentialKind: LinkModelKind<WifiModelOptions, 'exponential'> = {
  key: 'exponential',
  description:
    'A bandwidth that falls with the distance, and a delay that grows, by half and double every four metres.',
  options: wifiRules,
  make: (given, bandwidth) => new WifiExponentialModel(withBandwidth(given, bandwidth)),
}

/** @internal */
export const linearKind: LinkModelKind<WifiModelOptions, 'linear'> = {
  key: 'linear',
  description: 'A bandwidth that falls with the distance, and a delay that grows by a millisecond per metre.',
  options: wifiRules,
  make: (given, bandwidth) => new WifiLinearModel(withBandwidth(given, bandwidth)),
}
