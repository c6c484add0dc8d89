/** Durations, rates, sizes and queue limits: text to exact numbers and back. */
import { expect } from 'chai'
import {
  formatCount,
  formatDuration,
  formatRate,
  formatSize,
  parseDuration,
  parseQueueLimit,
  parseRate,
  parseSize,
} from '../../lib/values/units.js'

const year = 365n * 24n * 3_600_000_000_000n

describe('units', () => {
  describe('what is read', () => {
    const durations: [string, bigint][] = [
      ['0s', 0n],
      ['1ns', 1n],
      ['40ms', 40_000_000n],
      ['40 ms', 40_000_000n],
      ['1.5ms', 1_500_000n],
      ['0.000000001s', 1n],
      ['5µs', 5_000n],
      ['5μs', 5_000n], // the Greek letter, not the micro sign
      ['1.5h', 5_400_000_000_000n],
      ['2min', 120_000_000_000n],
      ['8760h', year],
    ]
    for (const [text, nanoseconds] of durations)
      it(`duration ${text}`, () => expect(parseDuration(text)).to.equal(nanoseconds))

    it('rates', () => {
      expect(parseRate('54Mbit')).to.equal(54_000_000n)
      expect(parseRate('1bit')).to.equal(1n)
      expect(parseRate('1Tbit')).to.equal(1_000_000_000_000n)
      expect(parseRate('0.001kbit')).to.equal(1n)
    })

    it('sizes', () => {
      expect(parseSize('64KiB')).to.equal(65_536)
      expect(parseSize('64kB')).to.equal(64_000)
      expect(parseSize('1.5GiB')).to.equal(1_610_612_736)
    })

    it('queue limits of each kind', () => {
      expect(parseQueueLimit('50frames')).to.deep.equal({ frames: 50 })
      expect(parseQueueLimit('1 frame')).to.deep.equal({ frames: 1 })
      expect(parseQueueLimit('64KiB')).to.deep.equal({ bytes: 65_536 })
      expect(parseQueueLimit('200ms')).to.deep.equal({ nanoseconds: 200_000_000n })
    })
  })

  describe('what is refused, and what it says', () => {
    const refused: [(value: unknown) => unknown, unknown, RegExp][] = [
      [parseDuration, '40', /from 0s to 365 days in ns, us, ms, s, min or h, not '40'/],
      [parseDuration, 40, /not 40$/],
      [parseDuration, '5mss', /did you mean '5ms'\?/],
      [parseDuration, '5MS', /did you mean '5ms'\?/],
      [parseDuration, '50p', /, not '50p'$/], // two letters that differ are no slip
      [parseDuration, '5  ms', /not '5 {2}ms'/],
      [parseDuration, '-5ms', /not '-5ms'/],
      [parseDuration, '1e3ms', /not '1e3ms'/],
      [parseDuration, '.5ms', /not '.5ms'/],
      [parseDuration, '0.5ns', /a whole number of ns/],
      [parseDuration, '8760.5h', /to 365 days/],
      [parseDuration, 'constructor', /not 'constructor'/],
      [parseDuration, undefined, /not undefined/],
      [parseRate, '10mbit', /did you mean '10Mbit'\?/],
      [parseRate, '10Mbps', /did you mean '10Mbit'\?/],
      [parseRate, '0bit', /from 1bit to 1Tbit/],
      [parseRate, '1.1Tbit', /from 1bit to 1Tbit/],
      [parseRate, '0.5bit', /a whole number of bit/],
      [parseSize, '1KB', /did you mean '1kB'\?/],
      [parseSize, '2000GiB', /to 1024GiB/],
      [parseQueueLimit, '64kib', /did you mean '64KiB'\?/],
      [parseQueueLimit, '50frams', /did you mean '50frames'\?/],
      [parseQueueLimit, '1.5frames', /a whole number of frames/],
      [parseQueueLimit, 50, /'200ms', '64KiB' or '50frames', not 50/],
    ]
    for (const [parse, value, message] of refused)
      it(`${parse.name} of ${JSON.stringify(value)}`, () => {
        expect(() => parse(value))
          .to.throw(message)
          .with.property('code', 'ERR_ETHERLOOM_OPTION')
      })

    it('puts the subject first', () => {
      expect(() => parseRate('x', "option 'rate' of path policy")).to.throw(
        /^option 'rate' of path policy must be/,
      )
    })
  })

  describe('what is written', () => {
    const written: [bigint, string][] = [
      [0n, '0s'],
      [1n, '1ns'],
      [1_000n, '1us'],
      [1_500n, '1.5us'],
      [100_000n, '100us'],
      [1_500_000n, '1.5ms'],
      [1_234_567n, '1234567ns'],
      [500_000_000n, '500ms'],
      [60_000_000_000n, '60s'],
      [90_000_000_000n, '90s'],
      [3_600_000_000_000n, '1h'],
      [5_400_000_000_000n, '1.5h'],
    ]
    for (const [nanoseconds, text] of written)
      it(`${nanoseconds}ns as ${text}`, () => expect(formatDuration(nanoseconds)).to.equal(text))

    it('rates, sizes and counts', () => {
      expect(formatRate(2_500_000n)).to.equal('2.5Mbit')
      expect(formatSize(65_536)).to.equal('64KiB')
      expect(formatSize(1_572_864)).to.equal('1.5MiB')
      expect(formatCount(1_234_567n)).to.equal('1,234,567')
      expect(formatCount(999)).to.equal('999')
    })

    it('reads back as the same number', () => {
      // A multiplicative walk over all magnitudes, with odd digits.
      for (let value = 1n; value < year; value = (value * 13n) / 4n + 1n) {
        expect(parseDuration(formatDuration(value))).to.equal(value)
        if (value < 1_000_000_000_000n) expect(parseRate(formatRate(value))).to.equal(value)
        if (value < 1n << 40n) expect(parseSize(formatSize(value))).to.equal(Number(value))
      }
    })
  })
})
