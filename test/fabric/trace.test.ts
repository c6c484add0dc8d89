/**
 * Paths that a trace drives, as a user sees them on the virtual clock: when frames arrive, to the nanosecond, what is
 * lost, and when a trace begins.
 */
import { expect } from 'chai'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { Engine, Hub, type PolicyOptions, type Size, type TraceRow } from '../../lib/index.js'
import { closing, dropped, expectBalance, join, tags, take } from '../helpers/fabric.js'
import { frame, numbered } from '../helpers/frames.js'

const us = 1_000n
const ms = 1_000_000n

describe('Trace of a path', () => {
  const closes = closing()
  let folder = ''
  before(() => (folder = mkdtempSync(path.join(tmpdir(), 'etherloom-'))))
  after(() => rmSync(folder, { recursive: true }))
  const write = (name: string, text: string): string => {
    writeFileSync(path.join(folder, name), text)
    return path.join(folder, name)
  }
  /** A hub with a path a → b under this policy. */
  const makePath = async (policy: PolicyOptions, options: { memory?: Size; workers?: number } = {}) => {
    const engine = closes(new Engine({ clock: 'virtual', seed: 1n, ...options }))
    const hub = new Hub({ engine, name: 'hub', forwarding: 'deny' })
    const [a, b] = await join(hub, 'a', 'b')
    await hub.path(a, b).allow(policy)
    return { engine, a, b, path: hub.path(a, b) }
  }
  const times = (frames: { at: bigint }[]) => frames.map(({ at }) => at)
  /** 125 bytes, 1000 bits. */
  const kilobit = (tag = 0) => frame({ tag, length: 125 })

  /** Twice the delay after 100 ms. */
  const slower = {
    rows: [
      { at: '0s', delay: '10ms' },
      { at: '100ms', delay: '20ms' },
    ],
    end: 'hold',
  } as const

  it('changes the rate under the frame that is being sent', async () => {
    const trace: TraceRow[] = [
      { at: '0s', rate: '1Mbit' },
      { at: '1500us', rate: '0bit' },
      { at: '2ms', rate: '3Mbit' },
    ]
    const { engine, a, b, path } = await makePath({ trace: { rows: trace, end: 'hold' } })
    a.send([0, 1, 2].map(kilobit))
    engine.advance('1s')
    // 1000 bits in 1 ms; 500 more by 1.5 ms and 500 from 2 ms on at 3 bit/us, which ends between two nanoseconds; 1000
    // more at that rate, which ends at a whole one.
    expect(times(take(b))).to.deep.equal([1n * ms, 2_166_667n, 2_500_000n])
    expectBalance(path.stats(), 'a to b')
  })

  it('repeats, from its offset', async () => {
    const trace = {
      rows: [
        { at: '0s', rate: '1Mbit' },
        { at: '1ms', rate: '0bit' },
      ] satisfies TraceRow[],
    }
    for (const [offset, expected] of [
      ['0s', [1000n, 3000n, 5000n]],
      ['500us', [2000n, 4000n, 6000n]],
      ['1500us', [1500n, 3500n, 5500n]],
      ['4500us', [2000n, 4000n, 6000n]], // in the third pass
    ] as const) {
      const { engine, a, b } = await makePath({ trace: { ...trace, offset } })
      a.send([0, 1, 2].map(kilobit))
      engine.advance('1s')
      expect(times(take(b)), offset).to.deep.equal(expected.map((at) => at * us))
    }
  })

  it('lets a Mahimahi trace pass what it says, pass after pass', async () => {
    const file = write('cell.up', '2\n2\n5\n')
    const { engine, a, b, path } = await makePath({ trace: file, queue: '100frames' })
    a.send(Array.from({ length: 7 }, (_, tag) => frame({ tag, length: 1500 })))
    engine.advance('3ms')
    expect(path.stats()).to.deep.include({ delivered: 2n, waiting: 4n, inFlight: 1n })
    engine.advance('1s')
    expect(times(take(b)).map((at) => at / ms)).to.deep.equal([2n, 2n, 5n, 7n, 7n, 10n, 12n])
    // Opportunities of while nothing waited are lost: at 1003 ms the trace is at 3 ms of a pass.
    a.send(frame({ length: 1500 }))
    engine.advance('1s')
    expect(times(take(b))).to.deep.equal([1005n * ms])
  })

  it('counts whole frames, or what `overhead` and `opportunity` make of them', async () => {
    const file = write('each.up', '1\n2\n3\n4\n')
    const arrivals = async (policy: Omit<PolicyOptions, 'trace'>, opportunity: '1500B' | '1504B') => {
      const { engine, a, b } = await makePath({ trace: { file, opportunity }, ...policy })
      a.send([0, 1, 2].map((tag) => frame({ tag, length: 1514 })))
      engine.advance('20ms')
      return times(take(b)).map((at) => at / ms)
    }
    expect(await arrivals({}, '1500B')).to.deep.equal([2n, 3n, 4n])
    expect(await arrivals({ overhead: -14 }, '1500B')).to.deep.equal([1n, 2n, 3n])
    expect(await arrivals({ overhead: -10 }, '1504B')).to.deep.equal([1n, 2n, 3n])
  })

  it('sends 10 Gbit/s as exactly as the file says', async () => {
    const lines: number[] = []
    for (let at = 1; at <= 30; at++) for (let count = 0; count < 833 + (at % 3 === 0 ? 1 : 0); count++) lines.push(at) // prettier-ignore
    const file = write('fast.up', lines.join('\n'))
    const { engine, a, b } = await makePath({ trace: file, queue: '100000frames' }, { memory: '128MiB' })
    for (let sent = 0; sent < 20; sent++) a.send(Array.from({ length: 500 }, () => frame({ length: 1500 })))
    engine.advance('1s')
    const arrived = times(take(b)).map((at) => Number(at / ms))
    expect(arrived).to.deep.equal(lines.slice(0, 10_000))
  })

  it('stops at its end, until the path gets another policy', async () => {
    const file = write('once.up', '1\n2\n')
    const { engine, a, b, path } = await makePath({ trace: { file, end: 'stop' } })
    a.send([0, 1, 2, 3].map((tag) => frame({ tag, length: 1500 })))
    engine.advance('24h')
    expect(tags(b)).to.deep.equal([0, 1])
    expect(path.stats()).to.deep.include({ delivered: 2n, waiting: 1n, inFlight: 1n })
    await path.allow()
    a.send(frame({ tag: 4 }))
    engine.advance('0s')
    expect(tags(b)).to.deep.equal([4])
    expect(dropped(path.stats().dropped)).to.deep.equal({ flush: 2 })
    expectBalance(path.stats(), 'a to b')
  })

  it('begins when the path gets it, and goes on through policies that have it too', async () => {
    const trace = slower
    const { engine, a, b, path } = await makePath({})
    const travel = () => {
      const sent = engine.now()
      a.send(frame())
      engine.advance('30ms')
      return (take(b)[0]!.at - sent) / ms
    }
    engine.advance('1h')
    await path.allow({ trace })
    engine.advance('60ms')
    expect(travel()).to.equal(10n)
    expect(await path.allow({ trace: { ...trace } })).to.deep.equal({ up: 0, down: 0, changed: 0 })
    await path.allow({ trace, corrupt: 0.5 })
    engine.advance('30ms')
    expect(travel()).to.equal(20n)
    await path.allow({ trace: { ...trace, offset: '1ms' } }) // another trace
    expect(travel()).to.equal(10n)
    await path.allow()
    await path.allow({ trace: { ...trace, offset: '1ms' } })
    engine.advance('69ms')
    expect(travel()).to.equal(10n)
    expect(travel()).to.equal(20n)
  })

  it('goes on through policies that no frame has met', async () => {
    const { engine, a, b, path } = await makePath({ trace: slower })
    engine.advance('60ms')
    await path.allow({ trace: slower, corrupt: 0.5 })
    engine.advance('60ms')
    a.send(frame())
    engine.advance('30ms')
    expect(times(take(b))).to.deep.equal([140n * ms])
  })

  it('takes from the policy what it lacks', async () => {
    const trace: TraceRow[] = [
      { at: '0s', loss: 1 },
      { at: '5ms', loss: 0 },
    ]
    const { engine, a, b, path } = await makePath({ trace, rate: '1Mbit', delay: '7ms' })
    a.send(kilobit(1))
    engine.advance('5ms')
    a.send(kilobit(2))
    engine.advance('1s')
    expect(take(b).map(({ tag, at }) => [tag, at])).to.deep.equal([[2, 13n * ms]])
    expect(dropped(path.stats().dropped)).to.deep.equal({ loss: 1 })
  })

  it('draws losses of each row with its probability', async () => {
    const { engine, a, b } = await makePath({
      trace: {
        rows: [
          { at: '0s', loss: 0.1 },
          { at: '1s', loss: 0.6 },
        ],
        end: 'hold',
      },
    })
    const lost = (count: number) => {
      a.send(numbered(count))
      engine.advance('1s')
      return count - take(b).length
    }
    // Five standard deviations of 10,000 draws: 150 and 245.
    expect(lost(10_000)).to.be.within(850, 1150)
    expect(lost(10_000)).to.be.within(5755, 6245)
  })

  it('gives the same frames at the same times for any number of workers', async () => {
    const rows = Array.from({ length: 40 }, (_, row): TraceRow => ({
      at: `${row * 250}us`,
      rate: `${(row * 7919) % 23}Mbit`,
      delay: `${((row * 31) % 13) * 100}us`,
      loss: (row % 5) / 10,
    }))
    const run = async (workers: number) => {
      const { engine, a, b } = await makePath(
        { trace: { rows, offset: '3ms' }, jitter: '50us', duplicate: 0.1, corrupt: 0.1, queue: '2ms' },
        { workers },
      )
      for (let tag = 0; tag < 3000; tag++) {
        a.send(frame({ tag, length: 60 + (tag % 1400) }))
        engine.advance('333us')
      }
      engine.advance('1s')
      return take(b).map(({ at, bytes }) => `${at} ${Buffer.from(bytes).toString('base64')}`)
    }
    const alone = await run(1)
    expect(alone.length).to.be.within(500, 3500)
    for (const workers of [2, 3]) expect(await run(workers)).to.deep.equal(alone)
  })

  it('is given back when no path has it any more: 100 large traces, one after the other, cost what two do', async () => {
    const { engine, a, b, path } = await makePath({})
    const lines = Array.from({ length: 50_000 }, (_, at) => at + 1)
    // Another trace of the same file each time, by the size of its opportunities.
    const file = write('long', lines.join('\n'))
    const drive = (number: number) => path.allow({ trace: { file, opportunity: `${1000 + number}B` } })
    for (let number = 0; number < 20; ++number) await drive(number)
    /** Without what JavaScript has not collected yet. */
    const resident = () => {
      const { rss, heapTotal, external } = process.memoryUsage()
      return rss - heapTotal - external
    }
    const before = resident()
    for (let number = 20; number < 100; ++number) await drive(number)
    // Each is 1.6 MB to the lines that it drives. The address sanitizer keeps what was freed.
    if (process.env.ASAN_OPTIONS === undefined) expect(resident() - before).to.be.below(64_000_000)

    await path.allow({ trace: { file, opportunity: '1000B' } }) // one that was given back
    a.send(kilobit())
    engine.advance('1s')
    expect(times(take(b))).to.deep.equal([1n * ms])
  })
})
