/**
 * What a foreign format is: a way to recognise its files and to turn them into a topology. A file per format stands next to
 * this one, and index.ts lists them. As the command line reads their options when it starts, these files are small, and
 * import what converts when it is called.
 */
import { isMapping, shapeOf, single, type Rule, type Rules } from '../../values/options.js'
import type { Keyed } from '../../values/registry.js'
import type { FileProblem } from '../file-problem.js'

/** A file of a foreign format. `file` is its path as the user gave it; what it names is relative to its folder. */
export interface SourceFile {
  /** Its path, as the user gave it. */
  file: string
  /** All that it says. */
  text: string
}

/** What became of files of another program. */
export interface Conversion {
  /** The topology as a file would state it; it is checked as one. Absent when there are problems. */
  topology?: unknown
  /** Mistakes, which the foreign program would refuse too, or which leave no sense to take. */
  problems: FileProblem[]
  /** What is not in the topology, or is there in another way, with what to do about it. Nothing is dropped silently. */
  notes: FileProblem[]
}

/** What a user says beside the files, by the names of the format's options. */
export type ConversionOptions = Readonly<Record<string, unknown>>

export interface ForeignFormat<Options extends object = object> extends Keyed {
  /** The word that `etherloom import --WORD` has for it. */
  readonly key: string
  /** What messages call a file of it, with its article: 'a tmesh file'. */
  readonly title: string
  /** What a user can say beside the files: `--NAME` of `up` and `import`. */
  readonly options: Rules
  /** How the names of its files end, where that leaves no doubt: '.clab.yml'. */
  readonly endings?: readonly string[]
  /** Whether a text is of this format, by its content. */
  recognises(text: string): boolean
  /** Turns files into one topology. Several files are parts of one network. */
  convert(files: readonly SourceFile[], options: Options): Promise<Conversion>
}

/** The rule for an option that is a file; the command line has its name, and reads it. */
export const sourceFile = single<SourceFile>('a file', { type: 'string' }, (value) =>
  isMapping(value) && typeof value.text === 'string' ? (value as unknown as SourceFile) : undefined,
)

/** Whether a rule is that one, with whatever was said about it. */
export const isSourceFile = (rule: Rule<unknown>): boolean => shapeOf(rule).form === shapeOf(sourceFile).form
