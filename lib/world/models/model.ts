/** What a link quality model is. One file per model; the world calls it once for each distance that occurs. */
import type { PolicyOptions } from '../../policy/policy.js'
import type { Rate } from '../../values/units.js'
import type { Rules } from '../../values/options.js'
import type { Keyed } from '../../values/registry.js'

/** Says what a link of a length does. The same for both directions. */
export interface LinkQualityModel {
  /** For reports. */
  readonly name: string
  /** The greatest distance that is connected, in whole metres; Infinity where none is too far. */
  readonly maxConnectedDistance: number
  /**
   * The policy of both paths of a link, always the same for the same distance; null: not connected. In whole metres;
   * what is no distance (below 0, NaN) and what is beyond `maxConnectedDistance` is not connected.
   */
  quality(distance: number): PolicyOptions | null
}

/** Whether a distance is one at which the model may connect. */
export const isWithin = (
  { maxConnectedDistance }: Pick<LinkQualityModel, 'maxConnectedDistance'>,
  distance: number,
): boolean => typeof distance === 'number' && distance >= 0 && distance <= maxConnectedDistance

/** The greatest whole distance for which a condition holds that holds from 0 on; -1 where it never does. */
export function lastDistance(connected: (distance: number) => boolean): number {
  let distance = -1
  while (connected(distance + 1)) distance++
  return distance
}

/** A model under its word in topology files, which have it as it comes or with its options. index.ts lists them. */
export interface LinkModelKind<
  Given extends object = object,
  Key extends string = string,
> extends Keyed<Key> {
  /** What it does, in a sentence. */
  readonly description: string
  /** What it can be given. */
  readonly options: Rules
  /** `bandwidth` is the world's, of all its links, where the model has none of its own. */
  make(given: Given, bandwidth: Rate | undefined): LinkQualityModel
}

/** Options with a world's bandwidth, where they have none of their own. */
export const withBandwidth = <Given extends object>(given: Given, bandwidth: Rate | undefined): Given => ({
  ...(bandwidth !== undefined && { bandwidth }),
  ...given,
})
