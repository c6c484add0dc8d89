/** Traces: what files and rows come to, and how each mistake in them is refused. */
import { expect } from 'chai'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EtherloomError, formatTrace, type TraceRow } from '../../lib/index.js'
import { parseTrace, type TraceFormat } from '../../lib/policy/lines/trace-file.js'
import { readPolicy } from '../../lib/policy/policy.js'
import type { SharedData } from '../../lib/policy/shared-data.js'
import { inspectTopology } from '../../lib/topology/load.js'
import { partKinds } from '../../lib/policy/parts.js'
import { refusal } from '../helpers/errors.js'

const parse = (text: string, format?: TraceFormat) => parseTrace(Buffer.from(text), 'a.trace', format)
const traceOf = (trace: unknown, policy: object = {}) => {
  const { parts } = readPolicy({ allowed: true, ...policy, trace } as never)
  const words = parts.find(({ kind }) => kind === partKinds.trace)!.words as [SharedData, bigint]
  return { parts, offset: words[1], numbers: [...new Float64Array(words[0].bytes.buffer)], data: words[0] }
}

describe('trace files', () => {
  it('of Mahimahi are times in milliseconds, one opportunity each', () => {
    expect(parse('0\n1\n1\r\n1\n7')).to.deep.equal({ at: [0, 1e6, 7e6], opportunities: [1, 3, 1] })
    expect(parse('5\n', 'mahimahi')).to.deep.equal({ at: [5e6], opportunities: [1] })
  })

  it('in CSV name their columns, in any order, with units in the first line or in each row', () => {
    const trace = { at: [0, 500_000_000], rate: [1_500_000, 0], delay: [20_000_000, 1500], loss: [0.02, 1] }
    for (const text of [
      'time(s),rate(Mbit),delay(ms),loss(%)\n0,1.5,20,2\n0.5,0,0.0015,100\n',
      '\uFEFF# measured\r\n loss , delay (us) ,rate,time(ms)\r\n\r\n.02,2e4, 1.5Mbit ,0\r\n# gone\r\n1,1500 ns,0bit,5e2',
    ])
      expect(parse(text)).to.deep.equal(trace)
    expect(parse('time,rate\n0s,1kbit\n1min,2kbit')).to.deep.equal({ at: [0, 60e9], rate: [1000, 2000] })
  })

  it('are rounded to what the path counts in', () => {
    expect(parse('time(s),rate(Mbit)\n0,1.23456789\n0.3,1\n0.1234567891e1,1')).to.deep.equal({
      at: [0, 300_000_000, 1_234_567_891],
      rate: [1_234_568, 1_000_000, 1_000_000],
    })
  })

  const refused: [what: string, text: string, says: string, format?: TraceFormat][] = [
    ['nothing', '', 'a.trace is empty'],
    ['blank lines', '\n\n', 'a.trace is empty'],
    ['a CSV without rows', 'time(s),rate(Mbit)\n', 'a.trace has no rows'],
    ['times that go back', '5\n6\n4\n', 'a.trace:3: 4 ms comes after 6 ms'],
    ['words in a Mahimahi trace', '5\nsix\n', "a.trace:2: 'six' must be a whole number of milliseconds"],
    ['blanks in a Mahimahi trace', '5\n\n6', "a.trace:2: '' must be a whole number of milliseconds"],
    ['fractions in a Mahimahi trace', '5\n6.5\n', "a.trace:2: '6.5' must be a whole number"],
    ['signs in a Mahimahi trace', '-5\n', "a.trace:1: '-5' must be a whole number", 'mahimahi'],
    ['a Mahimahi trace of no length', '0\n0\n', 'a.trace:2: the last time must be above 0 ms'],
    ['a Mahimahi trace of 101 days', '8726400000', 'a.trace:1: 8726400000 ms is more than 100 days'],
    ['a number after a comment', '# mine\n5\n', "a.trace:2: '5' could be of a Mahimahi trace"],
    ['numbers without names', '0,5,2\n', "a.trace:1: '0,5,2' could be of a Mahimahi trace"],
    ['a fraction without a name', '0.5\n', 'or of a CSV without the line that names its columns'],
    ['an unknown column', 'time(s),rat(Mbit)\n', "unknown column 'rat(Mbit)'; did you mean 'rate'?"],
    ['an unknown unit', 'time(s),rate(MB)\n', "unit 'MB' of column 'rate' must be one of bit, kbit, Mbit"],
    ['a column twice', 'time(s),rate,rate\n', "column 'rate' stands twice"],
    ['no times', 'rate(Mbit)\n1\n', "a.trace:1: there is no column 'time'"],
    ['nothing but times', 'time(s)\n1\n', "there is no column but 'time'"],
    ['a row that is short', 'time(s),rate(Mbit)\n0,1\n1\n', 'a.trace:3: has 1 of 2 columns'],
    ['a number without unit', 'time(s),rate\n0,1\n', "a.trace:2: rate '1' has no unit"],
    ['a wrong unit in a row', 'time(s),rate\n0,1ms\n', "unit 'ms' of rate must be one of"],
    ['an empty cell', 'time(s),rate(Mbit)\n0,\n', "rate must be a rate from 0 to 1Tbit, not ''"],
    ['a word', 'time(s),rate(Mbit)\n0,fast\n', "rate must be a rate from 0 to 1Tbit, not 'fast'"],
    ['a negative number', 'time(s),delay(ms)\n0,-1\n', "delay must be a time from 0 to 100 days, not '-1'"],
    ['too fast', 'time(s),rate(Gbit)\n0,1001\n', "rate must be a rate from 0 to 1Tbit, not '1001'"],
    ['no probability', 'time(s),loss(%)\n0,101\n', "loss must be a probability from 0 to 1, not '101'"],
    ['too late', 'time(s),loss\n0,0\n8640001,0', 'a.trace:3: time must be a time from 0 to 100 days'],
    ['a beginning that is not 0', 'time(s),loss\n5,0\n', 'a.trace:2: the first row must be at time 0'],
    ['a time twice', 'time(s),loss\n0,0\n1,0\n1,0\n', 'a.trace:4: time 1 s must come after 1 s'],
  ]
  for (const [what, text, says, format] of refused)
    it(`are refused with ${what}`, async () => {
      const { code, message } = await refusal(() => parse(text, format))
      expect(code).to.equal('ERR_ETHERLOOM_OPTION')
      expect(message).to.contain(says)
    })
})

describe("a policy's trace", () => {
  let folder = ''
  before(() => (folder = mkdtempSync(join(tmpdir(), 'etherloom-'))))
  after(() => rmSync(folder, { recursive: true }))
  const write = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }

  it('is read from a file or from rows, which say the same', () => {
    const rows: TraceRow[] = [
      { at: '0s', rate: '2Mbit', loss: 0.5 },
      { at: '2s', rate: '0bit', loss: 0 },
    ]
    const file = write('same.csv', formatTrace(rows))
    const expected = [0, 4e9, 0b1001, 0, 2e9, 2e6, 0, 0.5, 0]
    for (const trace of [rows, { rows }, file, { file }])
      expect(traceOf(trace).numbers).to.deep.equal(expected)
    expect(traceOf(rows).data.key).to.equal(traceOf(file).data.key)
  })

  it('is the same to the nanosecond and the bit of a loss when it is written', () => {
    const rows: TraceRow[] = [
      { at: '0s', delay: '8639999.000000001s', loss: '57%' },
      { at: '143999.9999999999min', delay: '5\u03bcs' as '5us', loss: -0 },
    ]
    const file = write('exact.csv', formatTrace(rows))
    expect(traceOf(file).numbers).to.deep.equal(traceOf(rows).numbers)
    expect(traceOf(rows).numbers.slice(3)).to.deep.equal([
      ...[0, 8_639_999_999_999_994, 8_639_999_000_000_001, 5000, 0.57, 0],
    ])
  })

  it('has an end, a period and an offset', () => {
    const rows: TraceRow[] = [{ at: '0s', rate: '2bit' }]
    const two: TraceRow[] = [...rows, { at: '5s', rate: '1bit' }]
    expect(traceOf({ rows: two, end: 'loop', offset: '3s' })).to.deep.include({ offset: 3_000_000_000n })
    expect(traceOf({ rows: two }).numbers.slice(0, 2)).to.deep.equal([0, 10e9])
    expect(traceOf({ rows: two, period: '6s' }).numbers.slice(0, 2)).to.deep.equal([0, 6e9])
    expect(traceOf({ rows: two, end: 'stop' }).numbers.slice(0, 2)).to.deep.equal([2, 10e9])
    expect(traceOf({ rows, end: 'stop', period: '1s' }).numbers.slice(0, 2)).to.deep.equal([2, 1e9])
    expect(traceOf(rows).numbers[0]).to.equal(1) // one row that repeats holds
    const file = write('cell.up', '3\n3\n8\n')
    expect(traceOf(file).numbers).to.deep.equal([0, 8e6, 0b10, 3e6, 8e6, 24_000, 12_000])
    expect(traceOf({ file, opportunity: '1514B', end: 'stop' }).numbers.slice(5)).to.deep.equal([
      24_224, 12_112,
    ])
  })

  it('is read again when the file is another one', () => {
    const file = write('changing.csv', 'time(s),loss\n0,0.5\n')
    const first = traceOf(file).data
    expect(traceOf(file).data).to.equal(first)
    write('changing.csv', 'time(s),loss\n0,0.6\n')
    utimesSync(file, 1, 1)
    expect(traceOf(file).data.key).to.not.equal(first.key)
  })

  it('is refused in a sentence where its file cannot be looked at', () => {
    const loop = join(folder, 'loop')
    symlinkSync(loop, loop)
    for (const file of [loop, join(folder, 'n'.repeat(300)), join(folder, 'a\0b')])
      expect(() => traceOf(file), file)
        .to.throw(EtherloomError)
        .with.property('code', 'ERR_ETHERLOOM_OPTION')
  })

  it('takes the place of options that the policy leaves to it, and goes with the others', () => {
    const { line, travel, trace, impairment } = partKinds
    const kinds = (given: unknown, policy?: object) => traceOf(given, policy).parts.map(({ kind }) => kind)
    expect(kinds([{ at: '0s', rate: '1Mbit' }], { delay: '5ms', loss: 0.1, queue: '5frames' })).to.deep.equal([line, travel, trace, impairment]) // prettier-ignore
    expect(kinds([{ at: '0s', delay: '1ms' }], { rate: '1Mbit', reorder: 0.1 })).to.deep.equal([
      line,
      travel,
      trace,
    ])
    expect(kinds([{ at: '0s', loss: 1 }])).to.deep.equal([trace])
  })

  it('is refused where it cannot be', async () => {
    const rate: TraceRow[] = [{ at: '0s', rate: '1Mbit' }]
    const loss: TraceRow[] = [{ at: '0s', loss: 0.1 }]
    const cell = write('refused.up', '5\n')
    mkdirSync(join(folder, 'sub'))
    const huge = write('huge.csv', '')
    truncateSync(huge, 257 * 1024 * 1024) // a hole
    const wrong: [trace: unknown, says: string, policy?: object][] = [
      [5, "option 'trace' of path policy must be the name of a file, rows, or an object with one of them"],
      [{}, "an object with either 'file' or 'rows'"],
      [{ file: cell, rows: rate }, "an object with either 'file' or 'rows'"],
      [{ fil: cell }, "unknown option 'fil' of a trace; did you mean 'file'?"],
      [{ file: cell, format: 'pcap' }, "option 'format' of a trace must be one of 'mahimahi', 'csv'"],
      [{ rows: rate, format: 'csv' }, "option 'format' of a trace must be left out where rows are given"],
      [{ file: cell, end: 'hold' }, "must be 'loop' or 'stop', for a Mahimahi trace has no rate to hold"],
      [{ file: cell, period: '1s' }, 'for a Mahimahi trace lasts until its last time'],
      [{ file: cell, opportunity: '0B' }, 'a size from 1B to 64KiB'],
      [{ rows: rate, opportunity: '1500B' }, 'only a Mahimahi trace has opportunities'],
      [{ rows: loss, end: 'stop' }, 'for the trace has no rate that could stop'],
      [{ rows: rate, end: 'stop' }, "must be given where one row ends with 'stop'"],
      [{ rows: rate, end: 'hold', period: '1s' }, "left out with 'hold'"],
      [{ rows: [...rate, { at: '1s', rate: '1bit' }], period: '1s' }, 'after the last row'],
      [[], 'a list of at least one row'],
      [[{ at: '0s' }], "rows with 'rate', 'delay' or 'loss'"],
      [[{ rate: '1bit' }], "option 'at' of entry 1 of option 'rows' of a trace is required"],
      [[...rate, { at: '1s', loss: 0 }], 'the same columns as the first'],
      [[...rate, ...rate], 'entry 2 of option'],
      [[{ at: '1s', rate: '1bit' }], 'the first row must be at time 0'],
      [[{ at: '0s', rate: '0.5bit' }], 'a whole number of bit'],
      [[{ at: '0s', rate: '2Tbit' }], 'a rate per second from 0bit to 1Tbit'],
      [[{ at: '0s', loss: 2 }], 'a probability from 0 to 1'],
      [[{ at: '0s', delay: '101h', los: 2 }], "did you mean 'loss'?"],
      [[{ at: '0s', delay: '2401h' }], 'a duration from 0s to 100 days'],
      [join(folder, 'none.csv'), "none.csv' (ENOENT); give the path of a trace file"],
      [join(folder, 'sub'), 'must be a regular file of at most 256MiB, not a directory'],
      [huge, 'must be a regular file of at most 256MiB, not one of 257MiB; take a part of it'],
      [rate, "option 'rate' of path policy must be left out, for the trace has a rate", { rate: '1Mbit' }],
      [cell, "option 'rate' of path policy must be left out, for the trace has a rate", { rate: '1Mbit' }],
      [loss, "option 'loss' of path policy must be left out, for the trace has a loss", { loss: 0.5 }],
      [[{ at: '0s', delay: '0s' }], "option 'delay' of path policy must be left out", { delay: '1ms' }],
      [loss, "option 'rate' of path policy must be given with 'queue'", { queue: '5frames' }],
    ]
    for (const [trace, says, policy] of wrong) {
      const error = await refusal(() => traceOf(trace, policy))
      expect(error.message).to.contain(says)
    }
  })

  it('has a file relative to the topology file, and mistakes at their place', async () => {
    write('near.csv', 'time(s),loss\n0,0.5\n')
    write('bad.csv', 'time(s),loss\n0,2\n')
    const topology = (trace: string) => `fabrics:
  air:
    kind: hub
    ports: { red: { tap: t-red }, green: { tap: t-green } }
    paths:
      - { between: [red, green], trace: ${trace} }
`
    const mistakes = async (trace: string) => {
      const { problems } = await inspectTopology(topology(trace), join(folder, 'lab.yaml'))
      return problems.map(({ line, message }) => `${line} ${message}`)
    }
    for (const good of [
      'near.csv',
      '{ file: near.csv, end: hold }',
      '{ rows: [{ at: 0s, loss: 2% }] }',
      '[{ at: 0s, rate: 0bit }]',
    ])
      expect(await mistakes(good), good).to.deep.equal([])
    const { topology: read } = await inspectTopology(topology('near.csv'), join(folder, 'lab.yaml'))
    expect(read?.fabrics.air?.paths?.[0]?.trace).to.equal(join(folder, 'near.csv'))
    expect(await mistakes('bad.csv')).to.deep.equal([
      `6 option 'trace' of path policy: ${join(folder, 'bad.csv')}:2: loss must be a probability from 0 to 1, not '2'`,
    ])
    expect(await mistakes('{ fil: near.csv }')).to.deep.equal(["6 unknown key 'fil'; did you mean 'file'?"])
    expect(await mistakes('{ file: near.csv, end: lop }')).to.deep.equal([
      "6 'end' must be one of 'loop', 'hold', 'stop', not 'lop'; did you mean 'loop'?",
    ])
    expect(await mistakes('5')).to.deep.equal([
      "6 'trace' must be the name of a file, rows { at, rate, delay, loss }, or a mapping with 'file' or 'rows', not 5",
    ])
  })
})
