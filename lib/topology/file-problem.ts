/** Mistakes in files and notes on them, with line and column. For all that reads files of topologies. */
import { EtherloomError } from '../values/errors.js'
import { quote, visible } from '../values/quote.js'

/** One mistake in a file, or a note on what became of a line; line and column count from 1. */
export interface FileProblem {
  file: string
  line: number
  column: number
  message: string
}

/**
 * Takes a note: on what is valid and looks like a mistake; of a foreign file, on what of a line is not in the topology, and
 * what to do about that.
 */
export type TakeNote = (note: FileProblem) => void

/** @internal The error for mistakes in files: a line for each. */
export function topologyError(problems: readonly FileProblem[]): EtherloomError {
  return new EtherloomError('ERR_ETHERLOOM_TOPOLOGY', listed(problems.map(atPlace)))
}

/** A control character that neither YAML nor JSON has in a text. */
const control = /[^\P{Cc}\t\n\r\u007f-\u009f]/u

/** @internal The mistake of a file that is no text, such as a program. */
export function noText({ file, text }: { file: string; text: string }): FileProblem | undefined {
  const at = text.search(control)
  if (at < 0) return undefined
  const before = text.slice(0, at).split('\n')
  const place = { file, line: before.length, column: (before.at(-1) ?? '').length + 1 }
  return { ...place, message: `no text: the character ${quote(text.charAt(at))} cannot stand in such a file` }
}

const mostLines = 50

/** Nobody reads more of them at once. */
const listed = (lines: string[]): string[] =>
  lines.length > mostLines
    ? [...lines.slice(0, mostLines), `${lines.length - mostLines} more mistakes are not shown`]
    : lines

/** @internal A mistake or note as a line. */
export const atPlace = ({ file, line, column, message }: FileProblem): string =>
  visible(`${file}:${line}:${column}: ${message}`)
