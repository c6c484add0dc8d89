/**
 * What a path does to frames, to the nanosecond and within stated bounds. Virtual clock, fixed seeds.
 * Statistics: 10,000 draws; the bounds are three standard deviations around the mean (S12).
 */
import { expect } from 'chai'
import { Engine, Hub, MemoryPort, type FilterSource, type PolicyOptions } from '../../lib/index.js'
import { closing, dropped, expectBalance, join, tags, take } from '../helpers/fabric.js'
import { frame, numbered, station } from '../helpers/frames.js'

const ms = 1_000_000n

describe('Path', () => {
  const closes = closing()
  /** A hub with one allowed pair, each way: a → b with this policy, b → a without impairments. */
  const makePair = async (policy: PolicyOptions, seed = 1n, name = 'hub') => {
    const engine = closes(new Engine({ clock: 'virtual', seed }))
    const hub = new Hub({ engine, name, forwarding: 'deny' })
    const [a, b] = await join(hub, 'a', 'b')
    await hub.path(a, b).allow(policy)
    await hub.path(b, a).allow()
    const path = hub.path(a, b)
    return { engine, hub, a, b, path }
  }
  /** The tags of `count` frames that arrive. */
  const survivors = async (policy: PolicyOptions, seed?: bigint, count = 10_000, name?: string) => {
    const { engine, a, b, path } = await makePair(policy, seed, name)
    a.send(numbered(count))
    engine.advance('1s')
    const stats = path.stats()
    expectBalance(stats, 'a to b')
    return { tags: tags(b), stats }
  }

  describe('filter', () => {
    const toTwo = frame({ to: station(2), tag: 2 })
    const toThree = frame({ to: station(3), tag: 3 })
    const both: [string, FilterSource][] = [
      ['an expression', `ether dst ${station(2)}`],
      ['a match object', { destinationMac: station(2) }],
    ]
    for (const [form, filter] of both) {
      it(`passes what ${form} accepts, and counts the rest`, async () => {
        const { engine, a, b, path } = await makePair({ filter })
        a.send([toThree, toTwo, toThree])
        engine.advance('0s')
        expect(tags(b)).to.deep.equal([2])
        expect(path.stats()).to.deep.include({ offered: 3n, delivered: 1n })
        expect(dropped(path.stats().dropped)).to.deep.equal({ filter: 2 })
      })
    }

    it('drops what one of several accepts, of what the other lets pass', async () => {
      const { engine, a, b, path } = await makePair({
        filter: { length: { max: 100 } },
        drop: [{ destinationMac: station(2) }, 'ether src 02:01:00:00:00:09'],
      })
      const fromNine = frame({ from: station(9), to: station(3), tag: 9 })
      const long = frame({ to: station(3), tag: 4, length: 200 })
      a.send([toTwo, toThree, fromNine, long])
      engine.advance('0s')
      expect(tags(b)).to.deep.equal([3])
      expect(dropped(path.stats().dropped)).to.deep.equal({ filter: 3 })
    })

    it('accepts nothing that would read beyond the end of a frame: it passes no such frame, and drops none', async () => {
      const beyond = 'ether[60:4] != 1'
      const { engine, a, b, path } = await makePair({ filter: beyond })
      const send = (): number[] => {
        a.send([frame({ tag: 1, length: 60 }), frame({ tag: 2, length: 64 })])
        engine.advance('0s')
        return tags(b)
      }
      expect(send()).to.deep.equal([2])
      await path.allow({ drop: beyond })
      expect(send()).to.deep.equal([1])
      // Which is not what the opposite lets pass.
      await path.allow({ filter: `not (${beyond})` })
      expect(send()).to.deep.equal([])
    })

    it('judges each path by its own filter, shared or not', async () => {
      const { engine, hub, a, b } = await makePair({ filter: { destinationMac: station(2) } })
      const [c, d] = await join(hub, 'c', 'd')
      await hub.path(a, c).allow({ filter: { destinationMac: station(2) }, delay: '1ms' })
      await hub.path(a, d).allow({ filter: { destinationMac: station(3) } })
      a.send([toTwo, toThree])
      engine.advance('1ms')
      expect([b, c, d].map(tags)).to.deep.equal([[2], [2], [3]])
    })

    it('comes before the line: what it refuses takes no time', async () => {
      const { engine, a, b } = await makePair({ filter: { destinationMac: station(2) }, rate: '480bit' })
      a.send([toThree, toTwo])
      engine.advance('1s')
      expect(take(b).map(({ at }) => at)).to.deep.equal([1_000_000_000n])
    })
  })

  describe('delay', () => {
    it('adds exactly the travel time', async () => {
      const { engine, a, b } = await makePair({ delay: '1234567ns' })
      engine.advance('1ns')
      a.send(frame())
      engine.advance('1234566ns')
      expect(take(b)).to.have.length(0)
      engine.advance('1ns')
      expect(take(b).map(({ at }) => at)).to.deep.equal([1_234_568n])
    })

    it('keeps order and spacing, and shows what is under way', async () => {
      const { engine, a, b, path } = await makePair({ delay: '10ms' })
      for (let tag = 0; tag < 5; tag++) {
        a.send(frame({ tag }))
        engine.advance('1ms')
      }
      expect(path.stats()).to.deep.include({ inFlight: 5n, waiting: 0n, delivered: 0n })
      engine.advance('10ms')
      expect(take(b).map(({ tag, at }) => [tag, at])).to.deep.equal(
        [0, 1, 2, 3, 4].map((tag) => [tag, 10n * ms + BigInt(tag) * ms]),
      )
    })

    it('holds for one direction only', async () => {
      const { engine, a, b } = await makePair({ delay: '10ms' })
      a.send(frame())
      b.send(frame())
      engine.advance('0s')
      expect([take(a).length, take(b).length]).to.deep.equal([1, 0])
    })
  })

  describe('jitter', () => {
    /** Travel times of frames sent 1 s apart, so that none is in the way of another. */
    const travels = async (policy: PolicyOptions, count = 2000) => {
      const { engine, a, b } = await makePair(policy)
      const sent: bigint[] = []
      for (let tag = 0; tag < count; tag++) {
        sent.push(engine.now())
        a.send(frame({ tag }))
        engine.advance('1s')
      }
      return take(b).map(({ at, tag }) => Number(at - sent[tag]!))
    }

    it('spreads evenly over delay ± jitter and never beyond', async () => {
      const times = await travels({ delay: '10ms', jitter: '4ms' })
      expect(Math.min(...times)).to.be.within(6_000_000, 6_050_000)
      expect(Math.max(...times)).to.be.within(13_950_000, 14_000_000)
      const tenths = new Array<number>(10).fill(0)
      for (const time of times) tenths[Math.min(9, Math.floor((time - 6_000_000) / 800_000))]!++
      // 2000 frames in ten tenths: 200 ± 13.4 each; four standard deviations.
      for (const tenth of tenths) expect(tenth).to.be.within(146, 254)
    })

    it('never goes below zero', async () => {
      const times = await travels({ delay: '1ms', jitter: '10ms' })
      expect(Math.min(...times)).to.equal(0)
      expect(Math.max(...times)).to.be.within(10_900_000, 11_000_000)
    })

    it('does not reorder', async () => {
      const { engine, a, b } = await makePair({ delay: '10ms', jitter: '10ms' })
      for (let tag = 0; tag < 3000; tag++) {
        a.send(frame({ tag }))
        engine.advance('100us')
      }
      engine.advance('20ms')
      const all = take(b)
      expect(all.map(({ tag }) => tag)).to.deep.equal(Array.from({ length: 3000 }, (_, tag) => tag))
      expect(new Set(all.map(({ at }) => at)).size).to.be.above(100)
    })
  })

  describe('reorder', () => {
    it('lets a quarter of the frames skip 10 ms and overtake (S12)', async () => {
      const { engine, a, b } = await makePair({ delay: '10ms', reorder: 0.25 })
      for (let tag = 0; tag < 10_000; tag++) {
        a.send(frame({ tag }))
        engine.advance('1ms')
      }
      engine.advance('10ms')
      const all = take(b)
      expect(all).to.have.length(10_000)
      const skipped = all.filter(({ tag, at }) => at === BigInt(tag) * ms)
      expect(skipped.length).to.be.within(2370, 2630)
      expect(all.filter(({ tag, at }) => at === BigInt(tag) * ms + 10n * ms)).to.have.length(
        10_000 - skipped.length,
      )
    })

    it('keeps the order of what does not skip', async () => {
      const { engine, a, b } = await makePair({ delay: '10ms', reorder: 0.25 })
      for (let tag = 0; tag < 1000; tag++) {
        a.send(frame({ tag }))
        engine.advance('100us')
      }
      engine.advance('10ms')
      const slow = take(b).filter(({ tag, at }) => at !== BigInt(tag) * 100_000n)
      expect(slow.map(({ tag }) => tag)).to.deep.equal(slow.map(({ tag }) => tag).sort((x, y) => x - y))
    })
  })

  describe('statistics (S12)', () => {
    it('loses 10 % of 10,000 frames: 9.1 to 10.9 %', async () => {
      const { tags, stats } = await survivors({ loss: 0.1 })
      expect(10_000 - tags.length).to.be.within(910, 1090)
      expect(dropped(stats.dropped)).to.deep.equal({ loss: 10_000 - tags.length })
    })

    it('sends 5 % twice: 4.35 to 5.65 % extra, side by side', async () => {
      const { tags, stats } = await survivors({ duplicate: 0.05 })
      expect(tags.length - 10_000).to.be.within(435, 565)
      expect(stats.duplicated).to.equal(BigInt(tags.length - 10_000))
      expect(tags).to.deep.equal([...tags].sort((x, y) => x - y))
    })

    it('corrupts 1 %: exactly one bit of each, anywhere in the frame', async () => {
      const { engine, a, b } = await makePair({ corrupt: 0.01 })
      const clean = new Uint8Array(100).fill(0x55)
      a.send(new Array<Uint8Array>(10_000).fill(clean))
      engine.advance('0s')
      let header = 0
      let corrupt = 0
      for (let batch = b.read(); batch; batch = b.read()) {
        for (const bytes of batch) {
          const bits = bytes.map((byte, index) => byte ^ clean[index]!)
          const flipped = bits.reduce((total, byte) => total + byte.toString(2).replaceAll('0', '').length, 0)
          if (flipped === 0) continue
          expect(flipped).to.equal(1)
          corrupt++
          if (bits.findIndex((byte) => byte !== 0) < 14) header++
        }
      }
      expect(corrupt).to.be.within(70, 130)
      expect(header, '14 of 100 bytes are header').to.be.within(3, 30)
    })

    it('leaves the copies of other paths alone when it corrupts', async () => {
      const { engine, hub, a, b } = await makePair({ corrupt: 1 })
      const [c] = await join(hub, 'c')
      await hub.path(a, c).allow()
      a.send(frame({ tag: 1 }))
      engine.advance('0s')
      expect(take(c)[0]!.bytes).to.deep.equal(frame({ tag: 1 }))
      expect(take(b)[0]!.bytes).to.not.deep.equal(frame({ tag: 1 }))
    })

    it('leaves the reverse direction unaffected', async () => {
      const { engine, a, b } = await makePair({ loss: 0.9, duplicate: 0.9, corrupt: 0.9, delay: '1s' })
      b.send(numbered(1000))
      engine.advance('0s')
      const back = take(a)
      expect(back.map(({ bytes }) => bytes)).to.deep.equal(numbered(1000))
    })
  })

  describe('seeds', () => {
    it('give the same fates again', async () => {
      const policy = { loss: 0.3, duplicate: 0.2 }
      const first = await survivors(policy, 42n, 1000)
      expect((await survivors(policy, 42n, 1000)).tags).to.deep.equal(first.tags)
      expect((await survivors(policy, 43n, 1000)).tags).to.not.deep.equal(first.tags)
    })

    it('depend on the names of fabric and ports', async () => {
      const here = await survivors({ loss: 0.3 }, 42n, 1000, 'here')
      const there = await survivors({ loss: 0.3 }, 42n, 1000, 'there')
      expect(there.tags).to.not.deep.equal(here.tags)
    })

    it('keep the losses when another impairment is added', async () => {
      const alone = await survivors({ loss: 0.3 }, 42n, 1000)
      const others = { duplicate: 0.5, corrupt: 0.0001, delay: '1ms', jitter: '1ms' } as const
      const together = await survivors({ loss: 0.3, ...others }, 42n, 1000)
      expect([...new Set(together.tags)]).to.deep.equal(alone.tags)
      expect(together.tags.length).to.be.above(alone.tags.length)
    })

    it('of the path itself win over the engine and the names', async () => {
      const one = await survivors({ loss: 0.3, seed: 5 }, 1n, 1000, 'here')
      const two = await survivors({ loss: 0.3, seed: 5n }, 2n, 1000, 'there')
      const three = await survivors({ loss: 0.3, seed: 6 }, 2n, 1000, 'there')
      expect(two.tags).to.deep.equal(one.tags)
      expect(three.tags).to.not.deep.equal(one.tags)
    })

    it('can be read from the engine when none was given', async () => {
      const engine = closes(new Engine({ clock: 'virtual' }))
      const again = closes(new Engine({ clock: 'virtual', seed: engine.seed }))
      const fates = await Promise.all(
        [engine, again].map(async (each) => {
          const hub = new Hub({ engine: each, name: 'hub' })
          const [a, b] = await join(hub, 'a', 'b')
          await hub.path(a, b).allow({ loss: 0.5 })
          a.send(numbered(500))
          each.advance('0s')
          return tags(b)
        }),
      )
      expect(fates[1]).to.deep.equal(fates[0])
    })
  })

  describe('rate', () => {
    it('serialises: each frame takes 8 · (L + overhead) / rate after the one before', async () => {
      const { engine, a, b } = await makePair({ rate: '1Mbit', overhead: 24 })
      a.send([frame({ length: 60 }), frame({ length: 1000 }), frame({ length: 101 })])
      engine.advance('1s')
      expect(take(b).map(({ at }) => at)).to.deep.equal([672_000n, 8_864_000n, 9_864_000n])
    })

    it('idles: a frame that finds the line free starts at once', async () => {
      const { engine, a, b } = await makePair({ rate: '1Mbit' })
      a.send(frame({ length: 125 }))
      engine.advance('10ms')
      a.send(frame({ length: 125 }))
      engine.advance('10ms')
      expect(take(b).map(({ at }) => at)).to.deep.equal([1n * ms, 11n * ms])
    })

    it('comes before the travel time', async () => {
      const { engine, a, b } = await makePair({ rate: '1Mbit', delay: '5ms' })
      a.send([frame({ length: 125 }), frame({ length: 125 })])
      engine.advance('1s')
      expect(take(b).map(({ at }) => at)).to.deep.equal([6n * ms, 7n * ms])
    })

    it('loses no fraction over 120,000 frames', async () => {
      const { engine, a, b } = await makePair({ rate: '54Mbit', queue: '200000frames' })
      const count = 120_000
      const times: bigint[] = []
      const collect = () => {
        for (let batch = b.read(); batch; batch = b.read())
          for (let index = 0; index < batch.length; index++) times.push(batch.at(index))
      }
      // A frame of 61 bytes takes 9037.037037... ns; each burst is on the line before the one before it has left.
      const burst = new Array<Uint8Array>(400).fill(frame({ length: 61 }))
      for (let sent = 0; sent < count; sent += burst.length) {
        a.send(burst)
        engine.advance('3614us')
        collect()
      }
      engine.advance('1s')
      collect()
      expect(times).to.have.length(count)
      const late = times.findIndex((at, index) => {
        const bits = BigInt(index + 1) * 61n * 8n * 1_000_000_000n
        return at !== (bits + 53_999_999n) / 54_000_000n
      })
      expect(late, 'first frame that is not exactly in time').to.equal(-1)
    })

    it('charges an overheard copy to the path that overhears', async () => {
      const { engine, hub, a, b, path } = await makePair({})
      const [c] = await join(hub, 'c')
      await hub.path(a, c).allow({ rate: '480bit' })
      a.send(frame({ to: station(2), tag: 1 }))
      a.send(frame({ tag: 2 }))
      engine.advance('2s')
      expect(path.stats().delivered).to.equal(2n)
      expect(tags(b)).to.deep.equal([1, 2])
      expect(take(c).map(({ at }) => at)).to.deep.equal([1_000_000_000n, 2_000_000_000n])
    })

    it('takes no line time for a lost frame, and twice for a doubled one', async () => {
      const lost = await makePair({ rate: '480bit', loss: 1 })
      lost.a.send(numbered(3))
      lost.engine.advance('0s')
      expect(lost.path.stats()).to.deep.include({ waiting: 0n, inFlight: 0n })
      const doubled = await makePair({ rate: '480bit', duplicate: 1 })
      doubled.a.send(frame())
      doubled.engine.advance('5s')
      expect(take(doubled.b).map(({ at }) => at)).to.deep.equal([1_000_000_000n, 2_000_000_000n])
    })
  })

  describe('queue', () => {
    it('of 1000 frames at 1000 kbit/s stands at 12.1 s and drops from the tail (S12)', async () => {
      const { engine, hub, a, path } = await makePair({ rate: '1000kbit', queue: '1000frames' })
      // Frames of 1514 bytes take 12.112 ms; they come every 10 ms.
      const big = await hub.attach(new MemoryPort({ name: 'big', queueLimit: 100_000 }))
      await hub.path(a, big).allow({ rate: '1000kbit', queue: '1000frames' })
      const toBig = hub.path(a, big)
      const service = 12_112_000n
      const spacing = 10n * ms
      const count = 7000
      const accepted: { tag: number; due: bigint }[] = []
      // The model: a frame is taken when fewer than 1000 wait, that is unless 1000 have not begun their service.
      let free = 0n
      const starts: bigint[] = []
      for (let tag = 0; tag < count; tag++) {
        const now = BigInt(tag) * spacing
        while (starts.length > 0 && starts[0]! <= now) starts.shift()
        if (starts.length >= 1000) continue
        const start = free > now ? free : now
        free = start + service
        if (start > now) starts.push(start)
        accepted.push({ tag, due: free })
      }
      const delivered: { tag: number; at: bigint }[] = []
      const collect = () => delivered.push(...take(big).map(({ tag, at }) => ({ tag, at })))
      for (let tag = 0; tag < count; tag++) {
        a.send(frame({ tag, length: 1514 }))
        engine.advance('10ms')
        if (tag % 100 === 0) collect()
      }
      engine.advance('20s')
      collect()
      expect(delivered).to.deep.equal(accepted.map(({ tag, due }) => ({ tag, at: due })))
      const worst = Math.max(...delivered.map(({ tag, at }) => Number(at - BigInt(tag) * spacing)))
      expect(worst, 'standing delay, ns').to.be.within(12_100_000_000, 12_124_112_000)
      expect(dropped(toBig.stats().dropped)).to.deep.equal({ queue: count - accepted.length })
      expect(path.stats().offered).to.equal(BigInt(count))
    })

    const fill = async (policy: PolicyOptions, length: number) => {
      const { engine, a, b, path } = await makePair(policy)
      a.send(numbered(3000, { length }))
      engine.advance('0s')
      const { waiting, dropped: drops } = path.stats()
      engine.advance('1h')
      return { waiting: Number(waiting), drops: dropped(drops), delivered: tags(b) }
    }
    const first = (count: number) => Array.from({ length: count }, (_, tag) => tag)

    it('in frames counts what waits, not what is in service', async () => {
      const { waiting, drops, delivered } = await fill({ rate: '1Mbit', queue: '50 frames' }, 60)
      expect({ waiting, drops }).to.deep.equal({ waiting: 50, drops: { queue: 2949 } })
      expect(delivered).to.deep.equal(first(51))
    })

    it('of 0 frames still lets one into service', async () => {
      const { delivered } = await fill({ rate: '1Mbit', queue: '0frames' }, 60)
      expect(delivered).to.deep.equal([0])
    })

    it('in bytes takes what fits', async () => {
      const { waiting, delivered } = await fill({ rate: '1Mbit', queue: '64KiB', overhead: 24 }, 1000)
      expect(waiting).to.equal(65)
      expect(delivered).to.deep.equal(first(66))
    })

    it('in time takes what begins its service within it', async () => {
      // 125 bytes are 1 ms: the frame in service and 250 more that begin after 1, 2, ... 250 ms.
      const { waiting } = await fill({ rate: '1Mbit', queue: '250ms' }, 125)
      expect(waiting).to.equal(250)
    })

    it('holds 1000 frames by default, or 100 ms at the rate, whichever is more', async () => {
      expect((await fill({ rate: '1Mbit' }, 125)).waiting).to.equal(1000)
      // 125 bytes at 20 Mbit/s are 50 µs: 2000 of them are 100 ms.
      expect((await fill({ rate: '20Mbit' }, 125)).waiting).to.equal(2000)
    })

    it('is not filled by frames in flight, however long they travel', async () => {
      const { engine, a, b, path } = await makePair({ rate: '1Gbit', delay: '1h', queue: '1frame' })
      for (let tag = 0; tag < 500; tag++) {
        a.send(frame({ tag }))
        engine.advance('1us')
      }
      expect(path.stats()).to.deep.include({ inFlight: 500n, waiting: 0n })
      engine.advance('1h')
      expect(tags(b)).to.have.length(500)
    })
  })

  it('never lets what is held take the memory that others receive with', async () => {
    const engine = closes(new Engine({ clock: 'virtual', memory: '4MiB' }))
    const hub = new Hub({ engine, forwarding: 'deny' })
    const [a, b, c, d] = await join(hub, 'a', 'b', 'c', 'd')
    await hub.path(a, b).allow({ delay: '1h' })
    await hub.path(c, d).allow()
    for (let round = 0; round < 10; round++) {
      a.send(numbered(500))
      engine.advance('1s')
    }
    const held = hub.path(a, b).stats()
    expect(Number(held.dropped['no-buffer'])).to.be.above(0)
    expect(Number(held.inFlight)).to.be.above(100)
    expectBalance(held, 'a to b')
    c.send(numbered(100))
    engine.advance('0s')
    expect(tags(d), 'another pair is not starved').to.have.length(100)
  })
})
