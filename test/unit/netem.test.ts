/** The words of tc that the option `netem` takes: what they come to, and what is refused, where and why. */
import { expect } from 'chai'
import { writeFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { EtherloomError } from '../../lib/values/errors.js'
import { delayTable } from '../../lib/policy/lines/delay-tables.js'
import { parseNetem } from '../../lib/policy/netem/parse.js'
import { readPolicy } from '../../lib/policy/policy.js'
import { checkPolicy } from '../../lib/topology/check.js'

const parse = (text: string) => parseNetem(text, 'netem')
const refusal = (action: () => unknown): EtherloomError => {
  try {
    action()
  } catch (error) {
    return error as EtherloomError
  }
  throw new Error('nothing was refused')
}

describe('parseNetem', () => {
  it('reads a whole command', () => {
    const text =
      'delay 100ms 10ms 25% distribution normal loss gemodel 1% 10% rate 10mbit slot 5ms seed 7 limit 5000'
    expect(parse(text)).to.deep.equal({
      seed: 7n,
      limit: 5000,
      delay: {
        time: 100_000_000n,
        jitter: 10_000_000n,
        correlation: 1_073_741_824,
        table: delayTable('normal'),
      },
      loss: { model: 'gemodel', p: 42_949_673, r: 429_496_730, h: 0, k1: 0 },
      ecn: false,
      duplicate: { probability: 0, correlation: 0 },
      corrupt: { probability: 0, correlation: 0 },
      reorder: { probability: 0, correlation: 0, gap: 0 },
      rate: { bytes: 1_250_000n, packetOverhead: 0, cellSize: 0, cellOverhead: 0 },
      slot: {
        least: 5_000_000n,
        most: 5_000_000n,
        delay: 0n,
        jitter: 0n,
        table: undefined,
        packets: 0,
        bytes: 0,
      },
    })
  })

  it('reads times in all units of tc; without one, microseconds in delays and nanoseconds in slots', () => {
    const times: [string, bigint][] = [
      ['1s', 1_000_000_000n],
      ['1.5sec', 1_500_000_000n],
      ['2SECS', 2_000_000_000n],
      ['3ms', 3_000_000n],
      ['3msec', 3_000_000n],
      ['4us', 4000n],
      ['4usecs', 4000n],
      ['5ns', 5n],
      ['0.9ns', 0n],
      ['100', 100_000n],
    ]
    for (const [text, time] of times) expect(parse(`delay ${text}`).delay.time, text).to.equal(time)
    expect(parse('slot 100').slot.least).to.equal(100n)
    expect(parse('delay 1s 3s').delay.jitter, 'cut as the kernel does').to.equal(2_147_483_647n)
  })

  it('reads rates in all units of tc; without one, bits per second', () => {
    const rates: [string, bigint][] = [
      ['8', 1n],
      ['15bit', 1n],
      ['1kbit', 125n],
      ['1Kibit', 128n],
      ['1mbit', 125_000n],
      ['1GBIT', 125_000_000n],
      ['1tbit', 125_000_000_000n],
      ['7bps', 7n],
      ['7kbps', 7000n],
      ['1MiBps', 1_048_576n],
      ['0', 0n],
    ]
    for (const [text, bytes] of rates) expect(parse(`rate ${text}`).rate.bytes, text).to.equal(bytes)
    expect(parse('rate 1mbit -14 48 5').rate).to.deep.equal({
      ...{ bytes: 125_000n, packetOverhead: -14, cellSize: 48, cellOverhead: 5 },
    })
    expect(parse('rate 1mbit 0x10 delay 1ms').rate.packetOverhead).to.equal(16)
  })

  it('reads percentages with and without their sign, and rounds them to the kernel’s', () => {
    for (const text of ['loss 10%', 'loss 10', 'loss random 10%', 'drop 10%', 'lo 10'])
      expect(parse(text).loss, text).to.deep.equal({
        ...{ model: 'random', probability: 429_496_730, correlation: 0 },
      })
    expect(parse('corrupt 100%').corrupt.probability).to.equal(0xffffffff)
    expect(parse('corrupt 50% 50%').corrupt).to.deep.equal({
      ...{ probability: 2_147_483_648, correlation: 2_147_483_648 },
    })
  })

  it('fills in what tc fills in', () => {
    expect(parse('loss state 1%').loss).to.deep.equal({
      ...{ model: 'state', p13: 42_949_673, p31: 4_252_017_622, p32: 0, p23: 0xffffffff, p14: 0 },
    })
    expect(parse('loss gemodel 1%').loss).to.deep.equal({
      ...{ model: 'gemodel', p: 42_949_673, r: 4_252_017_622, h: 0, k1: 0 },
    })
    expect(parse('loss gemodel 1% 10% 70% 0.1%').loss).to.deep.include({ h: 1_288_490_189, k1: 4_294_967 })
    expect(parse('delay 1ms reorder 25%').reorder.gap).to.equal(1)
    expect(parse('delay 1ms reorder 25% 50% gap 5').reorder).to.deep.include({ gap: 5 })
  })

  it('takes abbreviations as tc does: the first word in its order that begins so', () => {
    expect(parse('d 1ms').delay.time).to.equal(1_000_000n)
    expect(parse('la 1ms').delay.time).to.equal(1_000_000n)
    expect(parse('l 5').limit).to.equal(5)
    expect(parse('du 50%').duplicate.probability).to.be.above(0)
    expect(parse('ra 8').rate.bytes).to.equal(1n)
    expect(parse('s 5ms p 3 b 2kb').slot).to.deep.include({ packets: 3, bytes: 2048 })
    expect(parse('se 5').seed).to.equal(5n)
  })

  it('forgets the correlation of duplicates unless there is another, as tc does', () => {
    expect(parse('duplicate 10% 50%').duplicate.correlation).to.equal(0)
    expect(parse('duplicate 10% 50% loss 0% 0%').duplicate.correlation).to.be.above(0)
  })

  it('reads tables of users from files in iproute2’s format', () => {
    const folder = mkdtempSync(join(tmpdir(), 'etherloom-'))
    try {
      const file = join(folder, 'mine.dist')
      writeFileSync(file, '# mine\n-8192 0\n8192\n')
      const { table } = parse(`delay 1ms 1ms distribution ${file}`).delay
      expect([...new Int16Array(Uint8Array.from(table!.bytes).buffer)]).to.deep.equal([-8192, 0, 8192])
      writeFileSync(file, '1 2 many')
      expect(refusal(() => parse(`delay 1ms 1ms distribution ${file}`)).message).to.contain("'many'")
      writeFileSync(file, '# empty')
      expect(refusal(() => parse(`slot distribution ${file} 1ms 1ms`)).message).to.contain('values')
    } finally {
      rmSync(folder, { recursive: true })
    }
    expect(refusal(() => parse('delay 1ms 1ms distribution /dev/zero')).message).to.contain('regular file')
    expect(refusal(() => parse('delay 1ms 1ms distribution ./none.dist')).message).to.contain('ENOENT')
  })

  it('takes the tables that tc has and we do not make from tc', () => {
    const folder = mkdtempSync(join(tmpdir(), 'etherloom-tc-'))
    const before = process.env.TC_LIB_DIR
    try {
      writeFileSync(join(folder, 'experimental.dist'), '-8192 0 8192')
      process.env.TC_LIB_DIR = folder
      const named = parse('delay 100ms 10ms distribution experimental')
      const file = parse(`delay 100ms 10ms distribution ${folder}/experimental.dist`)
      expect(named.delay.table).to.deep.equal(file.delay.table)
      expect(refusal(() => parse('delay 100ms 10ms distribution experimentl')).message).to.contain('iproute2')
    } finally {
      if (before === undefined) delete process.env.TC_LIB_DIR
      else process.env.TC_LIB_DIR = before
      rmSync(folder, { recursive: true })
    }
  })

  const refused: [text: string, where: string, why: string][] = [
    ['', 'at its end', 'such as'],
    ['netem delay 1ms', "word 1, 'netem'", "leave 'netem' out"],
    [
      'tc qdisc add dev eth0 root netem delay 100ms loss 1%',
      "word 1, 'tc'",
      "only the words that follow 'netem' in a tc command go here: 'delay 100ms loss 1%'",
    ],
    ['dealy 1ms', "word 1, 'dealy'", "did you mean 'delay'?"],
    ['delay 1ms 2ms jitter', "word 4, 'jitter'", 'no such word'],
    ['delay', 'at its end', "'100ms'"],
    ['delay fast', "word 2, 'fast'", "'100ms'"],
    ['delay 10mss', "word 2, '10mss'", 'no unit'],
    ['delay -1ms', "word 2, '-1ms'", '0 to 365 days'],
    ['delay 1ms -1ms', "word 3, '-1ms'", 'no such word'],
    ['loss 101%', "word 2, '101%'", '0% to 100%'],
    ['loss 1% 200%', "word 3, '200%'", '0% to 100%'],
    ['loss -1%', "word 2, '-1%'", 'a percentage'],
    ['loss gemodle 1%', "word 2, 'gemodle'", "did you mean 'gemodel'?"],
    ['loss 1% loss 2%', "word 3, 'loss'", 'already'],
    ['loss state 60% 10% 0% 100% 50%', "word 7, '50%'", 'p13 and p14'],
    ['loss state 5% 60% 50%', "word 5, '50%'", 'p31 and p32'],
    ['ecn', "word 1, 'ecn'", 'add a loss'],
    ['reorder 25%', "word 1, 'reorder'", 'without a delay'],
    ['delay 10ms gap 5', "word 3, 'gap'", 'gap specified without reorder probability'],
    ['delay 10ms reorder 25% gap x', "word 6, 'x'", 'whole number'],
    ['delay 10ms distribution normal', "word 3, 'distribution'", 'add both'],
    ['distribution normal', "word 1, 'distribution'", 'add both'],
    ['delay 1ms 1ms distribution uniform', "word 5, 'uniform'", 'no such table'],
    ['delay 1ms 1ms distribution normla', "word 5, 'normla'", './normla.dist'],
    ['rate 1bit', "word 2, '1bit'", '8bit'],
    ['rate 50%', "word 2, '50%'", 'write the rate itself'],
    ['rate 10mb', "word 2, '10mb'", 'no unit'],
    ['rate 1mbit 0 4 -5', "word 5, '-5'", 'less than no bytes'],
    ['slot 5ms 4ms', "word 3, '4ms'", 'below the shortest'],
    ['slot soon', "word 2, 'soon'", 'or'],
    ['slot distribution normal 1ms 0ms', "word 5, '0ms'", 'above 0'],
    ['slot 5ms packets', 'at its end', 'whole number'],
    ['limit -1', "word 2, '-1'", '4294967295'],
    ['seed -1', "word 2, '-1'", '2^64'],
    ['seed 18446744073709551616', "word 2, '18446744073709551616'", '2^64'],
  ]
  for (const [text, where, why] of refused)
    it(`refuses '${text}', at the word and with the reason`, () => {
      const { code, message } = refusal(() => parse(text))
      expect(code).to.equal('ERR_ETHERLOOM_OPTION')
      expect(message).to.contain(`netem goes wrong`).and.to.contain(where).and.to.contain(why)
    })
})

describe('netem in a policy', () => {
  it('goes with allowed, filter and seed, and with nothing of exact mode', () => {
    const kinds = (policy: object) => readPolicy({ allowed: true, ...policy }).parts.map(({ kind }) => kind)
    expect(kinds({ netem: 'delay 1ms', filter: { vlan: 5 }, seed: 3 })).to.deep.equal([0, 3])
    for (const other of [{ delay: '1ms' }, { loss: 0 }, { rate: '1Mbit' }, { jitter: '0s' }])
      expect(refusal(() => kinds({ netem: 'delay 1ms', ...other })).message)
        .to.contain(`option '${Object.keys(other)[0]}'`)
        .and.to.contain("does not go with 'netem'")
    expect(kinds({ netem: undefined, delay: '1ms' })).to.deep.equal([2])
  })

  it('is a key of topology files and of the command line, with the same refusals', () => {
    expect(checkPolicy({ netem: 'delay 100ms' })).to.deep.equal({ policy: { netem: 'delay 100ms' } })
    const checked = checkPolicy({ netem: 'delay 100mss' })
    expect('problems' in checked && checked.problems[0]?.message).to.contain(
      "'netem' goes wrong at word 2, '100mss'",
    )
  })
})
