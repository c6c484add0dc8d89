/**
 * How commands print: tables and JSON on stdout, errors on stderr.
 * Called by every command.
 */
import { closeSync, openSync } from 'node:fs'
import { isatty } from 'node:tty'
import { debuglog } from 'node:util'
import { asJson } from '../lib/control/protocol.js'
import { adviseUsedUp, EtherloomError } from '../lib/values/errors.js'
import type { ControlEvent } from '../lib/control/events.js'
import type { StepTaken } from '../lib/control/methods/step.js'
import { atPlace, type FileProblem } from '../lib/topology/file-problem.js'
import { quote, visible } from '../lib/values/quote.js'

/**
 * What is being done goes on when nobody reads what is printed: `head` has seen enough, the terminal is gone. An output that
 * could not be written, as on a full disk, is said once, and the exit code is 1 then at least.
 */
export function outliveReaders(): void {
  process.stderr.on('error', () => undefined)
  process.stdout.on('error', ({ code, message }: NodeJS.ErrnoException) => {
    if (code === 'EPIPE' || code === 'EIO' || outputFailed) return
    outputFailed = true
    remark(`etherloom: cannot write the output: ${message}`)
    process.on('exit', (code) => {
      if (code === 0) process.exitCode = 1
    })
  })
  // Node leaves terminals as it found them, and aborts where one is gone; so it finds none there.
  const terminals = [0, 1, 2].filter((fd) => isatty(fd))
  process.on('exit', () => {
    for (const fd of terminals.filter((fd) => !isatty(fd))) {
      closeSync(fd)
      openSync('/dev/null', 'r+') // has the lowest number that is free, which is this one
    }
  })
}

let outputFailed = false

/** Prints one JSON value on a line. */
export function printJson(value: unknown): void {
  printLine(asJson(value))
}

export function printLine(text: string): void {
  process.stdout.write(`${visible(text)}\n`)
}

/** Prints text of several lines, each with its end. */
export function printText(text: string): void {
  process.stdout.write(text.split('\n').map(visible).join('\n'))
}

/** Says on stderr what is no result. */
export function remark(text: string): void {
  process.stderr.write(`${visible(text)}\n`)
}

/** Prints notes on a file, which are no results, to stderr. */
export function printNotes(notes: readonly FileProblem[]): void {
  for (const note of notes) remark(atPlace(note))
}

/** `1 port`, `2 ports`. */
export const counted = (count: number | bigint, word: string): string =>
  `${count} ${word}${Number(count) === 1 ? '' : 's'}`

/** What is left to do while an instance ends. */
export const describeEnding = ({ ports, left }: ControlEvent<'ending'>): string =>
  `ending ${counted(ports, 'port')}: ${left} left`

/** A step of a world as a user reads it. */
export function describeStep(taken: StepTaken): string {
  const { world, step, up, down, changed, milliseconds, overrun } = taken
  const late = overrun ? '; longer than the time between two steps' : ''
  return `${world}: step ${step}: ${up} up, ${down} down, ${changed} changed in ${milliseconds.toFixed(1)} ms${late}`
}

/** Undefined where there is nothing to say. */
export type Cell = string | number | bigint | undefined

/** Characters on a line of the terminal; where there is none, what COLUMNS says, or no limit. */
export const lineWidth = (): number => process.stdout.columns || Number(process.env.COLUMNS) || Infinity

/** Text in lines of at most `width` characters, as far as its words are not longer. */
export function wrap(text: string, width: number): string[] {
  if (text.length <= width) return [text]
  const lines = text.match(new RegExp(`.{1,${width}}(?: +|$)|[^ ]+ *`, 'g')) ?? []
  return lines.map((line) => line.trimEnd())
}

/** The text of a cell of a table. */
export const formatCell = (cell: Cell = '-'): string =>
  typeof cell === 'string' ? visible(cell) : cell.toLocaleString('en')

const gap = '  '

/**
 * A table with a heading line; columns of numbers stand to the right, columns that say nothing are left out. Columns that
 * do not fit into `width` go on below, behind the first `keys` again, which say what a row is of.
 */
export function formatTable(
  headings: readonly string[],
  cells: readonly (readonly Cell[])[],
  { keys = 1, width = Infinity } = {},
): string[] {
  const columns = headings.flatMap((heading, index) => {
    const values = cells.map((row) => row[index])
    if (values.length > 0 && values.every((value) => value === undefined)) return []
    const texts = values.map(formatCell)
    const right = values.some((value) => typeof value === 'number' || typeof value === 'bigint')
    return [{ texts: [heading, ...texts], right, width: widest([heading, ...texts]) }]
  })
  const first = columns.slice(0, keys)
  const room = first.reduce((left, column) => left - column.width - gap.length, width)
  const blocks = [[...first]]
  let left = room
  for (const column of columns.slice(keys)) {
    if (column.width > left && left < room) {
      blocks.push([...first])
      left = room
    }
    blocks.at(-1)?.push(column)
    left -= column.width + gap.length
  }
  return blocks.flatMap((block, index) => [...(index > 0 ? [''] : []), ...linesOf(block, room)])
}

interface Column {
  /** The heading, then a cell of each row. */
  texts: string[]
  right: boolean
  width: number
}

/** A block of a table; what is wider than `room` goes on in further lines of its row. */
function linesOf(columns: readonly Column[], room: number): string[] {
  const wrapped = columns.map(({ texts, right, width }) => {
    const lines = texts.map((text) => wrap(text, Math.max(room, 20)))
    return { lines, right, width: width > room ? widest(lines.flat()) : width }
  })
  return (columns[0]?.texts ?? []).flatMap((_, row) =>
    Array.from({ length: Math.max(...wrapped.map(({ lines }) => lines[row]?.length ?? 0)) }, (_, line) =>
      wrapped
        .map(({ lines, right, width }) => {
          const text = lines[row]?.[line] ?? ''
          return right ? text.padStart(width) : text.padEnd(width)
        })
        .join(gap)
        .trimEnd(),
    ),
  )
}

const widest = (texts: readonly string[]): number => Math.max(...texts.map(({ length }) => length))

/** Prints an error and returns the exit code that goes with it. */
export function fail(thrown: unknown, { json }: { json?: boolean }): number {
  const error = adviseUsedUp(thrown)
  const { message } = error as Error
  const code = error instanceof EtherloomError ? error.code : undefined
  if (json) remark(JSON.stringify({ error: { code, message } }))
  else if (code === undefined) remark(`etherloom: ${message}`)
  else process.stderr.write(`${isOfFile(error as EtherloomError) ? '' : 'etherloom: '}${message}\n`) // visible as it is
  debuglog('etherloom')('%O', thrown) // with NODE_DEBUG=etherloom: where it was thrown
  if (isOfFile(error as EtherloomError)) return 1
  return code === 'ERR_ETHERLOOM_OPTION' || code === 'ERR_ETHERLOOM_UNKNOWN_OPTION' ? 2 : 1
}

/** Whether an error is about a line of a file, with which it begins then. */
const isOfFile = ({ code, place, message }: EtherloomError): boolean =>
  code === 'ERR_ETHERLOOM_TOPOLOGY' || (place !== undefined && /^[^\n]*?:\d+:\d+: /.test(message))

/** Commander's complaint in the form of ours. */
export function usageError(text: string): string {
  const [, problem = text, , guess] =
    /^(?:error: )?(.*?)\.?(\s+\(Did you mean (.*)\?\))?\s*$/s.exec(text) ?? []
  const help = "see 'etherloom --help'"
  const short = problem.replace(/'(.*)'/s, (_, word: string) => quote(word))
  return `etherloom: ${visible(short)}; ${guess === undefined ? help : `did you mean '${guess}'?`}\n`
}
