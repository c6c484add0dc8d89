/** Ramps of timelines: the value that an option has on its way from a first to a last. Called by entries.ts. */
import { EtherloomError } from '../values/errors.js'
import { asOptions, fromPercentage, isMapping, refuse, suggestion } from '../values/options.js'
import { policyRules, type Policy } from '../policy/policy.js'
import {
  formatDuration,
  formatRate,
  formatSize,
  parseDuration,
  parseQueueLimit,
  parseRate,
  parseSize,
} from '../values/units.js'

/** The first and the last value of each option. */
export type Ramp = Record<string, readonly [unknown, unknown]>

export function readRamp(value: unknown, subject: string): Ramp {
  const ramp = asOptions(subject, value === undefined ? null : value)
  for (const [option, ends] of Object.entries(ramp)) {
    const rule = ruleOf(option)
    if (!Array.isArray(ends) || ends.length !== 2)
      refuse(`'${option}' of a ramp of a timeline`, 'a list of its first and its last value', ends)
    for (const end of ends as unknown[]) rule(end, `'${option}' of a ramp of a timeline`)
    if (between(ends[0], ends[1], 1n, 3n) === undefined)
      refuse(`'${option}' of a ramp of a timeline`, 'two values of one kind with others between them', ends)
  }
  if (Object.keys(ramp).length === 0)
    refuse(subject, 'given with an option, such as { loss: [0, 0.05] }', value)
  return ramp as Ramp
}

/** The values of a ramp when this much of its time is over. */
export function valuesAt(ramp: Ramp, part: bigint, over: bigint): Partial<Policy> {
  return Object.fromEntries(
    Object.entries(ramp).map(([option, [first, last]]) => [
      option,
      fitting(option, between(first, last, part, over)),
    ]),
  )
}

/** Options that are whole numbers go in whole steps. */
function fitting(option: string, value: unknown): unknown {
  if (typeof value !== 'number' || Number.isInteger(value)) return value
  try {
    ruleOf(option)(value, '')
    return value
  } catch {
    return Math.round(value)
  }
}

/** Quantities that are written with a unit. */
const scales = [
  { parse: parseDuration, format: formatDuration },
  { parse: parseRate, format: formatRate },
  { parse: (text: string) => BigInt(parseSize(text)), format: formatSize },
  {
    parse: (text: string) => {
      const limit = parseQueueLimit(text)
      return 'frames' in limit ? BigInt(limit.frames) : refuse('value', 'frames', text)
    },
    format: (frames: bigint) => `${frames}frames`,
  },
]

/** The value `part / whole` of the way from one to the other; undefined where there is none. */
function between(one: unknown, other: unknown, part: bigint, whole: bigint): unknown {
  const [first, last] = [fromPercentage(one), fromPercentage(other)]
  if (part === 0n) return first
  if (part === whole) return last
  if (typeof first === 'number' && typeof last === 'number') {
    const value = first + ((last - first) * Number(part)) / Number(whole)
    return Number(value.toPrecision(12)) // without the noise of the last binary digits
  }
  if (typeof first === 'string' && typeof last === 'string') return betweenTexts(first, last, part, whole)
  if (!isMapping(first) || !isMapping(last)) return undefined
  const keys = Object.keys(first)
  if (keys.length !== Object.keys(last).length) return undefined
  const values = keys.map((key) => [key, between(first[key], last[key], part, whole)] as const)
  return values.every(([, value]) => value !== undefined) ? Object.fromEntries(values) : undefined
}

function betweenTexts(first: string, last: string, part: bigint, whole: bigint): string | undefined {
  for (const { parse, format } of scales) {
    try {
      const [from, to] = [parse(first), parse(last)]
      const twice = 2n * (to - from) * part
      const step = (twice + (twice < 0n ? -whole : whole)) / (2n * whole) // to the nearest
      return format(from + step)
    } catch {
      continue // another kind of quantity
    }
  }
  return first === last ? first : undefined
}

/** The rule of a policy option in an entry. */
export function ruleOf(option: string): (value: unknown, subject: string) => unknown {
  const rules = policyRules as Record<string, (value: unknown, subject: string) => unknown>
  const rule = Object.hasOwn(rules, option) ? rules[option] : undefined
  if (rule) return rule
  throw new EtherloomError(
    'ERR_ETHERLOOM_UNKNOWN_OPTION',
    `unknown option '${option}' of a timeline entry${suggestion(option, [...Object.keys(rules), 'at', 'repeat', 'until', 'reset'])}`,
  )
}
