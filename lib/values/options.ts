/**
 * A small declarative validator for the options of constructors and policies.
 * Called by every public class when it is built; the values it returns are complete and typed.
 *
 * A rule is a function from a given value (undefined when absent) to the value to use. It refuses by throwing, and
 * puts `subject`, the words for what it checks, at the start of the sentence.
 */
import { distance } from 'fastest-levenshtein'
import { EtherloomError } from './errors.js'

export type Rule<T> = (value: unknown, subject: string) => T

type Values<Rules> = { [Key in keyof Rules]: Rules[Key] extends Rule<infer T> ? T : never }

/**
 * Checks `given` against `rules` and returns one value per rule, defaults filled in; what is undefined then is left out.
 * `owner` is the class or thing the options belong to ('TapPort', 'path policy').
 *
 * @throws EtherloomError ERR_ETHERLOOM_UNKNOWN_OPTION for a key without a rule, naming the nearest one;
 *   ERR_ETHERLOOM_OPTION for a value that its rule refuses.
 */
export function readOptions<Rules extends Record<string, Rule<unknown>>>(
  owner: string,
  given: unknown,
  rules: Rules,
): Values<Rules> {
  return optionsReader(owner, rules)(given)
}

/** `readOptions` for what is read thousands of times by the same rules: prepares all that the given does not change. */
export function optionsReader<Rules extends Record<string, Rule<unknown>>>(
  owner: string,
  rules: Rules,
): (given: unknown) => Values<Rules> {
  const entries = Object.entries(rules).map(
    ([key, rule]) => [key, rule, `option '${key}' of ${owner}`] as const,
  )
  return (given) => {
    const options = asOptions(owner, given)
    for (const key of Object.keys(options)) {
      if (Object.hasOwn(rules, key)) continue
      throw new EtherloomError(
        'ERR_ETHERLOOM_UNKNOWN_OPTION',
        `unknown option '${key}' of ${owner}${suggestion(key, Object.keys(rules))}`,
      )
    }
    const values: Record<string, unknown> = {}
    for (const [key, rule, subject] of entries) {
      const value = rule(options[key], subject)
      if (value !== undefined) values[key] = value // with all keys it would be too large to be fast
    }
    return values as Values<Rules>
  }
}

/** The options as they were given, not looked into; none are an empty object. */
export function asOptions(owner: string, given: unknown): Record<string, unknown> {
  if (given === undefined) return {}
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    return refuse(`options of ${owner}`, 'an object', given)
  return given as Record<string, unknown>
}

/** Makes a rule of a check that never sees undefined: an absent value becomes `fallback`. */
export function optional<T, D extends T | undefined = undefined>(check: Rule<T>, fallback?: D): Rule<T | D> {
  return (value, subject) => (value === undefined ? (fallback as D) : check(value, subject))
}

/** Makes a rule that insists on a value of one that does without. */
export function required<T>(rule: Rule<T>): Rule<Exclude<T, undefined>> {
  return (value, subject) => {
    if (value === undefined) throw new EtherloomError('ERR_ETHERLOOM_OPTION', `${subject} is required`)
    return rule(value, subject) as Exclude<T, undefined>
  }
}

/** Text of 1 to `max` characters (default 255) that matches `pattern`, which `expects` puts in words. */
export function text<D extends string | undefined = undefined>(
  limits: { max?: number; pattern?: RegExp; expects?: string; default?: D } = {},
): Rule<string | D> {
  const { max = 255, pattern, expects = `text of 1 to ${max} characters` } = limits
  return optional((value, subject) => {
    const fits = typeof value === 'string' && value.length > 0 && value.length <= max
    return fits && (pattern?.test(value) ?? true) ? value : refuse(subject, expects, value)
  }, limits.default)
}

/** A whole number in [min, max]. */
export function integer<D extends number | undefined = undefined>(
  min: number,
  max: number,
  { unit, default: fallback }: { unit?: string; default?: D } = {},
): Rule<number | D> {
  const expects = `a whole number from ${min} to ${max}${unit === undefined ? '' : ` ${unit}`}`
  return optional(
    (value, subject) =>
      Number.isInteger(value) && (value as number) >= min && (value as number) <= max
        ? (value as number)
        : refuse(subject, expects, value),
    fallback,
  )
}

/** A probability: a number in [0, 1]. */
export function probability<D extends number | undefined = undefined>(fallback?: D): Rule<number | D> {
  return optional(
    (value, subject) =>
      typeof value === 'number' && value >= 0 && value <= 1
        ? value
        : refuse(subject, 'a probability from 0 to 1', value),
    fallback,
  )
}

/** true or false. */
export function flag<D extends boolean | undefined = undefined>(fallback?: D): Rule<boolean | D> {
  return optional(
    (value, subject) => (typeof value === 'boolean' ? value : refuse(subject, 'true or false', value)),
    fallback,
  )
}

/** One of `words`. */
export function oneOf<const Word extends string, D extends Word | undefined = undefined>(
  words: readonly Word[],
  fallback?: D,
): Rule<Word | D> {
  const expects = `one of ${words.map((word) => `'${word}'`).join(', ')}`
  return optional<Word, D>((value, subject) => {
    if (words.includes(value as Word)) return value as Word
    return refuse(subject, expects, value, typeof value === 'string' ? nearest(value, words) : undefined)
  }, fallback)
}

/** A seed: a whole number from 0 to 2^64 - 1, as a number (up to 2^53 - 1) or a bigint. */
export function seed(): Rule<bigint | undefined> {
  return optional((value, subject) => {
    const fits = typeof value === 'bigint' ? value >= 0n && value < 1n << 64n : Number.isSafeInteger(value)
    return fits && (value as number | bigint) >= 0
      ? BigInt(value as number | bigint)
      : refuse(subject, 'a whole number from 0 to 2^64 - 1 (a bigint above 2^53 - 1)', value)
  })
}

/** A list, each entry checked by `rule`; an absent list is empty. */
export function list<T>(rule: Rule<T>): Rule<T[]> {
  return (value, subject) => {
    if (value === undefined) return []
    if (!Array.isArray(value)) return refuse(subject, 'a list', value)
    return value.map((entry, index) => required(rule)(entry, `entry ${index + 1} of ${subject}`) as T)
  }
}

/** Refuses a value: throws `${subject} must be ${expects}, not ${value}`, and asks whether `meant` was meant. */
export function refuse(subject: string, expects: string, value: unknown, meant?: string): never {
  const question = meant === undefined ? '' : `; did you mean '${meant}'?`
  throw new EtherloomError(
    'ERR_ETHERLOOM_OPTION',
    `${subject} must be ${expects}, not ${show(value)}${question}`,
  )
}

/** `; did you mean 'delay'?` when a candidate is near, else nothing. */
export function suggestion(word: string, candidates: readonly string[]): string {
  const found = nearest(word, candidates)
  return found === undefined ? '' : `; did you mean '${found}'?`
}

/** The candidate nearest to `word`, or undefined when none is near enough to be what was meant. */
export function nearest<Word extends string>(word: string, candidates: readonly Word[]): Word | undefined {
  const lower = word.toLowerCase()
  const slips = word.length <= 3 ? 1 : word.length <= 6 ? 2 : 3
  let best: Word | undefined
  let fewest = slips + 1
  for (const candidate of candidates) {
    const found = distance(lower, candidate.toLowerCase())
    if (found < fewest) [best, fewest] = [candidate, found]
  }
  return best
}

/** A value as it may appear in a sentence. */
function show(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return `'${value.length > 60 ? `${value.slice(0, 57)}...` : value}'`
    case 'bigint':
      return `${value}n`
    case 'function':
      return 'a function'
    case 'object':
      return value === null ? 'null' : Array.isArray(value) ? 'a list' : 'an object'
    default:
      return String(value)
  }
}
