/**
 * Options, each declared once: what it may be, in words and as a rule, its unit, default and example.
 * Called by every public class when it is built; check.ts beside this finds all mistakes of a file by the same
 * declarations, and json-schema.ts writes them down for editors.
 *
 * A rule is a function from a given value (undefined when absent) to the value to use. It refuses by throwing, and
 * puts `subject`, the words for what it checks, at the start of the sentence. Its `shape` is what else is known of it.
 */
import path from 'node:path'
import { distance } from 'fastest-levenshtein'
import { EtherloomError } from './errors.js'
import { quote } from './quote.js'

/** Says what an option may be: checks a value and gives it in its final form. */
export interface Rule<T> {
  /**
   * Checks one value; `subject` is what messages call it.
   * @throws {EtherloomError} ERR_ETHERLOOM_OPTION when the value is none that the rule takes
   */
  (value: unknown, subject: string): T
  /** What is known of its values. Absent: nothing. */
  readonly shape?: Shape
}

/** A rule that insists on a value. */
export type RequiredRule<T> = Rule<T> & { readonly shape: { readonly required: true } }

/** What may be given, by the names of the options. */
export type Rules = Readonly<Record<string, Rule<unknown>>>

/** The rules of all options of an interface, no more and no fewer; what must be given is `required`. For `satisfies`. */
export type RulesOf<Options> = {
  readonly [Key in keyof Options]-?: object extends Pick<Options, Key> ? Rule<unknown> : RequiredRule<unknown>
}

/** What is known of the values that a rule takes. */
export interface Shape {
  /** What the option is for, in a sentence. */
  readonly description?: string
  /** What the value must be, in the words that follow "must be". */
  readonly expects?: string
  /** What an absent value means, as it would be written. */
  readonly default?: unknown
  readonly examples?: readonly unknown[]
  readonly required?: boolean
  /** Whether the rule refuses more than the form shows, as that of a filter, which it compiles. */
  readonly strict?: boolean
  readonly form: Form
}

export type Form =
  /**
   * A single value: what JSON Schema says of it, and how a file's value is written otherwise once it is read. `locate` does
   * that before the rule looks, for rules that read the files which the value names; it takes any value.
   */
  | {
      readonly kind: 'value'
      readonly json: object
      readonly locate?: (value: unknown, folder: string) => unknown
      readonly read?: (value: never, folder: string) => unknown
    }
  /** Keys that are known, each with its rule; `empty`: null stands for none of them. */
  | { readonly kind: 'mapping'; readonly keys: Rules; readonly empty?: boolean }
  /** Any keys, which are names. */
  | { readonly kind: 'record'; readonly names: Rule<unknown>; readonly each: Rule<unknown> }
  | { readonly kind: 'list'; readonly entry: Rule<unknown>; readonly min: number; readonly max?: number }
  /** One of several shapes; mappings are told apart by the keys that they require, or by the word at the key `by`. */
  | { readonly kind: 'either'; readonly branches: readonly Rule<unknown>[]; readonly by?: string }

export type Values<Given> = { [Key in keyof Given]: Given[Key] extends Rule<infer T> ? T : never }

/**
 * Checks `given` against `rules` and returns one value per rule, defaults filled in; what is undefined then is left out.
 * `owner` is the class or thing the options belong to ('TapPort', 'path policy').
 *
 * @throws EtherloomError ERR_ETHERLOOM_UNKNOWN_OPTION for a key without a rule, naming the nearest one;
 *   ERR_ETHERLOOM_OPTION for a value that its rule refuses.
 */
export function readOptions<Given extends Rules>(owner: string, given: unknown, rules: Given): Values<Given> {
  return readKeys(owner, given, rules, Object.keys(rules), (key) => optionOf(key, owner))
}

/**
 * `readOptions` for rules that are declared beside a class: finds out once which of them an absent option needs, and lists
 * them all in `declared`.
 */
export function optionsReader<Given extends Rules>(
  owner: string,
  rules: Given,
): (given: unknown) => Values<Given> {
  declared.set(owner, rules)
  const keys = Object.keys(rules)
  const expected = keys.filter((key) => !isNothing(rules[key] as Rule<unknown>))
  const subjects = new Map(keys.map((key) => [key, optionOf(key, owner)]))
  return (given) => readKeys(owner, given, rules, expected, (key) => subjects.get(key) as string)
}

/** The rules of all options by their owners, for the tables in docs/. */
export const declared = new Map<string, Rules>()

/** Whether a rule makes nothing of an absent value: it has no default and does not insist on one. */
function isNothing(rule: Rule<unknown>): boolean {
  try {
    return rule(undefined, '') === undefined
  } catch {
    return false
  }
}

/** `expected` are the keys whose rules are asked where the option is absent, too. */
function readKeys<Given extends Rules>(
  owner: string,
  given: unknown,
  rules: Given,
  expected: readonly string[],
  subject: (key: string) => string,
): Values<Given> {
  const options = asOptions(owner, given)
  for (const key in options) {
    if (Object.hasOwn(rules, key)) continue
    throw new EtherloomError(
      'ERR_ETHERLOOM_UNKNOWN_OPTION',
      `unknown option ${quote(key)} of ${owner}${suggestion(key, Object.keys(rules))}`,
    )
  }
  const values: Record<string, unknown> = {}
  const take = (key: string, given: unknown): void => {
    const value = (rules[key] as Rule<unknown>)(given, subject(key))
    if (value !== undefined) values[key] = value
  }
  for (const key in options) take(key, options[key])
  for (const key of expected) if (!(key in options)) take(key, undefined)
  return values as Values<Given>
}

/** The options as they were given, not looked into; none are an empty object. */
export function asOptions(owner: string, given: unknown): Record<string, unknown> {
  if (given === undefined) return {}
  return isMapping(given) ? given : refuse(`options of ${owner}`, 'an object', given)
}

/** Bytes are none: each of them would be a key. */
export const isMapping = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value)

const optionOf = (key: string, owner: string): string => `option ${quote(key)} of ${owner}`

/** The words for an option's own options, from those for itself. */
export const ownerOf = (subject: string): string => subject.replace(/^option /, '')

// ---- What a rule is made of ----

interface Bare<T> {
  bare: (value: unknown, subject: string) => T
}

/** A rule with what is known of its values. */
export function shaped<T, Known extends Shape>(
  read: (value: unknown, subject: string) => T,
  shape: Known,
): Rule<T> & { readonly shape: Known } {
  const bare = (read as Partial<Bare<T>>).bare ?? read // one call, however often its shape is added to
  const rule = (value: unknown, subject: string): T => bare(value, subject)
  rule.shape = shape
  rule.bare = bare
  return rule
}

/** A rule for the same values, which come to something else. */
export const into = <T, U>(rule: Rule<T>, finish: (value: T, subject: string) => U) =>
  shaped((value, subject) => finish(rule(value, subject), subject), shapeOf(rule))

/** The same rule, with what it is for. */
export function about<Given extends Rule<unknown>>(
  description: string,
  rule: Given,
  more: { default?: unknown; examples?: readonly unknown[] } = {},
): Given {
  return shaped(rule, { ...shapeOf(rule), description, ...more }) as Rule<unknown> as Given
}

/** What is known of a rule; of a bare function, nothing. */
export const shapeOf = (rule: Rule<unknown>): Shape => rule.shape ?? { form: { kind: 'value', json: {} } }

/** Makes a rule of a check that never sees undefined: an absent value becomes `fallback`, which is written `written`. */
export function optional<T, D extends T | undefined = undefined>(
  check: Rule<T>,
  fallback?: D,
  written?: unknown,
): Rule<Exclude<T, undefined> | D> {
  type Checked = Exclude<T, undefined> | D
  return shaped((value, subject) => (value === undefined ? fallback : check(value, subject)) as Checked, {
    ...shapeOf(check),
    ...(written !== undefined && { default: written }),
  })
}

/** Makes a rule that insists on a value of one that does without. */
export function required<T>(rule: Rule<T>): RequiredRule<Exclude<T, undefined>> {
  return shaped(
    (value, subject) => {
      if (value === undefined) throw new EtherloomError('ERR_ETHERLOOM_OPTION', `${subject} is required`)
      return rule(value, subject) as Exclude<T, undefined>
    },
    { ...shapeOf(rule), required: true as const },
  )
}

// ---- Single values ----

/** A value that `fits`, or becomes another one; undefined from `fits` refuses it. */
export function single<T, D extends T | undefined = undefined>(
  expects: string,
  json: object,
  fits: (value: unknown) => T | undefined,
  {
    default: fallback,
    meant,
  }: { default?: D | undefined; meant?: (value: unknown) => string | undefined } = {},
): Rule<T | D> {
  return shaped(
    (value, subject) => {
      if (value === undefined) return fallback as D
      return fits(value) ?? refuse(subject, expects, value, meant?.(value))
    },
    { expects, form: { kind: 'value', json }, ...(fallback !== undefined && { default: fallback }) },
  )
}

/** Text of 1 to `max` characters (default 255) that matches `pattern`, which `expects` puts in words. */
export function text<D extends string | undefined = undefined>(
  limits: { max?: number; pattern?: RegExp; expects?: string; default?: D } = {},
): Rule<string | D> {
  const { max = 255, pattern, expects = `text of 1 to ${max} characters` } = limits
  const json = {
    type: 'string',
    minLength: 1,
    maxLength: max,
    ...(pattern && { pattern: pattern.source }),
  }
  const fits = (value: unknown): string | undefined =>
    typeof value === 'string' && value.length > 0 && value.length <= max && (pattern?.test(value) ?? true)
      ? value
      : undefined
  return single(expects, json, fits, { default: limits.default })
}

/** Text of any length, none included. */
export const anyText = single('text', { type: 'string' }, (value) =>
  typeof value === 'string' ? value : undefined,
)

/** A function. */
export const callable = single('a function', {}, (value) =>
  typeof value === 'function' ? (value as (...given: never[]) => unknown) : undefined,
)

/** The members of what can be iterated over, taken once. Of theirs, what throws meanwhile is thrown. */
export const members = (value: unknown, subject: string, expects: string): unknown[] =>
  typeof (value as Iterable<unknown> | null | undefined)?.[Symbol.iterator] === 'function'
    ? [...(value as Iterable<unknown>)]
    : refuse(subject, expects, value)

/** The name of a file. In a topology file it is relative to that; elsewhere to the folder of the process. */
export function file(expects = 'the name of a file'): Rule<string | undefined> {
  const name = text({ max: 4096, expects })
  const read = (value: string, folder: string): string => path.resolve(folder, value)
  return shaped(name, { expects, form: { kind: 'value', json: { type: 'string', minLength: 1 }, read } })
}

/** What makes a rule for numbers in [min, max]. */
const numbers =
  (type: 'integer' | 'number', words: string, is: (value: unknown) => boolean) =>
  <D extends number | undefined = undefined>(
    min: number,
    max: number,
    { unit, default: fallback }: { unit?: string; default?: D } = {},
  ): Rule<number | D> => {
    const expects = `${words} from ${min} to ${max}${unit === undefined ? '' : ` ${unit}`}`
    const fits = (value: unknown): number | undefined =>
      is(value) && (value as number) >= min && (value as number) <= max ? (value as number) : undefined
    return single(expects, { type, minimum: min, maximum: max }, fits, { default: fallback })
  }

/** A whole number in [min, max]. */
export const integer = numbers('integer', 'a whole number', Number.isInteger)

/** A number in [min, max]. */
export const number = numbers('number', 'a number', (value) => typeof value === 'number')

/** A share, `'2%'`: from 0 to 100 per cent. */
export type Percentage = `${number}%`

const percentage = /^\d+(\.\d+)? ?%$/

/** The number that a percentage stands for; every other value as it is. */
export const fromPercentage = (value: unknown): unknown =>
  typeof value === 'string' && percentage.test(value) ? Number.parseFloat(value) / 100 : value

/** A probability: a number in [0, 1], or a percentage. A file's percentages are numbers once it is read. */
export function probability<D extends number | undefined = undefined>(fallback?: D): Rule<number | D> {
  const expects = "a probability from 0 to 1 or from '0%' to '100%'"
  const json = {
    anyOf: [
      { type: 'number', minimum: 0, maximum: 1 },
      { type: 'string', pattern: percentage.source },
    ],
  }
  const check = single(
    expects,
    json,
    (given) => {
      const share = fromPercentage(given)
      return typeof share === 'number' && share >= 0 && share <= 1 ? share : undefined
    },
    { default: fallback },
  )
  return shaped(check, {
    ...shapeOf(check),
    examples: [0.02, '2%'],
    form: { kind: 'value', json, read: fromPercentage },
  })
}

/** true or false. */
export function flag<D extends boolean | undefined = undefined>(fallback?: D): Rule<boolean | D> {
  const fits = (value: unknown): boolean | undefined => (typeof value === 'boolean' ? value : undefined)
  return single('true or false', { type: 'boolean' }, fits, { default: fallback })
}

/** `one of 'codel', 'red'`, as it follows "must be". */
export const oneOfWords = (words: readonly string[]): string =>
  `one of ${words.map((word) => `'${word}'`).join(', ')}`

/** One of `words`. */
export function oneOf<const Word extends string, D extends Word | undefined = undefined>(
  words: readonly Word[],
  fallback?: D,
): Rule<Word | D> {
  return single<Word, D>(
    oneOfWords(words),
    { type: 'string', enum: words },
    (value) => (words.includes(value as Word) ? (value as Word) : undefined),
    {
      default: fallback,
      meant: (value) => (typeof value === 'string' ? nearest(value, words) : undefined),
    },
  )
}

/** A seed: a whole number from 0 to 2^64 - 1, as a number (up to 2^53 - 1) or a bigint. */
export function seed(): Rule<bigint | undefined> {
  return single(
    'a whole number from 0 to 2^64 - 1 (a bigint above 2^53 - 1)',
    { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER },
    (value) => {
      const fits = typeof value === 'bigint' ? value < 1n << 64n : Number.isSafeInteger(value)
      return fits && (value as number | bigint) >= 0 ? BigInt(value as number | bigint) : undefined
    },
  )
}

// ---- What is made of several ----

/** A list of `min` entries or more, each checked by `rule`; an absent list is empty. */
export function list<T>(
  rule: Rule<T>,
  { min = 0, max, expects }: { min?: number; max?: number; expects?: string } = {},
): Rule<Exclude<T, undefined>[]> {
  const entry = required(rule)
  return shaped(
    (value, subject) => {
      if (value === undefined) return []
      if (!Array.isArray(value)) return refuse(subject, expects ?? 'a list', value)
      if (value.length < min || value.length > (max ?? Infinity))
        refuse(subject, expects ?? `a list of at least ${entries(min)}`)
      // From, since map passes by the holes of a list, which are entries that are missing.
      return Array.from(value, (each, index) => entry(each, `entry ${index + 1} of ${subject}`))
    },
    {
      ...(expects !== undefined && { expects }),
      form: { kind: 'list', entry: rule, min, ...(max !== undefined && { max }) },
    },
  )
}

/** `1 entry`, `2 entries`. */
export const entries = (count: number): string => `${count} entr${count === 1 ? 'y' : 'ies'}`

export interface MappingOptions {
  owner?: string
  empty?: boolean
}

/**
 * A mapping with these keys, each checked by its own rule; `finish` makes of the values what they come to. `owner` is
 * what messages call it: by default what they call the option itself. With `empty`, null stands for no keys at all.
 */
export function mapping<Given extends Rules, T>(
  keys: Given,
  options: MappingOptions & { finish: (values: Values<Given>, owner: string) => T },
): Rule<T | undefined>
export function mapping<Given extends Rules>(
  keys: Given,
  options?: MappingOptions,
): Rule<Values<Given> | undefined>
export function mapping<Given extends Rules>(
  keys: Given,
  {
    owner,
    empty = false,
    finish,
  }: MappingOptions & { finish?: (values: Values<Given>, owner: string) => unknown } = {},
): Rule<unknown> {
  const read = owner === undefined ? undefined : optionsReader(owner, keys)
  return shaped(
    (value, subject) => {
      if (value === undefined) return undefined
      const of = owner ?? ownerOf(subject)
      if (value === null && empty) value = {}
      const values = read ? read(value) : readOptions(of, value, keys)
      return finish ? finish(values, of) : values
    },
    { form: { kind: 'mapping', keys, empty } },
  )
}

/** A mapping of any names to values. */
export function record<T>(names: Rule<unknown>, each: Rule<T>): Rule<Record<string, T> | undefined> {
  return optional(
    shaped(
      (value, subject) => {
        const given = isMapping(value) ? value : refuse(subject, 'a mapping', value)
        const read = Object.entries(given).map(([name, value]) => {
          names(name, `name ${quote(name)}`)
          return [name, each(value, `${quote(name)} of ${ownerOf(subject)}`)] as const
        })
        return Object.fromEntries(read)
      },
      { form: { kind: 'record', names, each } },
    ),
  )
}

/**
 * One of several shapes, of which `choose` picks that of a value; undefined refuses it as not `expects`. By default: the
 * mapping whose required keys are there (else the last one), the list for lists, else the first that takes the value.
 */
export function either<T>(
  expects: string,
  branches: readonly Rule<T>[],
  choose: (value: unknown) => Rule<T> | undefined = (value) => fitting(branches, value),
): Rule<T | undefined> {
  return optional(
    shaped(
      (value, subject) => {
        const chosen = choose(value)
        return chosen ? chosen(value, subject) : refuse(subject, expects, value, wordMeant(branches, value))
      },
      { expects, form: { kind: 'either', branches } },
    ),
  )
}

function fitting<T>(branches: readonly Rule<T>[], value: unknown): Rule<T> | undefined {
  const kind = isMapping(value) ? 'mapping' : Array.isArray(value) ? 'list' : 'value'
  const fits = branches.filter((branch) => shapeOf(branch).form.kind === kind)
  if (kind === 'value') return fits.find((branch) => takes(branch, value))
  const whole = fits.find((branch) => {
    const { form } = shapeOf(branch)
    return form.kind !== 'mapping' || requiredKeys(form.keys).every((key) => isGiven(value, key))
  })
  return whole ?? fits.at(-1)
}

const requiredOf = new WeakMap<Rules, readonly string[]>()

/** The keys that a mapping cannot do without; found once for its rules, which do not change. */
export function requiredKeys(keys: Rules): readonly string[] {
  const known = requiredOf.get(keys)
  if (known) return known
  const found = Object.entries(keys).flatMap(([key, { shape }]) => (shape?.required ? [key] : []))
  requiredOf.set(keys, found)
  return found
}

const isGiven = (value: unknown, key: string): boolean => isMapping(value) && value[key] !== undefined

/** The words that a rule takes, where it takes no other values. */
export function wordsOf(rule: Rule<unknown>): readonly string[] {
  const { form } = shapeOf(rule)
  return form.kind === 'value' ? ((form.json as { enum?: readonly string[] }).enum ?? []) : []
}

/** The word of one of these rules that was probably meant. */
export const wordMeant = (branches: readonly Rule<unknown>[], value: unknown): string | undefined =>
  typeof value === 'string' ? nearest(value, branches.flatMap(wordsOf)) : undefined

/** Whether a rule takes a value. */
export function takes(rule: Rule<unknown>, value: unknown): boolean {
  try {
    rule(value, '')
    return true
  } catch {
    return false
  }
}

/**
 * Refuses a value: throws `${subject} must be ${expects}, not ${value}`, and asks whether `meant` was meant. Without a
 * value it says only what must be.
 */
export function refuse(subject: string, expects: string, ...given: [value?: unknown, meant?: string]): never {
  const [value, meant] = given
  const found = given.length === 0 ? '' : `, not ${show(value)}`
  const question = meant === undefined ? '' : `; did you mean '${meant}'?`
  const what = typeof subject === 'string' ? subject : 'value' // whoever parses for others may have none
  throw new EtherloomError('ERR_ETHERLOOM_OPTION', `${what} must be ${expects}${found}${question}`)
}

/** `; did you mean 'delay'?` when a candidate is near, else nothing. */
export function suggestion(word: string, candidates: readonly string[]): string {
  const found = nearest(word, candidates)
  return found === undefined ? '' : `; did you mean '${found}'?`
}

const mostListed = 10

/** What there is where nothing is near, as `fabrics: a, b`; of many the first, and how many more. */
export const listed = (what: string, names: readonly string[]): string =>
  names.length > mostListed
    ? `${what}: ${names.slice(0, mostListed).join(', ')} and ${names.length - mostListed} more`
    : `${what}: ${names.join(', ')}`

/** Another candidate nearest to `word`, or undefined when none is near enough to be what was meant. */
export function nearest<Word extends string>(word: string, candidates: readonly Word[]): Word | undefined {
  const lower = word.toLowerCase()
  const slips = word.length <= 3 ? 1 : word.length <= 6 ? 2 : 3
  let best: Word | undefined
  let fewest = slips + 1
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - word.length) >= fewest) continue // each letter more or less is a slip
    const found = slipsBetween(lower, candidate.toLowerCase())
    const alike = candidate !== word && found < Math.max(word.length, candidate.length)
    if (alike && found < fewest) [best, fewest] = [candidate, found]
  }
  return best
}

/** Letters that differ; two neighbours in each other's place are one slip. */
function slipsBetween(word: string, other: string): number {
  const first = word.split('').findIndex((letter, index) => letter !== other[index])
  const isSwap =
    word.length === other.length &&
    word[first] === other[first + 1] &&
    word[first + 1] === other[first] &&
    word.slice(first + 2) === other.slice(first + 2)
  return isSwap ? 1 : distance(word, other)
}

/** A value as it may appear in a sentence. */
export function show(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return quote(value)
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
