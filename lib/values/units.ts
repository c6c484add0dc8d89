/**
 * Durations, rates, sizes and queue limits: their types, exact parsing and the shortest exact text back.
 * Called by the classes through option rules, by the topology schema, and by the command line's tables.
 *
 * Units are case-sensitive (`Mbit` is not `mbit`); one space before the unit is allowed. Fractions are exact:
 * what is finer than the base unit is refused, never rounded.
 */
import { nearest, refuse, shaped, type Rule } from './options.js'

/** A length of time, `'40ms'`: from 0 to 365 days, in steps of 1 ns. */
export type Duration = `${number}${'ns' | 'us' | 'µs' | 'ms' | 's' | 'min' | 'h'}`
/** Bits per second, `'54Mbit'`: from 1bit to 1Tbit; prefixes are powers of 1000. */
export type Rate = `${number}${'bit' | 'kbit' | 'Mbit' | 'Gbit' | 'Tbit'}`
/** Bytes, `'64KiB'`: KiB, MiB and GiB are powers of 1024, kB and MB powers of 1000. */
export type Size = `${number}${'B' | 'KiB' | 'MiB' | 'GiB' | 'kB' | 'MB'}`
/** How much may wait for a line: a time at its rate, bytes, or frames (`'200ms'`, `'64KiB'`, `'50frames'`). */
export type QueueLimit = Duration | Size | `${number}frames` | `${number} frames` | '1frame' | '1 frame'

/** A parsed queue limit: exactly one of the three. */
export type QueueBound = { frames: number } | { bytes: number } | { nanoseconds: bigint }

type Units = Readonly<Record<string, bigint>>

/** A kind of quantity: what its units stand for (the base unit first), its range, and that range in words. */
interface Quantity {
  units: Units
  min: bigint
  max: bigint
  expects: string
}

const durations: Quantity = {
  units: {
    ns: 1n,
    us: 1_000n,
    ms: 1_000_000n,
    s: 1_000_000_000n,
    min: 60_000_000_000n,
    h: 3_600_000_000_000n,
  },
  min: 0n,
  max: 365n * 24n * 3_600_000_000_000n,
  expects: 'a duration from 0s to 365 days in ns, us, ms, s, min or h',
}
const rates: Quantity = {
  units: {
    bit: 1n,
    kbit: 1_000n,
    Mbit: 1_000_000n,
    Gbit: 1_000_000_000n,
    Tbit: 1_000_000_000_000n,
  },
  min: 1n,
  max: 1_000_000_000_000n,
  expects: 'a rate per second from 1bit to 1Tbit in bit, kbit, Mbit, Gbit or Tbit',
}
/** Of what may stand still for a while. */
const ratesFromZero: Quantity = {
  ...rates,
  min: 0n,
  expects: 'a rate per second from 0bit to 1Tbit in bit, kbit, Mbit, Gbit or Tbit',
}
const sizes: Quantity = {
  units: { B: 1n, kB: 1_000n, KiB: 1n << 10n, MB: 1_000_000n, MiB: 1n << 20n, GiB: 1n << 30n },
  min: 0n,
  max: 1n << 40n,
  expects: 'a size from 0B to 1024GiB in B, kB, KiB, MB, MiB or GiB',
}
const frameCounts: Quantity = {
  units: { frames: 1n, frame: 1n },
  min: 0n,
  max: 1_000_000_000n,
  expects: 'from 0 to 1000000000 frames',
}
const queueExpects = "a queue limit such as '200ms', '64KiB' or '50frames'"
const queueUnits: Units = { ...durations.units, ...sizes.units, ...frameCounts.units }

/** Nanoseconds of a `Duration`. @throws EtherloomError ERR_ETHERLOOM_OPTION */
export function parseDuration(value: unknown, subject = 'value'): bigint {
  return parse(value, subject, durations)
}

/** Bits per second of a `Rate`. @throws EtherloomError ERR_ETHERLOOM_OPTION */
export function parseRate(value: unknown, subject = 'value'): bigint {
  return parse(value, subject, rates)
}

/** The same, where 0 is a rate as well. @throws EtherloomError ERR_ETHERLOOM_OPTION */
function parseRateFromZero(value: unknown, subject = 'value'): bigint {
  return parse(value, subject, ratesFromZero)
}

/** Bytes of a `Size`. @throws EtherloomError ERR_ETHERLOOM_OPTION */
export function parseSize(value: unknown, subject = 'value'): number {
  return Number(parse(value, subject, sizes))
}

/** The bound that a `QueueLimit` states. @throws EtherloomError ERR_ETHERLOOM_OPTION */
export function parseQueueLimit(value: unknown, subject = 'value'): QueueBound {
  const unit = split(value)?.unit
  if (unit === undefined || !Object.hasOwn(queueUnits, unit))
    return refuse(subject, queueExpects, value, meant(value, queueUnits))
  if (Object.hasOwn(durations.units, unit)) return { nanoseconds: parse(value, subject, durations) }
  if (Object.hasOwn(sizes.units, unit)) return { bytes: Number(parse(value, subject, sizes)) }
  return { frames: Number(parse(value, subject, frameCounts)) }
}

// ---- Rules for options ----

interface Limits<D> {
  /** As it is written. */
  default?: D
  /** What is right beyond being such a quantity, and how to say it. */
  fits?: (value: bigint) => boolean
  expects?: string
}

/** A quantity as an option: its value in base units, or `undefined` where it is absent and there is no default. */
function quantity<T, D extends string | undefined>(
  parse: (value: unknown, subject?: string) => T,
  { expects: range }: Quantity,
  example: string,
  { default: written, fits, expects }: Limits<D>,
): Rule<D extends string ? T : T | undefined> {
  const absent = written === undefined ? undefined : parse(written)
  return shaped(
    (value, subject) => {
      if (value === undefined) return absent as T
      const parsed = parse(value, subject)
      return fits === undefined || fits(BigInt(parsed as bigint | number))
        ? parsed
        : refuse(subject, expects ?? range, value)
    },
    {
      expects: expects ?? range,
      form: { kind: 'value', json: { type: 'string' } },
      examples: [example],
      ...(written !== undefined && { default: written }),
    },
  )
}

/** A rule for a `Duration`, in nanoseconds. */
export const duration = <D extends Duration | undefined = undefined>(limits: Limits<D> = {}) =>
  quantity(parseDuration, durations, '5ms', limits)

/** A rule for a `Rate`, in bits per second. */
export const rate = <D extends Rate | undefined = undefined>(limits: Limits<D> = {}) =>
  quantity(parseRate, rates, '10Mbit', limits)

/** A rule for a `Rate` that may also be 0, in bits per second. */
export const rateFromZero = <D extends Rate | undefined = undefined>(limits: Limits<D> = {}) =>
  quantity(parseRateFromZero, ratesFromZero, '10Mbit', limits)

/** A rule for a `Size`, in bytes. */
export const size = <D extends Size | undefined = undefined>(limits: Limits<D> = {}) =>
  quantity(parseSize, sizes, '64KiB', limits)

/** A rule for a `QueueLimit`. */
export const queueLimit = (): Rule<QueueBound | undefined> =>
  shaped((value, subject) => (value === undefined ? undefined : parseQueueLimit(value, subject)), {
    expects: queueExpects,
    form: { kind: 'value', json: { type: 'string' } },
    examples: ['50frames', '64KiB', '200ms'],
  })

// ---- And back ----

/** The shortest exact text of a number of nanoseconds: 1500000n is `1.5ms`. */
export function formatDuration(nanoseconds: bigint): string {
  return format(nanoseconds, durations.units, 's')
}

/** The shortest exact text of bits per second: 2500000n is `2.5Mbit`. */
export function formatRate(bitsPerSecond: bigint): string {
  return format(bitsPerSecond, rates.units, 'bit')
}

/** The shortest exact text of a number of bytes: 1536n is `1.5KiB`. */
export function formatSize(bytes: number | bigint): string {
  return format(Number.isSafeInteger(bytes) ? BigInt(bytes) : bytes, sizes.units, 'B')
}

/** A count with its thousands apart: `1,234,567`. */
export function formatCount(count: number | bigint): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',')
}

/** The parts of `'1.5 ms'`, or undefined when it is not a decimal number, at most one space and a word. */
function split(value: unknown): { whole: string; fraction: string; unit: string } | undefined {
  if (typeof value !== 'string') return undefined
  const parts = /^(\d+)(?:\.(\d+))? ?([^\d\s]+)$/.exec(value)
  if (!parts) return undefined
  const [, whole = '', fraction = '', unit = ''] = parts
  return { whole, fraction, unit: unit === '\u00b5s' || unit === '\u03bcs' ? 'us' : unit } // micro sign, Greek letter
}

function parse(value: unknown, subject: string, { units, min, max, expects }: Quantity): bigint {
  const parts = split(value)
  const scale = parts && Object.hasOwn(units, parts.unit) ? units[parts.unit] : undefined
  if (parts === undefined || scale === undefined) return refuse(subject, expects, value, meant(value, units))
  let result = BigInt(parts.whole + parts.fraction) * scale
  if (parts.fraction !== '') {
    const denominator = 10n ** BigInt(parts.fraction.length)
    if (result % denominator !== 0n)
      return refuse(subject, `a whole number of ${Object.keys(units)[0]}`, value)
    result /= denominator
  }
  return result >= min && result <= max ? result : refuse(subject, expects, value)
}

/** What was probably meant by a number with a unit that is not one of `units`. */
function meant(value: unknown, units: Units): string | undefined {
  const parts = split(value)
  const unit = parts && nearest(parts.unit, Object.keys(units))
  return unit === undefined ? undefined : (value as string).replace(/ ?[^\d\s]+$/, unit)
}

/**
 * Writes `value` in each unit that it reaches and that gives an end to the decimals, and takes the shortest text;
 * of equally short ones the first, which has the smaller unit and so the fewer decimals.
 */
function format(value: unknown, units: Units, zero: string): string {
  if (typeof value !== 'bigint' || value < 0n) return refuse('what is written', 'a bigint from 0n on', value)
  if (value === 0n) return `0${zero}`
  const texts = Object.entries(units)
    .filter(([, scale]) => value >= scale)
    .flatMap(([unit, scale]) => decimal(value, scale).map((number) => number + unit))
  return texts.reduce((best, text) => (text.length < best.length ? text : best))
}

/** `value / scale` as an exact decimal, or nothing when 15 digits after the point do not end it. */
function decimal(value: bigint, scale: bigint): string[] {
  const parts = 10n ** 15n
  if ((value * parts) % scale !== 0n) return []
  const fraction = String(((value % scale) * parts) / scale)
    .padStart(15, '0')
    .replace(/0+$/, '')
  return [`${value / scale}${fraction === '' ? '' : `.${fraction}`}`]
}
