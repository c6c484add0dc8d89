/** What a link quality model is. One file per model; the world calls it once for each distance that occurs. */
import type { PolicyOptions } from '../../policy/policy.js'

/** Says what a link of a length does. The same for both directions. */
export interface LinkQualityModel {
  /** For reports. */
  readonly name: string
  /** The greatest distance that is connected, in whole metres; Infinity where none is too far. */
  readonly maxConnectedDistance: number
  /**
   * The policy of both paths of a link; null: not connected. Always the same for the same distance.
   *
   * @param distance whole metres from 0 to `maxConnectedDistance`
   */
  quality(distance: number): PolicyOptions | null
}

/** The greatest whole distance for which a condition holds that holds from 0 on; -1 where it never does. */
export function lastDistance(connected: (distance: number) => boolean): number {
  let distance = -1
  while (connected(distance + 1)) distance++
  return distance
}
