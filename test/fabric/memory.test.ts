/** MemoryPort: what is sent that is no frame, or says that it is another one; and that its memory is given back. */
import { expect } from 'chai'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Engine, Hub, MemoryPort } from '../../lib/index.js'
import { refusal } from '../helpers/errors.js'
import { closing, dropped, join, take } from '../helpers/fabric.js'
import { frame } from '../helpers/frames.js'

describe('MemoryPort.send', () => {
  const closes = closing()
  const joined = async () => {
    const engine = closes(new Engine({ clock: 'virtual', seed: 1n }))
    const [a, b] = await join(closes(new Hub({ engine })), 'a', 'b')
    return { engine, a, b }
  }

  for (const [what, lie] of [
    ['longer', 9000],
    ['shorter', 1],
    ['negative', -16],
    ['not a number', Number.NaN],
  ] as const)
    it(`sends the bytes that there are, where their object says that they are ${what}`, async () => {
      const { engine, a, b } = await joined()
      const lying = frame({ tag: 1, length: 100 })
      for (const property of ['length', 'byteLength'])
        Object.defineProperty(lying, property, { get: () => lie })
      expect(a.send([lying, frame({ tag: 2 })])).to.equal(2)
      engine.advance('1ms')
      expect(take(b).map(({ tag, bytes }) => [tag, bytes.length])).to.deep.equal([
        [1, 100],
        [2, 60],
      ])
    })

  it('counts what was transferred away as too short, and sends the rest', async () => {
    const { engine, a, b } = await joined()
    const gone = new Uint8Array(100)
    structuredClone(gone, { transfer: [gone.buffer] })
    expect(a.send([gone, frame({ tag: 2 })])).to.equal(2)
    engine.advance('1ms')
    expect(take(b).map(({ tag }) => tag)).to.deep.equal([2])
    expect(dropped(a.stats().dropped)).to.deep.equal({ runt: 1 })
  })

  it('refuses what only looks like bytes, and a list that changes while it is read sends what was looked at', async () => {
    const { engine, a, b } = await joined()
    for (const wrong of [
      new Proxy(frame(), {}),
      Object.create(Uint8Array.prototype),
      { length: 60 },
      'text',
      [null],
    ])
      expect((await refusal(() => a.send(wrong as never))).code).to.equal('ERR_ETHERLOOM_OPTION')
    let reads = 0
    const list = [frame({ tag: 1 })]
    Object.defineProperty(list, 0, { get: () => (reads++ === 0 ? frame({ tag: 1 }) : 'text') })
    expect(a.send(list)).to.equal(1)
    engine.advance('1ms')
    expect(take(b).map(({ tag }) => tag)).to.deep.equal([1])
  })
})

describe('MemoryPort', () => {
  for (const clock of ['real', 'virtual'] as const)
    it(`gives its memory back with its engine (${clock} clock)`, async () => {
      setFlagsFromString('--expose-gc')
      const collect = runInNewContext('gc') as () => void
      collect()
      const before = process.memoryUsage().arrayBuffers
      for (let round = 0; round < 8; round++) {
        const engine = new Engine({ clock, memory: '1MiB' })
        await new Hub({ engine }).attach(new MemoryPort())
        await engine.close()
      }
      // One engine's rings are 4 MiB; the last may be on this test's stack still.
      const kept = () => process.memoryUsage().arrayBuffers - before
      for (let look = 0; look < 20 && kept() > 8 << 20; look++) {
        collect()
        await new Promise((resolve) => setImmediate(resolve))
      }
      expect(kept()).to.be.at.most(8 << 20)
    })

  it('says so where there is no memory for its frames, and can be attached once there is', async () => {
    const engine = new Engine({ clock: 'virtual', memory: '1MiB' })
    const hub = new Hub({ engine })
    const { ArrayBuffer: real } = globalThis
    globalThis.ArrayBuffer = new Proxy(real, {
      construct: (target, [size]: [number]) => {
        if (size > 1 << 20) throw new RangeError('Array buffer allocation failed') // as V8 does
        return new target(size)
      },
    })
    try {
      const error = await refusal(hub.attach(new MemoryPort()))
      expect(error.code).to.equal('ERR_ETHERLOOM_RESOURCE')
      expect(error.message).to.equal(
        'no memory is left for the frames of memory ports; give the process more',
      )
    } finally {
      globalThis.ArrayBuffer = real
    }
    const [a, b] = await join(hub, 'a', 'b')
    a.send(frame({ tag: 1 }))
    engine.advance('1ms')
    expect(take(b).map(({ tag }) => tag)).to.deep.equal([1])
    await engine.close()
  })
})
