/** What has left is refused, and nothing else takes its place: numbers of ports, fabrics and captures, and closed engines. */
import { expect } from 'chai'
import { PassThrough } from 'node:stream'
import { native } from '../../lib/binding.js'
import { Engine, Hub, MemoryPort, PatchPort, type Policy } from '../../lib/index.js'
import { MemoryBridge } from '../../lib/ports/memory-bridge.js'
import { closing, join, take } from '../helpers/fabric.js'
import { refusal } from '../helpers/errors.js'
import { frame, numbered } from '../helpers/frames.js'

describe('what has left', () => {
  const closes = closing()
  const virtual = (): Hub => {
    const engine = closes(new Engine({ clock: 'virtual', seed: 1n }))
    return closes(new Hub({ engine }))
  }

  it('is captured no more, and neither is who came instead, when it leaves as the capture begins', async () => {
    const hub = virtual()
    const [left, right] = await join(hub, 'left', 'right')
    const output = new PassThrough()
    const begun = left.capture(output)
    await hub.detach(left)
    const [other] = await join(hub, 'other')
    const capture = await begun
    other.send(frame({ tag: 1 }))
    right.send(frame({ tag: 2 }))
    hub.engine.advance('1s')
    await capture.close()
    expect(capture.stats().frames).to.equal(0n)
    expect(take(right)).to.have.length(1)
  })

  it('is not captured when an option of the capture detaches it', async () => {
    const hub = virtual()
    const [left] = await join(hub, 'left', 'right')
    const options = {
      get count() {
        if (left.state === 'up') void hub.detach(left)
        return 1
      },
    }
    const error = await refusal(left.capture('/dev/null', options))
    expect(error.code).to.equal('ERR_ETHERLOOM_STATE')
  })

  it('is not captured as a path when an option of the capture detaches one end', async () => {
    const hub = virtual()
    const [left, right] = await join(hub, 'left', 'right')
    await hub.path(left, right).allow({ delay: '1ms' })
    const options = {
      get count() {
        if (right.state === 'up') void hub.detach(right)
        return 1
      },
    }
    const error = await refusal(hub.path(left, right).capture('/dev/null', options))
    expect(error.code).to.equal('ERR_ETHERLOOM_STATE')
  })

  it('gets no policy from a transaction whose options detach it, and no other port does', async () => {
    const hub = virtual()
    const [left, middle, right] = await join(hub, 'left', 'middle', 'right')
    const deny: Policy = { allowed: false }
    const trap = {
      get allowed() {
        if (left.state === 'up') void hub.detach(left)
        return false
      },
    } as Policy
    const error = await refusal(
      hub.apply([
        { from: middle, to: right, policy: deny },
        { from: left, to: right, policy: trap },
      ]),
    )
    expect(error.code).to.equal('ERR_ETHERLOOM_STATE')
    middle.send(numbered(1))
    hub.engine.advance('1ms')
    expect(take(right)).to.have.length(1)
  })

  it('keeps its settings to itself when its own options detach it', async () => {
    const hub = virtual()
    const [left] = await join(hub, 'left', 'right')
    const options = {
      get delay() {
        if (left.state === 'up') void hub.detach(left)
        return '1ms' as const
      },
    }
    const error = await refusal(hub.configure(left, options))
    expect(error.code).to.equal('ERR_ETHERLOOM_STATE')
  })

  it('has a number that no other port ever gets', async () => {
    const hub = virtual()
    const seen = new Set<number>()
    for (let round = 0; round < 50; round++) {
      const port = await hub.attach(new MemoryPort({ name: 'same' }))
      expect(seen.has(port.id)).to.equal(false)
      seen.add(port.id)
      await hub.detach(port)
    }
  })

  it('is refused by every call of the native half', async () => {
    const hub = virtual()
    const [left, right, other] = await join(hub, 'left', 'right', 'other')
    await hub.path(left, right).allow({ delay: '1ms' })
    const capture = await right.capture('/dev/null')
    const port = left.id
    const { native: engine } = hub.engine
    await hub.detach(left)
    const gone = new Hub({ engine: hub.engine })
    await gone.close()
    const target = { kind: 0, name: 'x', description: '', filter: '' }
    const settings = { file: '/dev/null', snapLength: 0, count: 0, buffer: 1 << 16 }
    const none = new Uint8Array()
    const calls: Record<string, () => unknown> = {
      detach: () => engine.detach(port),
      configure: () => engine.configure(port, { delay: 1n }),
      revive: () => engine.revive(port, undefined),
      setCarrier: () => engine.setCarrier(port, false),
      portStats: () => engine.portStats(port),
      pathStats: () => engine.pathStats(port, right.id),
      'pathStats, to': () => engine.pathStats(right.id, port),
      apply: () => engine.apply(hub.id, none, Uint32Array.of(other.id, port, 0xffffffff), false),
      'apply, another fabric': () => engine.apply(gone.id, none, new Uint32Array(), false),
      startCapture: () => engine.startCapture(settings, [{ ...target, from: port, to: -1 }]),
      'startCapture, detached': () => engine.startCapture(settings, [{ ...target, from: -1, to: -1 }]),
      'startCapture, to': () => engine.startCapture(settings, [{ ...target, from: right.id, to: port }]),
      endCapture: () => engine.endCapture(17),
      captureState: () => engine.captureState(17),
      forgetCapture: () => engine.forgetCapture(17),
      expect: () => engine.expect(gone.id, 'x', undefined),
      attach: () => engine.attach(gone.id, 'x', undefined),
      removeFabric: () => engine.removeFabric(gone.id),
      addresses: () => engine.addresses(gone.id),
    }
    for (const [name, call] of Object.entries(calls))
      expect(await refusal(() => native(call)), name).to.have.property('code', 'ERR_ETHERLOOM_STATE')
    await capture.close()
    await hub.engine.close()
    const afterwards: Record<string, () => unknown> = {
      ...calls,
      now: () => engine.now(),
      poll: () => engine.poll(),
      ref: () => engine.ref(),
    }
    for (const [name, call] of Object.entries(afterwards))
      expect((await refusal(() => native(call))).message, name).to.contain('closed')
    expect(engine.close()).to.equal(0)
  })

  it('takes no fabric with it that still has ports, and no port of another fabric along', async () => {
    const hub = virtual()
    const other = closes(new Hub({ engine: hub.engine }))
    const [left, right] = await join(hub, 'left', 'right')
    const [far] = await join(other, 'far')
    const { native: engine } = hub.engine
    const busy = await refusal(() => native(() => engine.removeFabric(hub.id)))
    expect(busy.message).to.contain('has ports')
    const foreign = Uint32Array.of(left.id, far.id, 0xffffffff)
    const error = await refusal(() => native(() => engine.apply(hub.id, new Uint8Array(), foreign, false)))
    expect(error.code).to.equal('ERR_ETHERLOOM_STATE')
    left.send(numbered(1))
    hub.engine.advance('1ms')
    expect(take(right)).to.have.length(1)
  })

  it('was a patch port, which is joined to no successor', async () => {
    const hub = virtual()
    const [near, far] = PatchPort.pair()
    await hub.attach(near)
    await hub.detach(near)
    const [left] = await join(hub, 'left')
    const edge = closes(new Hub({ engine: hub.engine }))
    await edge.attach(far)
    const [right] = await join(edge, 'right')
    left.send(numbered(1))
    hub.engine.advance('1ms')
    expect(take(right)).to.have.length(0)
  })
})

describe('an engine that is closed from within advance', () => {
  const closes = closing()

  it('ends the advance', async () => {
    const engine = closes(new Engine({ clock: 'virtual', seed: 1n }))
    const hub = closes(new Hub({ engine }))
    await join(hub, 'left', 'right')
    const timeline = hub.timeline([
      { at: '1ms', between: ['left', 'right'], delay: '1ms' },
      { at: '2ms', between: ['left', 'right'], delay: '2ms' },
    ])
    const steps: string[] = []
    let closed: Promise<void> | undefined
    timeline.on('entry', (step) => {
      steps.push(step.at)
      closed ??= engine.close()
    })
    engine.advance('10ms')
    await closed
    expect(engine.closed).to.equal(true)
    expect(steps.every((at) => at === '1ms')).to.equal(true)
  })

  // A full ring to JavaScript is read within the native call: who is called back there can change nothing.
  it('refuses every change from where a full ring is read', async () => {
    const engine = closes(new Engine({ clock: 'virtual', seed: 1n }))
    const hub = closes(new Hub({ engine }))
    const [left, right] = await join(hub, 'left', 'right')
    const { native: calls } = engine
    const refusals: string[] = []
    const [bridge] = MemoryBridge.next(engine, 0, 'program')
    bridge.join(1, {
      deliver: () => {
        if (refusals.length > 0) return
        for (const call of [() => calls.close(), () => calls.detach(right.id), () => calls.advance(1n)])
          try {
            native(call)
            refusals.push('not refused')
          } catch (error) {
            refusals.push((error as { code: string }).code)
          }
      },
    })
    const frames = Array.from({ length: 1000 }, () => frame({ length: 1500 }))
    for (let round = 0; round < 5; round++) left.send(frames)
    engine.advance('1ms')
    expect(refusals).to.deep.equal(Array.from({ length: 3 }, () => 'ERR_ETHERLOOM_STATE'))
    expect(right.stats().transmitted.frames).to.equal(5000n)
  })
})
