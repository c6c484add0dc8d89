/** What the line of a path does beside its rate: token bucket, cells, queue disciplines, slots. Virtual clock. */
import { expect } from 'chai'
import { Engine, Hub, type PathStats, type PolicyOptions } from '../../lib/index.js'
import { buildFrame } from '../../lib/testing/frames.js'
import { closing, dropped, expectBalance, join, tags, take } from '../helpers/fabric.js'
import { frame, numbered } from '../helpers/frames.js'

describe('Line', () => {
  const closes = closing()
  const makePair = async (policy: PolicyOptions, seed = 1n) => {
    const engine = closes(new Engine({ clock: 'virtual', seed }))
    const hub = new Hub({ engine, name: 'hub', forwarding: 'deny' })
    const [a, b] = await join(hub, 'a', 'b')
    await hub.path(a, b).allow(policy)
    return { engine, a, b, path: hub.path(a, b) }
  }
  const times = (frames: { at: bigint }[]): number[] => frames.map(({ at }) => Number(at))
  const ms = 1_000_000

  describe('burst', () => {
    it('passes what the bucket holds at once, then keeps to the rate', async () => {
      // 1000 bytes at 8 Mbit/s are 1 ms.
      const { engine, a, b } = await makePair({ rate: '8Mbit', burst: '3kB' })
      a.send(numbered(5, { length: 1000 }))
      engine.advance('1500us')
      a.send(frame({ length: 1000 }))
      engine.advance('1s')
      expect(times(take(b))).to.deep.equal([0, 0, 0, 1 * ms, 2 * ms, 3 * ms])
    })

    it('fills again while the line rests, up to its size', async () => {
      const { engine, a, b } = await makePair({ rate: '8Mbit', burst: '3kB' })
      a.send(numbered(3, { length: 1000 }))
      engine.advance('2ms')
      a.send(numbered(3, { length: 1000 }))
      engine.advance('1h')
      a.send(numbered(4, { length: 1000 }))
      engine.advance('1s')
      const hour = 3_600_000 * ms + 2 * ms
      expect(times(take(b))).to.deep.equal(
        [0, 0, 0, 2, 2, 3, ...[0, 0, 0, 1].map((at) => hour / ms + at)].map((at) => at * ms),
      )
    })

    it('drops a frame larger than the bucket as oversize', async () => {
      const { engine, a, b, path } = await makePair({ rate: '8Mbit', burst: '999B' })
      a.send([frame({ length: 1000, tag: 1 }), frame({ length: 999, tag: 2 })])
      engine.advance('1s')
      expect(tags(b)).to.deep.equal([2])
      expect(dropped(path.stats().dropped)).to.deep.equal({ oversize: 1 })
    })
  })

  it('carries cells: the last one padded, each with its overhead', async () => {
    // 100 bytes fill 3 cells of 48; 3 · 53 bytes at 1 Mbit/s are 1272 µs.
    const { engine, a, b } = await makePair({ rate: '1Mbit', cell: { size: 48, overhead: 5 } })
    a.send(numbered(2, { length: 100 }))
    engine.advance('1s')
    expect(times(take(b))).to.deep.equal([1_272_000, 2_544_000])
  })

  it('can leave out headers: an overhead below 0', async () => {
    const { engine, a, b } = await makePair({ rate: '1Mbit', overhead: -14 })
    a.send(frame({ length: 139 }))
    engine.advance('1s')
    expect(times(take(b))).to.deep.equal([1 * ms])
  })

  describe('discipline', () => {
    /** 3 s of overload by a quarter: frames of 1000 bytes every 0.8 ms at 8 Mbit/s. */
    const overload = async (
      policy: PolicyOptions,
      ecn?: number,
    ): Promise<{ stats: PathStats; waits: number[] }> => {
      const { engine, a, b, path } = await makePair({ rate: '8Mbit', queue: '10000frames', ...policy })
      const sent: number[] = []
      for (let tag = 0; tag < 3750; tag++) {
        sent.push(Number(engine.now()))
        a.send(ecn === undefined ? frame({ tag, length: 1000 }) : datagram(tag, ecn))
        engine.advance('800us')
      }
      const arrived = take(b).map(({ bytes, at }) => ({
        tag: Buffer.from(bytes).readUInt32BE(ecn === undefined ? 14 : 42),
        at,
      }))
      const waits = arrived.map(({ tag, at }) => Number(at) - sent[tag]!)
      const stats = path.stats()
      expectBalance(stats, 'a to b')
      return { stats, waits }
    }

    it('tail drop lets the queue stand', async () => {
      const { stats, waits } = await overload({ discipline: 'tail-drop' })
      expect(dropped(stats.dropped)).to.deep.equal({})
      expect(Math.max(...waits)).to.be.above(590 * ms)
    })

    it('CoDel drops ever faster until the wait is short again', async () => {
      const { stats, waits } = await overload({ discipline: 'codel' })
      const drops = dropped(stats.dropped)
      expect(Object.keys(drops)).to.deep.equal(['aqm'])
      // By the control law alone, k drops take 100 ms · (1 + 1/√2 + ... + 1/√k): after 2.9 s it is at the 210th.
      expect(drops.aqm).to.be.within(150, 250)
      expect(Math.max(...waits)).to.be.below(600 * ms)
      expect(stats.marked).to.equal(0n)
    })

    it('CoDel with ecn marks capable frames instead, and drops the others', async () => {
      const marking = await overload({ discipline: { codel: { ecn: true } } }, 2)
      expect(dropped(marking.stats.dropped)).to.deep.equal({})
      expect(Number(marking.stats.marked)).to.be.within(150, 250)
      const dropping = await overload({ discipline: { codel: { ecn: true } } }, 0)
      expect(dropping.stats.marked).to.equal(0n)
      expect(Number(dropping.stats.dropped.aqm)).to.be.above(100)
    })

    it('RED keeps the average between min and max', async () => {
      const { stats, waits } = await overload({
        discipline: { red: { min: '10kB', max: '100kB', probability: 0.5 } },
      })
      expect(Object.keys(dropped(stats.dropped))).to.deep.equal(['aqm'])
      // A fifth must go: where 2 b / (1 + b) is that, b = 1/9, which is 30 kB; the waits of the last second say so.
      const last = waits.slice(-1000)
      const mean = last.reduce((total, wait) => total + wait, 0) / last.length
      expect(mean).to.be.within(15 * ms, 50 * ms)
    })

    it('draws the same drops for the same seed', async () => {
      const policy: PolicyOptions = { discipline: { red: { min: '10kB', max: '100kB' } } }
      const [one, other] = [await overload(policy), await overload(policy)]
      expect(one).to.deep.equal(other)
    })
  })

  describe('slot', () => {
    it('lets frames leave together, so many at a time', async () => {
      const { engine, a, b } = await makePair({ slot: { min: '5ms', frames: 2 } })
      a.send(numbered(5))
      engine.advance('1s')
      expect(times(take(b)).map((at) => at / ms)).to.deep.equal([5, 5, 10, 10, 15])
    })

    it('holds back what waits for the queue to count', async () => {
      const { engine, a, b, path } = await makePair({ slot: { min: '5ms', max: '6ms' }, queue: '3frames' })
      a.send(numbered(10))
      engine.advance('0s')
      expect(path.stats()).to.deep.include({ waiting: 3n, inFlight: 1n })
      engine.advance('6ms')
      expect(tags(b)).to.deep.equal([0, 1, 2, 3])
      expect(dropped(path.stats().dropped)).to.deep.equal({ queue: 6 })
    })
  })
})

/** 1000 bytes of UDP over IPv4 with these ECN bits and a tag as payload. */
function datagram(tag: number, ecn: number): Uint8Array {
  const payload = Buffer.alloc(1000 - 42)
  payload.writeUInt32BE(tag)
  return buildFrame({
    ipv4: { from: '10.0.0.1', to: '10.0.0.2', trafficClass: ecn },
    udp: { from: 1, to: 2 },
    payload,
  })
}
