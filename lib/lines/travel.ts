/** The travel of a path: how long a frame is under way after the line. native/lines/travel.hpp is the other half. */
import { optional, probability, refuse } from '../options.js'
import { partKinds, type PolicyPart } from '../policy-parts.js'
import { formatDuration, parseDuration, type Duration } from '../units.js'

export interface TravelOptions {
  /** Travel time, added to every frame. 0s to 365 days. */
  delay?: Duration
  /** The delay varies uniformly by up to this much to either side, never below 0. Does not reorder by itself. */
  jitter?: Duration
  /** Probability of skipping the delay, 0 to 1. Above 0, frames of the path may overtake each other. */
  reorder?: number
}

export const travelRules = {
  delay: optional(parseDuration, 0n),
  jitter: optional(parseDuration, 0n),
  reorder: probability(0),
}

interface Given {
  delay: bigint
  jitter: bigint
  reorder: number
}

/** undefined where frames arrive as they depart. */
export function travelPart({ delay, jitter, reorder }: Given): PolicyPart | undefined {
  if (delay === 0n && reorder > 0)
    refuse(
      "option 'delay' of path policy",
      "above 0 with 'reorder', which lets frames skip it",
      formatDuration(delay),
    )
  if (delay === 0n && jitter === 0n) return undefined
  return { kind: partKinds.travel, words: [delay, jitter, reorder] }
}
