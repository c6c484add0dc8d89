/**
 * What a foreign format is: a way to recognise its files and to turn them into a topology. One module per format stands
 * next to this one, and index.ts lists them. Called by index.ts, for `etherloom import` and for topology files that turn
 * out to be foreign; on the JavaScript thread.
 */
import type { FileProblem } from '../file-problem.js'

/** A file of a foreign format. `file` is its path as the user gave it; what it names is relative to its folder. */
export interface SourceFile {
  file: string
  text: string
}

export interface Conversion {
  /** The topology as a file would state it; it is checked as one. Absent when there are problems. */
  topology?: unknown
  /** Mistakes, which the foreign program would refuse too, or which leave no sense to take. */
  problems: FileProblem[]
  /** What is not in the topology, or is there in another way, with what to do about it. Nothing is dropped silently. */
  notes: FileProblem[]
}

/** What stands for machines that a foreign file only names. */
export const machineKinds = ['hosts', 'taps', 'packet'] as const
export type Machines = (typeof machineKinds)[number]

/** What a user says beside the files. Only MiniWorld's scenarios leave it open. */
export interface ConversionOptions {
  /** MiniWorld's config.json. */
  config?: SourceFile
  /**
   * Hosts of ours (the default); TAPs by the names that the foreign program has for them, for machines that use an interface
   * of this one; or packet sockets on interfaces of those names, which machines that are started first have made.
   */
  machines?: Machines
}

export interface ForeignFormat {
  /** What messages call a file of it, with its article: 'a tmesh file'. */
  readonly title: string
  /** Whether a text is of this format, by its content. */
  recognises(text: string): boolean
  /** Turns files into one topology. Several files are parts of one network. */
  convert(files: readonly SourceFile[], options: ConversionOptions): Promise<Conversion>
}
