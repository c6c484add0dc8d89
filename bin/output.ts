/**
 * How commands print: tables and JSON on stdout, errors on stderr.
 * Called by every command.
 */
import { EtherloomError } from '../lib/values/errors.js'
import type { StepTaken } from '../lib/control/methods/step.js'
import type { FileProblem } from '../lib/topology/file-problem.js'

/** Prints one JSON value on a line. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}

export function printLine(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** Prints notes on a file, which are no results, to stderr. */
export function printNotes(notes: readonly FileProblem[]): void {
  for (const { file, line, column, message } of notes)
    process.stderr.write(`${file}:${line}:${column}: ${message}\n`)
}

/** `1 port`, `2 ports`. */
export const counted = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`

/** A step of a world as a user reads it. */
export function describeStep(taken: StepTaken): string {
  const { world, step, up, down, changed, milliseconds, overrun } = taken
  const late = overrun ? '; longer than the time between two steps' : ''
  return `${world}: step ${step}: ${up} up, ${down} down, ${changed} changed in ${milliseconds.toFixed(1)} ms${late}`
}

/** Undefined where there is nothing to say. */
export type Cell = string | number | undefined

/** A table with a heading line; columns of numbers stand to the right, columns that say nothing are left out. */
export function formatTable(headings: readonly string[], cells: readonly (readonly Cell[])[]): string[] {
  const isSaid = (_: unknown, index: number): boolean =>
    cells.length === 0 || cells.some((row) => row[index] !== undefined)
  const columns = headings.filter(isSaid)
  const rows = cells.map((row) => row.filter(isSaid).map((cell) => cell ?? '-'))
  const lines = [columns, ...rows]
  const widths = columns.map((_, index) => Math.max(...lines.map((line) => String(line[index] ?? '').length)))
  const right = columns.map((_, index) => rows.some((row) => typeof row[index] === 'number'))
  return lines.map((line) =>
    line
      .map((cell, index) => {
        const width = widths[index] ?? 0
        const text = typeof cell === 'number' ? cell.toLocaleString('en') : cell
        return right[index] ? text.padStart(width) : text.padEnd(width)
      })
      .join('  ')
      .trimEnd(),
  )
}

/** Prints an error and returns the exit code that goes with it. */
export function fail(error: unknown, { json }: { json?: boolean }): number {
  const { message } = error as Error
  const code = error instanceof EtherloomError ? error.code : undefined
  if (json) process.stderr.write(`${JSON.stringify({ error: { code, message } })}\n`)
  else if (code === 'ERR_ETHERLOOM_TOPOLOGY') process.stderr.write(`${message}\n`)
  else
    process.stderr.write(`etherloom: ${code === undefined ? ((error as Error).stack ?? message) : message}\n`)
  return code === 'ERR_ETHERLOOM_OPTION' || code === 'ERR_ETHERLOOM_UNKNOWN_OPTION' ? 2 : 1
}

/** Commander's complaint in the form of ours. */
export function usageError(text: string): string {
  const [, problem = text, , guess] =
    /^(?:error: )?(.*?)\.?(\s+\(Did you mean (.*)\?\))?\s*$/s.exec(text) ?? []
  const help = "see 'etherloom --help'"
  return `etherloom: ${problem}; ${guess === undefined ? help : `did you mean '${guess}'?`}\n`
}
