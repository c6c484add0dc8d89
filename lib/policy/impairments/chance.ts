/**
 * How often something happens to frames, and whether to several in a row: for losses, duplicates, corruption and
 * reordering. native/impairments/chance.hpp is the other half, and says why the rate is kept.
 */
import {
  about,
  either,
  integer,
  into,
  mapping,
  probability,
  refuse,
  required,
  single,
  type Percentage,
  type Rule,
} from '../../values/options.js'

/**
 * A number: the probability for each frame by itself, 0 to 1 or `'2%'`. Or the same rate, but to frames in a row:
 *
 * - `correlation`, from 0 to below 1: of what happens to two frames one after the other. Frames that are k apart have
 *   correlationᵏ, and what happens comes in runs of 1 / ((1 - rate) (1 - correlation)) frames on average.
 * - `burst`, at least 1: how long such runs are on average, in frames; their lengths are geometric. At most
 *   burst / (burst + 1) of all frames can be in them.
 */
export type Chance =
  | number
  | Percentage
  | { rate: number | Percentage; correlation: number }
  | { rate: number | Percentage; burst: number }

/** The probability for the first frame, after a hit, and after a miss. */
export type ChanceWords = [first: number, again: number, anew: number]

const byItself = (rate: number): ChanceWords => [rate, rate, rate]

/** A number below 1, from 0. */
export const correlation = single(
  'a number from 0 to below 1 (at 1 the first frame would decide for all)',
  { type: 'number', minimum: 0, exclusiveMaximum: 1 },
  (value) => (typeof value === 'number' && value >= 0 && value < 1 ? value : undefined),
)

/** How long runs are on average. */
export const meanBurst = single(
  'a number of frames from 1 to 1000000000',
  { type: 'number', minimum: 1, maximum: 1e9 },
  (value) => (typeof value === 'number' && value >= 1 && value <= 1e9 ? value : undefined),
)

export const rateOfAll = required(about('Share of all frames.', probability()))
export const correlationOfRuns = about(
  'Correlation of what happens to two frames one after the other, from 0 to below 1.',
  correlation,
)

/** A probability for each frame by itself. */
export const each = into(probability(), (rate) => byItself(rate as number))

const inARow = mapping(
  {
    rate: rateOfAll,
    correlation: correlationOfRuns,
    burst: about('Mean length of runs, in frames; at least 1.', meanBurst),
  },
  { finish: wordsOf },
)

export const expectsChance = "a probability from 0 to 1 or from '0%' to '100%', or a mapping with 'rate'"

/** Checks a `Chance`; undefined when it is absent. */
export const chance: Rule<ChanceWords | undefined> = either<ChanceWords | undefined>(expectsChance, [
  each,
  inARow,
])

/** The words of a rate that comes in runs, of one mean length or with a correlation. */
export function wordsOf(
  given: { rate: number; correlation: number | undefined; burst: number | undefined },
  owner: string,
): ChanceWords {
  if (given.burst === undefined) return correlated(given.rate, given.correlation ?? 0)
  if (given.correlation !== undefined)
    refuse(owner, "given with 'correlation' or 'burst', which say the same")
  return inBursts(given.rate, given.burst, owner)
}

function correlated(rate: number, correlation: number): ChanceWords {
  return [rate, rate + correlation * (1 - rate), rate * (1 - correlation)]
}

/** Gilbert's model: bursts end with r = 1 / burst, and begin with p = rate / (burst (1 - rate)). */
function inBursts(rate: number, burst: number, owner: string): ChanceWords {
  const highest = burst / (burst + 1)
  if (rate > highest)
    refuse(
      `option 'rate' of ${owner}`,
      `at most burst / (burst + 1) = ${Number(highest.toPrecision(6))}, since a frame passes between two bursts`,
      rate,
    )
  return [rate, 1 - 1 / burst, Math.min(1, rate / (burst * (1 - rate)))]
}

/** Exactly so many frames in a row. */
export const runLength = integer(1, 1_000_000_000, { unit: 'frames' })
