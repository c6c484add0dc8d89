/**
 * Trace files: a Mahimahi delivery trace, or a CSV of times, rates, delays and losses, as columns of numbers.
 * Called by trace.ts when a policy is checked; the file is read whole, then and only then.
 */
import { EtherloomError } from '../../values/errors.js'
import { readBytes } from '../../values/files.js'
import { limits } from '../../values/limits.js'
import { nearest } from '../../values/options.js'
import { quote } from '../../values/quote.js'

export type TraceFormat = 'mahimahi' | 'csv'

/** All of one length. Times in nanoseconds, rates in bit/s, losses as probabilities. */
export interface TraceColumns {
  at: number[]
  rate?: number[]
  delay?: number[]
  loss?: number[]
  /** Of a Mahimahi trace, instead: how many opportunities there are at each time. */
  opportunities?: number[]
}

export const traceLimits = {
  /** The last time, and the longest delay: 100 days in nanoseconds. Below 2^53, so that numbers are exact. */
  time: 100 * 24 * 3600 * 1e9,
  /** Bit/s. */
  rate: 1e12,
}

type Fail = (message: string, hint?: string) => never

/**
 * Reads a trace. `format` is told by the content where it is not stated.
 *
 * @throws EtherloomError ERR_ETHERLOOM_OPTION with file and line
 */
export function readTraceFile(file: string, format?: TraceFormat): TraceColumns {
  const bytes = readBytes(file, {
    subject: `the trace '${file}'`,
    most: limits.traceFile,
    code: 'ERR_ETHERLOOM_OPTION',
    hint: 'give the path of a trace file',
    smaller: 'take a part of it, or fewer rows',
  })
  return parseTrace(bytes, file, format)
}

/** The same for bytes that are read already; `file` is what messages call them. */
export function parseTrace(bytes: Buffer, file: string, format?: TraceFormat): TraceColumns {
  const kind = format ?? recognise(bytes, file)
  return kind === 'mahimahi' ? parseMahimahi(bytes, file) : parseCsv(bytes, file)
}

function fail(file: string, message: string, hint?: string): never {
  throw new EtherloomError('ERR_ETHERLOOM_OPTION', `${file} ${message}`, { hint })
}

const failAt =
  (file: string, line: number): Fail =>
  (message, hint) => {
    throw new EtherloomError('ERR_ETHERLOOM_OPTION', `${file}:${line}: ${message}`, { hint })
  }

/**
 * A Mahimahi trace has a whole number in its first line, a CSV the names of its columns. A comment before a number could
 * belong to either: to a Mahimahi trace, which has no comments, or to a CSV that lacks the names.
 */
function recognise(bytes: Buffer, file: string): TraceFormat {
  let commented = false
  for (const [line, text] of linesOf(bytes)) {
    if (text === '' || text.startsWith('#')) {
      commented = true
      continue
    }
    if (/^\d+$/.test(text) && !commented) return 'mahimahi'
    if (/^[\d.,;\s+eE-]+$/.test(text))
      failAt(file, line)(
        `${quote(text)} could be of a Mahimahi trace (whole milliseconds, one a line, and nothing else) or of a CSV without the line that names its columns`,
        "put a line such as 'time(s),rate(Mbit)' first, or state format: 'mahimahi' or 'csv'",
      )
    return 'csv'
  }
  return fail(file, 'is empty', 'a trace has one row at least')
}

function parseMahimahi(bytes: Buffer, file: string): TraceColumns {
  const at: number[] = []
  const opportunities: number[] = []
  let last = -1 // milliseconds
  let line = 0
  let offset = 0
  while (offset < bytes.length) {
    line++
    let number = 0
    const start = offset
    for (; offset < bytes.length && bytes[offset] !== 10; offset++) {
      const digit = bytes.readUInt8(offset) - 48
      if (digit >= 0 && digit <= 9) number = number * 10 + digit
      else if (bytes[offset] !== 13 || (bytes[offset + 1] ?? 10) !== 10) number = NaN
    }
    const text = (): string => bytes.toString('latin1', start, Math.min(offset, start + 80)).trim()
    if (Number.isNaN(number) || offset === start || bytes[start] === 13)
      failAt(file, line)(`${quote(text())} must be a whole number of milliseconds`)
    if (number < last)
      failAt(file, line)(`${number} ms comes after ${last} ms`, 'the times of a trace never go back')
    if (number * 1e6 > traceLimits.time) failAt(file, line)(`${text()} ms is more than 100 days`)
    if (number !== last) {
      checkRows(at.length, file, line)
      at.push(number * 1e6)
    }
    const place = at.length - 1
    opportunities[place] = (opportunities[place] ?? 0) + 1
    last = number
    offset++
  }
  if (line === 0) fail(file, 'is empty', 'a trace has one row at least')
  if (last === 0) failAt(file, line)('the last time must be above 0 ms, for it says how long the trace lasts')
  return { at, opportunities }
}

/** A column's scale by unit; the base unit first. */
type Scales = Readonly<Record<string, number>>

const times: Scales = { ns: 1, us: 1e3, µs: 1e3, ms: 1e6, s: 1e9, min: 60e9, h: 3600e9 }
const rates: Scales = { bit: 1, kbit: 1e3, Mbit: 1e6, Gbit: 1e9, Tbit: 1e12 }

interface Quantity {
  scales: Scales
  max: number
  /** Whether it is a whole number of its base unit; else it needs no unit, and its scales are how many of each make 1. */
  whole: boolean
  expects: string
}

const timeQuantity: Quantity = {
  scales: times,
  max: traceLimits.time,
  whole: true,
  expects: 'a time from 0 to 100 days',
}
const quantities = {
  time: timeQuantity,
  rate: { scales: rates, max: traceLimits.rate, whole: true, expects: 'a rate from 0 to 1Tbit' },
  delay: timeQuantity,
  loss: { scales: { '': 1, '%': 100 }, max: 1, whole: false, expects: 'a probability from 0 to 1' },
} satisfies Record<string, Quantity>

type ColumnName = keyof typeof quantities
const columnNames = Object.keys(quantities) as ColumnName[]

interface Column {
  name: ColumnName
  quantity: Quantity
  /** Of numbers that stand alone. */
  scale: number | undefined
  values: number[]
}

function parseCsv(bytes: Buffer, file: string): TraceColumns {
  let columns: Column[] | undefined
  let time: number[] = []
  for (const [line, text] of linesOf(bytes)) {
    if (text === '' || text.startsWith('#')) continue
    const complain = failAt(file, line)
    if (columns === undefined) {
      columns = readHeader(text, complain)
      time = columns.find(({ name }) => name === 'time')?.values ?? []
      continue
    }
    checkRows(time.length, file, line)
    const cells = text.split(',')
    if (cells.length !== columns.length)
      complain(`has ${cells.length} of ${columns.length} columns`, 'every row has a value in each')
    for (const [index, column] of columns.entries())
      column.values.push(readCell((cells[index] ?? '').trim(), column, complain))
    checkOrder(time, complain)
  }
  if (columns === undefined || time.length === 0) return fail(file, 'has no rows', 'a trace has one at least')
  const values = (name: ColumnName): number[] | undefined =>
    columns.find((column) => column.name === name)?.values
  const [rate, delay, loss] = [values('rate'), values('delay'), values('loss')]
  return { at: time, ...(rate && { rate }), ...(delay && { delay }), ...(loss && { loss }) }
}

/** The columns that `time(s), rate(Mbit), loss` names. */
function readHeader(text: string, complain: Fail): Column[] {
  const columns = text.split(',').map((cell): Column => {
    const [, word = '', unit] = /^([^()]*)(?:\(([^()]*)\))?$/.exec(cell.trim()) ?? []
    const name = word.trim() as ColumnName
    if (!columnNames.includes(name)) {
      const meant = nearest(name, columnNames)
      return complain(
        `unknown column ${quote(cell.trim())}${meant === undefined ? '' : `; did you mean ${quote(meant)}?`}`,
        "the first line names the columns: time and any of rate, delay, loss, with units, as 'time(s),rate(Mbit)'",
      )
    }
    const quantity = quantities[name]
    const scale = (quantity.scales as Scales)[withMicroSign(unit?.trim() ?? '')]
    if (unit !== undefined && scale === undefined)
      complain(`unit ${quote(unit)} of column ${quote(name)} must be one of ${unitsOf(quantity)}`)
    return { name, quantity, scale, values: [] }
  })
  const names = columns.map(({ name }) => name)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) complain(`column '${twice}' stands twice`)
  if (!names.includes('time')) complain("there is no column 'time'")
  if (names.length === 1) complain("there is no column but 'time'", 'add rate, delay or loss')
  return columns
}

/** The Greek letter is taken for the sign. */
const withMicroSign = (unit: string): string => (unit === '\u03bcs' ? '\u00b5s' : unit)

const unitsOf = ({ scales }: Quantity): string =>
  Object.keys(scales)
    .filter((unit) => unit !== '')
    .join(', ')

/** A number in the unit of its column, or with its own. What is finer than 1 ns or 1 bit/s is rounded to it. */
function readCell(cell: string, { name, quantity, scale: given }: Column, complain: Fail): number {
  const [, number, written = ''] = /^(\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|\.\d+)\s*(\D*)$/.exec(cell) ?? []
  const unit = withMicroSign(written)
  if (number === undefined) return complain(`${name} must be ${quantity.expects}, not ${quote(cell)}`)
  const scale = unit === '' ? given : quantity.scales[unit]
  if (scale === undefined) {
    const units = unitsOf(quantity)
    if (unit !== '') return complain(`unit ${quote(unit)} of ${name} must be one of ${units}`)
    return complain(
      `${name} ${quote(cell)} has no unit`,
      `name it in the first line, as '${name}(${Object.keys(quantity.scales).at(-2)})', or in each row`,
    )
  }
  // Apart, since both together can have more digits than a number holds.
  const [, whole = number, fraction = ''] = /^(\d*)(\.\d*)$/.exec(number) ?? []
  const result = quantity.whole
    ? Math.round(Number(whole) * scale + Number(`0${fraction}`) * scale)
    : Number(number) / scale
  if (!(result <= quantity.max)) return complain(`${name} must be ${quantity.expects}, not ${quote(cell)}`)
  return result
}

/** Refuses a last time that is not after the one before it, and a first that is not 0. */
export function checkOrder(at: readonly number[], complain: Fail): void {
  const time = at.at(-1) ?? 0
  const before = at.at(-2)
  if (before === undefined && time !== 0)
    complain('the first row must be at time 0', 'take its time from all of them')
  if (before !== undefined && time <= before)
    complain(`time ${time / 1e9} s must come after ${before / 1e9} s, that of the row before`)
}

function checkRows(rows: number, file: string, line: number): void {
  if (rows === limits.traceRows) failAt(file, line)(`a trace may have ${limits.traceRows} rows`)
}

/** The lines, trimmed, with their numbers from 1. */
function* linesOf(bytes: Buffer): Generator<[number, string]> {
  let line = 0
  for (let start = 0; start < bytes.length;) {
    const end = bytes.indexOf(10, start)
    const stop = end < 0 ? bytes.length : end
    yield [
      ++line,
      bytes
        .toString('utf8', start, stop)
        .replace(/^\uFEFF/, '')
        .trim(),
    ] // a byte order mark
    start = stop + 1
  }
}
