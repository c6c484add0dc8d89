/** Reads files of other programs that are YAML or JSON, and keeps what is found, with its place. Called by conversions. */
import { isMapping, type Rule } from '../../values/options.js'
import { limits } from '../../values/limits.js'
import type { Place } from '../../values/problem.js'
import { quote } from '../../values/quote.js'
import { formatCount } from '../../values/units.js'
import type { FileProblem } from '../file-problem.js'
import { mergeKeys, nameKeys, offsetOf, parse } from '../yaml.js'
import type { Conversion, SourceFile } from './format.js'

type Locate = (place: Place, at: 'key' | 'value') => { line: number; column: number }

/** Adds to notes or problems while there is room, and then once that there are more. */
export function keep(found: FileProblem[], problem: FileProblem): void {
  if (found.length < limits.mistakes) found.push(problem)
  else if (found.length === limits.mistakes)
    found.push({ ...problem, message: `more than ${formatCount(limits.mistakes)}; the rest is not listed` })
}

/** Notes or problems of one file in the order of their places. */
export const byLine = (found: readonly FileProblem[]): FileProblem[] =>
  [...found].sort((one, other) => one.line - other.line || one.column - other.column)

/** A file that is being read: where its notes and mistakes go. */
export class FileReader {
  readonly problems: FileProblem[] = []
  readonly notes: FileProblem[] = []
  readonly #file: string
  readonly #locate: Locate
  readonly data: unknown

  protected constructor(file: string, data: unknown, locate: Locate) {
    this.#file = file
    this.data = data
    this.#locate = locate
  }

  /** The parsed text of a file, or what keeps it from being read, for the constructor of a class of readers. */
  protected static async parsed({ file, text: raw }: SourceFile): Promise<{
    data: unknown
    locate: Locate
    problems: FileProblem[]
  }> {
    const yaml = await import('yaml')
    const { document, errors, placeOf } = parse(yaml, raw, { uniqueKeys: true })
    const found = errors.length > 0 ? errors : [...mergeKeys(yaml, document), ...nameKeys(yaml, document)]
    return {
      data: found.length > 0 ? {} : document.toJS(),
      locate: (place, at) => placeOf(offsetOf(yaml, document, { place, at, message: '' })),
      problems: found.map(({ offset, message }) => ({ file, ...placeOf(offset), message })),
    }
  }

  static async read(source: SourceFile): Promise<FileReader> {
    const { data, locate, problems } = await FileReader.parsed(source)
    const reader = new FileReader(source.file, data, locate)
    reader.problems.push(...problems)
    return reader
  }

  /** What came of the file: the topology if there is no mistake, and what was found, in the order of the lines. */
  conversion(topology: unknown): Conversion {
    const [problems, notes] = [byLine(this.problems), byLine(this.notes)]
    return problems.length > 0 ? { problems, notes } : { topology, problems, notes }
  }

  note(place: Place, message: string, at: 'key' | 'value' = 'key'): void {
    if (this.notes.length <= limits.mistakes)
      keep(this.notes, { file: this.#file, ...this.#locate(place, at), message })
  }

  complain(place: Place, message: string, at: 'key' | 'value' = 'value'): void {
    if (this.problems.length <= limits.mistakes)
      keep(this.problems, { file: this.#file, ...this.#locate(place, at), message })
  }

  /** The value at a place, undefined where there is none. */
  at(place: Place): unknown {
    let value = this.data
    for (const key of place) {
      const here = Array.isArray(value)
        ? typeof key === 'number'
        : isMapping(value) && Object.hasOwn(value, key)
      value = here ? (value as Record<string | number, unknown>)[key] : undefined
    }
    return value ?? undefined
  }

  /** What `rule` makes of the value at a place; a value that it refuses is a mistake, and counts as absent. */
  read<T>(rule: Rule<T>, place: Place, subject = quote(place.join('.'))): T {
    try {
      return rule(this.at(place), subject)
    } catch (error) {
      this.complain(place, (error as Error).message)
      return rule(undefined, '')
    }
  }

  /** The entries of a mapping at a place; none where there is none, and a mistake where something else is. */
  entries(place: Place): [string, unknown][] {
    const value = this.at(place)
    if (isMapping(value)) return Object.entries(value)
    if (value !== undefined)
      this.complain(place, `${place.length === 0 ? 'the file' : quote(place.join('.'))} must be a mapping`)
    return []
  }

  /** The entries of a list at a place; none where there is none, and a mistake where something else is. */
  items(place: Place): unknown[] {
    const value = this.at(place)
    if (Array.isArray(value)) return value as unknown[]
    if (value !== undefined) this.complain(place, `${quote(place.join('.'))} must be a list`)
    return []
  }
}

/** Comments and tabs of JSON become spaces, so that it is YAML, and everything keeps its line and column. In strings `//` stays, as in URLs. */
export function withoutComments(json: string): string {
  return json.replace(/"(?:[^"\\\n]|\\.)*"|\/\/[^\n]*|\t/g, (found) =>
    found.startsWith('"') ? found : ' '.repeat(found.length),
  )
}
