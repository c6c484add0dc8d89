/** Captures, fate logs and replay, as users see them: files read back by an independent reader. Virtual clock. */
import { expect } from 'chai'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join as joinPath } from 'node:path'
import { PassThrough } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import {
  Engine,
  GeneratorPort,
  Hub,
  parseTopology,
  SinkPort,
  type CaptureOptions,
  type PolicyOptions,
} from '../../lib/index.js'
import { refusal } from '../helpers/errors.js'
import { closing, join, receive, take } from '../helpers/fabric.js'
import { frame, numbered, tagOf } from '../helpers/frames.js'
import { readPcapng } from '../helpers/pcapng.js'

const hasTshark = spawnSync('tshark', ['--version']).status === 0

describe('Capture', () => {
  const closes = closing()
  let directory: string
  let file: string
  beforeEach(() => {
    directory = mkdtempSync(joinPath(tmpdir(), 'etherloom-test-'))
    file = joinPath(directory, 'capture.pcapng')
  })
  afterEach(() => rmSync(directory, { recursive: true, force: true }))

  const recorded = (path = file) => readPcapng(readFileSync(path))
  const makePair = async (policy: PolicyOptions = {}, { seed = 1n, workers = 1 } = {}) => {
    const engine = closes(new Engine({ clock: 'virtual', seed, workers }))
    const hub = new Hub({ engine, name: 'hub' })
    const [a, b] = await join(hub, 'a', 'b')
    await hub.path(a, b).allow(policy)
    return { engine, hub, a, b, path: hub.path(a, b) }
  }

  it('records at a port what comes in and goes out, with direction and time', async () => {
    const { engine, a, b } = await makePair({ delay: '5ms' })
    const capture = await a.capture(file)
    engine.advance('1ns')
    a.send(frame({ tag: 7, length: 61 }))
    engine.advance('2ms')
    b.send(frame({ tag: 8 }))
    engine.advance('10ms')
    await capture.close()
    const { interfaces, packets, statistics } = recorded()
    expect(interfaces).to.deep.equal([{ name: 'a', description: 'port of hub', snapLength: 0 }])
    expect(
      packets.map(({ at, direction, bytes, length }) => [at, direction, tagOf(bytes), length]),
    ).to.deep.equal([
      [1n, 'in', 7, 61],
      [2_000_001n, 'out', 8, 60],
    ])
    expect(packets[0]?.bytes).to.deep.equal(frame({ tag: 7, length: 61 }))
    expect(statistics).to.deep.equal([{ interface: 'a', received: 2n, dropped: 0n }])
    expect(capture.stats()).to.deep.include({
      frames: 2n,
      lost: 0n,
      bytes: BigInt(readFileSync(file).length),
    })
  })

  for (const workers of [1, 2])
    it(`keeps no more than it will write, however much comes at once, with ${workers} workers`, async () => {
      const engine = closes(new Engine({ clock: 'virtual', workers }))
      const hub = closes(new Hub({ engine }))
      const generator = await hub.attach(new GeneratorPort({ count: 300_000, length: 1514 }))
      await hub.attach(new SinkPort())
      const capture = await generator.capture(file, { count: 10 })
      const before = process.memoryUsage().rss
      await generator.start()
      engine.advance('1ms')
      // The address sanitizer keeps memory of its own beside each byte, and what was freed.
      if (process.env.ASAN_OPTIONS === undefined)
        expect(process.memoryUsage().rss - before).to.be.below(150e6)
      expect(generator.stats().received.frames).to.equal(300_000n)
      await capture.ended
      const numbers = recorded().packets.map(({ bytes }) => Buffer.from(bytes).readBigUInt64BE(14))
      expect(numbers).to.deep.equal(Array.from({ length: 10 }, (_, index) => BigInt(index)))
    }).timeout(60_000) // with sanitizers

  it('records on a path what leaves it, and what it was offered where that is asked for', async () => {
    const { engine, a, path } = await makePair({ delay: '5ms', loss: 0.5, filter: 'less 100' })
    const offered = joinPath(directory, 'offered.pcapng')
    const captures = [await path.capture(file), await path.capture(offered, { offered: true })]
    a.send([...numbered(50), frame({ length: 200 })])
    engine.advance('1s')
    for (const capture of captures) await capture.close()
    const left = recorded().packets
    expect(left).to.have.length(Number(path.stats().delivered))
    expect(new Set(left.map(({ at, direction }) => `${at} ${direction}`))).to.deep.equal(
      new Set(['5000000 out']),
    )
    const both = recorded(offered)
    expect(both.interfaces[0]).to.deep.include({ name: 'a>b', filter: 'less 100' })
    expect(both.packets.filter(({ direction }) => direction === 'in')).to.have.length(50)
    expect(both.packets.filter(({ direction }) => direction === 'out')).to.have.length(left.length)
  })

  it('records a path without a policy by giving it one that says the same', async () => {
    const { engine, hub, a, b } = await makePair()
    const capture = await hub.path(b, a).capture(file)
    b.send(frame({ tag: 3 }))
    engine.advance('0s')
    await capture.close()
    expect(recorded().packets.map(({ bytes }) => tagOf(bytes))).to.deep.equal([3])
    expect(hub.path(b, a).policy).to.deep.equal({ allowed: true })
  })

  it('keeps the first bytes only, and ends by itself, when asked', async () => {
    const { engine, a } = await makePair()
    const capture = await a.capture(file, { snapLength: 20, count: 3 })
    a.send(numbered(10))
    engine.advance('0s')
    expect(await capture.ended).to.equal(undefined)
    const { packets, interfaces } = recorded()
    expect(interfaces[0]?.snapLength).to.equal(20)
    expect(packets.map(({ bytes, length }) => [bytes.length, length])).to.deep.equal(
      new Array(3).fill([20, 60]),
    )
    await capture.close()
  })

  it('loses nothing on a virtual clock, however small the buffer', async () => {
    const { engine, a } = await makePair()
    const capture = await a.capture(file, { buffer: '64KiB' })
    a.send(numbered(300, { length: 1500 }))
    engine.advance('0s')
    await capture.close()
    expect(recorded().packets.map(({ bytes }) => tagOf(bytes))).to.deep.equal(
      Array.from({ length: 300 }, (_, i) => i),
    )
  })

  it('writes to a stream, which ends with it', async () => {
    const { engine, a } = await makePair()
    const stream = new PassThrough()
    const whole = buffer(stream)
    const capture = await a.capture(stream)
    a.send(numbered(5))
    engine.advance('0s')
    await capture.close()
    expect(readPcapng(await whole).packets).to.have.length(5)
  })

  it('ends alone when its reader goes, and says so', async () => {
    const { engine, a, b } = await makePair()
    const stream = new PassThrough()
    const capture = await a.capture(stream)
    stream.destroy()
    const error = await Promise.race([
      capture.ended,
      (async () => {
        for (;;) {
          await new Promise((resolve) => setImmediate(resolve))
          a.send(frame())
          engine.advance('1ms')
          take(b)
        }
      })(),
    ]).finally(() => undefined)
    expect(error?.message).to.match(/EPIPE/)
    await capture.close()
  })

  it('closes with its engine, and refuses what cannot be written', async () => {
    const { engine, a } = await makePair()
    const capture = await a.capture(file)
    a.send(frame())
    engine.advance('0s')
    await engine.close()
    expect(capture.closed).to.equal(true)
    expect(recorded().packets).to.have.length(1)
    const other = await makePair()
    for (const [output, options, code] of [
      [joinPath(directory, 'none', 'x'), {}, 'ERR_ETHERLOOM_DEVICE'],
      ['', {}, 'ERR_ETHERLOOM_OPTION'],
      [file, { snapLength: -1 }, 'ERR_ETHERLOOM_OPTION'],
      [file, { snap: 1 }, 'ERR_ETHERLOOM_UNKNOWN_OPTION'],
    ] as const) {
      const thrown = await other.a.capture(output, options as CaptureOptions).catch((error: unknown) => error)
      expect(thrown).to.have.property('code', code)
    }
  })

  it('ends with its engine when it begins while that closes', async () => {
    const { engine, hub, a, path } = await makePair({ delay: '5ms' })
    const first = await a.capture(file)
    const closed = engine.close()
    const second = await hub.fateLog(joinPath(directory, 'fates.pcapng'))
    await closed
    expect([first.closed, second.closed]).to.deep.equal([true, true])
    await engine.close()
    expect(await refusal(path.fateLog(file))).to.have.property('code', 'ERR_ETHERLOOM_STATE')
  })

  it('survives the departure of what it listens to', async () => {
    const { engine, hub, a, b } = await makePair({ delay: '1ms' })
    const captures = [await a.capture(file), await hub.path(a, b).fateLog(joinPath(directory, 'fates'))]
    a.send(frame())
    engine.advance('0s')
    await hub.detach(a)
    await join(hub, 'c')
    engine.advance('1s')
    for (const capture of captures) await capture.close()
    expect(recorded().packets).to.have.length(1)
    expect(recorded(joinPath(directory, 'fates')).packets.map(({ comment }) => comment)).to.deep.equal([
      'n=0 fate=dropped reason=flush stage=travel',
    ])
  })

  it('is the same, byte for byte, for any number of workers', async () => {
    const run = async (workers: number): Promise<Buffer[]> => {
      const engine = closes(new Engine({ clock: 'virtual', seed: 5n, workers }))
      const hub = new Hub({ engine, name: 'hub' })
      const ports = await join(hub, 'a', 'b', 'c', 'd')
      for (const from of ports)
        for (const to of ports)
          if (from !== to)
            await hub
              .path(from, to)
              .allow({ loss: 0.2, duplicate: 0.2, corrupt: 0.2, delay: '1ms', jitter: '1ms' })
      const files = ['log', ...ports.map(({ name }) => name)].map((name) =>
        joinPath(directory, `${workers}-${name}`),
      )
      const captures = [await hub.fateLog(files[0]!)]
      for (const [index, port] of ports.entries()) captures.push(await port.capture(files[index + 1]!))
      for (let round = 0; round < 20; round++) {
        for (const port of ports) port.send(numbered(5))
        engine.advance('300us')
      }
      engine.advance('1s')
      for (const capture of captures) await capture.close()
      return files.map((path) => readFileSync(path))
    }
    const [one, two, four] = [await run(1), await run(2), await run(4)]
    expect(readPcapng(one[0]!).packets.length).to.be.greaterThan(1000)
    for (const [index, bytes] of one.entries()) {
      expect(bytes.equals(two[index]!)).to.equal(true)
      expect(bytes.equals(four[index]!)).to.equal(true)
    }
  })

  it('is read by tshark', async function () {
    if (!hasTshark) {
      console.log('      (tshark is not installed: skipped)')
      this.skip()
    }
    const { engine, a, path } = await makePair({ delay: '5ms', duplicate: 1 })
    const captures = [await a.capture(file), await path.fateLog(joinPath(directory, 'fates'))]
    a.send(numbered(3))
    engine.advance('1s')
    for (const capture of captures) await capture.close()
    const fields = (path: string, ...names: string[]): string[] => {
      const { stdout, stderr } = spawnSync(
        'tshark',
        ['-r', path, '-T', 'fields', ...names.flatMap((name) => ['-e', name])],
        { encoding: 'utf8' },
      )
      expect(stderr.replace(/^Running as user.*\n/, '')).to.equal('')
      return stdout.trim().split('\n')
    }
    expect(
      fields(file, 'frame.interface_name', 'frame.packet_flags_direction', 'frame.time_epoch', 'frame.len'),
    ).to.deep.equal(new Array(3).fill('a\t0x00000001\t0.000000000\t60'))
    expect(fields(joinPath(directory, 'fates'), 'frame.comment')[1]).to.equal(
      'n=0 fate=delivered delay=5000000ns copies=2 copy=1',
    )
  })

  it('tells the time of day on the real clock', async () => {
    const hub = closes(new Hub({ engine: { seed: 1n } }))
    const [a, b] = await join(hub, 'a', 'b')
    const before = BigInt(Date.now()) * 1_000_000n
    const capture = await b.capture(file)
    a.send(numbered(10))
    await receive(b, 10)
    await capture.close()
    const after = BigInt(Date.now() + 1) * 1_000_000n
    const { packets } = recorded()
    expect(packets.map(({ bytes, direction }) => [tagOf(bytes), direction])).to.deep.equal(
      Array.from({ length: 10 }, (_, tag) => [tag, 'out']),
    )
    for (const { at } of packets) expect(at >= before - 1_000_000n && at <= after).to.equal(true)
  })

  describe('fate log', () => {
    const all: PolicyOptions = {
      loss: 0.2,
      duplicate: 0.2,
      corrupt: 0.2,
      rate: '1Mbit',
      queue: '8frames',
      delay: '3ms',
      jitter: '2ms',
      reorder: 0.2,
      filter: 'not ether[17] = 3', // the lowest byte of the tag
    }

    it('has a word for every frame, and they add up to the counters', async () => {
      const { engine, a, path } = await makePair(all)
      const log = await path.fateLog(file)
      for (let round = 0; round < 40; round++) {
        a.send(numbered(20))
        engine.advance('5ms')
      }
      engine.advance('10s')
      await log.close()
      const comments = recorded().packets.map(({ comment }) => comment)
      const count = (pattern: RegExp): bigint =>
        BigInt(comments.filter((comment) => pattern.test(comment)).length)
      const { delivered, dropped, duplicated, corrupted, offered } = path.stats()
      expect(count(/ fate=delivered delay=\d+ns/)).to.equal(delivered)
      for (const reason of ['loss', 'queue'] as const) {
        expect(dropped[reason]).to.not.equal(0n)
        expect(count(new RegExp(` fate=dropped reason=${reason} stage=(loss|line)`))).to.equal(
          dropped[reason],
        )
      }
      expect(count(/^fate=dropped reason=filter stage=filter$/))
        .to.equal(dropped.filter)
        .and.equal(40n)
      expect(BigInt(comments.length)).to.equal(offered + duplicated)
      const numbers = (pattern: RegExp): bigint =>
        BigInt(
          new Set(comments.filter((each) => pattern.test(each)).map((each) => /^n=(\d+)/.exec(each)?.[1]))
            .size,
        )
      expect(numbers(/ copies=2/)).to.equal(duplicated)
      expect(numbers(/ corrupted=\d+$/)).to.equal(corrupted)
    })

    it('is applied again by replay: the same bytes at the same instants', async () => {
      const run = async (policy: PolicyOptions, log: string, seed: bigint) => {
        const { engine, a, b, path } = await makePair(policy, { seed })
        const capture = await path.fateLog(log)
        for (let round = 0; round < 40; round++) {
          a.send(numbered(20))
          engine.advance('5ms')
        }
        engine.advance('10s')
        await capture.close()
        const { offered, delivered, dropped, duplicated, corrupted } = path.stats()
        return { taken: take(b), stats: { offered, delivered, dropped, duplicated, corrupted } }
      }
      const first = await run(all, file, 1n)
      const again = joinPath(directory, 'again')
      const second = await run({ filter: all.filter!, replay: file }, again, 99n)
      expect(first.taken.length).to.be.greaterThan(200)
      expect(second.taken).to.deep.equal(first.taken)
      expect(second.stats).to.deep.equal(first.stats)
      const third = await run({ filter: all.filter!, replay: { file: again, path: 'a>b' } }, file, 7n)
      expect(third.taken).to.deep.equal(first.taken)
    })

    it('replays netem to the bit and in its order, where copies differ and several frames leave at once', async () => {
      const netem =
        'limit 10000 delay 3ms 3ms loss 5% duplicate 30% corrupt 30% reorder 20% gap 3 slot 5ms 5ms'
      const run = async (policy: PolicyOptions, log: string) => {
        const { engine, a, b, path } = await makePair(policy, { seed: 5n })
        const capture = await path.fateLog(log)
        for (let round = 0; round < 40; round++) {
          a.send(numbered(20))
          engine.advance('2ms')
        }
        engine.advance('10s')
        await capture.close()
        const { offered, delivered, duplicated, corrupted } = path.stats()
        return { taken: take(b), stats: { offered, delivered, duplicated, corrupted } }
      }
      const first = await run({ netem }, file)
      const second = await run({ replay: file }, joinPath(directory, 'again'))
      expect(second.taken).to.deep.equal(first.taken)
      expect(second.stats).to.deep.equal(first.stats)
    })

    it('passes what comes after the end of the log, or begins again', async () => {
      const first = await makePair({ loss: 0.5, delay: '1ms' })
      const log = await first.path.fateLog(file)
      first.a.send(numbered(20))
      first.engine.advance('1s')
      await log.close()
      const kept = take(first.b).map(({ tag }) => tag)
      const replayed = async (end: 'pass' | 'loop') => {
        const { engine, a, b } = await makePair({ replay: { file, end } })
        a.send(numbered(40))
        engine.advance('1s')
        return take(b)
          .map(({ tag }) => tag)
          .sort((left, right) => left - right)
      }
      expect(await replayed('pass')).to.deep.equal([...kept, ...Array.from({ length: 20 }, (_, i) => 20 + i)])
      expect(await replayed('loop')).to.deep.equal([...kept, ...kept.map((tag) => tag + 20)])
    })

    it('replays logs that topology files name, by their place, in paths and in timelines', async () => {
      const { engine, hub, a } = await makePair({ loss: 0.5 })
      const log = await hub.fateLog(file)
      a.send(numbered(5))
      engine.advance('0s')
      await log.close()
      const name = basename(file)
      const text = `fabrics: { lan: { kind: wire, ports: { a: { tap: t0 }, b: { tap: t1 } },
        paths: [{ from: a, to: b, replay: { file: ${name}, path: 'a>b', end: loop } }],
        timeline: [{ at: 1s, from: b, to: a, replay: ${name} }] } }`
      const { fabrics } = await parseTopology(text, joinPath(directory, 'net.yaml'))
      expect(fabrics.lan?.paths?.[0]?.replay).to.deep.equal({ file, path: 'a>b', end: 'loop' })
      expect(fabrics.lan?.timeline?.[0]).to.have.property('replay', file)
    })

    it('refuses logs that are none, and policies that would do what the log does', async () => {
      const { hub, a, b, engine } = await makePair({ loss: 0.5 })
      await hub.path(b, a).allow()
      const log = await hub.fateLog(file)
      a.send(frame())
      b.send(frame())
      engine.advance('0s')
      await log.close()
      const refusal = async (policy: object): Promise<string> =>
        hub
          .path(a, b)
          .allow(policy)
          .then(
            () => 'accepted',
            (error: unknown) => (error as Error).message,
          )
      expect(await refusal({ replay: file })).to.match(/several paths; say which: (a>b, b>a|b>a, a>b)$/)
      expect(await refusal({ replay: { file, path: 'a>c' } })).to.match(/no path 'a>c'; did you mean/)
      expect(await refusal({ replay: { file, path: 'a>b' }, loss: 0.1 })).to.match(/only one beside 'filter'/)
      expect(await refusal({ replay: joinPath(directory, 'none') })).to.match(/cannot read/)
      expect(await refusal({ replay: 'package.json' })).to.match(/not a whole pcapng file/)
    })
  })

  describe('lateness', () => {
    it('is nothing on a virtual clock, and counts what was held', async () => {
      const { engine, a, path } = await makePair({ delay: '1ms' })
      a.send(numbered(9))
      engine.advance('1s')
      expect(engine.lateness()).to.deep.equal({
        count: 9n,
        max: 0,
        p50: 0,
        p99: 0,
        buckets: [{ from: 0, to: 1, count: 9n }],
      })
      expect(path.stats()).to.deep.include({ delayed: 9n, reordered: 0n, corrupted: 0n })
    })

    it('is never negative on a real one', async () => {
      const hub = closes(new Hub({ engine: { workers: 2 } }))
      const [a, b] = await join(hub, 'a', 'b')
      await hub.path(a, b).allow({ delay: '1ms' })
      a.send(numbered(50))
      await receive(b, 50)
      const all = hub.engine.lateness()
      expect(all.count).to.equal(50n)
      expect(all.buckets.reduce((sum, { count }) => sum + count, 0n)).to.equal(50n)
      expect(all.p50).to.be.within(0, all.p99)
      expect(all.p99).to.be.within(all.p50, all.max)
      expect(all.max).to.be.below(60e9)
      expect([0, 1].reduce((sum, worker) => sum + hub.engine.lateness(worker).count, 0n)).to.equal(50n)
    })
  })
})
