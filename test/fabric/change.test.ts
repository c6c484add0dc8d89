/** Changing policies: what a transaction does and says, and what happens to frames that are under way. */
import { expect } from 'chai'
import { Engine, Hub, MemoryPort, type PathChange, type PolicyOptions } from '../../lib/index.js'
import { closing, dropped, expectBalance, join, sum, tags, take } from '../helpers/fabric.js'
import { refusal } from '../helpers/errors.js'
import { frame, numbered } from '../helpers/frames.js'

const ms = 1_000_000n

describe('Changes', () => {
  const closes = closing()
  const makeHub = (forwarding: 'allow' | 'deny' = 'deny') => {
    const engine = closes(new Engine({ clock: 'virtual', seed: 1 }))
    return { engine, hub: new Hub({ engine, forwarding, name: 'hub' }) }
  }

  describe('apply', () => {
    it('says how many pairs went up, down and changed, and nothing when it already holds', async () => {
      const { hub } = makeHub()
      await join(hub, 'a', 'b', 'c')
      const changes: PathChange[] = [
        { from: 'a', to: 'b', policy: { allowed: true, delay: '1ms', filter: { vlan: 5 } } },
        { from: 'b', to: 'c', policy: { allowed: true } },
        { from: 'c', to: 'a', policy: { allowed: false } },
      ]
      // What was denied by default and is denied now has changed, but not gone down.
      expect(await hub.apply(changes)).to.deep.equal({ up: 2, down: 0, changed: 1 })
      expect(await hub.apply(changes)).to.deep.equal({ up: 0, down: 0, changed: 0 })
      expect(
        await hub.apply([
          { from: 'a', to: 'b', policy: { allowed: true, filter: { vlan: 5 }, delay: '1000us', loss: 0 } },
        ]),
        'the same in other words',
      ).to.deep.equal({ up: 0, down: 0, changed: 0 })
      expect(
        await hub.apply([
          { from: 'a', to: 'b', policy: { allowed: true, delay: '2ms' } },
          { from: 'b', to: 'c', policy: null },
          { from: 'c', to: 'a', policy: null },
        ]),
      ).to.deep.equal({ up: 0, down: 1, changed: 2 })
      expect(await hub.apply([])).to.deep.equal({ up: 0, down: 0, changed: 0 })
    })

    it('changes both ways of a pair at once', async () => {
      const { engine, hub } = makeHub()
      const [a, b] = await join(hub, 'a', 'b')
      expect(await hub.between(a, b).allow({ delay: '1ms' })).to.deep.equal({ up: 2, down: 0, changed: 0 })
      a.send(frame({ tag: 1 }))
      b.send(frame({ tag: 2 }))
      engine.advance('1ms')
      expect([tags(a), tags(b)]).to.deep.equal([[2], [1]])
      expect(await hub.between(a, b).deny()).to.deep.equal({ up: 0, down: 2, changed: 0 })
    })

    it('replaces a policy as a whole', async () => {
      const { hub } = makeHub()
      const [a, b] = await join(hub, 'a', 'b')
      await hub.path(a, b).allow({ delay: '1ms', loss: 0.5 })
      await hub.path(a, b).allow({ rate: '1Mbit' })
      expect(hub.path(a, b).policy).to.deep.equal({ allowed: true, rate: '1Mbit' })
    })

    it('changes nothing when one change of many is wrong', async () => {
      const { engine, hub } = makeHub()
      const [a, b] = await join(hub, 'a', 'b')
      const good: PathChange = { from: a, to: b, policy: { allowed: true } }
      const bad: [string, PathChange][] = [
        ['ERR_ETHERLOOM_NAME', { from: 'a', to: 'bb', policy: { allowed: true } }],
        ['ERR_ETHERLOOM_STATE', { from: a, to: new MemoryPort(), policy: { allowed: true } }],
        ['ERR_ETHERLOOM_OPTION', { from: a, to: a, policy: { allowed: true } }],
        ['ERR_ETHERLOOM_OPTION', { from: b, to: a, policy: { allowed: true, loss: 2 } }],
        ['ERR_ETHERLOOM_UNKNOWN_OPTION', { from: b, to: a, policy: { allowed: true, lost: 1 } as never }],
        ['ERR_ETHERLOOM_FILTER', { from: b, to: a, policy: { allowed: true, filter: 'no such thing' } }],
      ]
      for (const [code, change] of bad) {
        const error = await refusal(hub.apply([good, change]))
        expect(error.code).to.equal(code)
        expect(error.message).to.match(/^change 2 of 2: /)
        expect(hub.path(a, b).policy).to.deep.equal({ allowed: false })
        expect(hub.stats().paths).to.deep.equal([])
        a.send(frame())
        engine.advance('0s')
        expect(tags(b)).to.deep.equal([])
      }
    })

    it('changes some paths of a port and leaves its others as they are, in whatever order it is told', async () => {
      const { engine, hub } = makeHub()
      const [a, ...others] = await join(hub, 'a', 'b', 'c', 'd', 'e', 'f')
      const to = (index: number, policy: PathChange['policy']): PathChange => {
        return { from: a, to: others[index]!, policy }
      }
      const reached = () => {
        a.send(frame({ tag: 1 }))
        engine.advance('1ms')
        return others.filter((port) => tags(port).length > 0).map((port) => port.name)
      }
      await hub.apply([to(3, { allowed: true }), to(1, { allowed: true })])
      expect(reached()).to.deep.equal(['c', 'e'])
      expect(
        await hub.apply([to(4, { allowed: true }), to(3, null), to(0, { allowed: true })]),
      ).to.deep.equal({
        up: 2,
        down: 1,
        changed: 0,
      })
      expect(reached()).to.deep.equal(['b', 'c', 'f'])
      await hub.apply([to(4, null), to(1, null), to(0, null)])
      expect(reached()).to.deep.equal([])
    })

    it('carries out several changes of one path one after the other: the last holds, all count', async () => {
      const { engine, hub } = makeHub()
      const [a, b, c] = await join(hub, 'a', 'b', 'c')
      expect(
        await hub.apply([
          { from: a, to: b, policy: { allowed: true } },
          { from: a, to: c, policy: { allowed: true } },
          { from: a, to: b, policy: { allowed: true, delay: '1ms' } },
          { from: a, to: c, policy: null },
        ]),
      ).to.deep.equal({ up: 2, down: 1, changed: 1 })
      a.send(frame({ tag: 1 }))
      engine.advance('999us')
      expect([tags(b), tags(c)]).to.deep.equal([[], []])
      engine.advance('1us')
      expect([tags(b), tags(c)]).to.deep.equal([[1], []])
    })

    it('gives each of many paths its own policy, also when they are replaced again and again', async () => {
      const { engine, hub } = makeHub()
      const [a, ...others] = await join(hub, 'a', ...Array.from({ length: 40 }, (_, index) => `b${index}`))
      for (let round = 0; round < 10; round++) {
        const changes = others.map((to, index): PathChange => {
          return { from: a, to, policy: { allowed: true, delay: `${1 + round + index}ms`, seed: index } }
        })
        const { up, changed } = await hub.apply(changes)
        expect([up, changed]).to.deep.equal(round === 0 ? [40, 0] : [0, 40])
        expect(await hub.apply(changes)).to.deep.equal({ up: 0, down: 0, changed: 0 })
        a.send(frame({ tag: round }))
        engine.advance(`${round}ms`)
        for (const to of others) {
          expect(tags(to)).to.deep.equal([])
          engine.advance('1ms')
          expect(tags(to)).to.deep.equal([round])
        }
      }
    })

    it('is one step for every frame: never a mixture of old and new', async () => {
      // All pairs are allowed in one transaction and denied in the next; each frame must reach all or none.
      const engine = closes(new Engine({ workers: 2 }))
      const hub = new Hub({ engine, forwarding: 'deny' })
      const ports = await join(hub, 'a', 'b', 'c', 'd')
      const [a, ...others] = ports
      let sent = 0
      for (let round = 0; round < 100; round++) {
        const policy = { allowed: round % 2 === 0 }
        a.send(Array.from({ length: 50 }, () => frame({ tag: sent++ })))
        const changing = hub.apply(others.map((to) => ({ from: a, to, policy })))
        a.send(Array.from({ length: 50 }, () => frame({ tag: sent++ })))
        await changing
      }
      await hub.close()
      const [first, ...rest] = others.map((port) => new Set(tags(port)))
      expect(first!.size).to.be.within(1, sent - 1)
      for (const set of rest) expect([...set]).to.deep.equal([...first!])
    })
  })

  describe('of a delay', () => {
    it('keeps the departure of what is under way, and lets nothing overtake it', async () => {
      const { engine, hub } = makeHub()
      const [a, b] = await join(hub, 'a', 'b')
      await hub.path(a, b).allow({ delay: '100ms' })
      a.send(frame({ tag: 1 }))
      engine.advance('10ms')
      await hub.path(a, b).allow({ delay: '5ms' })
      a.send(frame({ tag: 2 }))
      engine.advance('10ms')
      await hub.path(a, b).allow()
      a.send(frame({ tag: 3 }))
      engine.advance('80ms')
      a.send(frame({ tag: 4 }))
      engine.advance('1s')
      expect(take(b).map(({ tag, at }) => [tag, at])).to.deep.equal([
        [1, 100n * ms],
        [2, 100n * ms],
        [3, 100n * ms],
        [4, 100n * ms],
      ])
    })

    it('drops what is under way when asked to flush, and counts it', async () => {
      const { engine, hub } = makeHub()
      const [a, b] = await join(hub, 'a', 'b')
      await hub.path(a, b).allow({ delay: '100ms', rate: '480bit' })
      a.send(numbered(5))
      engine.advance('1050ms')
      expect(hub.path(a, b).stats()).to.deep.include({ waiting: 3n, inFlight: 2n })
      await hub.path(a, b).allow({ delay: '1ms' }, { flush: true })
      a.send(frame({ tag: 9 }))
      engine.advance('10s')
      expect(tags(b)).to.deep.equal([9])
      const stats = hub.path(a, b).stats()
      expect(dropped(stats.dropped)).to.deep.equal({ flush: 5 })
      expectBalance(stats, 'a to b')
    })

    it('leaves what is under way alone when the path is denied', async () => {
      const { engine, hub } = makeHub()
      const [a, b] = await join(hub, 'a', 'b')
      await hub.path(a, b).allow({ delay: '100ms' })
      a.send(frame({ tag: 1 }))
      engine.advance('1ms')
      await hub.path(a, b).deny()
      a.send(frame({ tag: 2 }))
      engine.advance('1s')
      expect(tags(b)).to.deep.equal([1])
    })
  })

  describe('of a rate', () => {
    it('holds for what waits, and for what is left of the frame in service', async () => {
      const { engine, hub } = makeHub()
      const [a, b] = await join(hub, 'a', 'b')
      await hub.path(a, b).allow({ rate: '1Mbit' })
      a.send(numbered(3, { length: 125 }))
      engine.advance('500us')
      await hub.path(a, b).allow({ rate: '10Mbit' })
      engine.advance('1ms')
      a.send(frame({ length: 125, tag: 9 }))
      engine.advance('1s')
      expect(take(b).map(({ tag, at }) => [tag, at])).to.deep.equal([
        [0, 550_000n],
        [1, 650_000n],
        [2, 750_000n],
        [9, 1_600_000n],
      ])
    })

    it('carries a backlog off as a trace of the same rates does', async () => {
      const last = async (change: boolean) => {
        const { engine, hub } = makeHub()
        const [a, b] = await join(hub, 'a', 'b')
        const rows = [
          { at: '0s', rate: '1Mbit' },
          { at: '1s', rate: '100Mbit' },
        ] as const
        const queue = '2000frames'
        await hub
          .path(a, b)
          .allow(change ? { rate: '1Mbit', queue } : { trace: { rows, end: 'hold' }, queue })
        a.send(numbered(1000, { length: 1500 }))
        engine.advance('1s')
        if (change) await hub.path(a, b).allow({ rate: '100Mbit', queue })
        engine.advance('1h')
        const taken = take(b)
        expect(taken).to.have.length(1000)
        return taken.at(-1)!.at
      }
      expect(await last(true))
        .to.equal(await last(false))
        .and.equal(1_110_000_000n)
    })

    it('lets nothing overtake what waits for a line that is no more', async () => {
      const { engine, hub } = makeHub()
      const [a, b] = await join(hub, 'a', 'b')
      await hub.path(a, b).allow({ rate: '1Mbit' })
      a.send(numbered(2, { length: 125 }))
      engine.advance('0s')
      await hub.path(a, b).allow()
      a.send(frame({ tag: 9 }))
      engine.advance('1s')
      a.send(frame({ tag: 10 }))
      engine.advance('0s')
      expect(take(b).map(({ tag, at }) => [tag, at])).to.deep.equal([
        [0, 1n * ms],
        [1, 2n * ms],
        [9, 2n * ms],
        [10, 1000n * ms],
      ])
    })
  })

  it('of a policy that goes lets nothing overtake what is under way', async () => {
    const { engine, hub } = makeHub('allow')
    const [a, b] = await join(hub, 'a', 'b')
    await hub.path(a, b).allow({ delay: '100ms' })
    a.send(frame({ tag: 1 }))
    engine.advance('10ms')
    await hub.path(a, b).set(null)
    a.send(frame({ tag: 2 }))
    engine.advance('1s')
    a.send(frame({ tag: 3 }))
    engine.advance('0s')
    expect(take(b).map(({ tag, at }) => [tag, at])).to.deep.equal([
      [1, 100n * ms],
      [2, 100n * ms],
      [3, 1010n * ms],
    ])
    expect(await hub.path(a, b).set(null)).to.deep.equal({ up: 0, down: 0, changed: 0 })
  })

  const remembering: [string, PolicyOptions][] = [
    ['bursts', { loss: { rate: 0.3, burst: 10 } }],
    ['bursts of a length', { loss: { rate: 0.3, burst: { exactly: 7 } } }],
    ["Gilbert and Elliott's model", { loss: { model: 'gemodel', p: 0.01, r: 0.1, lossGood: 0.01 } }],
    ['the model of four states', { loss: { model: 'state', p13: 0.02, p31: 0.1, p32: 0.2, p23: 0.1 } }],
    ['random outages', { outage: { every: '1s', for: '200ms', random: true } }],
    ['duplicates in a row', { duplicate: { rate: 0.2, burst: 4 } }],
  ]
  for (const [name, policy] of remembering)
    it(`keep what is remembered for ${name}, while a ramp changes the delay`, async () => {
      const passed = async (changes: boolean) => {
        const { engine, hub } = makeHub()
        const [a, b] = await join(hub, 'a', 'b')
        await hub.path(a, b).allow(policy)
        for (let tag = 0; tag < 3000; tag++) {
          a.send(frame({ tag }))
          engine.advance('1ms')
          if (changes && tag % 10 === 9) await hub.path(a, b).allow({ ...policy, delay: `${tag}ns` })
        }
        engine.advance('1s')
        return tags(b)
      }
      const expected = await passed(false)
      expect(expected.length).not.to.equal(3000)
      expect(await passed(true)).to.deep.equal(expected)
    })

  it('keep the random streams going', async () => {
    const losses = async (changes: boolean) => {
      const { engine, hub } = makeHub()
      const [a, b] = await join(hub, 'a', 'b')
      await hub.path(a, b).allow({ loss: 0.5 })
      for (let tag = 0; tag < 200; tag++) {
        a.send(frame({ tag }))
        engine.advance('1ms')
        if (changes && tag % 10 === 9) await hub.path(a, b).allow({ loss: 0.5, delay: `${tag}ns` })
      }
      engine.advance('1s')
      return tags(b)
    }
    expect(await losses(true)).to.deep.equal(await losses(false))
  })

  it('of ports: a detach drops what its paths hold, as flush, and forgets its policies', async () => {
    const { engine, hub } = makeHub()
    const [a, b, c] = await join(hub, 'a', 'b', 'c')
    await hub.apply([
      { from: a, to: b, policy: { allowed: true, delay: '1s' } },
      { from: c, to: b, policy: { allowed: true, delay: '1s' } },
    ])
    a.send(numbered(5))
    c.send(numbered(3))
    engine.advance('1ms')
    await hub.detach(a)
    engine.advance('2s')
    expect(tags(b)).to.have.length(3)
    expect(hub.stats().paths.map(({ from, to }) => [from, to])).to.deep.equal([['c', 'b']])

    await hub.attach(a)
    expect(hub.path(a, b).policy).to.deep.equal({ allowed: false })
    expect(sum([hub.path(a, b).stats().offered, a.stats().defaults.offered])).to.equal(0n)
  })

  it('asked for by name find the nearest port when the name is wrong', async () => {
    const { hub } = makeHub()
    await join(hub, 'left', 'right')
    const error = await refusal(() => hub.path('left', 'rigth'))
    expect(error.code).to.equal('ERR_ETHERLOOM_NAME')
    expect(error.message).to.equal("'hub' has no port 'rigth'; did you mean 'right'?")
  })
})
