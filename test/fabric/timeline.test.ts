/** Timelines on the virtual clock, to the nanosecond: changes, ramps and outages, and what becomes of what others set. */
import { expect } from 'chai'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import {
  Engine,
  GeneratorPort,
  Hub,
  SinkPort,
  Wire,
  type Policy,
  type PolicyOptions,
  type TimelineEntry,
  type TimelineRamp,
} from '../../lib/index.js'
import { refusal } from '../helpers/errors.js'
import { closing, dropped, expectBalance, join, slowPort, tags, take, until } from '../helpers/fabric.js'
import { frame } from '../helpers/frames.js'

describe('Timelines', () => {
  const closes = closing()

  const start = async (options: { forwarding?: 'allow' | 'deny' } = {}) => {
    const engine = closes(new Engine({ clock: 'virtual', seed: 1 }))
    const hub = new Hub({ engine, name: 'lab', ...options })
    const [a, b, c] = await join(hub, 'a', 'b', 'c')
    return { engine, hub, a, b, c }
  }

  describe('of changes', () => {
    it('lay options over the policy that the path has, at their instants, until reset', async () => {
      const { engine, hub, a, b } = await start()
      await hub.path(a, b).allow({ delay: '5ms', loss: 0.5 })
      const seen: [bigint, Policy][] = []
      const timeline = hub.timeline([
        { at: '10ms', from: 'a', to: b, loss: 0 },
        { at: '20ms', from: 'a', to: 'b', rate: '1Mbit', queue: '7frames' },
        { at: '30ms', from: 'a', to: 'b', reset: true, corrupt: 1 },
        { at: '40ms', from: 'a', to: 'b', reset: true },
      ])
      timeline.on('entry', () => seen.push([engine.now(), hub.path(a, b).policy]))
      engine.advance('9999999ns')
      expect([timeline.running, seen.length]).to.deep.equal([true, 0])
      engine.advance('1s')
      const base = { allowed: true, delay: '5ms' }
      expect(seen).to.deep.equal([
        [10_000_000n, { ...base, loss: 0 }],
        [20_000_000n, { ...base, loss: 0, rate: '1Mbit', queue: '7frames' }],
        [30_000_000n, { ...base, loss: 0.5, corrupt: 1 }],
        [40_000_000n, { ...base, loss: 0.5 }],
      ])
      expect(timeline.running).to.equal(false)
    })

    it('lie over the policy as it was set, whatever became of its object and of its files since', async () => {
      const { engine, hub, a, b } = await start()
      const folder = mkdtempSync(joinPath(tmpdir(), 'etherloom-'))
      try {
        const file = joinPath(folder, 'flat.dist')
        writeFileSync(file, '-8192 0 8192\n')
        const slot = { delay: '1ms', jitter: '1ms', distribution: { file } } as const
        const policy = {
          allowed: true,
          delay: '5ms',
          rate: '1Mbit',
          cell: { size: 48, overhead: 5 },
          slot,
        } as const
        const given = { ...policy, cell: { size: 48, overhead: 5 } }
        await hub.path(a, b).set(given)
        given.cell.size = 0
        rmSync(file)
        const timeline = hub.timeline([
          { from: 'a', to: 'b', ramp: { delay: ['5ms', '9ms'] }, over: '40ms', every: '10ms' },
        ])
        engine.advance('100ms')
        expect(timeline.progress[0]?.error).to.equal(undefined)
        expect(hub.path(a, b).policy).to.deep.equal({ ...policy, delay: '9ms' })
      } finally {
        rmSync(folder, { recursive: true })
      }
    })

    it('hold for frames that come in at their instant', async () => {
      const { engine, hub, a, b } = await start()
      hub.timeline([{ at: '10ms', from: 'a', to: 'b', allowed: false }])
      for (const tag of [0, 1, 2]) {
        a.send(frame({ tag }))
        engine.advance('5ms')
      }
      expect(tags(b)).to.deep.equal([0, 1]) // the third was sent at 10 ms
    })

    it('return a path without a policy of its own to the default of its fabric', async () => {
      const { engine, hub, a, b } = await start({ forwarding: 'deny' })
      hub.timeline([
        { at: '1ms', between: ['a', 'b'], allowed: true, delay: '1ms' },
        { at: '2ms', between: ['a', 'b'], reset: true },
      ])
      engine.advance('1ms')
      expect(hub.path(b, a).policy).to.deep.equal({ allowed: true, delay: '1ms' })
      engine.advance('1ms')
      const allowed = hub.stats().paths.map((path) => path.allowed)
      expect([hub.path(a, b).policy, allowed]).to.deep.equal([{ allowed: false }, [false, false]])
    })

    it('begin anew with `repeat`, and not at `until` or after', async () => {
      const { engine, hub } = await start()
      const times: string[] = []
      const timeline = hub.timeline([
        { at: '1ms', from: 'a', to: '*', repeat: '10ms', until: '31ms', delay: '1ms' },
        { at: '6ms', from: 'a', to: '*', repeat: '10ms', until: '31ms', reset: true },
      ])
      timeline.on('entry', ({ at, entry }) => times.push(`${entry}@${at}`))
      engine.advance('1s')
      expect(times).to.deep.equal(['1@1ms', '2@6ms', '1@11ms', '2@16ms', '1@21ms', '2@26ms'])
    })

    it('of one instant are one transaction, the later entry last', async () => {
      const { engine, hub, a, b } = await start()
      hub.timeline([
        { at: '5ms', from: 'a', to: 'b', delay: '1ms', loss: 1 },
        { at: '5ms', from: 'a', to: '*', loss: 0 },
        { at: '5ms', from: 'a', to: 'b', duplicate: 1 },
      ])
      engine.advance('5ms')
      expect(hub.path(a, b).policy).to.deep.equal({ allowed: true, delay: '1ms', loss: 0, duplicate: 1 })
      expect(hub.path(a, 'c').policy).to.deep.equal({ allowed: true, loss: 0 })
    })

    it('take what somebody else sets meanwhile as the new base', async () => {
      const { engine, hub, a, b } = await start()
      hub.timeline([
        { at: '1ms', from: 'a', to: 'b', loss: 1 },
        { at: '3ms', from: 'a', to: 'b', delay: '3ms' },
        { at: '4ms', from: 'a', to: 'b', reset: true },
      ])
      engine.advance('2ms')
      await hub.path(a, b).allow({ rate: '1Gbit' })
      engine.advance('1ms')
      expect(hub.path(a, b).policy).to.deep.equal({ allowed: true, rate: '1Gbit', delay: '3ms' })
      engine.advance('1ms')
      expect(hub.path(a, b).policy).to.deep.equal({ allowed: true, rate: '1Gbit' })
    })
  })

  it('do not start the random streams of a path with a seed anew', async () => {
    const losses = async (entries: TimelineEntry[]) => {
      const { engine, hub, a, b } = await start()
      await hub.path(a, b).allow({ loss: 0.5, seed: 9 })
      hub.timeline(entries)
      for (let tag = 0; tag < 200; tag++) {
        a.send(frame({ tag }))
        engine.advance('1ms')
      }
      return tags(b)
    }
    const undisturbed = await losses([])
    const same = { from: 'a', to: 'b', delay: '1us', repeat: '5ms' } as const
    expect(await losses([{ at: '3ms', ...same }])).to.deep.equal(undisturbed)
    expect(await losses([{ at: '3ms', ...same, seed: 9 }])).to.not.deep.equal(undisturbed)
  })

  describe('of ramps', () => {
    /** The policies of a > b after each step, with their times in ms. */
    const ramp = async (entry: Omit<TimelineRamp, 'from' | 'to'>, base?: Policy) => {
      const { engine, hub, a, b } = await start()
      if (base) await hub.path(a, b).set(base)
      const seen: [number, Record<string, unknown>, string][] = []
      const timeline = hub.timeline([{ from: 'a', to: 'b', ...entry }])
      timeline.on('entry', ({ phase }) => {
        const { allowed: _, ...policy } = hub.path(a, b).policy
        seen.push([Number(engine.now()) / 1e6, policy, phase])
      })
      engine.advance('1min')
      return seen
    }

    it('go in equal steps from the first to the last value', async () => {
      expect(
        await ramp({ at: '10ms', ramp: { loss: [0, 0.2] }, over: '100ms', every: '25ms' }),
      ).to.deep.equal([
        [10, { loss: 0 }, 'begin'],
        [35, { loss: 0.05 }, 'step'],
        [60, { loss: 0.1 }, 'step'],
        [85, { loss: 0.15 }, 'step'],
        [110, { loss: 0.2 }, 'end'],
      ])
    })

    it('end with the last value where the steps do not fit', async () => {
      const steps = await ramp({ ramp: { delay: ['30ms', '0s'] }, over: '3ms', every: '2ms' })
      expect(steps).to.deep.equal([
        [0, { delay: '30ms' }, 'begin'],
        [2, { delay: '10ms' }, 'step'],
        [3, { delay: '0s' }, 'end'],
      ])
    })

    it('move several options at once, each in its unit, whole numbers in whole steps', async () => {
      const steps = await ramp(
        {
          ramp: { rate: ['1Mbit', '2Mbit'], queue: ['10frames', '30frames'], overhead: [0, 24] },
          over: '3s',
          every: '1s',
        },
        { allowed: true, rate: '1Gbit' },
      )
      expect(steps.map(([at, policy]) => [at, policy])).to.deep.equal([
        [0, { rate: '1Mbit', queue: '10frames', overhead: 0 }],
        [1000, { rate: '1333333bit', queue: '17frames', overhead: 8 }],
        [2000, { rate: '1666667bit', queue: '23frames', overhead: 16 }],
        [3000, { rate: '2Mbit', queue: '30frames', overhead: 24 }],
      ])
    })

    it('take a hundred steps by default, of 10 ms to 1 s', async () => {
      const count = async (over: `${number}s` | `${number}ms`) =>
        (await ramp({ ramp: { loss: [0, 1] }, over })).length - 1
      expect([await count('30s'), await count('100ms'), await count('50s')]).to.deep.equal([100, 10, 100])
    })
  })

  describe('of outages', () => {
    it('lose exactly the frames inside the windows', async () => {
      const { engine, hub, a, b } = await start()
      await hub.path(a, b).allow({ delay: '250us' })
      hub.timeline([{ between: ['a', 'b'], flap: { every: '20ms', for: '3ms' } }])
      const lost: number[] = []
      for (let tag = 0; tag < 1000; tag++) {
        a.send(frame({ tag }))
        engine.advance('100us')
        // What is sent at an instant t is lost where 20k <= t < 20k + 3 in ms, for k of 1 or more.
        if (tag >= 200 && tag % 200 < 30) lost.push(tag)
      }
      engine.advance('1ms')
      const arrived = tags(b)
      const missing = Array.from({ length: 1000 }, (_, tag) => tag).filter((tag) => !arrived.includes(tag))
      expect(missing).to.deep.equal(lost)
      expectBalance(hub.path(a, b).stats(), 'a > b')
    })

    it('hold a path down while any of them lasts, and give back what was there', async () => {
      const { engine, hub, a, b } = await start()
      await hub.path(a, b).allow({ loss: 0.25 })
      const states: string[] = []
      const timeline = hub.timeline([
        { at: '0s', from: 'a', to: 'b', flap: { every: '100ms', for: '50ms' }, until: '1ms' },
        { at: '30ms', from: 'a', to: 'b', flap: { every: '100ms', for: '40ms' }, until: '31ms' },
      ])
      timeline.on('entry', ({ at }) => states.push(`${at} ${hub.path(a, b).policy.allowed}`))
      engine.advance('1s')
      expect(states).to.deep.equal(['0s false', '30ms false', '50ms false', '70ms true'])
      expect(hub.path(a, b).policy).to.deep.equal({ allowed: true, loss: 0.25 })
    })

    it('of ports take the carrier away', async () => {
      const engine = closes(new Engine({ clock: 'virtual' }))
      const wire = new Wire({ engine })
      const [a, b] = await join(wire, 'a', 'b')
      const seen: [boolean, bigint][] = []
      b.on('carrier', (on) => seen.push([on, engine.now()]))
      wire.timeline([
        { port: '*', flap: { every: '10ms', for: '2ms' }, until: '11ms' },
        { at: '30ms', port: 'b', carrier: 'off' },
      ])
      for (let tag = 0; tag < 40; tag++) {
        a.send(frame({ tag }))
        engine.advance('1ms')
      }
      expect(seen).to.deep.equal([
        [false, 10_000_000n],
        [true, 12_000_000n],
        [false, 30_000_000n],
      ])
      expect(tags(b)).to.deep.equal(
        [...Array(40).keys()].filter((tag) => tag < 30 && tag !== 10 && tag !== 11),
      )
      expect(dropped(a.stats().dropped)).to.deep.equal({ 'port-down': 2 }) // came in without a carrier
      expect(dropped(b.stats().dropped)).to.deep.equal({ 'port-down': 10 })
      expect([a.carrierOn, b.carrierOn]).to.deep.equal([true, false])
    })
  })

  describe('of any kind', () => {
    const entry: TimelineEntry = { at: '5ms', from: 'a', to: 'b', loss: 1 }

    it('are refused whole, with the entry and the word that was meant', async () => {
      const { hub } = await start()
      const wrong: [unknown, RegExp][] = [
        [{ ...entry, los: 1 }, /entry 2 of the timeline: unknown option 'los'.*did you mean 'loss'/],
        [{ ...entry, loss: 2 }, /'loss' of a timeline entry must be a probability from 0 to 1 or .*, not 2/],
        [{ ...entry, at: undefined }, /option 'at' of a timeline entry is required/],
        [{ ...entry, from: 'aa' }, /'lab' has no port 'aa'; did you mean 'a'/],
        [{ at: '5ms', loss: 1 }, /with 'between', with 'from' and 'to', or with 'port'/],
        [{ at: '5ms', between: ['a', 'b'] }, /with what it changes/],
        [{ ...entry, repeat: '0s' }, /'repeat' of a timeline entry must be a duration of at least 10us/],
        [
          { ...entry, repeat: '9us' },
          /'repeat' of a timeline entry must be a duration of at least 10us, not '9us'/,
        ],
        [
          { between: ['a', 'b'], ramp: { loss: [0, 1] }, over: '1000s', every: '1ns' },
          /'every' of a ramp of a timeline must be a duration of at least 10us, not '1ns'/,
        ],
        [
          { port: 'a', flap: { every: '2ns', for: '1ns' } },
          /'every' of 'flap' of a flap of a timeline must be a duration of at least 10us, not '2ns'/,
        ],
        [{ between: ['a', 'b'], flap: { every: '1s', for: '1s' } }, /'for' of a flap .* must be shorter/],
        [{ between: ['a', 'b'], flap: { every: '1s' } }, /'for' .* is required/],
        [{ between: ['a', 'b'], ramp: { loss: [0, 2] }, over: '1s' }, /must be a probability/],
        [
          { between: ['a', 'b'], ramp: { rate: [0, 2] }, over: '1s' },
          /'rate' of a ramp of a timeline must be/,
        ],
        [{ between: ['a', 'b'], ramp: { queue: ['1frame', '1s'] }, over: '1s' }, /two values of one kind/],
        [{ between: ['a', 'b'], ramp: {}, over: '1s' }, /given with an option/],
        [{ between: ['a', 'b'], ramp: { loss: [0, 1] }, over: '2s', repeat: '1s' }, /at least its 'over'/],
        [{ port: 'a', at: '1s', carrier: 'of' }, /must be one of 'on', 'off', not 'of'/],
        [undefined, /options of a timeline entry must be an object/],
      ]
      for (const [given, message] of wrong) {
        const error = await refusal(() => hub.timeline([entry, given as TimelineEntry]))
        expect(error.message).to.match(message)
        expect(error.message).to.match(/^entry 2 of the timeline: /)
      }
      const { engine } = hub
      engine.advance('1s')
      expect(hub.stats().paths).to.deep.equal([])
    })

    it('let others have their turn where very many steps are overdue, and end as they would', async () => {
      const hub = closes(new Hub())
      await join(hub, 'a', 'b')
      const entries = Array.from({ length: 3000 }, (_, index): TimelineEntry => ({
        at: `${index}ns`,
        from: 'a',
        to: 'b',
        delay: `${index}ns`,
      }))
      const timeline = hub.timeline(entries)
      const turns = new Set<number>()
      const seen: number[] = []
      let turn = 0
      timeline.on('entry', ({ entry }) => {
        seen.push(entry)
        if (turns.size < turns.add(turn).size) setImmediate(() => turn++)
      })
      await once(timeline, 'end')
      expect(seen).to.deep.equal(entries.map((_, index) => index + 1))
      expect(turns.size).to.be.at.least(9) // a step looks at 3000 entries, and a turn at a million
      expect(hub.path('a', 'b').policy).to.deep.include({ delay: '2999ns' })
    })

    it('tell what fails, and go on with the rest', async () => {
      const { engine, hub, a, b, c } = await start()
      const errors: string[] = []
      const timeline = hub.timeline([
        { at: '5ms', from: 'c', to: 'b', loss: 1 },
        { at: '5ms', from: 'a', to: 'b', queue: '5frames' }, // needs a rate
        { at: '5ms', from: 'b', to: 'a', loss: 0.5 },
        { at: '6ms', from: 'a', to: 'b', rate: '1Mbit' },
      ])
      timeline.on('failure', ({ code, message }) => errors.push(`${code} ${message}`))
      await hub.detach(c)
      engine.advance('5ms')
      expect(errors).to.have.length(2)
      expect(errors[0]).to.match(/^ERR_ETHERLOOM_NAME timeline of 'lab', c > b loss=1: 'lab' has no port 'c'/)
      expect(errors[1]).to.match(/^ERR_ETHERLOOM_OPTION timeline of 'lab', a > b queue=5frames: .*'rate'/)
      expect(hub.path(b, a).policy).to.deep.equal({ allowed: true, loss: 0.5 })
      expect(timeline.progress.map(({ error }) => error !== undefined)).to.deep.equal([
        true,
        true,
        false,
        false,
      ])
      engine.advance('5ms')
      expect(hub.path(a, b).policy).to.deep.equal({ allowed: true, queue: '5frames', rate: '1Mbit' })
    })

    it('throw what fails from `advance` where nobody listens, with the rest done', async () => {
      const { engine, hub, a, b } = await start()
      hub.timeline([
        { at: '5ms', from: 'a', to: 'b', queue: '5frames' },
        { at: '5ms', from: 'b', to: 'a', loss: 0.5 },
      ])
      const error = await refusal(() => engine.advance('1s'))
      expect(error.code).to.equal('ERR_ETHERLOOM_OPTION')
      expect(engine.now()).to.equal(5_000_000n)
      expect(hub.path(b, a).policy).to.deep.equal({ allowed: true, loss: 0.5 })
      engine.advance('1s')
      expect(engine.now()).to.equal(1_005_000_000n)
    })

    it("leave out of '*' a port that is still being attached", async () => {
      const { engine, hub, a, b, c } = await start()
      const { port, opened } = slowPort('late')
      const attached = hub.attach(port)
      hub.timeline([
        { at: '5ms', from: '*', to: 'a', loss: 0.5 },
        { at: '6ms', port: '*', carrier: 'off' },
      ])
      engine.advance('1s')
      expect([b, c].map((from) => hub.path(from, a).policy.loss)).to.deep.equal([0.5, 0.5])
      opened()
      await attached
      expect([a, b, c, port].map(({ carrierOn }) => carrierOn)).to.deep.equal([false, false, false, true])
    })

    it('end no process by a failure that nobody listens to in real time, but warn', async () => {
      const hub = closes(new Hub({ name: 'real' }))
      await join(hub, 'a', 'b')
      const warned = once(process, 'warning')
      hub.timeline([{ at: '1ms', from: 'a', to: 'b', queue: '5frames' }])
      const [{ message, name }] = (await warned) as [Error]
      expect(`${name}: ${message}`).to.match(
        /^EtherloomError: timeline of 'real', a > b queue=5frames: .*'rate'/,
      )
    })

    it('stop, with what they set staying or going', async () => {
      for (const restore of [false, true]) {
        const { engine, hub, a, b } = await start()
        await hub.path(a, b).allow({ delay: '1ms' })
        const timeline = hub.timeline([
          { at: '1ms', from: 'a', to: '*', loss: 1 },
          { at: '1ms', port: 'a', carrier: 'off' },
          { at: '3ms', from: 'a', to: 'b', loss: 0 },
        ])
        engine.advance('2ms')
        timeline.stop({ restore })
        timeline.stop()
        engine.advance('2ms')
        expect(timeline.running).to.equal(false)
        expect(a.carrierOn).to.equal(restore)
        expect(hub.path(a, b).policy).to.deep.equal({
          allowed: true,
          delay: '1ms',
          ...(!restore && { loss: 1 }),
        })
        expect(hub.path(a, 'c').policy).to.deep.equal({ allowed: true, ...(!restore && { loss: 1 }) })
      }
    })

    it('count their progress, and tell when they have ended', async () => {
      const { engine, hub } = await start()
      const timeline = hub.timeline([
        entry,
        { at: '1s', between: ['a', 'c'], ramp: { loss: [0, 0.05] }, over: '30s' },
        { port: 'b', flap: { every: '20s', for: '500ms' }, until: '30s' },
      ])
      let ended = 0n
      timeline.on('end', () => (ended = engine.now()))
      engine.advance('1s')
      expect(timeline.progress).to.deep.equal([
        { entry: 'a > b loss=1', taken: 1 },
        { entry: 'a <> c loss=0..0.05 over 30s', taken: 1, next: '1.3s' },
        { entry: 'b flap every 20s for 500ms', taken: 0, next: '20s' },
      ])
      engine.advance('1min')
      expect([ended, timeline.running]).to.deep.equal([31_000_000_000n, false])
    })

    it('start at the time they are made, and end with their fabric', async () => {
      const { engine, hub, a, b } = await start()
      const other = new Hub({ engine })
      await join(other, 'a', 'b')
      engine.advance('7ms')
      const timeline = hub.timeline([{ ...entry, repeat: '1ms' }])
      const others = other.timeline([{ ...entry, repeat: '1ms' }])
      engine.advance('5ms')
      expect(hub.path(a, b).policy.loss).to.equal(1)
      await hub.close()
      engine.advance('5ms')
      expect([timeline.running, timeline.progress[0]!.taken]).to.deep.equal([false, 1])
      expect([others.running, others.progress[0]!.taken]).to.deep.equal([true, 6])
      expect((await refusal(() => hub.timeline([entry]))).code).to.equal('ERR_ETHERLOOM_STATE')
    })

    it('do not let `advance` be called within itself', async () => {
      const { engine, hub } = await start()
      hub.timeline([entry]).on('entry', () => {
        engine.advance('1s')
      })
      expect((await refusal(() => engine.advance('1s'))).code).to.equal('ERR_ETHERLOOM_STATE')
    })

    it('run in real time', async () => {
      const hub = closes(new Hub())
      const [a, b] = await join(hub, 'a', 'b')
      const before = hub.engine.now()
      const timeline = hub.timeline([
        { at: '0s', from: 'a', to: 'b', allowed: false },
        { at: '20ms', from: 'a', to: 'b', reset: true },
        { at: '21ms', from: 'b', to: 'a', ramp: { delay: ['0s', '1ms'] }, over: '30ms' },
      ])
      const early: string[] = []
      timeline.on('entry', ({ at }) => {
        if (hub.engine.now() - before < BigInt(Math.round(parseFloat(at))) * 1_000_000n) early.push(at)
      })
      await once(timeline, 'entry')
      expect(hub.path(a, b).policy.allowed).to.equal(false)
      await once(timeline, 'end')
      expect(hub.path(a, b).policy).to.deep.equal({ allowed: true })
      expect(hub.path(b, a).policy).to.deep.equal({ allowed: true, delay: '1ms' })
      expect(early).to.deep.equal([])
    })

    it('take what they missed in order, and set each path once, to what holds now', async () => {
      const hub = closes(new Hub())
      const [a, b] = await join(hub, 'a', 'b')
      const timeline = hub.timeline([
        { at: '0s', from: 'a', to: 'b', ramp: { loss: [0, 1] }, over: '30ms', every: '1ms' },
        { at: '30ms', from: 'a', to: 'b', delay: '1ms' },
      ])
      const policies = new Set<unknown>()
      timeline.on('entry', () => policies.add(hub.ownPolicy(a, b)))
      const end = hub.engine.now() + 40_000_000n
      while (hub.engine.now() < end); // as if the process had been stopped
      await once(timeline, 'end')
      expect([...policies]).to.deep.equal([{ allowed: true, loss: 1, delay: '1ms' }])
      expect(timeline.progress.map(({ taken }) => taken)).to.deep.equal([31, 1])
    })
  })
})

describe('A path whose policy changes under traffic', () => {
  const closes = closing()

  it('1000 times, behaves like a fresh one afterwards, and holds nothing', async () => {
    /** When 50 frames arrive over a slow line, from when the first was sent, and what the path then holds. */
    const measure = async (changes: number) => {
      const engine = closes(new Engine({ clock: 'virtual', seed: 3, memory: '1MiB' }))
      const hub = new Hub({ engine })
      const [a, b] = await join(hub, 'a', 'b')
      const options = ['delay', 'jitter', 'rate', 'duplicate', 'loss', 'reorder'] as const
      for (let change = 0; change < changes; change++) {
        a.send([frame({ tag: 1 }), frame({ tag: 2, length: 1514 })])
        engine.advance(`${change % 7}us`)
        const mix = {
          delay: `${(change % 5) + 1}us`,
          jitter: `${change % 3}us`,
          rate: `${(change % 9) + 1}Gbit`,
          duplicate: (change % 10) / 10,
          loss: (change % 4) / 10,
          reorder: (change % 2) / 2,
        } as const
        const policy: PolicyOptions = Object.fromEntries(
          options
            .filter((_, index) => change % (index + 2) > 0 || index === 0)
            .map((option) => [option, mix[option]]),
        )
        if (change % 17 === 0) await hub.path(a, b).deny()
        else await hub.path(a, b).allow(policy, { flush: change % 13 === 0 })
        take(b)
      }
      await hub.path(a, b).allow({ rate: '10Mbit', delay: '3ms', queue: '40frames' })
      engine.advance('1s')
      take(b)
      const before = hub.path(a, b).stats()
      const start = engine.now()
      a.send(Array.from({ length: 50 }, (_, tag) => frame({ tag, length: 1000 })))
      engine.advance('1s')
      const after = hub.path(a, b).stats()
      expectBalance(after, 'a > b')
      const lost = after.dropped.queue - before.dropped.queue
      return {
        arrivals: take(b).map(({ tag, at }) => [tag, at - start]),
        lost,
        waiting: after.waiting,
        inFlight: after.inFlight,
      }
    }
    const fresh = await measure(0)
    expect(fresh).to.include({ lost: 9n, waiting: 0n, inFlight: 0n }) // one is on the line, 40 wait
    expect(await measure(1000)).to.deep.equal(fresh)
  })

  it('by a timeline, keeps neither policies nor memory', async () => {
    const hub = closes(new Hub())
    const [a, b] = await join(hub, 'a', 'b')
    const generator = await hub.attach(new GeneratorPort({ count: 200_000 }))
    await hub.path(generator, b).deny()
    await hub.path(a, b).allow({ delay: '1ms' })
    const handles = () => readdirSync('/proc/self/fd').length
    const before = handles()
    await generator.start()
    const timeline = hub.timeline([
      {
        from: [a, generator],
        to: b,
        ramp: { loss: [0, 1], delay: ['1ms', '2ms'] },
        over: '100ms',
        every: '100us',
      },
    ])
    await once(timeline, 'end')
    expect(timeline.progress[0]!.taken).to.equal(1001)
    timeline.stop({ restore: true })
    expect(hub.path(a, b).policy).to.deep.equal({ allowed: true, delay: '1ms' })
    expect(hub.path(generator, b).policy).to.deep.equal({ allowed: false })
    await until(() => hub.stats().paths.every(({ waiting, inFlight }) => waiting + inFlight === 0n))
    for (const path of hub.stats().paths) expectBalance(path, `${path.from} > ${path.to}`)
    expect(handles()).to.equal(before)
  })
})

describe('Carrier', () => {
  const closes = closing()

  it('is what its ports say it is, and tells so', async () => {
    const hub = closes(new Hub())
    const [a] = await join(hub, 'a', 'b')
    const told: unknown[] = []
    a.on('carrier', (on) => told.push(on))
    hub.on('port:carrier', ({ port, on }) => told.push(`${port.name} ${on}`))
    expect(a.carrierOn).to.equal(true)
    await a.carrier(true)
    await a.carrier(false)
    await a.carrier(false)
    expect([a.carrierOn, a.state]).to.deep.equal([false, 'up'])
    expect(told).to.deep.equal([false, 'a false'])
    await hub.detach(a)
    expect(a.carrierOn).to.equal(true)
    expect((await refusal(a.carrier(false))).code).to.equal('ERR_ETHERLOOM_STATE')
    await hub.attach(a)
    expect((await refusal(a.carrier('off' as never))).message).to.match(/must be true or false, not 'off'/)
  })

  it('is needed for frames to come in, to go out, and to arrive', async () => {
    const engine = closes(new Engine({ clock: 'virtual' }))
    const hub = new Hub({ engine })
    const [a, b] = await join(hub, 'a', 'b')
    await hub.path(a, b).allow({ delay: '2ms' })
    const sink = await hub.attach(new SinkPort())
    await b.carrier(false)
    a.send(frame({ tag: 1 }))
    b.send(frame({ tag: 2 }))
    engine.advance('1ms')
    await b.carrier(true)
    engine.advance('1ms') // the first frame arrives when the carrier is back
    await b.carrier(false)
    a.send(frame({ tag: 3 }))
    engine.advance('2ms')
    expect([tags(a), tags(b)]).to.deep.equal([[], [1]])
    expect(dropped(b.stats().dropped)).to.deep.equal({ 'port-down': 2 }) // 2 as it came in, 3 as it arrived
    expect(dropped(hub.path(a, b).stats().dropped)).to.deep.equal({ 'port-down': 1 })
    expect(sink.stats().transmitted.frames).to.equal(2n)
    expectBalance(hub.path(a, b).stats(), 'a > b')
  })

  it('of a wire is that of both ends', async () => {
    const engine = closes(new Engine({ clock: 'virtual', workers: 2 }))
    const wire = new Wire({ engine })
    const [a, b] = await join(wire, 'a', 'b')
    await wire.carrier(false)
    expect([a.carrierOn, b.carrierOn]).to.deep.equal([false, false])
    a.send(frame())
    b.send(frame())
    engine.advance('0s')
    await wire.carrier(true)
    b.send(frame({ tag: 9 }))
    engine.advance('0s')
    expect([tags(a), tags(b)]).to.deep.equal([[9], []])
  })

  it('once taken away lets nothing pass any more, on any number of workers', async () => {
    const hub = closes(new Hub({ engine: { workers: 2 } }))
    const [a, b] = await join(hub, 'a', 'b')
    for (let round = 0; round < 20; round++) {
      a.send(Array.from({ length: 64 }, (_, tag) => frame({ tag })))
      await b.carrier(false)
      const { transmitted } = b.stats()
      a.send(frame())
      await until(() => Object.values(b.stats().dropped).some((count) => count > 0n))
      expect(b.stats().transmitted).to.deep.equal(transmitted)
      await b.carrier(true)
    }
  })
})
