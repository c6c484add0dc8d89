/** The link quality models by the names that topology files have for them. */
import { LogDistanceModel } from './log-distance.js'
import { RangeModel } from './range.js'
import { WifiExponentialModel } from './wifi-exponential.js'
import { WifiLinearModel } from './wifi-linear.js'

export const models = {
  range: RangeModel,
  linear: WifiLinearModel,
  exponential: WifiExponentialModel,
  logDistance: LogDistanceModel,
} as const
