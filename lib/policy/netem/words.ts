/**
 * The words of a tc command, one by one, and the values that tc reads from them: its times, rates, sizes, percentages
 * and whole numbers, in its units. Called by parse.ts.
 *
 * tc reads decimals as C's strtod and rounds towards zero; so does this. Units are as in tc(8), in any case.
 */
import { EtherloomError } from '../../values/errors.js'
import { suggestion } from '../../values/options.js'
import { quote } from '../../values/quote.js'

type Units = Readonly<Record<string, number>>

const second = 1e9
const timeUnits: Units = {
  ...{ s: second, sec: second, secs: second, ms: 1e6, msec: 1e6, msecs: 1e6 },
  ...{ us: 1e3, usec: 1e3, usecs: 1e3, ns: 1, nsec: 1, nsecs: 1 },
}
const rateUnits: Units = {
  ...{ bit: 1, kbit: 1e3, mbit: 1e6, gbit: 1e9, tbit: 1e12 },
  ...{ kibit: 1024, mibit: 1024 ** 2, gibit: 1024 ** 3, tibit: 1024 ** 4 },
  ...{ bps: 8, kbps: 8e3, mbps: 8e6, gbps: 8e9, tbps: 8e12 },
  ...{ kibps: 8 * 1024, mibps: 8 * 1024 ** 2, gibps: 8 * 1024 ** 3, tibps: 8 * 1024 ** 4 },
}
const sizeUnits: Units = {
  ...{ b: 1, k: 1024, kb: 1024, m: 1024 ** 2, mb: 1024 ** 2, g: 1024 ** 3, gb: 1024 ** 3 },
  ...{ kbit: 1024 / 8, mbit: 1024 ** 2 / 8, gbit: 1024 ** 3 / 8 },
}

const longest = 365 * 24 * 3600 * second
const uint32 = 0xffffffff

/** Takes values from the front of the words; each of its methods refuses the word that is not what it reads. */
export class Words {
  readonly #words: readonly string[]
  readonly #subject: string
  #at = 0

  constructor(text: string, subject: string) {
    this.#words = text.trim().split(/\s+/).filter(Boolean)
    this.#subject = subject
  }

  get left(): number {
    return this.#words.length - this.#at
  }

  /** The place of the word that was taken last, for `refuse`. */
  get place(): number {
    return this.#at - 1
  }

  /** The next word; where there is none, says what `owner` needs. */
  take(owner: string, needs: string): string {
    return this.#words[this.#at++] ?? this.refuse(`${quote(owner)} needs ${needs}`)
  }

  /** Takes the next word if it is this one, or, where tc takes them, an abbreviation of it. */
  takeIf(word: string, { abbreviated = false } = {}): boolean {
    const next = this.#words[this.#at]
    if (next === undefined || !(abbreviated ? word.startsWith(next) : next === word)) return false
    this.#at++
    return true
  }

  /** Whether a number follows, by the sign that tc goes by: a digit, or a minus where one is allowed. */
  numberFollows({ signed = false } = {}): boolean {
    return (signed ? /^[-\d]/ : /^\d/).test(this.#words[this.#at] ?? '')
  }

  /** Nanoseconds, 0 to 365 days. `bare` is the unit of a number without one, in nanoseconds. */
  time(owner: string, bare: number): bigint {
    const value = this.#decimal(owner, "a time with its unit, such as '100ms'", timeUnits, bare)
    if (value < 0 || value > longest) return this.refuse('a time is 0 to 365 days')
    return BigInt(Math.trunc(value))
  }

  /** A probability, of 2^32 - 1. */
  percent(owner: string): number {
    return toUint32(this.fraction(owner))
  }

  /** A probability, 0 to 1. */
  fraction(owner: string): number {
    const value = this.#decimal(owner, "a percentage, such as '1%'", { '%': 1 }, 1) / 100
    return value >= 0 && value <= 1 ? value : this.refuse('a percentage is 0% to 100%')
  }

  /** Bytes per second. */
  rate(owner: string): bigint {
    if (this.#words[this.#at]?.endsWith('%') === true)
      return this.refuse(
        "a path has no speed to take a part of; write the rate itself, such as '10mbit'",
        this.#at,
      )
    const bits = this.#decimal(owner, "a rate, such as '10mbit'", rateUnits, 1)
    if (bits < 0 || bits > 1e15) return this.refuse('a rate is 8bit to 1000tbit, or 0 for none')
    if (bits > 0 && bits < 8)
      return this.refuse(
        "tc counts rates in whole bytes per second, and this would be none; write '8bit' or more",
      )
    return BigInt(Math.trunc(bits / 8))
  }

  /** Bytes, or frames; below 2^32. */
  size(owner: string): number {
    const value = Math.trunc(this.#decimal(owner, "a size, such as '1000' or '64kb'", sizeUnits, 1))
    return value >= 0 && value <= uint32 ? value : this.refuse(`a size is 0 to ${uint32}`)
  }

  /** A whole number in [min, max]: decimal, hexadecimal after 0x, octal after 0. */
  integer(owner: string, min: number, max: number): number {
    const needs = `a whole number from ${min} to ${max}`
    const [, minus, digits = ''] = /^(-)?(0x[\da-f]+|\d+)$/i.exec(this.take(owner, needs)) ?? []
    const magnitude = digits === '' ? NaN : Number(/^0[0-7]+$/.test(digits) ? `0o${digits}` : digits)
    const value = minus === undefined ? magnitude : 0 - magnitude
    return value >= min && value <= max ? value : this.refuse(`${quote(owner)} needs ${needs}`)
  }

  /** A seed: 0 to 2^64 - 1. */
  seed(owner: string): bigint {
    const needs = 'a whole number from 0 to 2^64 - 1'
    const word = this.take(owner, needs)
    const value = /^\d+$/.test(word) ? BigInt(word) : -1n
    return value >= 0n && value < 1n << 64n ? value : this.refuse(`${quote(owner)} needs ${needs}`)
  }

  /** Refuses the word at `place`, by default the last one taken. `reason` says why, and what to write instead. */
  refuse(reason: string, place: number = this.place): never {
    const word = this.#words[place]
    const where = word === undefined ? 'at its end' : `at word ${place + 1}, ${quote(word)}`
    throw new EtherloomError('ERR_ETHERLOOM_OPTION', `${this.#subject} goes wrong ${where}: ${reason}`)
  }

  /** The next word as a decimal number, in the base of the units. */
  #decimal(owner: string, needs: string, units: Units, bare: number): number {
    const word = this.take(owner, needs)
    const [, number, unit = ''] = /^([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)(.*)$/i.exec(word) ?? []
    if (number === undefined) return this.refuse(`${quote(owner)} needs ${needs}`)
    if (unit === '') return Number(number) * bare
    const scale = Object.hasOwn(units, unit.toLowerCase()) ? units[unit.toLowerCase()] : undefined
    if (scale !== undefined) return Number(number) * scale
    const known = Object.keys(units)
    return this.refuse(
      `${quote(owner)} needs ${needs}, and ${quote(unit)} is no unit of it${suggestion(unit, known) || `; units are ${known.join(', ')}`}`,
    )
  }
}

/** tc's form of a probability: of 2^32 - 1, rounded to the nearest, ties to even. */
export function toUint32(fraction: number): number {
  const value = fraction * uint32
  const below = Math.floor(value)
  if (value - below !== 0.5) return Math.round(value)
  return below % 2 === 0 ? below : below + 1
}
