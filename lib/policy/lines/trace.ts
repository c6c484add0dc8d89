/**
 * A trace: a path's rate, delay and loss as they change over time, from a file or a list of rows.
 * native/lines/trace.hpp is the other half. A file is read when the policy is checked; what it says then is what drives the path.
 */
import { stampOf } from '../../values/files.js'
import { EtherloomError, locate } from '../../values/errors.js'
import { limits } from '../../values/limits.js'
import {
  about,
  either,
  file,
  isMapping,
  list,
  mapping,
  oneOf,
  optional,
  optionsReader,
  probability,
  readOptions,
  refuse,
  required,
  shapeOf,
  shaped,
  type Percentage,
  type Rule,
  type RulesOf,
  type Values,
} from '../../values/options.js'
import { partKinds, type PolicyPart } from '../parts.js'
import { SharedData } from '../shared-data.js'
import { duration, formatDuration, formatRate, formatSize, rateFromZero, size } from '../../values/units.js'
import type { Duration, Rate, Size } from '../../values/units.js'
import type { lineRules } from './line.js'
import type { travelRules } from './travel.js'
import { checkOrder, readTraceFile, traceLimits, type TraceColumns, type TraceFormat } from './trace-file.js'

/** What holds from one time until that of the next row. Every row of a trace has the same columns. */
export interface TraceRow {
  /** Since the beginning of the trace; the first row's is '0s'. Up to 100 days. */
  at: Duration
  /** Of the line, '0bit' to '1Tbit'. While it is 0 nothing leaves the line. */
  rate?: Rate
  /** Travel time of frames that leave the line meanwhile. Up to 100 days. */
  delay?: Duration
  /** Probability of losing a frame that arrives meanwhile, 0 to 1 or in per cent. */
  loss?: number | Percentage
}

/** Where in a trace a path begins, and what follows when the trace is over. */
export interface TraceOptions {
  /**
   * What follows after the last row. `loop` (default): the trace again; the last row lasts as long as the one before it,
   * or until `period`. `hold`: the last row for ever. `stop`: nothing leaves the line any more.
   */
  end?: 'loop' | 'hold' | 'stop'
  /** Where in the trace the path begins. Default '0s'. */
  offset?: Duration
  /** How long one pass lasts, for `loop` and `stop`; after the last row. A Mahimahi trace lasts until its last time. */
  period?: Duration
  /** Bytes that one line of a Mahimahi trace lets pass. 1B to 64KiB. Default '1500B'. */
  opportunity?: Size
}

/** A trace in a file. */
export interface TraceFile extends TraceOptions {
  /** A Mahimahi delivery trace, or a CSV with the columns time and any of rate, delay, loss. */
  file: string
  /** Default: what the content shows. */
  format?: TraceFormat
}

/** A trace of which the rows are given. */
export interface TraceRows extends TraceOptions {
  /** At least one, in the order of their times. */
  rows: readonly TraceRow[]
}

/** A file by its name alone, or rows alone, repeat. */
export type TraceSource = string | TraceFile | readonly TraceRow[] | TraceRows

export interface TracedOptions {
  /**
   * Drives rate, delay and loss: each that the trace has, from when the path got it. A policy with the same trace goes on
   * in it. What the trace lacks is the policy's own; what both have is refused.
   */
  trace?: TraceSource
}

/** A checked trace. */
export interface Trace {
  /** Its rows, as the native half reads them. */
  data: SharedData
  /** Where in it the path begins, in nanoseconds. */
  offset: bigint
  /** The most it ever allows, where it has a rate. */
  rate: bigint | undefined
  /** The longest, where it has delays. */
  delay: bigint | undefined
  /** Whether it has losses. */
  loss: boolean
}

/** Refuses what the trace says and the policy says as well, and returns what stands in the place of the policy's own. */
export function driveByTrace<Given extends Values<typeof lineRules & typeof travelRules & typeof traceRules>>(
  given: Given,
  loss: unknown,
): Given {
  const { trace } = given
  if (trace === undefined) return given
  const both = (name: string, value: unknown): never =>
    refuse(`option '${name}' of path policy`, `left out, for the trace has a ${name}`, value)
  if (trace.rate !== undefined && given.rate !== undefined) both('rate', formatRate(given.rate))
  if (trace.rate !== undefined && given.burst !== undefined)
    refuse("option 'burst' of path policy", 'left out, for the trace has a rate', formatSize(given.burst))
  if (trace.delay !== undefined && given.delay > 0n) both('delay', formatDuration(given.delay))
  if (trace.loss && loss !== undefined) both('loss', loss)
  return { ...given, rate: trace.rate ?? given.rate, delay: trace.delay ?? given.delay }
}

/** undefined where no trace drives the path. */
export function tracePart(trace: Trace | undefined): PolicyPart | undefined {
  return trace && { kind: partKinds.trace, words: [trace.data, trace.offset] }
}

/**
 * A CSV of these rows, which reads as the same trace. The durations, rates and losses stand as they are given.
 *
 * @throws EtherloomError ERR_ETHERLOOM_OPTION for rows that are none
 */
export function formatTrace(rows: readonly TraceRow[]): string {
  readRows(rows, 'rows of a trace')
  const names = (['rate', 'delay', 'loss'] as const).filter((name) => rows[0]?.[name] !== undefined)
  const lines = rows.map((row) => [row.at, ...names.map((name) => row[name])].join(','))
  return [['time', ...names].join(','), ...lines, ''].join('\n')
}

const ends = ['loop', 'hold', 'stop'] as const // the numbers of the other half

/** A time of a trace. */
const time = (more: { default?: Duration } = {}) =>
  duration({ ...more, fits: (time) => time <= traceLimits.time, expects: 'a duration from 0s to 100 days' })

const rowRules = {
  at: required(about('Since the beginning of the trace; 0s in the first row.', time())),
  rate: about('Bits per second of the line from then on; 0bit stops it.', rateFromZero()),
  delay: about('Travel time of frames that leave the line from then on.', time()),
  loss: about('Probability of losing a frame that arrives from then on.', probability()),
} satisfies RulesOf<TraceRow>
const listOfRows = list(shaped((row, place) => readOptions(place, row, rowRules), shapeOf(mapping(rowRules))))
const rows = about(
  'The rows of the trace.',
  optional(shaped(readRows, { form: { kind: 'list', entry: mapping(rowRules), min: 1 } })),
)

const traceOptions = {
  end: about(
    'What follows: the trace again, its last row for ever, or nothing that leaves the line.',
    oneOf(ends, 'loop'),
  ),
  offset: about('Where in the trace the path begins.', time({ default: '0s' })),
  period: about(
    'How long one pass lasts. Default: the last row lasts as long as the one before.',
    time() as Rule<bigint | undefined>,
  ),
  opportunity: about(
    'Bytes that one line of a Mahimahi trace lets pass. Default 1500B.',
    size({ fits: (bytes) => bytes >= 1n && bytes <= 65_536n, expects: 'a size from 1B to 64KiB' }),
  ),
} satisfies RulesOf<TraceOptions>

type GivenOptions = Omit<Values<typeof traceOptions>, 'offset'>

const fileOfTrace = about('A Mahimahi delivery trace, or a CSV.', file())
const format = about('Default: what its content shows.', oneOf(['mahimahi', 'csv']))

const readKeys = optionsReader('a trace', { file: fileOfTrace, rows, format, ...traceOptions })

const shapes = either<unknown>(
  "the name of a file, rows { at, rate, delay, loss }, or a mapping with 'file' or 'rows'",
  [
    about('A trace file.', file()),
    rows,
    mapping({ file: required(fileOfTrace), format, ...traceOptions } satisfies RulesOf<TraceFile>),
    mapping({ rows: required(rows), ...traceOptions } satisfies RulesOf<TraceRows>),
  ],
)

export const traceRules = {
  trace: about('What drives rate, delay and loss over time.', optional(shaped(readTrace, shapeOf(shapes)))),
} satisfies RulesOf<TracedOptions>

function readTrace(value: unknown, subject: string): Trace {
  const given = typeof value === 'string' ? { file: value } : Array.isArray(value) ? { rows: value } : value
  if (!isMapping(given))
    return refuse(subject, 'the name of a file, rows, or an object with one of them', value)
  const { file, rows, format, offset, ...options } = readKeys(given)
  if (rows !== undefined && file === undefined) {
    if (format === undefined) return { ...compile(rows, options), offset }
    return refuse("option 'format' of a trace", 'left out where rows are given', format)
  }
  if (file === undefined || rows !== undefined)
    return refuse(subject, "an object with either 'file' or 'rows'", given)
  try {
    return { ...compileFile(file, format, options), offset }
  } catch (error) {
    throw error instanceof EtherloomError ? locate(error, subject) : error
  }
}

type Compiled = Omit<Trace, 'offset'>

/** By what was read and how: many policies often name one file. Emptied as nothing refers to the traces any more. */
const compiled = new Map<string, WeakRef<Compiled>>()

function compileFile(file: string, format: TraceFormat | undefined, options: GivenOptions): Compiled {
  const stamp = stampOf(file)
  const key = [file, stamp, format, options.end, options.period, options.opportunity].join('\0')
  const known = compiled.get(key)?.deref()
  if (known) return known
  const made = compile(readTraceFile(file, format), options)
  for (const [key, reference] of compiled) if (!reference.deref()) compiled.delete(key)
  compiled.set(key, new WeakRef(made))
  return made
}

function readRows(value: unknown, subject: string): TraceColumns {
  const rows = listOfRows(value, subject)
  if (rows.length === 0) return refuse(subject, 'a list of at least one row', value)
  if (rows.length > limits.traceRows)
    return refuse(subject, `a list of up to ${limits.traceRows} rows`, value)
  const columns: TraceColumns = { at: [] }
  const place = (index: number): string => `entry ${index + 1} of ${subject}`
  for (const [index, row] of rows.entries()) {
    if (!isMapping(row)) return refuse(place(index), 'a row such as { at, rate }', row)
    columns.at.push(Number(row.at))
    checkOrder(columns.at, (message, hint) => {
      throw new EtherloomError('ERR_ETHERLOOM_OPTION', `${place(index)}: ${message}`, { hint })
    })
    for (const name of ['rate', 'delay', 'loss'] as const) {
      if ((row[name] === undefined) !== (rows[0]?.[name] === undefined))
        refuse(place(index), `a row with the same columns as the first, which '${name}' is not`, row)
      if (row[name] !== undefined) (columns[name] ??= []).push(Number(row[name]) + 0) // never -0
    }
  }
  if (!columns.rate && !columns.delay && !columns.loss)
    return refuse(subject, "rows with 'rate', 'delay' or 'loss'", value)
  return columns
}

/** A trace's columns and what follows after them, as the other half reads them. */
function compile(columns: TraceColumns, options: GivenOptions): Compiled {
  const { at, rate, delay, loss, opportunities } = columns
  checkOptions(columns, options)
  const { period, opportunity = 1500 } = options
  const last = at.at(-1) ?? 0
  const constant = at.length === 1 && opportunities === undefined
  const end = constant && options.end === 'loop' ? 'hold' : options.end // the same, and looked up sooner
  const lasting = opportunities ? last : Number(period ?? 2 * last - (at.at(-2) ?? -1))
  const jump = opportunities?.map((count) => count * opportunity * 8)
  const present = [rate, jump, delay, loss]
  const mask = present.reduce((sum, column, index) => sum + (column ? 1 << index : 0), 0)
  const words = new Float64Array(3 + at.length * (1 + present.filter(Boolean).length))
  words.set([ends.indexOf(end), lasting, mask])
  let place = 3
  for (const column of [at, ...present]) {
    if (!column) continue
    words.set(column, place)
    place += column.length
  }
  const most = (values: readonly number[]): bigint => BigInt(values.reduce((a, b) => Math.max(a, b), 0))
  const least = (rate: bigint): bigint => (rate > 0n ? rate : 1n) // a line has a rate, though it may stand still
  return {
    data: new SharedData('trace', new Uint8Array(words.buffer)),
    rate: rate ? least(most(rate)) : opportunities && BigInt(traceLimits.rate),
    delay: delay && most(delay),
    loss: loss !== undefined,
  }
}

/** Refuses options that do not go with what the trace has. */
function checkOptions({ at, rate, opportunities }: TraceColumns, options: GivenOptions): void {
  const { end, period, opportunity } = options
  const option = (name: string): string => `option '${name}' of a trace`
  if (opportunities !== undefined && end === 'hold')
    refuse(option('end'), "'loop' or 'stop', for a Mahimahi trace has no rate to hold", end)
  if (opportunities === undefined && rate === undefined && end === 'stop')
    refuse(option('end'), "'loop' or 'hold', for the trace has no rate that could stop", end)
  if (opportunities === undefined && opportunity !== undefined)
    refuse(option('opportunity'), 'left out, for only a Mahimahi trace has opportunities', opportunity)
  if (period === undefined) {
    if (end === 'stop' && at.length === 1 && opportunities === undefined)
      refuse(option('period'), "given where one row ends with 'stop': it says when", period)
    return
  }
  const text = formatDuration(period)
  if (opportunities !== undefined)
    refuse(option('period'), 'left out, for a Mahimahi trace lasts until its last time', text)
  if (end === 'hold') refuse(option('period'), "left out with 'hold', which has no end", text)
  if (Number(period) <= (at.at(-1) ?? 0)) refuse(option('period'), 'after the last row', text)
}
