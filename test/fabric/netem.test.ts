/**
 * A path with `netem`, as a user sees it, on the virtual clock: frame by frame what an independent model of the kernel's
 * qdisc does, and the numbers that can be worked out by hand. Fixed seeds.
 */
import { expect } from 'chai'
import { Engine, Hub, type PolicyOptions } from '../../lib/index.js'
import { delayTable, type DelayTableName } from '../../lib/policy/lines/delay-tables.js'
import { Draw } from '../helpers/draw.js'
import { closing, dropped, expectBalance, join, tags, take } from '../helpers/fabric.js'
import { frame, numbered } from '../helpers/frames.js'
import { NetemModel, type ModelSettings } from '../helpers/netem-model.js'

const ms = 1_000_000n

describe('netem', () => {
  const closes = closing()
  const makePath = async (policy: PolicyOptions) => {
    const engine = closes(new Engine({ clock: 'virtual', seed: 1, memory: '32MiB' }))
    const hub = new Hub({ engine, name: 'hub', forwarding: 'deny' })
    const [a, b] = await join(hub, 'a', 'b')
    const path = hub.path(a, b)
    await path.allow(policy)
    return { engine, a, b, path }
  }
  /** The tags that arrive of so many frames sent at once, and the path's counters. */
  const survivors = async (netem: string, count: number) => {
    const { engine, a, b, path } = await makePath({ netem })
    a.send(numbered(count))
    engine.advance('1h')
    const stats = path.stats()
    expectBalance(stats, netem)
    return { tags: tags(b), stats }
  }

  describe('against a model of the qdisc', () => {
    interface Drawn {
      words: string
      model: ModelSettings
    }
    const percent = (value: number): number => Math.round((value / 100) * 0xffffffff)
    const tableOf = (name: DelayTableName): Int16Array => {
      const { buffer, byteOffset, byteLength } = delayTable(name).bytes
      return new Int16Array(buffer, byteOffset, byteLength / 2)
    }

    /** A command line and what it means, drawn so that every word meets every other. */
    const draw = (random: Draw): Drawn => {
      const words: string[] = []
      const chance = (): number => random.of([0.5, 3, 10, 25, 50, 90, 100])
      const correlation = (): number => (random.once(2) ? random.of([1, 25, 50, 90]) : 0)
      const model: ModelSettings = {
        seed: BigInt(random.below(1_000_000)),
        limit: 1000,
        delay: 0n,
        jitter: 0n,
        delayCorrelation: 0,
        loss: { model: 'random', probability: 0, correlation: 0 },
        duplicate: 0,
        duplicateCorrelation: 0,
        corrupt: 0,
        corruptCorrelation: 0,
        reorder: 0,
        reorderCorrelation: 0,
        gap: 0,
        rate: 0n,
        packetOverhead: 0,
        cellSize: 0,
        cellOverhead: 0,
      }
      words.push(`seed ${model.seed}`)
      const correlated = { given: false }
      const withCorrelation = (text: string): number => {
        const given = correlation()
        words.push(given === 0 ? text : `${text} ${given}%`)
        correlated.given ||= given !== 0
        return percent(given)
      }
      if (!random.once(4)) {
        const delay = 1 + random.below(2000)
        model.delay = BigInt(delay) * 1000n
        if (random.once(3)) words.push(`delay ${delay}us`)
        else {
          const jitter = 1 + random.below(3000)
          model.jitter = BigInt(jitter) * 1000n
          model.delayCorrelation = withCorrelation(`delay ${delay}us ${jitter}us`)
          if (random.once(2)) {
            const name = random.of(['normal', 'pareto', 'paretonormal'] as const)
            words.push(`distribution ${name}`)
            model.table = tableOf(name)
          }
        }
        if (random.once(2)) {
          const reorder = chance()
          model.reorder = percent(reorder)
          model.reorderCorrelation = withCorrelation(`reorder ${reorder}%`)
          model.gap = random.once(2) ? 1 : 2 + random.below(4)
          if (model.gap > 1) words.push(`gap ${model.gap}`)
        }
      }
      const lossModel = random.below(5)
      if (lossModel === 1) {
        const loss = chance()
        model.loss = {
          model: 'random',
          probability: percent(loss),
          correlation: withCorrelation(`loss ${loss}%`),
        }
      } else if (lossModel === 2) {
        const [p, r, h, k] = [chance(), chance(), chance(), random.of([0, 1, 5])]
        words.push(`loss gemodel ${p}% ${r}% ${h}% ${k}%`)
        model.loss = {
          ...{ model: 'gemodel', p: percent(p), r: percent(r) },
          ...{ h: 0xffffffff - percent(h), k1: percent(k) },
        }
      } else if (lossModel === 3) {
        const [p13, p31, p32, p23, p14] = [5, 40, 10, 50, 2].map((value) => value + random.below(20))
        words.push(`loss state ${p13}% ${p31}% ${p32}% ${p23}% ${p14}%`)
        model.loss = {
          ...{ model: 'state', p13: percent(p13!), p31: percent(p31!), p32: percent(p32!) },
          ...{ p23: percent(p23!), p14: percent(p14!) },
        }
      }
      if (random.once(3)) {
        const corrupt = chance()
        model.corrupt = percent(corrupt)
        model.corruptCorrelation = withCorrelation(`corrupt ${corrupt}%`)
      }
      if (random.once(2)) {
        const [duplicate, own] = [chance(), correlation()]
        model.duplicate = percent(duplicate)
        words.push(`duplicate ${duplicate}% ${own}%`)
        model.duplicateCorrelation = percent(own)
      }
      if (!correlated.given) model.duplicateCorrelation = 0 // tc's quirk
      if (random.once(2)) {
        const kilobits = random.of([500, 2000, 10_000, 999_999])
        model.rate = BigInt(kilobits) * 125n
        words.push(`rate ${kilobits}kbit`)
        if (random.once(2)) {
          model.packetOverhead = random.below(60) - 14
          words.push(String(model.packetOverhead))
          if (random.once(2)) {
            ;[model.cellSize, model.cellOverhead] = [48, random.below(9) - 2]
            words.push(`48 ${model.cellOverhead}`)
          }
        }
      }
      if (random.once(3)) {
        const [least, spread] = [random.below(2000) + 1, random.below(2) * random.below(1000)]
        const [packets, bytes] = [random.below(2) * random.below(5), random.below(2) * random.below(3000)]
        const budgets = `packets ${packets} bytes ${bytes}`
        if (random.once(3)) {
          const name = random.of(['normal', 'pareto'] as const)
          const [jitter, zero] = [BigInt(1 + spread) * 1000n, 0n]
          model.slot = {
            table: tableOf(name),
            jitter,
            least: BigInt(least) * 1000n,
            most: zero,
            packets,
            bytes,
          }
          words.push(`slot distribution ${name} ${least}us ${1 + spread}us ${budgets}`)
        } else {
          model.slot = { least: BigInt(least) * 1000n, most: BigInt(least + spread) * 1000n, packets, bytes }
          words.push(`slot ${least}us ${least + spread}us ${budgets}`)
        }
      }
      if (random.once(2)) {
        model.limit = 1 + random.below(40)
        words.push(`limit ${model.limit}`)
      }
      return { words: words.join(' '), model }
    }

    for (let group = 0; group < 10; group++) {
      it(`gives every frame the same fate, to the bit and the nanosecond: configurations ${20 * group} to ${20 * group + 19}`, async () => {
        for (let which = 20 * group; which < 20 * group + 20; which++) {
          const random = new Draw(1000 + which)
          const { words, model: settings } = draw(random)
          const { engine, a, b, path } = await makePath({ netem: words, seed: which })
          const model = new NetemModel(settings, BigInt(which))
          let now = 0n
          for (let tag = 0; tag < 150;) {
            const burst = numbered(1 + random.below(random.of([1, 1, 8]))).map((_, index) => ({
              tag: tag + index,
              length: 60 + random.below(1455),
            }))
            a.send(burst.map((words) => frame(words)))
            engine.advance('0s')
            for (const packet of burst) {
              model.runUntil(now)
              model.arrive(packet, now)
            }
            tag += burst.length
            const pause = BigInt(random.below(random.of([1, 2000, 1_000_000, 10_000_000])))
            now += pause
            engine.advance(`${Number(pause)}ns`)
          }
          engine.advance('1h')
          model.runUntil(now + 3_600_000_000_000n)

          const show = (at: bigint, bytes: Uint8Array) => `${at} ${Buffer.from(bytes).toString('base64')}`
          const expected = model.departures.map(({ at, tag, length, bit }) => {
            const bytes = frame({ tag, length })
            if (bit !== undefined) bytes[bit >> 3]! ^= 1 << (bit & 7)
            return show(at, bytes)
          })
          expect(
            take(b).map(({ at, bytes }) => show(at, bytes)),
            words,
          ).to.deep.equal(expected)
          const stats = path.stats()
          expectBalance(stats, words)
          expect(
            [stats.dropped.loss, stats.dropped.queue, stats.duplicated].map(Number),
            words,
          ).to.deep.equal([model.lost, model.tailDropped, model.duplicated])
        }
      })
    }
  })

  describe('jitter', () => {
    /** Delays in units of sigma around the mean, of 100,000 frames with 100 ms and 10 ms. */
    const shape = async (words: string) => {
      const { engine, a, b } = await makePath({ netem: `delay 100ms 10ms ${words}` })
      const delays: number[] = []
      for (let sent = 0; sent < 100_000; sent += 1000) {
        const at = engine.now()
        a.send(numbered(1000))
        engine.advance('1s')
        for (let batch = b.read(); batch; batch = b.read())
          for (let index = 0; index < batch.length; index++)
            delays.push((Number(batch.at(index) - at) - 100e6) / 10e6)
      }
      const mean = delays.reduce((sum, delay) => sum + delay, 0) / delays.length
      const deviation = Math.sqrt(delays.reduce((sum, delay) => sum + (delay - mean) ** 2, 0) / delays.length)
      delays.sort((one, other) => one - other)
      const at = (share: number): number => delays[Math.floor(share * delays.length)]!
      return { mean, deviation, least: at(0), median: at(0.5), p90: at(0.9), most: delays.at(-1)! }
    }
    // The bound is five deviations of a mean of 100,000 (0.016 at a deviation of 1); quantiles and deviations have more.
    const tables: [string, Awaited<ReturnType<typeof shape>>][] = [
      ['', { mean: 0, deviation: 0.577, least: -1, median: 0, p90: 0.8, most: 1 }],
      ['distribution normal', { mean: -0.0008, deviation: 1, least: -4, median: 0, p90: 1.281, most: 3.523 }],
      [
        'distribution pareto',
        { mean: -0.0335, deviation: 0.82, least: -0.667, median: -0.32, p90: 0.872, most: 4 },
      ],
      [
        'distribution paretonormal',
        { mean: -0.0253, deviation: 0.834, least: -1.502, median: -0.24, p90: 0.974, most: 3.88 },
      ],
    ]
    for (const [words, expected] of tables)
      it(`has the numbers of tc's table: ${words || 'uniform'}`, async () => {
        const found = await shape(words)
        for (const key of ['mean', 'deviation', 'least', 'median', 'p90', 'most'] as const)
          expect(found[key], key).to.be.closeTo(expected[key], 0.035)
      })

    it('keeps its spread whatever the correlation, since the kernel takes a remainder of the draw', async () => {
      expect((await shape('75% distribution normal')).deviation).to.be.closeTo(1, 0.035)
      expect((await shape('75%')).deviation).to.be.closeTo(0.577, 0.035)
    })
  })

  it('drops the frames that the kernel drops for a seed', async () => {
    const vectors: [string, number[]][] = [
      ['1', [0, 1, 3, 8, 9, 15, 22, 28, 42, 54, 61, 73, 77, 80, 84]],
      ['7', [1, 3, 11, 15, 39, 78, 82]],
      ['123456789012345', [10, 31, 36, 50, 53, 80, 81, 90, 94]],
    ]
    for (const [seed, lost] of vectors) {
      const { tags, stats } = await survivors(`loss 10% seed ${seed}`, 100)
      expect(Array.from({ length: 100 }, (_, tag) => tag).filter((tag) => !tags.includes(tag))).to.deep.equal(
        lost,
      )
      expect(dropped(stats.dropped)).to.deep.equal({ loss: lost.length })
    }
  })

  it('draws from the path: repeats for the same seed, differs for another', async () => {
    const run = async (seed: number) => {
      const { engine, a, b } = await makePath({ netem: 'delay 10ms 5ms 50% loss 20%', seed })
      a.send(numbered(200))
      engine.advance('1s')
      return take(b).map(({ tag, at }) => `${tag} ${at}`)
    }
    expect(await run(1)).to.deep.equal(await run(1))
    expect(await run(1)).to.not.deep.equal(await run(2))
  })

  it('drops the k-th frame that finds the limit reached, in flight or not', async () => {
    const { tags, stats } = await survivors('delay 100ms limit 7', 10)
    expect(tags).to.deep.equal([0, 1, 2, 3, 4, 5, 6])
    expect(dropped(stats.dropped)).to.deep.equal({ queue: 3 })
    expect((await survivors('limit 0', 3)).tags).to.deep.equal([])
  })

  it('lets every n-th frame go first, before all that waits', async () => {
    const { engine, a, b } = await makePath({ netem: 'delay 10ms reorder 100% gap 4' })
    for (const bytes of numbered(12)) {
      a.send(bytes)
      engine.advance('1ms')
    }
    engine.advance('1s')
    expect(take(b).map(({ tag, at }) => [tag, at / ms])).to.deep.equal(
      [3, 7, 0, 1, 11, 2, 4, 5, 6, 8, 9, 10].map((tag) => [tag, BigInt(tag + (tag % 4 === 3 ? 0 : 10))]),
    )
  })

  it('takes the delay once where a rate makes frames queue', async () => {
    // 1250 bytes at 10 Mbit/s are 1 ms: the first leaves after 5 + 1 ms, each other 1 ms behind it.
    const { engine, a, b } = await makePath({ netem: 'delay 5ms rate 10mbit' })
    a.send(numbered(4, { length: 1250 }))
    engine.advance('1s')
    a.send(numbered(1, { length: 1250 }))
    engine.advance('1s')
    expect(take(b).map(({ at }) => at)).to.deep.equal([6n, 7n, 8n, 9n, 1006n].map((at) => at * ms))
  })

  it('adds the times of frames, each rounded down, over a million frames', async () => {
    // 97 bytes at 7 Mbit/s are 110857.14 ns, and the kernel drops the fraction of each.
    const { engine, a, b } = await makePath({ netem: 'rate 7mbit limit 2000' })
    let last = 0n
    for (let sent = 0; sent < 1_000_000; sent += 1000) {
      a.send(new Array<Uint8Array>(1000).fill(frame({ length: 97 })))
      engine.advance('110857000ns')
      for (let batch = b.read(); batch; batch = b.read()) last = batch.at(batch.length - 1)
    }
    expect(last).to.equal(110_857n * 1_000_000n)
  })

  it('opens slots, each for its packets and bytes', async () => {
    const { engine, a, b } = await makePath({ netem: 'slot 5ms packets 3 bytes 200' })
    a.send(numbered(10))
    engine.advance('1s')
    expect(take(b).map(({ at }) => at / ms)).to.deep.equal([5, 5, 5, 10, 10, 10, 15, 15, 15, 20].map(BigInt))
    const long = await makePath({ netem: 'slot 5ms packets 3 bytes 200' })
    long.a.send(numbered(3, { length: 150 }))
    long.engine.advance('1s')
    expect(take(long.b).map(({ at }) => at / ms)).to.deep.equal([5n, 5n, 10n])
  })

  it('sends a frame that is due when its slot begins', async () => {
    const { engine, a, b } = await makePath({ netem: 'delay 5ms slot 5ms' })
    a.send(frame())
    engine.advance('1s')
    expect(take(b).map(({ at }) => at / ms)).to.deep.equal([5n])
  })

  it('keeps delays of 1 ns and of an hour, and jitter above the delay sends at once', async () => {
    for (const [netem, at] of [
      ['delay 1ns', 1n],
      ['delay 3600s', 3_600_000_000_000n],
    ] as const) {
      const { engine, a, b } = await makePath({ netem })
      a.send(frame())
      engine.advance('1h')
      expect(take(b).map((each) => each.at)).to.deep.equal([at])
    }
    const { engine, a, b } = await makePath({ netem: 'delay 1ms 100ms limit 2000' })
    a.send(numbered(1000))
    engine.advance('0s')
    // Below zero with probability 99/200: 495 ± 16, four standard deviations.
    expect(take(b).length).to.be.within(431, 559)
    engine.advance('1s')
    expect(Number(take(b).at(-1)?.at)).to.be.within(95e6, 101e6)
  })

  it('sends on average the copies that the order of draws gives', async () => {
    // (1-d)(1-p) + dp + d(1-p)(2-p) copies per frame. With a deviation of about 0.55 each, five of 100,000 are 0.0087.
    const { engine, a, b } = await makePath({ netem: 'duplicate 10% loss 20%' })
    let copies = 0
    for (let sent = 0; sent < 100_000; sent += 500) {
      a.send(numbered(500))
      engine.advance('1us')
      copies += take(b).length
    }
    expect(copies / 100_000).to.be.within(0.8753, 0.8927)
  })

  it('marks instead of losing where the sender understands it', async () => {
    const { engine, a, b, path } = await makePath({ netem: 'loss 100% ecn' })
    const capable = frame({ length: 60 })
    capable.set([0x08, 0x00, 0x45, 0x02, 0, 46, 0, 0, 0, 0, 64, 17], 12)
    a.send([capable, frame()])
    engine.advance('0s')
    expect(take(b).map(({ bytes }) => bytes[15])).to.deep.equal([0x03])
    expect(dropped(path.stats().dropped)).to.deep.equal({ loss: 1 })
  })

  it('survives changes under traffic: queued frames keep their departure, none is overtaken, all are counted', async () => {
    const policies: PolicyOptions[] = [
      { netem: 'delay 20ms 15ms rate 1mbit slot 3ms 5ms packets 2' },
      { delay: '1ms', rate: '2Mbit' },
      { netem: 'delay 1ms' },
      {},
      { delay: '50ms' },
      { netem: 'rate 10mbit delay 5ms' },
      { rate: '500kbit' },
      { netem: 'loss 0%' },
    ]
    const { engine, a, b, path } = await makePath(policies[0]!)
    const random = new Draw(5)
    const epochs: number[] = []
    for (let epoch = 0; epoch < 60; epoch++) {
      const frames = Array.from({ length: random.below(6) }, (_, index) =>
        frame({ tag: epochs.length + index, length: 200 }),
      )
      for (const _ of frames) epochs.push(epoch)
      a.send(frames)
      engine.advance(`${random.below(6)}ms`)
      expectBalance(path.stats(), `epoch ${epoch}`)
      await path.allow(policies[random.below(policies.length)])
    }
    engine.advance('1h')
    const arrived = take(b).map(({ tag }) => epochs[tag]!)
    expect(arrived).to.have.length(epochs.length)
    expect(arrived).to.deep.equal([...arrived].sort((x, y) => x - y))
    const stats = path.stats()
    expect([stats.waiting, stats.inFlight]).to.deep.equal([0n, 0n])
  })

  it('keeps the departures of what it held when another policy comes', async () => {
    const { engine, a, b, path } = await makePath({ netem: 'delay 10ms slot 4ms packets 1' })
    a.send(numbered(2))
    engine.advance('1ms')
    await path.allow()
    a.send(frame({ tag: 2 }))
    engine.advance('1s')
    expect(take(b).map(({ tag, at }) => [tag, at / ms])).to.deep.equal([
      [0, 14n],
      [1, 18n],
      [2, 18n],
    ])
  })

  it('begins its model of losses again when its words change, as the kernel does', async () => {
    const { engine, a, b, path } = await makePath({ netem: 'delay 9ms' })
    const passed: number[] = []
    for (let change = 1; change <= 3; change++) {
      // The first frame passes in the good state; the bad one, which loses all, is not left.
      await path.allow({ netem: `delay ${change}ms loss gemodel 100% 0%` })
      a.send(numbered(10))
      engine.advance('1s')
      passed.push(...tags(b))
    }
    expect(passed).to.deep.equal([0, 0, 0])
  })

  it('drops what waits on a flush, and shows it before as waiting', async () => {
    const { engine, a, b, path } = await makePath({ netem: 'delay 10ms' })
    a.send(numbered(5))
    engine.advance('1ms')
    expect(path.stats()).to.deep.include({ waiting: 5n, inFlight: 0n })
    await path.allow({ netem: 'delay 1ms' }, { flush: true })
    engine.advance('1s')
    expect(dropped(path.stats().dropped)).to.deep.equal({ flush: 5 })
    expect(take(b)).to.have.length(0)
  })
})
