/** WifiExponentialModel: every four metres halve the bandwidth and double the delay. */
import { withBandwidth, type LinkModelKind } from './model.js'
import { wifiRules, WifiModel, type WifiModelOptions } from './wifi.js'

/**
 * With k = 2^floor(d / 4): bandwidth B / k and delay k ms, a tenth of it as jitter with correlation 0.25; cut below
 * 1 Mbit/s. MiniWorld's `LinkQualityModelWiFiExponential`.
 */
export class WifiExponentialModel extends WifiModel {
  readonly name = 'exponential'

  protected bandwidthAt(distance: number): number {
    return this.bandwidth / factor(distance)
  }

  protected delayAt(distance: number): number {
    return factor(distance)
  }
}

const factor = (distance: number): number => 2 ** Math.floor(distance / 4)

/** @internal */
export const exponentialKind: LinkModelKind<WifiModelOptions, 'exponential'> = {
  key: 'exponential',
  description:
    'A bandwidth that falls with the distance, and a delay that grows, by half and double every four metres.',
  options: wifiRules,
  make: (given, bandwidth) => new WifiExponentialModel(withBandwidth(given, bandwidth)),
}
