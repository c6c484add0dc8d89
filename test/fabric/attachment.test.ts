/** What a port has in its fabric: its delay to the nanosecond, and which frames it takes. On a virtual clock. */
import { expect } from 'chai'
import {
  Engine,
  Hub,
  MemoryPort,
  PatchPort,
  Switch,
  type AttachOptions,
  type PolicyOptions,
} from '../../lib/index.js'
import { closing, dropped, expectBalance, join, tags, take } from '../helpers/fabric.js'
import { broadcast, frame, numbered, station } from '../helpers/frames.js'

const ms = 1_000_000n

describe('What a port has in its fabric', () => {
  const closes = closing()
  const makeHub = (options: { workers?: number; memory?: '1MiB' } = {}) => {
    const engine = closes(new Engine({ clock: 'virtual', seed: 1, ...options }))
    return { engine, hub: new Hub({ engine, name: 'hub' }) }
  }
  const attach = (hub: Hub, name: string, options: AttachOptions) =>
    hub.attach(new MemoryPort({ name, queueLimit: 100_000, frameLimit: 69632 }), options)
  /** What has come, and when, in nanoseconds. */
  const arrivals = (port: MemoryPort) => take(port).map(({ tag, at }) => [tag, at])

  it('ends with an attachment that failed: what the port did outside is undone before that is said', async () => {
    const { hub } = makeHub()
    const done: string[] = []
    class Failing extends MemoryPort {
      protected override async open(): Promise<number> {
        done.push('opened')
        return Promise.reject(new Error('the kernel refuses'))
      }
      override async undone(): Promise<void> {
        await Promise.resolve()
        done.push('undone')
      }
    }
    const port = new Failing({ name: 'port' })
    const error = await hub.attach(port).catch((error: unknown) => error)
    expect((error as Error).message).to.equal('the kernel refuses')
    expect(done).to.deep.equal(['opened', 'undone'])
    expect(port.state).to.equal('detached')
    expect(hub.ports.has('port')).to.equal(false)
  })

  describe('delay', () => {
    it('of 10 ms is 10.0 ms exactly, from every port, in order, and to no other port', async () => {
      const { engine, hub } = makeHub()
      const [a, b] = await join(hub, 'a', 'b')
      const sun2 = await attach(hub, 'sun2', { delay: '10000us' })
      for (let tag = 0; tag < 100; tag++) {
        ;(tag % 3 === 0 ? b : a).send(frame({ tag }))
        engine.advance('100us')
      }
      engine.advance('1s')
      expect(arrivals(sun2)).to.deep.equal(
        Array.from({ length: 100 }, (_, tag) => [tag, BigInt(tag) * 100_000n + 10n * ms]),
      )
      expect(arrivals(a)[0]).to.deep.equal([0, 0n])
      sun2.send(frame({ tag: 7 }))
      engine.advance('0s')
      expect(tags(b).at(-1)).to.equal(7)
    })

    const policies: [string, PolicyOptions, bigint][] = [
      ['none but its own', {}, 10n * ms],
      ['a delay', { delay: '5ms' }, 15n * ms],
      ['a rate', { rate: '480kbit' }, 11n * ms],
      ['netem', { netem: 'delay 5ms' }, 15n * ms],
      ['a trace', { trace: [{ at: '0s', delay: '3ms' }] as never }, 13n * ms],
    ]
    for (const [name, policy, due] of policies) {
      it(`comes on top of what a path does: ${name}`, async () => {
        const { engine, hub } = makeHub()
        const [a] = await join(hub, 'a')
        const b = await attach(hub, 'b', { delay: '10ms' })
        await hub.path(a, b).allow(policy)
        a.send(frame({ tag: 1, length: 60 }))
        engine.advance('1s')
        expect(arrivals(b)).to.deep.equal([[1, due]])
        expectBalance(hub.path(a, b).stats(), 'a to b')
      })
    }

    it('holds a frame that skips the delay of its path, too', async () => {
      const { engine, hub } = makeHub()
      const [a] = await join(hub, 'a')
      const b = await attach(hub, 'b', { delay: '10ms' })
      await hub.path(a, b).allow({ delay: '50ms', reorder: 1 })
      a.send(frame({ tag: 1 }))
      engine.advance('1s')
      expect(arrivals(b)).to.deep.equal([[1, 10n * ms]])
    })

    it('counts who is on the way as in flight, with a policy and without', async () => {
      const { engine, hub } = makeHub()
      const [a, c] = await join(hub, 'a', 'c')
      const b = await attach(hub, 'b', { delay: '10ms' })
      await hub.path(a, b).allow({ loss: 0 })
      a.send(numbered(3))
      c.send(numbered(2))
      engine.advance('9999999ns')
      expect(hub.path(a, b).stats()).to.include({ offered: 3n, delivered: 0n, inFlight: 3n })
      expect(c.stats().defaults).to.include({ offered: 4n, delivered: 2n, inFlight: 2n })
      engine.advance('1ns')
      expect(hub.path(a, b).stats()).to.include({ delivered: 3n, inFlight: 0n })
      expect(c.stats().defaults).to.include({ delivered: 4n, inFlight: 0n })
      expect(tags(b)).to.have.length(5)
    })

    it('that is changed lets who is on the way keep his departure, and nobody overtake him', async () => {
      const { engine, hub } = makeHub()
      const [a] = await join(hub, 'a')
      const b = await attach(hub, 'b', { delay: '100ms' })
      a.send(frame({ tag: 1 }))
      engine.advance('10ms')
      await hub.configure(b, { delay: '5ms' })
      a.send(frame({ tag: 2 }))
      engine.advance('10ms')
      await hub.configure('b', { delay: '0s' })
      a.send(frame({ tag: 3 }))
      engine.advance('180ms')
      a.send(frame({ tag: 4 }))
      engine.advance('0s')
      await hub.configure(b, { delay: '20ms' })
      a.send(frame({ tag: 5 }))
      engine.advance('1s')
      expect(arrivals(b)).to.deep.equal([
        [1, 100n * ms],
        [2, 100n * ms],
        [3, 100n * ms],
        [4, 200n * ms],
        [5, 220n * ms],
      ])
    })

    it('drops who is on the way, as flush, when either port is detached or the path is flushed', async () => {
      const { engine, hub } = makeHub()
      const [a, c, d] = await join(hub, 'a', 'c', 'd')
      const b = await attach(hub, 'b', { delay: '10ms' })
      await hub.path(c, b).allow({ delay: '1ms' })
      await hub.path(d, b).allow({ delay: '1ms' })
      for (const [tag, port] of [a, c, d].entries()) port.send(frame({ tag }))
      engine.advance('5ms')
      await hub.detach(a)
      expect(dropped(b.stats().dropped)).to.deep.equal({ flush: 1 })
      await hub.path(c, b).allow({}, { flush: true })
      expect(dropped(hub.path(c, b).stats().dropped)).to.deep.equal({ flush: 1 })
      engine.advance('1s')
      expect(tags(b)).to.deep.equal([2])
      d.send(frame())
      engine.advance('5ms')
      await hub.detach(b)
      await hub.close()
      await engine.close() // says so if a frame is left
    })

    it('says no-buffer where memory is used up, and loses nothing else', async () => {
      const { engine, hub } = makeHub({ memory: '1MiB' })
      const [a] = await join(hub, 'a')
      const b = await attach(hub, 'b', { delay: '10ms' })
      for (let burst = 0; burst < 10; burst++) {
        a.send(numbered(50))
        engine.advance('1us')
      }
      engine.advance('1s')
      const { delivered, dropped: drops } = a.stats().defaults
      expect(drops['no-buffer'] > 0n).to.equal(true)
      expect(delivered + drops['no-buffer']).to.equal(500n)
      expect(tags(b)).to.have.length(Number(delivered))
    })

    it('is the same on any number of workers, also across a patch', async () => {
      const run = async (workers: number) => {
        const { engine, hub } = makeHub({ workers })
        const far = new Hub({ engine, name: 'far' })
        const [near, other] = PatchPort.pair()
        await hub.attach(near, { delay: '1ms' })
        await far.attach(other)
        const [a, c] = await join(hub, 'a', 'c')
        const b = await far.attach(new MemoryPort({ name: 'b', queueLimit: 100_000 }), { delay: '2ms' })
        await hub.path(a, near).allow({ delay: '1ms', jitter: '1ms' })
        for (let tag = 0; tag < 200; tag++) {
          ;(tag % 2 === 0 ? a : c).send(frame({ tag }))
          engine.advance('50us')
        }
        engine.advance('1s')
        return arrivals(b)
      }
      const one = await run(1)
      expect(one).to.have.length(200)
      expect(await run(3)).to.deep.equal(one)
    })
  })

  describe('receive', () => {
    const [own, other, group] = [station(1), station(2), '01:00:5e:00:00:01']
    const sentTo = { own, other, group, broadcast }
    const taken: [string, AttachOptions, (keyof typeof sentTo)[]][] = [
      ['nothing said', {}, ['own', 'other', 'group', 'broadcast']],
      ['an address', { receive: { addresses: [own] } }, ['own', 'group', 'broadcast']],
      [
        'several addresses',
        { receive: { addresses: [other, own], multicast: false } },
        ['own', 'other', 'broadcast'],
      ],
      ['no broadcast', { receive: { addresses: [own], broadcast: false } }, ['own', 'group']],
      ['no multicast', { receive: { addresses: [own], multicast: false } }, ['own', 'broadcast']],
      ['this group', { receive: { addresses: [], multicast: [group] } }, ['group', 'broadcast']],
      ['another group', { receive: { addresses: [], multicast: ['01:00:5e:00:00:02'] } }, ['broadcast']],
      ['promiscuous', { receive: { promiscuous: true } }, ['own', 'other', 'group', 'broadcast']],
    ]
    for (const [name, options, expected] of taken) {
      it(`${name}: takes ${expected.join(', ')}`, async () => {
        const { engine, hub } = makeHub()
        const [a, c] = await join(hub, 'a', 'c')
        const b = await attach(hub, 'b', options)
        const kinds = Object.keys(sentTo) as (keyof typeof sentTo)[]
        for (const [tag, kind] of kinds.entries()) a.send(frame({ tag, to: sentTo[kind] }))
        engine.advance('0s')
        expect(tags(b).map((tag) => kinds[tag])).to.deep.equal(expected)
        expect(tags(c)).to.have.length(4)
        const refused = 4 - expected.length
        expect(dropped(b.stats().dropped)).to.deep.equal(refused === 0 ? {} : { 'not-for-us': refused })
        expectBalance(a.stats().defaults, 'from a')
      })
    }

    it('is at the end of the path: what is overheard uses up its rate', async () => {
      const { engine, hub } = makeHub()
      const [a] = await join(hub, 'a')
      const b = await attach(hub, 'b', { receive: { addresses: [own] } })
      await hub.path(a, b).allow({ rate: '1Mbit' })
      a.send([frame({ to: other, length: 125 }), frame({ to: own, length: 125, tag: 1 })])
      engine.advance('1s')
      expect(arrivals(b)).to.deep.equal([[1, 2n * ms]])
      const stats = hub.path(a, b).stats()
      expect(dropped(stats.dropped)).to.deep.equal({ 'not-for-us': 1 })
      expectBalance(stats, 'a to b')
    })

    it('can be changed while frames pass, apart from the delay', async () => {
      const { engine, hub } = makeHub()
      const [a] = await join(hub, 'a')
      const b = await attach(hub, 'b', { delay: '10ms', receive: { addresses: [own] } })
      const send = (tag: number) => {
        a.send(frame({ tag, to: other }))
        engine.advance('10ms')
        return arrivals(b)
      }
      expect(send(1)).to.deep.equal([])
      await hub.configure(b, { receive: { promiscuous: true } })
      expect(send(2)).to.deep.equal([[2, 20n * ms]])
      await hub.configure(b, { receive: { addresses: [other] } })
      expect(send(3)).to.deep.equal([[3, 30n * ms]])
      await hub.configure(b, { receive: { addresses: [own] } })
      expect(send(4)).to.deep.equal([])
    })

    it('belongs to the attachment: after another one it is what is said then', async () => {
      const { engine, hub } = makeHub()
      const [a] = await join(hub, 'a')
      const b = await attach(hub, 'b', { delay: '10ms', receive: { addresses: [own] } })
      await hub.detach(b)
      await hub.attach(b)
      a.send(frame({ tag: 1, to: other }))
      engine.advance('0s')
      expect(tags(b)).to.deep.equal([1])
    })

    it('spares a station what a switch floods for want of knowledge', async () => {
      const engine = closes(new Engine({ clock: 'virtual' }))
      const bridge = new Switch({ engine })
      const [a] = await join(bridge, 'a')
      const b = await bridge.attach(new MemoryPort({ name: 'b' }), { receive: { addresses: [own] } })
      a.send([frame({ to: other }), frame({ to: own, tag: 1 })])
      engine.advance('0s')
      expect(tags(b)).to.deep.equal([1])
    })
  })
})
