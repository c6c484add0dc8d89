/** From what was measured to whether it agrees with what was asked for. Pure; called by the phases. */
import type { Relation } from './scene.js'
import { binomialInterval, median } from './statistics.js'

/** The outcome of one measurement. */
export interface Finding {
  agrees: boolean
  /** For people. */
  measured: string
  /** For programs: the same, as plain values. */
  values: Record<string, number | boolean | null>
}

/** What still agrees, both ends included. */
export type Interval = readonly [low: number, high: number]

/** How far above twice the delay the median may lie, in milliseconds: what two kernels and ping take. */
const roundTripSlack = 3
const rateTolerance = 0.03
const confidence = 0.999

export const roundTripInterval = ({ delay }: Relation): Interval => [2 * delay, 2 * delay + roundTripSlack]

export const rateInterval = ({ rate }: Relation): Interval => [
  rate * (1 - rateTolerance),
  rate * (1 + rateTolerance),
]

/** How many of so many pings may stay unanswered: each can be lost on its way there and on its way back. */
export const lossInterval = ({ loss }: Relation, pings: number): Interval =>
  binomialInterval(pings, 1 - (1 - loss) ** 2, confidence)

/** `roundTrips` in milliseconds. */
export function judgeRoundTrips(relation: Relation, roundTrips: number[]): Finding {
  if (roundTrips.length === 0)
    return { agrees: false, measured: 'no answer', values: { medianMilliseconds: null } }
  const middle = median(roundTrips)
  return {
    agrees: within(middle, roundTripInterval(relation)),
    measured: `${middle.toFixed(1)} ms (median)`,
    values: { medianMilliseconds: middle },
  }
}

export function judgeLoss(relation: Relation, pings: number, answers: number): Finding {
  const lost = pings - answers
  return {
    agrees: within(lost, lossInterval(relation, pings)),
    measured: `${percent(lost / pings)} (${lost} of ${pings})`,
    values: { pings, lost },
  }
}

/** Rates are in Mbit/s. */
export function judgeRate(relation: Relation, rate: number): Finding {
  return {
    agrees: within(rate, rateInterval(relation)),
    measured: rateText(rate),
    values: { megabitsPerSecond: rate },
  }
}

/** `sent` and `received` are the checksums at the two ends; undefined where the transfer broke off. */
export function judgeTransfer(bytes: number, rate: number, sent?: string, received?: string): Finding {
  const equal = sent !== undefined && sent === received
  return {
    agrees: equal,
    measured: equal ? `${rateText(rate)}, ${threeDigits(bytes / 1e6)} MB` : 'damaged or cut off',
    values: { bytes, megabitsPerSecond: rate, checksumsEqual: equal },
  }
}

/** `heard`: frames that the hub took from the two hosts. Silence proves nothing unless somebody spoke. */
export function judgeSilence(answers: number, heard: number, passed: number): Finding {
  return {
    agrees: answers === 0 && heard > 0 && passed === 0,
    measured: `${passed} of ${heard} frames passed`,
    values: { answers, heard, passed },
  }
}

export const percent = (share: number): string => `${threeDigits(share * 100)} %`
export const rateText = (rate: number): string => `${threeDigits(rate)} Mbit/s`

/** `9.98`, `41.2`, `312`, `2060`. */
function threeDigits(value: number): string {
  return value >= 1000 ? value.toFixed(0) : String(Number(value.toPrecision(3)))
}

const within = (value: number, [low, high]: Interval): boolean => value >= low && value <= high
