/** Slots at the exit of a line. native/lines/slots.hpp is the other half. */
import { about, either, integer, isMapping, mapping, refuse, required } from '../../values/options.js'
import type { SharedData } from '../shared-data.js'
import { duration, formatDuration, size, type Duration, type Size } from '../../values/units.js'
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
  frames: about(
    'Frames that leave in one slot. Default: any number.',
    integer(1, 1_000_000_000, { unit: 'frames' }),
  ),
  bytes: about('Bytes after which a slot is used up. Default: any number.', size()),
}
const opens = 'How long after the first frame is through, or after a slot used up, the next slot opens'

/** In words, in the order of native/binding/policies.cpp. */
export type SlotWords = readonly (bigint | SharedData)[]

export const noSlotWords: SlotWords = slotWords(0n, 0n, undefined, {})

const uniform = mapping(
  {
    min: required(about(`${opens}.`, duration())),
    max: about('Where that varies, uniformly: its longest. Default: as min.', duration()),
    ...budget,
  },
  {
    owner: 'slot',
    finish: ({ min, max = min, ...fits }) => {
      if (max < min)
        refuse("option 'max' of slot", `at least min, ${formatDuration(min)}`, formatDuration(max))
      if (max === 0n) refuse("option 'min' of slot", "above 0, or 'max' with it", formatDuration(min))
      return slotWords(min, max - min, undefined, fits)
    },
  },
)

const distributed = mapping(
  {
    delay: required(about(`${opens}: the mean.`, duration())),
    jitter: required(
      about('Sigma of the distribution.', duration({ fits: (sigma) => sigma > 0n, expects: 'above 0' })),
    ),
    distribution: required(about('How these times are distributed.', tabledDistribution)),
    ...budget,
  },
  {
    owner: 'slot with a distribution',
    finish: ({ delay, jitter, distribution, ...fits }) => slotWords(delay, jitter, distribution, fits),
  },
)

const distinctive = ['delay', 'jitter', 'distribution']

export const slot = either<SlotWords | undefined>(
  "a mapping with 'min', or with 'delay', 'jitter' and 'distribution'",
  [uniform, distributed],
  (value) => {
    if (!isMapping(value)) return undefined
    return distinctive.some((key) => value[key] !== undefined) ? distributed : uniform
  },
)

function slotWords(
  delay: bigint,
  spread: bigint,
  table: SharedData | undefined,
  { frames = 0, bytes = 0 }: { frames?: number | undefined; bytes?: number | undefined },
): SlotWords {
  return [delay, spread, ...tableWords(table), BigInt(frames), BigInt(bytes)]
}
