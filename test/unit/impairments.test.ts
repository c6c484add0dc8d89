/** Options of losses, outages and jitter: what they come to, and what is refused with which words. */
import { expect } from 'chai'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { impairments } from '../../lib/policy/impairments/index.js'
import { delayTable } from '../../lib/policy/lines/delay-tables.js'
import { nameWords, partKinds } from '../../lib/policy/parts.js'
import { readPolicy } from '../../lib/policy/policy.js'
import { parseTopology } from '../../lib/topology/load.js'
import { refusal } from '../helpers/errors.js'

const partsOf = (policy: object) => readPolicy({ allowed: true, ...policy }).parts
const partOf = (kind: number, policy: object) => partsOf(policy).find((part) => part.kind === kind)?.words
/** The settings of an impairment, which stand behind its name. */
const impairmentOf = (name: keyof typeof impairments, policy: object) => {
  const head = nameWords(name)
  const words = partsOf(policy)
    .filter(({ kind }) => kind === partKinds.impairment)
    .map((part) => part.words as readonly unknown[])
    .find((each) => head.every((word, at) => each[at] === word))
  return words?.slice(head.length)
}
const lossOf = (loss: unknown, more = {}) => impairmentOf('loss', { loss, ...more }) as number[] | undefined

/** Each policy with a part of the message that refuses it. */
function refuses(cases: [policy: object, message: string][]): void {
  for (const [policy, message] of cases)
    it(`refuses ${JSON.stringify(policy)}`, async () => {
      const error = await refusal(() => readPolicy({ allowed: true, ...policy }))
      expect(error.code).to.match(/OPTION$/)
      expect(error.message).to.contain(message)
    })
}

function closeTo(values: readonly unknown[] | undefined, expected: number[]): void {
  expect(values).to.have.lengthOf(expected.length)
  expected.forEach((value, index) => expect(values?.[index]).to.be.closeTo(value, 1e-12))
}

describe('Options of losses', () => {
  it('a probability, a correlation, a burst: for the first frame, after a hit, after a miss', () => {
    closeTo(lossOf(0.1), [0, 0, 0.1, 0.1, 0.1])
    closeTo(lossOf({ rate: 0.1 }), [0, 0, 0.1, 0.1, 0.1])
    closeTo(lossOf({ rate: 0.1, correlation: 0.25 }), [0, 0, 0.1, 0.325, 0.075])
    closeTo(lossOf({ rate: 0.1, burst: 5 }), [0, 0, 0.1, 0.8, 0.1 / 4.5])
    closeTo(lossOf({ rate: 0.5, burst: 1 }), [0, 0, 0.5, 0, 1])
    closeTo(lossOf({ rate: 0.75, burst: 3 }), [0, 0, 0.75, 2 / 3, 1])
    closeTo(lossOf({ rate: 1, correlation: 0.5 }), [0, 0, 1, 1, 0.5])
    closeTo(impairmentOf('duplicate', { duplicate: { rate: 0.1, burst: 5 } }), [0.1, 0.8, 0.1 / 4.5])
    closeTo(impairmentOf('corrupt', { corrupt: { rate: 0.5, correlation: 0.5 } }), [0.5, 0.75, 0.25])
  })

  it('runs of one length, and the models of tc with its defaults', () => {
    closeTo(lossOf({ rate: 0.1, burst: { exactly: 4 } }), [0, 1, 0.1 / 3.7, 4])
    closeTo(lossOf({ rate: 1, burst: { exactly: 4 } }), [0, 1, 1, 4])
    closeTo(lossOf({ model: 'gemodel', p: 0.1 }), [0, 2, 0.1, 0.9, 1, 0])
    closeTo(
      lossOf({ model: 'gemodel', p: 0.1, r: 0.2, lossBad: 0.7, lossGood: 0.01 }),
      [0, 2, 0.1, 0.2, 0.7, 0.01],
    )
    closeTo(lossOf({ model: 'state', p13: 0.1 }), [0, 3, 0.1, 0.9, 0, 1, 0])
    closeTo(
      lossOf({ model: 'state', p13: 0.1, p31: 0.7, p32: 0.3, p23: 0.5, p14: 0.9 }),
      [0, 3, 0.1, 0.7, 0.3, 0.5, 0.9],
    )
    closeTo(lossOf({ rate: 0.1, burst: { exactly: 4 } }, { ecn: true }), [1, 1, 0.1 / 3.7, 4])
  })

  it('nothing, where the rate is 0', () => {
    for (const off of [
      0,
      { rate: 0 },
      { rate: 0, burst: 5 },
      { rate: 0, correlation: 0.5 },
      { rate: 0, burst: { exactly: 3 } },
    ])
      expect(lossOf(off), JSON.stringify(off)).to.equal(undefined)
    expect(impairmentOf('bitErrorRate', { bitErrorRate: 0 })).to.equal(undefined)
    expect(impairmentOf('outage', { outage: { every: '1s', for: '0s' } })).to.equal(undefined)
  })

  refuses([
    [
      { loss: '101%' },
      "option 'loss' of path policy must be a probability from 0 to 1 or from '0%' to '100%'",
    ],
    [{ loss: {} }, "option 'rate' of 'loss' of path policy is required"],
    [
      { loss: { rate: 0.1, brust: 4 } },
      "unknown option 'brust' of 'loss' of path policy; did you mean 'burst'?",
    ],
    [
      { loss: { rate: 2 } },
      "option 'rate' of 'loss' of path policy must be a probability from 0 to 1 or from '0%' to '100%', not 2",
    ],
    [{ loss: { rate: 0.1, burst: 5, correlation: 0.1 } }, "'correlation' or 'burst', which say the same"],
    [{ loss: { rate: 0.1, correlation: 1 } }, 'must be a number from 0 to below 1'],
    [{ loss: { rate: 0.1, correlation: -0.1 } }, 'must be a number from 0 to below 1'],
    [{ loss: { rate: 0.1, burst: 0.9 } }, 'must be a number of frames from 1'],
    [{ loss: { rate: 0.1, burst: NaN } }, 'must be a number of frames from 1'],
    [{ loss: { rate: 0.76, burst: 3 } }, 'must be at most burst / (burst + 1) = 0.75'],
    [{ loss: { rate: 1, burst: 1000 } }, 'must be at most burst / (burst + 1)'],
    [
      { loss: { rate: 0.1, burst: { exactly: 2.5 } } },
      "option 'exactly' of 'burst' of 'loss' of path policy must be",
    ],
    [{ loss: { model: 'gemode', p: 0.1 } }, "must be 'gemodel' or 'state', not 'gemode'"],
    [{ loss: { model: 'toString', p: 0.1 } }, "must be 'gemodel' or 'state'"],
    [{ loss: { model: 'gemodel' } }, "option 'p' of 'loss' of path policy is required"],
    [{ loss: { model: 'gemodel', p: 0.1, p13: 0.1 } }, "unknown option 'p13'"],
    [
      { loss: { model: 'state', p13: 0.6, p14: 0.5 } },
      "the sum of 'p13' and 'p14' of 'loss' of path policy must be at most 1",
    ],
    [{ loss: { model: 'state', p13: 0.1, p32: 0.2 } }, "('p31' is 1 - p13 by default)"],
    [
      { duplicate: { rate: 0.1, burst: { exactly: 3 } } },
      "option 'burst' of 'duplicate' of path policy must be a number",
    ],
    [{ ecn: true }, "option 'loss' of path policy must be given with 'ecn'"],
    [{ dropEvery: 0 }, "option 'dropEvery' of path policy must be a whole number from 1 to 1000000000"],
    [{ bitErrorRate: 1.1 }, "option 'bitErrorRate' of path policy must be a probability"],
  ])
})

describe('Options of outages', () => {
  const outageOf = (outage: object) => impairmentOf('outage', { outage })

  it('in nanoseconds; the offset within a period', () => {
    expect(outageOf({ every: '10s', for: '500ms' })).to.deep.equal([0, 1e10, 5e8, 0])
    expect(outageOf({ every: '10s', for: '10s', offset: '13s' })).to.deep.equal([0, 1e10, 1e10, 3e9])
    expect(outageOf({ every: '10s', for: '1s', random: true })).to.deep.equal([1, 1e10, 1e9, 0])
  })

  refuses([
    [{ outage: 5 }, "option 'outage' of path policy must be { every, for }"],
    [{ outage: { every: '1s' } }, "option 'for' of 'outage' of path policy is required"],
    [{ outage: { for: '1s' } }, "option 'every' of 'outage' of path policy is required"],
    [{ outage: { every: '0s', for: '0s' } }, 'must be a duration from 1ns to 90 days, not'],
    [{ outage: { every: '2161h', for: '0s' } }, 'must be a duration from 1ns to 90 days, not'],
    [{ outage: { every: '1s', for: '2s' } }, "must be at most 'every', 1s, not '2s'"],
    [{ outage: { every: '2s', for: '1s', offset: '1s', random: true } }, "must be left out with 'random'"],
  ])
})

describe('Options of travel', () => {
  let folder = ''
  before(() => (folder = mkdtempSync(path.join(tmpdir(), 'etherloom-'))))
  after(() => rmSync(folder, { recursive: true }))

  const travelOf = (policy: object) => partOf(partKinds.travel, policy)
  const keyOf = (policy: object) => (travelOf(policy)?.at(8) as { key: string } | undefined)?.key
  const jitter = { delay: '1s', jitter: '1ms' }

  it('a distribution is a table, uniform none', () => {
    expect(keyOf({ ...jitter, distribution: 'uniform' })).to.equal(undefined)
    expect(keyOf({ ...jitter, distribution: 'pareto' })).to.equal(delayTable('pareto').key)
    writeFileSync(path.join(folder, 'mine.dist'), '# mine\n-5 0 5\n')
    expect(keyOf({ ...jitter, distribution: { file: path.join(folder, 'mine.dist') } })).to.equal(
      keyOf({ ...jitter, distribution: { table: [-5, 0, 5] } }),
    )
  })

  it('a rank correlation becomes one of normal scores', () => {
    const scores = (delayCorrelation: number) => travelOf({ ...jitter, delayCorrelation })?.at(6)
    expect(scores(0)).to.equal(0)
    expect(scores(0.5)).to.be.closeTo(0.5176380902, 1e-9)
    expect(scores(0.999999)).to.be.below(1)
  })

  it('a file of a topology is relative to the folder of the topology', async () => {
    writeFileSync(path.join(folder, 'mine.dist'), '-5 0 5')
    const text = (file: string) =>
      `fabrics: { lan: { kind: wire, ports: { a: { tap: t0 }, b: { tap: t1 } }, paths: [
        { from: a, to: b, delay: 1ms, jitter: 1us, distribution: { file: ${file} },
          slot: { delay: 1ms, jitter: 1us, distribution: { file: mine.dist } } }] } }`
    const at = path.join(folder, 'net.yaml')
    const { fabrics } = await parseTopology(text('mine.dist'), at)
    const located = { file: path.join(folder, 'mine.dist') }
    expect(fabrics.lan?.paths?.[0]?.distribution).to.deep.equal(located)
    expect(fabrics.lan?.paths?.[0]?.slot).to.deep.include({ distribution: located })
    const error = await refusal(parseTopology(text('none.dist'), at))
    expect(error.message).to.contain(
      `${at}:2:9: option 'file' of 'distribution' of path policy: cannot read delay table '`,
    )
    expect(error.message).to.contain('(ENOENT)')
  })

  it('so is a file in the words of tc, and in a timeline', async () => {
    writeFileSync(path.join(folder, 'mine.dist'), '-5 0 5')
    writeFileSync(path.join(folder, 'up.csv'), 'time(s),rate(Mbit)\n0,1\n1,2\n')
    const text = `fabrics: { lan: { kind: wire, ports: { a: { tap: t0 }, b: { tap: t1 } },
      paths: [{ from: a, to: b, netem: delay 1ms 1us distribution mine.dist }],
      timeline: [{ at: 1s, from: b, to: a, trace: up.csv },
        { at: 2s, from: b, to: a, delay: 9ms, jitter: 1ms, distribution: { file: mine.dist } }] } }`
    const { fabrics } = await parseTopology(text, path.join(folder, 'net.yaml'))
    expect(fabrics.lan?.paths?.[0]?.netem).to.equal(`delay 1ms 1us distribution ${folder}/mine.dist`)
    const [first, second] = fabrics.lan?.timeline ?? []
    expect(first).to.have.property('trace', path.join(folder, 'up.csv'))
    expect(second).to.have.deep.property('distribution', { file: path.join(folder, 'mine.dist') })
  })

  refuses([
    [
      { ...jitter, distribution: 'parato' },
      "must be one of 'uniform', 'normal', 'pareto', 'paretonormal', { file }",
    ],
    [
      { ...jitter, distribution: { file: '/nowhere' } },
      "cannot read delay table '/nowhere' (ENOENT); give the path of a table",
    ],
    [{ ...jitter, distribution: { file: '/tmp' } }, 'must be a regular file of at most 1MiB'],
    [{ ...jitter, distribution: { file: '/dev/zero' } }, 'must be a regular file of at most 1MiB'],
    [
      { ...jitter, distribution: { table: [1, 2.5] } },
      "entry 2 of option 'table' of 'distribution' of path policy",
    ],
    [{ ...jitter, distribution: { table: [1], file: 'x' } }, "unknown option 'file' of 'distribution'"],
    [
      { delay: '1s', distribution: 'normal' },
      "option 'jitter' of path policy must be above 0 with 'distribution'",
    ],
    [{ delay: '1s', delayCorrelation: 0.5 }, "must be above 0 with 'delayCorrelation'"],
    [{ ...jitter, delayCorrelation: 1 }, 'must be a number from 0 to below 1'],
    [{ delay: '1s', gap: 5 }, "option 'reorder' of path policy must be given with 'gap'"],
    [{ delay: '1s', reorder: 1, gap: 0 }, "option 'gap' of path policy must be a whole number from 1"],
    [{ reorder: { rate: 0.1, burst: 3 } }, "option 'delay' of path policy must be above 0 with 'reorder'"],
  ])
})

describe('Impairments in topology files', () => {
  const parse = (policy: string) =>
    parseTopology(`
fabrics:
  lan:
    kind: wire
    ports: { a: { tap: t0 }, b: { tap: t1 } }
    paths: [{ from: a, to: b, ${policy} }]`)

  it('are written as in the API, with per cent for probabilities', async () => {
    const policy =
      'loss: { rate: 1%, burst: { exactly: 5 } }, ecn: true, duplicate: { rate: 1%, correlation: 0.5 }, ' +
      'corrupt: { rate: 0.01, burst: 5 }, bitErrorRate: 1.0e-7, outage: { every: 10s, for: 500ms, random: true }, ' +
      'delay: 10ms, jitter: 1ms, distribution: pareto, delayCorrelation: 0.5, reorder: 25%, gap: 5'
    expect((await parse(policy)).fabrics.lan?.paths?.[0]).to.deep.equal({
      from: 'a',
      to: 'b',
      loss: { rate: 0.01, burst: { exactly: 5 } },
      ecn: true,
      duplicate: { rate: 0.01, correlation: 0.5 },
      corrupt: { rate: 0.01, burst: 5 },
      bitErrorRate: 1e-7,
      outage: { every: '10s', for: '500ms', random: true },
      delay: '10ms',
      jitter: '1ms',
      distribution: 'pareto',
      delayCorrelation: 0.5,
      reorder: 0.25,
      gap: 5,
    })
    for (const model of [
      '{ model: gemodel, p: 1%, r: 10%, lossBad: 70%, lossGood: 0.1% }',
      '{ model: state, p13: 1%, p31: 30%, p32: 10%, p23: 50%, p14: 0.2% }',
    ])
      expect((await parse(`loss: ${model}`)).fabrics.lan?.paths).to.have.lengthOf(1)
  })

  for (const [policy, message] of [
    ['loss: lots', "'loss' must be a probability from 0 to 1 or from '0%' to '100%', or a mapping"],
    ['loss: { rate: 1%, brust: 5 }', "unknown key 'brust'; did you mean 'burst'?"],
    ['loss: { rate: 1%, burst: 0 }', "'burst' must be a number of frames from 1"],
    ['loss: { rate: 90%, burst: 3 }', 'must be at most burst / (burst + 1) = 0.75'],
    ['loss: { model: gemodel, p: 200% }', "'p' must be a probability"],
    ['loss: { model: state, p13: 60%, p14: 60% }', "the sum of 'p13' and 'p14'"],
    ['delay: 1ms, jitter: 1ms, distribution: parato', "must be one of 'uniform', 'normal', 'pareto'"],
    ['outage: { every: 1s }', "'outage' needs 'for'"],
  ] as const)
    it(`refuse ${policy}`, async () => {
      const error = await refusal(parse(policy))
      expect(error.code).to.equal('ERR_ETHERLOOM_TOPOLOGY')
      expect(error.message).to.contain(message)
    })
})
