/**
 * How often something happens to frames, and whether to several in a row: for losses, duplicates, corruption and
 * reordering. native/impairments/chance.hpp is the other half, and says why the rate is kept.
 */
import { integer, optionsReader, probability, refuse, required, type Rule } from '../../values/options.js'

/**
 * A number: the probability for each frame by itself, 0 to 1. Or the same rate, but to frames in a row:
 *
 * - `correlation`, from 0 to below 1: of what happens to two frames one after the other. Frames that are k apart have
 *   correlationᵏ, and what happens comes in runs of 1 / ((1 - rate) (1 - correlation)) frames on average.
 * - `burst`, at least 1: how long such runs are on average, in frames; their lengths are geometric. At most
 *   burst / (burst + 1) of all frames can be in them.
 */
export type Chance = number | { rate: number; correlation: number } | { rate: number; burst: number }

/** The probability for the first frame, after a hit, and after a miss. */
export type ChanceWords = [first: number, again: number, anew: number]

const byItself = (rate: number): ChanceWords => [rate, rate, rate]

/** The words for an option's own options, from those for itself. */
export const ownerOf = (subject: string): string => subject.replace(/^option /, '')

export const isMapping = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A number below 1, from 0. */
export const correlation: Rule<number | undefined> = (value, subject) =>
  value === undefined || (typeof value === 'number' && value >= 0 && value < 1)
    ? value
    : refuse(subject, 'a number from 0 to below 1 (at 1 the first frame would decide for all)', value)

const mean: Rule<number | undefined> = (value, subject) =>
  value === undefined || (typeof value === 'number' && value >= 1 && value <= 1e9)
    ? value
    : refuse(subject, 'a number of frames from 1 to 1000000000', value)

/** Checks a `Chance`; undefined when it is absent. */
export const chance: Rule<ChanceWords | undefined> = (value, subject) => {
  if (value === undefined) return undefined
  if (!isMapping(value)) {
    const alone: Rule<number | undefined> = probability()
    return typeof value === 'number'
      ? byItself(alone(value, subject) as number)
      : refuse(subject, 'a probability from 0 to 1 or { rate, correlation } or { rate, burst }', value)
  }
  const given = optionsReader(ownerOf(subject), { rate: required(probability()), correlation, burst: mean })(
    value,
  )
  if (given.burst === undefined) return correlated(given.rate, given.correlation ?? 0)
  if (given.correlation !== undefined)
    refuse(subject, "given with 'correlation' or 'burst', which say the same", value)
  return inBursts(given.rate, given.burst, subject)
}

function correlated(rate: number, correlation: number): ChanceWords {
  return [rate, rate + correlation * (1 - rate), rate * (1 - correlation)]
}

/** Gilbert's model: bursts end with r = 1 / burst, and begin with p = rate / (burst (1 - rate)). */
function inBursts(rate: number, burst: number, subject: string): ChanceWords {
  const highest = burst / (burst + 1)
  if (rate > highest)
    refuse(
      `option 'rate' of ${ownerOf(subject)}`,
      `at most burst / (burst + 1) = ${Number(highest.toPrecision(6))}, since a frame passes between two bursts`,
      rate,
    )
  return [rate, 1 - 1 / burst, Math.min(1, rate / (burst * (1 - rate)))]
}

/** Exactly so many frames in a row. */
export const runLength = integer(1, 1_000_000_000, { unit: 'frames' })
