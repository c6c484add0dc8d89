/**
 * Losses, outages and jitter as a user meets them: through the API, on a virtual clock, with fixed seeds. The closed forms
 * at a million frames are in test/native/loss_models_test.cpp. Bounds are five standard deviations.
 */
import { expect } from 'chai'
import { Engine, Hub, type PathStats, type PolicyOptions } from '../../lib/index.js'
import { delayTable } from '../../lib/policy/lines/delay-tables.js'
import { closing, dropped, expectBalance, join, take, type Delivered } from '../helpers/fabric.js'
import { frame, numbered } from '../helpers/frames.js'

const ms = 1_000_000n

describe('Impairments on a path', () => {
  const closes = closing()

  /** What arrives of `count` frames, all of which depart at once, or each `apart` after the one before. */
  const run = async (
    policy: PolicyOptions,
    {
      count = 10_000,
      apart,
      workers = 1,
      frames,
    }: { count?: number; apart?: '1ms' | '10s'; workers?: number; frames?: Uint8Array[] } = {},
  ): Promise<{ got: Delivered[]; stats: PathStats }> => {
    const engine = closes(new Engine({ clock: 'virtual', seed: 5, workers }))
    const hub = new Hub({ engine, name: 'hub' })
    const [a, b] = await join(hub, 'a', 'b')
    await hub.path(a, b).allow(policy)
    const sent = frames ?? numbered(count)
    const got: Delivered[] = []
    if (apart === undefined) a.send(sent)
    else
      for (const bytes of sent) {
        a.send([bytes])
        engine.advance(apart)
        got.push(...take(b))
      }
    engine.advance('1h')
    got.push(...take(b))
    const stats = hub.path(a, b).stats()
    expectBalance(stats, JSON.stringify(policy))
    return { got, stats }
  }
  /** '.' for a frame that arrives, 'x' for one that does not. */
  const fates = ({ got }: { got: Delivered[] }, count: number): string => {
    const seen = new Set(got.map(({ tag }) => tag))
    return Array.from({ length: count }, (_, tag) => (seen.has(tag) ? '.' : 'x')).join('')
  }
  const within = (value: number, mean: number, deviation: number): void => {
    expect(value).to.be.within(mean - 5 * deviation, mean + 5 * deviation)
  }

  const losses: [PolicyOptions, rate: number, correlation: number][] = [
    [{ loss: { rate: 0.1, correlation: 0.5 } }, 0.1, 0.5],
    [{ loss: { rate: 0.1, burst: 4 } }, 0.1, 1 - 0.25 - 0.1 / 3.6],
    [{ loss: { rate: 0.1, burst: { exactly: 3 } } }, 0.1, 0.5],
    [
      { loss: { model: 'gemodel', p: 0.05, r: 0.2, lossBad: 0.7, lossGood: 0.01 } },
      0.043 / 0.25 - 0.024,
      0.75,
    ],
    [{ loss: { model: 'state', p13: 0.05, p31: 0.95, p23: 1 } }, 0.05, 0.05],
    [{ bitErrorRate: 1e-4 }, 1 - (1 - 1e-4) ** 480, 0],
  ]
  for (const [policy, rate, correlation] of losses)
    it(`${JSON.stringify(policy)} loses ${rate.toFixed(3)} of all frames, the same for any number of workers`, async () => {
      const result = await run(policy)
      const lost = Number(result.stats.dropped.loss)
      const deviation = Math.sqrt((10_000 * rate * (1 - rate) * (1 + correlation)) / (1 - correlation))
      within(lost, 10_000 * rate, deviation)
      expect(dropped(result.stats.dropped)).to.deep.equal({ loss: lost })
      expect(result.got).to.have.lengthOf(10_000 - lost)
      expect(fates(await run(policy, { workers: 2 }), 10_000)).to.equal(fates(result, 10_000))
    })

  it('bursts have the length that was asked for', async () => {
    const runs =
      (await run({ loss: { rate: 0.2, burst: 4 } }).then((result) => fates(result, 10_000))).match(/x+/g) ??
      []
    const mean = runs.reduce((sum, { length }) => sum + length, 0) / runs.length
    within(mean, 4, Math.sqrt(12 / runs.length))
    const exact = fates(await run({ loss: { rate: 0.05, burst: { exactly: 3 } } }), 10_000)
    for (const { length } of exact.replace(/x+$/, '').match(/x+/g) ?? []) expect(length % 3).to.equal(0)
  })

  it('every third frame is lost, whatever else is drawn, and each path counts by itself', async () => {
    expect(fates(await run({ dropEvery: 3 }, { count: 12 }), 12)).to.equal('..x'.repeat(4))
    expect(fates(await run({ dropEvery: 1 }, { count: 5 }), 5)).to.equal('xxxxx')
    const { stats } = await run({ dropEvery: 3, loss: 0.5, duplicate: 1 }, { count: 3000 })
    within(Number(stats.dropped.loss), 2 * (1000 + 1000), 2 * Math.sqrt(2000 * 0.25))
  })

  it('an outage is dead by the clock, whatever comes', async () => {
    const outage = { every: '10ms', for: '3ms', offset: '4ms' } as const
    expect(fates(await run({ outage }, { count: 30, apart: '1ms' }), 30)).to.equal('....xxx...'.repeat(3))
    const { stats } = await run({ outage: { ...outage, offset: '0s' } }, { count: 10 })
    expect(dropped(stats.dropped)).to.deep.equal({ loss: 10 })
  })

  it('a random outage is dead for its share', async () => {
    const { stats } = await run(
      { outage: { every: '100ms', for: '20ms', random: true } },
      { count: 2000, apart: '10s' },
    )
    within(Number(stats.dropped.loss), 400, Math.sqrt(2000 * 0.2 * 0.8))
  })

  it('no stage shifts another: a loss beside duplicates and jitter loses what it loses alone', async () => {
    const policies: PolicyOptions[] = [
      { loss: { rate: 0.1, correlation: 0.5 } },
      { duplicate: { rate: 0.2, burst: 3 } },
      { delay: '1ms', jitter: '1us', distribution: 'normal', delayCorrelation: 0.5 },
    ]
    const alone = fates(await run(policies[0] ?? {}, { count: 2000 }), 2000)
    const together = await run(Object.assign({}, ...policies) as PolicyOptions, { count: 2000 })
    expect(together.stats.duplicated > 0n).to.equal(true)
    expect(fates(together, 2000)).to.equal(alone)
  })

  it('ecn marks what the loss picks, where it can', async () => {
    const capable = (ecn: number): Uint8Array => {
      const bytes = frame()
      new DataView(bytes.buffer).setUint16(12, 0x0800)
      bytes.set([0x45, ecn, 0, 46], 14)
      return bytes
    }
    const { got, stats } = await run(
      { loss: 1, ecn: true },
      { frames: [capable(1), capable(0), capable(2), frame()] },
    )
    expect(got.map(({ bytes }) => (bytes[15] ?? 0) & 3)).to.deep.equal([3, 3])
    expect(dropped(stats.dropped)).to.deep.equal({ loss: 2 })
  })

  it('gap: with certain reorder, each fifth frame goes first', async () => {
    const { got } = await run({ delay: '10ms', reorder: 1, gap: 5 }, { count: 20 })
    expect(got.map(({ tag, at }) => [tag, at])).to.deep.equal([
      ...[4, 9, 14, 19].map((tag) => [tag, 0n]),
      ...Array.from({ length: 20 }, (_, tag) => tag)
        .filter((tag) => tag % 5 !== 4)
        .map((tag) => [tag, 10n * ms]),
    ])
  })

  for (const name of ['normal', 'pareto', 'paretonormal'] as const)
    describe(`${name}, 100 ms and 20 ms`, () => {
      /** Each is one of the table's, and each as likely (Kolmogorov and Smirnov). */
      const expectTable = (delays: readonly bigint[]): void => {
        const { bytes } = delayTable(name)
        const inTable = [...new Int16Array(bytes.buffer)]
          .map((value) => 100_000_000 + Math.sign(value) * Math.round((20_000_000 * Math.abs(value)) / 8192))
          .sort((a, b) => a - b)
        const counts = new Map<number, number>()
        for (const delay of delays) counts.set(Number(delay), (counts.get(Number(delay)) ?? 0) + 1)
        let [measured, expected, farthest] = [0, 0, 0]
        for (const [index, delay] of inTable.entries()) {
          expected += 1 / inTable.length
          if (inTable[index + 1] === delay) continue
          measured += (counts.get(delay) ?? 0) / delays.length
          counts.delete(delay)
          farthest = Math.max(farthest, Math.abs(measured - expected))
        }
        expect([...counts.keys()], 'delays that are not in the table').to.deep.equal([])
        expect(farthest).to.be.below(1.95 / Math.sqrt(delays.length)) // 99.9 %
      }
      /** When the frames of 20 runs arrive, 5000 of each, all sent at 0. */
      const arrivals = async (policy: PolicyOptions): Promise<bigint[][]> => {
        const runs: bigint[][] = []
        for (let seed = 1; seed <= 20; ++seed)
          runs.push((await run({ ...policy, seed }, { count: 5000 })).got.map(({ at }) => at))
        expect(runs.flat()).to.have.lengthOf(100_000)
        return runs
      }
      const shape = { delay: '100ms', jitter: '20ms', distribution: name } as const

      it('delays of frames', async () => {
        // reorder so small that it never happens lets frames overtake, so that none waits for the one before.
        expectTable((await arrivals({ ...shape, reorder: 1e-12 })).flat())
      })

      it('times between slots', async () => {
        const runs = await arrivals({ slot: { ...shape, frames: 1 }, queue: '5000frames' })
        expectTable(runs.flatMap((at) => at.map((each, index) => each - (at[index - 1] ?? 0n))))
      })
    })

  it('jitter far above the delay: none early, none overtakes', async () => {
    const { got } = await run(
      { delay: '1ms', jitter: '10ms', distribution: 'normal' },
      { count: 1000, apart: '1ms' },
    )
    expect(got.map(({ tag }) => tag)).to.deep.equal([...Array(1000).keys()])
    for (const { tag, at } of got) expect(at >= BigInt(tag) * ms).to.equal(true)
  })

  it('the same seed gives the same delays, for any number of workers', async () => {
    const policy: PolicyOptions = {
      delay: '5ms',
      jitter: '2ms',
      distribution: 'pareto',
      delayCorrelation: 0.7,
      reorder: 1e-12, // so that none waits for the one before
    }
    const times = async (workers: number) =>
      (await run(policy, { count: 2000, workers })).got.map(({ at }) => at)
    const one = await times(1)
    expect(await times(3)).to.deep.equal(one)
    expect(new Set(one).size).to.be.above(500)
  })
})
