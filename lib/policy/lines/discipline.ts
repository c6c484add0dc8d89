/**
 * What decides, besides the limit, which frames a line's queue drops. native/lines/discipline.hpp is the other half;
 * codel.hpp and red.hpp beside it say how each works.
 */
import {
  about,
  either,
  flag,
  integer,
  into,
  isMapping,
  mapping,
  oneOf,
  probability,
  refuse,
  required,
  takes,
  type Percentage,
} from '../../values/options.js'
import { duration, size, type Duration, type Size } from '../../values/units.js'
import { nameWords } from '../parts.js'

/** Controlled delay (RFC 8289, tc-codel(8)): keeps the wait short whatever the rate, by drops that come ever faster. */
export interface CodelOptions {
  /** The wait that is accepted for good. Default `'5ms'`. */
  target?: Duration
  /** How long more than that is accepted: about the longest round-trip time. Above 0. Default `'100ms'`. */
  interval?: Duration
  /** Mark frames of ECN-capable senders (RFC 3168) instead of dropping them. Default false. */
  ecn?: boolean
}

/** Random early detection (Floyd and Jacobson 1993, tc-red(8)): drops at random as the average queue grows. */
export interface RedOptions {
  /** Average of the bytes that wait from which on frames are dropped at random. Above `averageFrame`. */
  min: Size
  /** Average from which on all are dropped. Above `min`; twice or three times it is usual. */
  max: Size
  /** Probability of a drop where the average reaches `max`, 0 to 1. Default 0.02. */
  probability?: number | Percentage
  /** Bytes of an average frame: how fast the average falls while the line is idle. 1 to 65535, default 1000. */
  averageFrame?: number
  /**
   * How many frames may come at once before the average reaches `min`: what the weight of the newest length is
   * computed from, as tc does. At least min / averageFrame. Default (2 · min + max) / (3 · averageFrame).
   */
  burst?: number
  /** Mark frames of ECN-capable senders (RFC 3168) instead of dropping them. Default false. */
  ecn?: boolean
}

/** `'tail-drop'` is the default: nothing but the limit. `'codel'` is CoDel as it comes. */
export type Discipline = 'tail-drop' | 'codel' | { codel: CodelOptions } | { red: RedOptions }

/** A discipline in words: its name, then its settings, in the order in which native/lines/ has them in its file. */
export type DisciplineWords = readonly (number | bigint)[]

const codelName = nameWords('codel')
const redName = nameWords('red')

/** @internal Whether it needs to know the rate. */
export const needsRate = (words: DisciplineWords): boolean => redName.every((word, at) => words[at] === word)

/** @internal No discipline has no name. */
export const tailDropWords: DisciplineWords = nameWords('')

const ecn = about('Whether to mark frames of ECN-capable senders instead of dropping them.', flag(false))

const codel = mapping(
  {
    target: about('The wait that is accepted for good.', duration({ default: '5ms' })),
    interval: about(
      'How long more than that is accepted.',
      duration({ default: '100ms', fits: (time) => time > 0n, expects: 'above 0' }),
    ),
    ecn,
  },
  {
    owner: 'codel',
    empty: true,
    finish: ({ target, interval, ecn }): DisciplineWords => [...codelName, target, interval, ecn ? 1n : 0n],
  },
)

const red = mapping(
  {
    min: required(
      about('Average of the bytes that wait from which on frames are dropped at random.', size()),
    ),
    max: required(about('Average from which on all are dropped.', size())),
    probability: about('Probability of a drop where the average reaches max.', probability(0.02)),
    averageFrame: about('Bytes of an average frame.', integer(1, 65_535, { unit: 'bytes', default: 1000 })),
    burst: about(
      'Frames that may come at once before the average reaches min. Default: (2 min + max) / (3 averageFrame).',
      integer(1, 1_000_000, { unit: 'frames' }),
    ),
    ecn,
  },
  {
    owner: 'red',
    empty: true,
    finish: ({ min, max, probability, averageFrame, burst, ecn }): DisciplineWords => {
      if (min <= averageFrame)
        refuse("option 'min' of red", `above averageFrame, which is ${averageFrame} bytes`, `${min}B`)
      if (max <= min) refuse("option 'max' of red", 'above min', `${max}B`)
      const absorbed = burst ?? Math.floor((2 * min + max) / (3 * averageFrame))
      const shift = weightShift(min / averageFrame, absorbed)
      return [
        ...redName,
        BigInt(min),
        BigInt(max),
        probability,
        BigInt(averageFrame),
        BigInt(shift),
        ecn ? 1n : 0n,
      ]
    },
  },
)

const words = about('Nothing but the limit, or CoDel as it comes.', oneOf(['tail-drop', 'codel']))
const byWord = into(words, (word, subject) => (word === 'codel' ? codel({}, subject) : tailDropWords))
const byKind = {
  codel: mapping(
    { codel: required(about('Controlled delay (RFC 8289).', codel)) },
    { finish: (given) => given.codel },
  ),
  red: mapping(
    { red: required(about('Random early detection (Floyd, Jacobson 1993).', red)) },
    { finish: (given) => given.red },
  ),
}

/** @internal */
export const discipline = either<DisciplineWords | undefined>(
  "'tail-drop', 'codel', { codel: { ... } } or { red: { min, max } }",
  [byWord, ...Object.values(byKind)],
  (value) => {
    if (!isMapping(value)) return takes(words, value) ? byWord : undefined
    const [kind = '', ...others] = Object.keys(value)
    return others.length === 0 && Object.hasOwn(byKind, kind)
      ? byKind[kind as keyof typeof byKind]
      : undefined
  },
)

/**
 * The smallest k for which the average, weighing the newest length by 2^-k, stays below `min` (in average frames) while
 * `burst` frames come at once and find nobody waiting (Floyd and Jacobson 1993, section 6, in the form that tc-red uses).
 */
function weightShift(min: number, burst: number): number {
  if (burst < min)
    refuse("option 'burst' of red", `at least min / averageFrame, which is ${min} frames`, burst)
  for (let shift = 1; shift < 31; shift++) {
    const weight = 2 ** -shift
    if (burst + 1 - min <= (1 - (1 - weight) ** burst) / weight) return shift
  }
  return 31
}
