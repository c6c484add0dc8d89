/**
 * Finds all that is wrong in a parsed file, each mistake with the place it is at, by the declarations of its options.
 * Called for topology files and for the words of commands; classes read the same declarations, and stop at the first.
 */
import {
  entries,
  isMapping,
  requiredKeys,
  shapeOf,
  show,
  suggestion,
  type Form,
  type Rule,
  type Rules,
  type Shape,
  wordMeant,
  wordsOf,
} from './options.js'
import { limits } from './limits.js'
import { quote } from './quote.js'

/** Where something stands in a parsed document: the keys and indices that lead there. */
export type Place = readonly (string | number)[]

/** One mistake. `at` tells whether the key or the value at `place` is wrong. */
export interface Problem {
  place: Place
  at: 'key' | 'value'
  message: string
}

/**
 * What was given, with percentages as numbers and files relative to `folder`; and all that is wrong with it. What is wrong is
 * undefined, and so is a mapping without what it requires, or a list with a wrong value.
 */
export interface Found {
  value: unknown
  problems: Problem[]
}

/** Looks at each value by itself, until there are more than `limits.mistakes` mistakes; whether they go together shows when they are read. `whole` is what messages call it. */
export function check(
  rule: Rule<unknown>,
  data: unknown,
  { folder = '.', whole = 'the topology' } = {},
): Found {
  const checker = new Checker(folder, whole)
  const value = checker.visit(rule, data, [])
  if (checker.problems.length > 0) checker.askStrictRules()
  return { value, problems: checker.problems }
}

/** The words for what stands at a place: its key, with its index when it is an entry of a list. */
export function subjectOf(place: Place, whole = 'the topology'): string {
  const last = place.at(-1)
  if (last === undefined) return whole
  return typeof last === 'number'
    ? `entry ${last + 1} of ${subjectOf(place.slice(0, -1), whole)}`
    : quote(last)
}

type MappingForm = Extract<Form, { kind: 'mapping' }>
type ValueForm = Extract<Form, { kind: 'value' }>
type EitherForm = Extract<Form, { kind: 'either' }>

interface Unasked {
  rule: Rule<unknown>
  value: unknown
  place: Place
}
type Apart = Found & { unasked: Unasked[] }

class Checker {
  readonly problems: Problem[] = []
  /** What is right by its form, and has a strict rule, which takes longer. */
  readonly #unasked: Unasked[] = []

  constructor(
    readonly folder: string,
    readonly whole: string,
  ) {}

  /** Nobody looks for more: each mistake takes longer than what is right. */
  get #enough(): boolean {
    return this.problems.length > limits.mistakes
  }

  /** Returns the value as it is to be used; what is wrong is in `problems` then. */
  visit(rule: Rule<unknown>, value: unknown, place: Place): unknown {
    if (this.#enough) return undefined
    const shape = shapeOf(rule)
    const before = this.problems.length
    const read = this.#visit(rule, shape, value, place)
    if (shape.strict && this.problems.length === before) this.#unasked.push({ rule, value, place })
    return read
  }

  /** For who reads nothing of the whole, since something is wrong: all else that a reader would refuse. */
  askStrictRules(): void {
    for (const { rule, value, place } of this.#unasked.splice(0)) {
      if (this.#enough) return
      try {
        rule(value, this.#subject(place))
      } catch (error) {
        this.#say(place, 'value', (error as Error).message)
      }
    }
  }

  #visit(rule: Rule<unknown>, shape: Shape, value: unknown, place: Place): unknown {
    const { form } = shape
    switch (form.kind) {
      case 'value':
        return this.#single(rule, form, value, place)
      case 'mapping':
        return this.#mapping(form, value, place, form.keys)
      case 'record':
        return this.#record(form, value, place)
      case 'list':
        return this.#list(shape, form, value, place)
      case 'either':
        return this.#either(shape, form, value, place)
    }
  }

  #single(rule: Rule<unknown>, { locate, read }: ValueForm, given: unknown, place: Place): unknown {
    try {
      const value = locate ? locate(given, this.folder) : given
      rule(value, this.#subject(place))
      return read ? read(value as never, this.folder) : value
    } catch (error) {
      this.#say(place, 'value', (error as Error).message)
      return undefined
    }
  }

  /**
   * Without all that it requires there is no mapping. `siblings`: the keys of all shapes that the value could have, for those
   * that are right in another one.
   */
  #mapping({ keys, empty }: MappingForm, value: unknown, place: Place, siblings: Rules): unknown {
    if (value === null && empty) return null
    if (!isMapping(value)) return this.#mustBe(place, 'a mapping')
    for (const key of Object.keys(value)) {
      if (this.#enough) return undefined
      if (!Object.hasOwn(keys, key)) this.#unknownKey([...place, key], siblings)
    }
    const read: Record<string, unknown> = {}
    for (const [key, rule] of Object.entries(keys)) {
      const given = Object.hasOwn(value, key) ? value[key] : undefined
      if (given !== undefined) read[key] = this.visit(rule, given, [...place, key])
      else if (rule.shape?.required) this.#say(place, 'key', `${this.#subject(place)} needs '${key}'`)
    }
    return requiredKeys(keys).every((key) => read[key] !== undefined) ? inOrderOf(value, read) : undefined
  }

  #record({ names, each }: Extract<Form, { kind: 'record' }>, value: unknown, place: Place): unknown {
    if (!isMapping(value)) return this.#mustBe(place, 'a mapping')
    const read = Object.entries(value).map(([name, entry]) => {
      const here = [...place, name]
      try {
        names(name, `name ${quote(name)}`)
      } catch (error) {
        this.#say(here, 'key', (error as Error).message)
      }
      return [name, this.visit(each, entry, here)] as const
    })
    return Object.fromEntries(read)
  }

  #list(
    { expects }: Shape,
    { entry, min, max = Infinity }: Extract<Form, { kind: 'list' }>,
    value: unknown,
    place: Place,
  ): unknown {
    if (!Array.isArray(value)) return this.#mustBe(place, expects ?? 'a list')
    const fits = value.length >= min && value.length <= max
    if (!fits)
      this.#say(
        place,
        'value',
        `${this.#subject(place)} must ${expects === undefined ? `have at least ${entries(min)}` : `be ${expects}`}`,
      )
    const read = Array.from(value, (each, index) => this.visit(entry, each, [...place, index]))
    return !fits || (shapeOf(entry).form.kind === 'value' && read.includes(undefined)) ? undefined : read
  }

  #either({ expects }: Shape, { branches, by }: EitherForm, value: unknown, place: Place): unknown {
    if (isMapping(value)) {
      const anyKeys = branches.some((branch) => shapeOf(branch).form.kind === 'record')
      const mappings = branches.flatMap((branch) => {
        const { form } = shapeOf(branch)
        if (form.kind !== 'mapping') return []
        return !anyKeys || requiredKeys(form.keys).every((key) => Object.hasOwn(value, key)) ? [form] : []
      })
      if (mappings.length > 0) return this.#eitherMapping(mappings, by, value, place)
    }
    const lists = branches.filter((branch) => shapeOf(branch).form.kind === 'list')
    if (Array.isArray(value) && lists[0]) return this.visit(lists[0], value, place)
    const passed = isMapping(value) ? ['list'] : ['mapping', 'list']
    const others = branches.filter((branch) => !passed.includes(shapeOf(branch).form.kind))
    const tried = others.map((branch) => this.#apart((apart) => apart.visit(branch, value, place)))
    const right = tried.find(({ problems }) => problems.length === 0)
    if (right) return this.#take(right)
    if (expects !== undefined) {
      const meant = wordMeant(branches, value)
      const question = meant === undefined ? '' : `; did you mean '${meant}'?`
      return this.#mustBe(place, `${expects}, not ${show(value)}${question}`)
    }
    this.problems.push(...(tried.at(-1)?.problems ?? []))
    return tried.length > 0 ? undefined : this.#mustBe(place, 'a mapping')
  }

  /** The shape of which most is given of what it requires; of several, that with the fewest mistakes. */
  #eitherMapping(
    forms: readonly MappingForm[],
    by: string | undefined,
    value: Record<string, unknown>,
    place: Place,
  ): unknown {
    const siblings = Object.assign({}, ...[...forms].reverse().map(({ keys }) => keys)) as Rules
    const fitting =
      by === undefined ? mostGiven(forms, value) : forms.filter(({ keys }) => accepts(keys[by], value[by]))
    if (fitting.length === 0) {
      this.#noneOf(forms, by, value, place, siblings)
      return undefined
    }
    const tried = fitting.map((form) => this.#apart((apart) => apart.#mapping(form, value, place, siblings)))
    return this.#take(
      tried.reduce((one, other) => (other.problems.length < one.problems.length ? other : one)),
    )
  }

  /** Nothing tells which shape is meant: says so, or which key is misspelt, and looks at the other keys all the same. */
  #noneOf(
    forms: readonly MappingForm[],
    by: string | undefined,
    value: Record<string, unknown>,
    place: Place,
    siblings: Rules,
  ): undefined {
    const unknown = Object.keys(value).filter((key) => !Object.hasOwn(siblings, key))
    for (const key of unknown) this.#unknownKey([...place, key], siblings)
    if (by !== undefined) this.#unknownWord(forms, by, value, place)
    else if (unknown.length === 0) {
      const kinds = new Set(
        forms.map(({ keys }) =>
          requiredKeys(keys)
            .map((key) => `'${key}'`)
            .join(' and '),
        ),
      )
      this.#say(place, 'value', `${this.#subject(place)} must have ${[...kinds].join(' or ')}`)
    }
    for (const [key, given] of Object.entries(value))
      if (key !== by && given !== undefined && Object.hasOwn(siblings, key))
        this.visit(siblings[key] as Rule<unknown>, given, [...place, key])
  }

  /** A word that should have been one of those that tell the shapes apart. */
  #unknownWord(
    forms: readonly MappingForm[],
    by: string,
    value: Record<string, unknown>,
    place: Place,
  ): void {
    const given = value[by]
    if (given === undefined) {
      this.#say(place, 'key', `${this.#subject(place)} needs '${by}'`)
      return
    }
    const words = forms.flatMap(({ keys }) => wordsOf(keys[by] as Rule<unknown>))
    const word = typeof given === 'string' ? given : JSON.stringify(given)
    const expected = words.map((known) => `'${known}'`).join(' or ')
    const here = [...place, by]
    this.#say(
      here,
      'value',
      `${this.#subject(here)} must be ${expected}, not ${quote(word)}${suggestion(word, words)}`,
    )
  }

  #unknownKey(place: Place, known: Rules): void {
    const key = String(place.at(-1))
    const words = Object.keys(known)
    this.#say(
      place,
      'key',
      Object.hasOwn(known, key)
        ? `${quote(key)} does not go with the other keys here`
        : `unknown key ${quote(key)}${suggestion(key, words) || `; known here: ${words.join(', ')}`}`,
    )
  }

  #apart(look: (apart: Checker) => unknown): Apart {
    const apart = new Checker(this.folder, this.whole)
    return { value: look(apart), problems: apart.problems, unasked: apart.#unasked }
  }

  /** Makes what was found apart our own. */
  #take({ value, problems, unasked }: Apart): unknown {
    this.problems.push(...problems)
    this.#unasked.push(...unasked)
    return value
  }

  /** Nothing is read of such a value. */
  #mustBe(place: Place, expects: string): unknown {
    this.#say(place, 'value', `${this.#subject(place)} must be ${expects}`)
    return undefined
  }

  #say(place: Place, at: Problem['at'], message: string): void {
    this.problems.push({ place, at, message })
  }

  #subject(place: Place): string {
    return subjectOf(place, this.whole)
  }
}

/** The shapes of which most required keys are given; none where that is not one, and each requires some. */
function mostGiven(forms: readonly MappingForm[], value: Record<string, unknown>): readonly MappingForm[] {
  const counted = forms.map((form) => {
    const needed = requiredKeys(form.keys)
    const given = needed.filter((key) => value[key] !== undefined).length
    return { form, given, free: needed.length === 0 }
  })
  const most = Math.max(...counted.map(({ given }) => given))
  return counted.filter(({ given, free }) => (most > 0 ? given === most : free)).map(({ form }) => form)
}

/** Whether a word, or what the rule has in place of one that is absent, is among those of the rule. */
function accepts(rule: Rule<unknown> | undefined, value: unknown): boolean {
  return rule !== undefined && wordsOf(rule).includes((value ?? shapeOf(rule).default) as string)
}

/** The values of `read` in the order of the keys of `given`. */
function inOrderOf(given: object, read: Record<string, unknown>): Record<string, unknown> {
  const keys = Object.keys(given).filter((key) => read[key] !== undefined)
  return Object.fromEntries(keys.map((key) => [key, read[key]]))
}
