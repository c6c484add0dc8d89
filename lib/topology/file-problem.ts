/** Mistakes in files and notes on them, with line and column. For all that reads files of topologies. */
import { EtherloomError } from '../values/errors.js'

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
  return new EtherloomError('ERR_ETHERLOOM_TOPOLOGY', problems.map(atPlace).join('\n'))
}

/** @internal A mistake or note as a line. */
export const atPlace = ({ file, line, column, message }: FileProblem): string =>
  `${file}:${line}:${column}: ${message}`
