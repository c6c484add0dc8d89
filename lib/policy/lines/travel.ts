/** The travel of a path: how long a frame is under way after the line. native/lines/travel.hpp is the other half. */
import { chance, correlation, runLength, type Chance } from '../impairments/chance.js'
import { about, refuse, type RulesOf, type Values } from '../../values/options.js'
import { partKinds, type PolicyPart } from '../parts.js'
import { duration, formatDuration, type Duration } from '../../values/units.js'
import { tableWords } from './delay-tables.js'
import { distribution, type Distribution } from './distribution.js'

export interface TravelOptions {
  /** Travel time, added to every frame. 0s to 365 days. */
  delay?: Duration
  /**
   * The delay varies by this much, never below 0: half the width of a uniform distribution, sigma of any other. Does not
   * reorder by itself.
   */
  jitter?: Duration
  /** How jitter is distributed. Default `uniform`. A file is read when the policy is set. */
  distribution?: Distribution
  /** Rank correlation of the delays of two frames one after the other, from 0 to below 1. Default 0. */
  delayCorrelation?: number
  /** How often frames skip the delay, 0 to 1 or in per cent. Above 0, frames of the path may overtake each other. */
  reorder?: Chance
  /** Before a frame may skip the delay, gap - 1 frames must have been delayed. Default 1. */
  gap?: number
}

export const travelRules = {
  delay: about('Travel time of every frame.', duration({ default: '0s' })),
  jitter: about(
    'Spread of the delay: half the width of a uniform distribution, else sigma.',
    duration({ default: '0s' }),
  ),
  distribution: about('How jitter is distributed. Default uniform.', distribution),
  delayCorrelation: about(
    'Rank correlation of successive delays, from 0 to below 1. Default 0.',
    correlation,
  ),
  reorder: about('Probability that a frame skips the delay and overtakes.', chance),
  gap: about('So many frames, less one, are delayed before one may skip the delay. Default 1.', runLength),
} satisfies RulesOf<TravelOptions>

type Given = Values<typeof travelRules>

/** undefined where frames arrive as they depart. */
export function travelPart(given: Given): PolicyPart | undefined {
  const { delay, jitter, distribution: table, delayCorrelation = 0, reorder = [0, 0, 0], gap = 1 } = given
  insist('delay', delay > 0n || reorder[0] === 0, "above 0 with 'reorder', which lets frames skip it", delay)
  insist(
    'jitter',
    jitter > 0n || table === undefined,
    "above 0 with 'distribution', which is its shape",
    jitter,
  )
  insist('jitter', jitter > 0n || delayCorrelation === 0, "above 0 with 'delayCorrelation'", jitter)
  if (given.reorder === undefined && given.gap !== undefined)
    refuse("option 'reorder' of path policy", "given with 'gap', which says when it may happen")
  if (delay === 0n && jitter === 0n) return undefined
  // The native half draws normal numbers. Where their correlation is r, that of their ranks is 6/pi asin(r/2).
  const ofScores = 2 * Math.sin((Math.PI * delayCorrelation) / 6)
  const words = [delay, jitter, ...reorder, BigInt(gap), ofScores, ...tableWords(table ?? undefined)]
  return { kind: partKinds.travel, words }
}

function insist(option: string, holds: boolean, expects: string, value: bigint): void {
  if (!holds) refuse(`option '${option}' of path policy`, expects, formatDuration(value))
}
