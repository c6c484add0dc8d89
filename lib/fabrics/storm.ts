/** What a port may have flooded, and what is told of a storm. For `attach`, topology files and the events of fabrics. */
import { about, integer, mapping, type RulesOf } from '../values/options.js'
import type { Duration } from '../values/units.js'

/** What fabrics flood. The native half has the same in the same order (native/pipeline/storm_guard.hpp); a test compares. */
export const stormTraffic = ['broadcast', 'multicast', 'unknown'] as const
/** What fabrics flood. */
export type StormTraffic = (typeof stormTraffic)[number]

/**
 * Frames that a port may send into its fabric each second, 0 to 10000000, of those that are flooded. A tenth of that may
 * come at once, but at least one frame; what is beyond is dropped as `storm`. A super-frame counts as its wire frames. What
 * is left out is not limited.
 */
export interface StormOptions {
  /** To ff:ff:ff:ff:ff:ff. */
  broadcast?: number
  /** To every other group address. */
  multicast?: number
  /** To single stations that the switch does not know. For ports of switches. */
  unknown?: number
}

/** A storm that has begun: the first frame was dropped. */
export interface StormBegin {
  /** What it sends too much of. */
  traffic: StormTraffic
  /** Frames that the port may send each second; absent where that has been changed meanwhile. */
  limit?: number
}

/** A storm that is over: no frame was dropped for a second, or its port is detached. */
export interface StormEnd {
  /** What it sent too much of. */
  traffic: StormTraffic
  /** Frames that were dropped meanwhile. */
  dropped: bigint
  /** Frames of this kind that the port sent each second, on average from the first that was dropped to a second after the last. */
  rate: number
  /** From the first frame that was dropped to the last. */
  lasted: Duration
}

const limit = (whose: string) =>
  about(
    `How many frames ${whose} the port may send. Default: any number.`,
    integer(0, 10_000_000, { unit: 'frames a second' }),
  )

/** @internal */
export const stormRule = mapping(
  {
    broadcast: limit('to ff:ff:ff:ff:ff:ff'),
    multicast: limit('to every other group address'),
    unknown: limit('to single stations that the switch does not know'),
  } satisfies RulesOf<StormOptions>,
  { owner: 'storm' },
)
