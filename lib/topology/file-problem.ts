/** Mistakes in files and notes on them, with line and column. For all that reads files of topologies. */
import { EtherloomError } from '../values/errors.js'
import { visible } from '../values/quote.js'

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

const mostLines = 50

/** Nobody reads more of them at once. */
const listed = (lines: string[]): string[] =>
  lines.length > mostLines
    ? [...lines.slice(0, mostLines), `${lines.length - mostLines} more mistakes are not shown`]
    : lines

/** @internal A mistake or note as a line. */
export const atPlace = ({ file, line, column, message }: FileProblem): string =>
  visible(`${file}:${line}:${column}: ${message}`)
