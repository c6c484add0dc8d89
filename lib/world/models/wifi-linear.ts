/** WifiLinearModel: the bandwidth falls with the distance, and the delay grows by a millisecond per metre. */
import { withBandwidth, type LinkModelKind } from './model.js'
import { wifiRules, WifiModel, type WifiModelOptions } from './wifi.js'

/**
 * With D = (d + 1) / 2, and 1 where that is less: bandwidth B / D and delay 2 (D - 1) ms, a tenth of it as jitter with
 * correlation 0.25; cut below 1 Mbit/s. MiniWorld's `LinkQualityModelWiFiLinear`.
 */
export class WifiLinearModel extends WifiModel {
  readonly name = 'linear'

  protected bandwidthAt(distance: number): number {
    return this.bandwidth / divisor(distance)
  }

  protected delayAt(distance: number): number {
    return 2 * (divisor(distance) - 1)
  }
}

const divisor = (distance: number): number => Math.max((distance + 1) / 2, 1)

/** @internal */
export const linearKind: LinkModelKind<WifiModelOptions, 'linear'> = {
  key: 'linear',
  description: 'A bandwidth that falls with the distance, and a delay that grows by a millisecond per metre.',
  options: wifiRules,
  make: (given, bandwidth) => new WifiLinearModel(withBandwidth(given, bandwidth)),
}
