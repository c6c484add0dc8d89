/**
 * Shapes of distributions of delays as tc has them: the inverse distribution function at equal steps, in units of
 * sigma / 8192. Called when a policy with a distribution is read; native/lines/delay_table.hpp is the other half.
 *
 * Theory of operation. The tables are made by the formulas of the programs that make iproute2's own (netem/normal.c,
 * pareto.c, paretonormal.c), to the same integers, peculiarities included. So their means and deviations are not quite
 * those of the textbook:
 *
 * | table        | mean / sigma | deviation / sigma | least  | median | most  |
 * | ------------ | ------------ | ----------------- | ------ | ------ | ----- |
 * | normal       | -0.0008      | 1.000             | -4.000 |  0.000 | 3.523 |
 * | pareto       | -0.0335      | 0.820             | -0.667 | -0.320 | 4.000 |
 * | paretonormal | -0.0253      | 0.834             | -1.502 | -0.240 | 3.880 |
 */
import { quote } from '../../values/quote.js'
import { readText } from '../../values/files.js'
import { limits } from '../../values/limits.js'
import { refuse } from '../../values/options.js'
import { SharedData } from '../shared-data.js'

const scale = 8192
const entries = 4096
const least = -32_768
const most = 32_767
const maxValues = 16_384

const generators = { normal: normalTable, pareto: paretoTable, paretonormal: paretonormalTable }

export type DelayTableName = keyof typeof generators
export const delayTableNames = Object.keys(generators) as DelayTableName[]

const made = new Map<DelayTableName, SharedData>()

/** One of tc's tables, 4096 values. Made when it is first asked for. */
export function delayTable(name: DelayTableName): SharedData {
  const known =
    made.get(name) ?? tableOf(Array.from({ length: entries }, (_, entry) => generators[name](entry)))
  made.set(name, known)
  return known
}

/**
 * The table in a text of iproute2's format, which its program maketable writes: whole numbers from -32768 to 32767 with
 * spaces or line ends between them, 1 to 16384 of them; the rest of a line after `#` is a comment. `subject` is what
 * messages call the text.
 *
 * @throws EtherloomError ERR_ETHERLOOM_OPTION for what is none, with the number of its line
 */
export function parseDelayTable(text: string, subject: string): SharedData {
  const values = text.split('\n').flatMap((line, index) =>
    (line.replace(/#.*/, '').match(/\S+/g) ?? []).map((word) => {
      const value = /^[+-]?\d+$/.test(word) ? Number(word) : NaN
      return value >= least && value <= most ? value : refuseValue(`line ${index + 1} of ${subject}`, word)
    }),
  )
  return checkedTable(values, subject)
}

/** The table in a file of that format. @throws EtherloomError ERR_ETHERLOOM_OPTION */
export function readDelayTable(file: string): SharedData {
  const subject = `delay table ${quote(file)}`
  const text = readText(file, {
    subject,
    most: limits.delayTableFile,
    code: 'ERR_ETHERLOOM_OPTION',
    hint: "give the path of a table in iproute2's format",
    smaller: `a table has up to ${maxValues} numbers`,
  })
  return parseDelayTable(text, subject)
}

/** The table of values that a program gives: the same numbers, in a list. */
export function listedDelayTable(values: unknown, subject: string): SharedData {
  if (!Array.isArray(values)) return refuse(subject, 'a list of whole numbers', values)
  values.forEach((value, index) => {
    if (!Number.isInteger(value) || value < least || value > most)
      refuseValue(`entry ${index + 1} of ${subject}`, value)
  })
  return checkedTable(values as number[], subject)
}

/** A table in the words of a policy's part, or none: whether there is one, and its number. */
export const tableWords = (table: SharedData | undefined): [bigint, bigint | SharedData] =>
  table === undefined ? [0n, 0n] : [1n, table]

function refuseValue(subject: string, value: unknown): never {
  return refuse(subject, `whole numbers from ${least} to ${most} (8192 is one sigma)`, value)
}

function checkedTable(values: number[], subject: string): SharedData {
  const { length } = values
  if (length < 1 || length > maxValues)
    return refuse(`the number of values in ${subject}`, `from 1 to ${maxValues}`, length)
  return tableOf(values)
}

function tableOf(values: number[]): SharedData {
  return new SharedData('delay-table', new Uint8Array(Int16Array.from(values).buffer))
}

// Every fourth of 16384 steps.
function normalTable(entry: number): number {
  return clamp(normalValue(4 * entry))
}

// From u = 1 down to 1/4096, so from the shortest delay to the longest.
function paretoTable(entry: number): number {
  return Math.round(paretoValue(65_536 - 16 * entry))
}

function paretonormalTable(entry: number): number {
  const pareto = paretoValue(65_536 - 16 * entry)
  const rounded = Math.sign(pareto) * Math.floor(Math.abs(pareto) + 0.5)
  return clamp(Math.trunc((normalValue(4 * entry) + 3 * rounded) / 4))
}

function clamp(value: number): number {
  return Math.min(most, Math.max(least, value))
}

/**
 * The normal distribution's inverse at step i of 16384. The original walks x from -10 in steps of 0.00005 and keeps, for
 * each i, the last x at which the distribution function rounds to i / 16384: that is the last multiple of the step below
 * the inverse of (i + 1/2) / 16384.
 */
function normalValue(i: number): number {
  const step = 0.00005
  const x = -10 + Math.floor((normalQuantile((i + 0.5) / 16_384) + 10) / step) * step
  return Math.round(x * scale)
}

/** Pareto with shape 3, moved by its mean of 3/2 and divided by 3/4, for u = i / 65536. */
function paretoValue(i: number): number {
  return Math.min(((i / 65_536) ** (-1 / 3) - 1.5) * (4 / 3) * scale, most)
}

/** By Newton's method, which never overshoots: below 1/2 the distribution function is convex, and it starts at its top. */
function normalQuantile(p: number): number {
  if (p > 0.5) return -normalQuantile(1 - p)
  let x = 0
  for (;;) {
    const [density, cumulative] = normal(x)
    const next = x - (cumulative - p) / density
    if (Math.abs(next - x) < 1e-10) return next
    x = next
  }
}

/** Density and distribution function, the latter from the series 1/2 + density(x) (x + x³/3 + x⁵/(3·5) + ...). */
function normal(x: number): [number, number] {
  const density = Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI)
  let sum = 0
  let before = NaN
  for (let term = x, odd = 1; sum !== before; odd += 2, term *= (x * x) / odd) {
    before = sum
    sum += term
  }
  return [density, 0.5 + density * sum]
}
