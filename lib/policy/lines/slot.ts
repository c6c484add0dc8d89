/** Slots at the exit of a line. native/lines/slots.hpp is the other half. */
import { isMapping } from '../impairments/chance.js'
import { integer, optional, optionsReader, refuse, required } from '../../values/options.js'
import type { SharedData } from '../shared-data.js'
import { formatDuration, parseDuration, parseSize, type Duration, type Size } from '../../values/units.js'
import { tableWords } from './delay-tables.js'
import { tabledDistribution, type TabledDistribution } from './distribution.js'

/** What fits into one slot. */
interface SlotBudget {
  /** Frames that leave in one slot. 1 or more; default any number. */
  frames?: number
  /** Bytes after which a slot is used up, with the frame that reaches them. Default any number. */
  bytes?: Size
}

/** Slots that open `min` to `max` later, uniformly. */
export interface UniformSlotOptions extends SlotBudget {
  /** How long after the first frame is through, or after a slot that was used up, the next slot opens. */
  min: Duration
  /** Where that varies, uniformly: its longest. Default: as `min`. */
  max?: Duration
}

/** Slots whose times are of a distribution (`slot distribution` in tc). */
export interface DistributedSlotOptions extends SlotBudget {
  /** How long after the first frame is through, or after a slot that was used up, the next slot opens: the mean. */
  delay: Duration
  /** Sigma of the distribution, above 0. A time below 0 is 0. */
  jitter: Duration
  /** Its shape: one of tc's tables, a file or numbers. */
  distribution: TabledDistribution
}

/** Slots in which frames leave the line together, as from a shared medium (netem's `slot`). */
export type SlotOptions = UniformSlotOptions | DistributedSlotOptions

const budget = {
  frames: integer(1, 1_000_000_000, { unit: 'frames', default: 0 }),
  bytes: optional(parseSize, 0),
}
const readUniform = optionsReader('slot', {
  min: required(optional(parseDuration)),
  max: optional(parseDuration),
  ...budget,
})
const readDistributed = optionsReader('slot with a distribution', {
  delay: required(optional(parseDuration)),
  jitter: required(optional(parseDuration)),
  distribution: required(optional(tabledDistribution)),
  ...budget,
})

/** In words, in the order of native/binding/policies.cpp. */
export type SlotWords = readonly (bigint | SharedData)[]

export const noSlotWords: SlotWords = slotWords(0n, 0n, undefined, { frames: 0, bytes: 0 })

export function slot(value: unknown): SlotWords {
  const isDistributed =
    isMapping(value) && ['delay', 'jitter', 'distribution'].some((key) => value[key] !== undefined)
  if (isDistributed) {
    const { delay, jitter, distribution, ...fits } = readDistributed(value)
    if (jitter === 0n)
      refuse("option 'jitter' of slot with a distribution", 'above 0', formatDuration(jitter))
    return slotWords(delay, jitter, distribution, fits)
  }
  const { min, max = min, ...fits } = readUniform(value)
  if (max < min) refuse("option 'max' of slot", `at least min, ${formatDuration(min)}`, formatDuration(max))
  if (max === 0n) refuse("option 'min' of slot", "above 0, or 'max' with it", formatDuration(min))
  return slotWords(min, max - min, undefined, fits)
}

function slotWords(
  delay: bigint,
  spread: bigint,
  table: SharedData | undefined,
  { frames, bytes }: { frames: number; bytes: number },
): SlotWords {
  return [delay, spread, ...tableWords(table), BigInt(frames), BigInt(bytes)]
}
