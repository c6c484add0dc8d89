/**
 * Counters: bigints in code; in JSON numbers as long as those are exact, and decimal text above.
 * Called by whoever makes an object of counters, and by the control protocol, which carries them.
 */
import { isMapping, shaped, shapeOf, single, type Rule } from './options.js'

/** An object of counters. */
export interface Counted {
  /** What `JSON.stringify` writes: counters up to 2^53 - 1 as numbers, larger ones as decimal text. */
  toJSON(): object
}

class Counters implements Counted {
  toJSON(): object {
    return inJson(this) as object
  }
}

/** Makes a plain object of counters one that `JSON.stringify` takes. */
export const counted = <Stats extends object>(stats: Stats): Stats & Counted =>
  Object.assign(new Counters(), stats)

/** A value as JSON has it: bigints are numbers up to 2^53 - 1, and decimal text above. */
export function inJson(value: unknown): unknown {
  if (typeof value === 'bigint') return value <= Number.MAX_SAFE_INTEGER ? Number(value) : String(value)
  if (Array.isArray(value)) return value.map(inJson)
  if (!isMapping(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, inJson(each)]))
}

function read(value: unknown): bigint | undefined {
  const whole = Number.isSafeInteger(value) || (typeof value === 'string' && /^\d+$/.test(value))
  const found = typeof value === 'bigint' ? value : whole ? BigInt(value as number | string) : -1n
  return found >= 0n ? found : undefined
}

/** A rule for a counter, in code or as it has come in JSON. */
export function counter(): Rule<bigint | undefined> {
  const json = { type: ['integer', 'string'], minimum: 0, pattern: '^\\d+$' }
  const rule = single('a counter', json, read)
  return shaped(rule, { ...shapeOf(rule), form: { kind: 'value', json, read } })
}
