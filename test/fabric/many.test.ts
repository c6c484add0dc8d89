/** Many fabrics on one engine: they share its threads, and nothing is left when they are gone. */
import { expect } from 'chai'
import { readdirSync, readlinkSync } from 'node:fs'
import type { MemoryPort } from '../../lib/index.js'
import { Engine, Hub, Wire } from '../../lib/index.js'
import { closing, join, take, tags, until, workerThreads } from '../helpers/fabric.js'
import { frame } from '../helpers/frames.js'

/** Descriptors of the kinds that engines open: event counters and sets of watched descriptors. */
const descriptors = () =>
  readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith('anon_inode:')
    } catch {
      return false // the one that listed them
    }
  }).length

describe('Many fabrics', () => {
  const closes = closing()

  it('of one engine do not hear each other', async () => {
    const engine = closes(new Engine({ clock: 'virtual' }))
    const [one, two] = [new Hub({ engine }), new Hub({ engine })]
    const [a, b] = await join(one, 'a', 'b')
    const [c, d] = await join(two, 'a', 'b')
    await one.path('a', 'b').allow({ delay: '1ms' })
    a.send(frame({ tag: 1 }))
    c.send(frame({ tag: 2 }))
    engine.advance('0s')
    expect([b, d].map(tags)).to.deep.equal([[], [2]])
    await two.close()
    engine.advance('1ms')
    expect(tags(b)).to.deep.equal([1])
  })

  it('10,000 wires cost no thread and no descriptor, work, and are gone in the end', async function () {
    this.timeout(60_000)
    const before = descriptors()
    const engine = closes(new Engine({ clock: 'virtual', seed: 1 }))
    const own = descriptors() - before
    const wires: { wire: Wire; left: MemoryPort; right: MemoryPort }[] = []
    for (let index = 0; index < 10_000; index++) {
      const wire = new Wire({ engine })
      const [left, right] = await join(wire, 'left', 'right')
      await wire.between(left, right).allow({ delay: '1ms' })
      wires.push({ wire, left, right })
    }
    expect(descriptors() - before).to.equal(own)
    expect(workerThreads()).to.equal(0)

    for (let from = 0; from < wires.length; from += 1000) {
      for (const [index, { left }] of wires.slice(from, from + 1000).entries())
        left.send(frame({ tag: from + index }))
      engine.advance('1ms')
    }
    const wrong = wires.filter(({ right }, index) => {
      const [first, ...more] = take(right)
      return first?.tag !== index || more.length > 0
    })
    expect(wrong).to.have.length(0)

    for (const { wire } of wires.slice(0, 1000)) await wire.close()
    const { left, right } = wires[5000]!
    left.send(frame({ tag: 1 }))
    engine.advance('1ms')
    expect(tags(right)).to.deep.equal([1])

    await engine.close()
    expect(wires.every(({ wire }) => wire.closed)).to.equal(true)
    expect(descriptors()).to.equal(before)
  })

  it('come and go by the hundred on a real clock, and leave neither thread nor descriptor', async () => {
    const before = descriptors()
    const engine = closes(new Engine({ workers: 3 }))
    await until(() => workerThreads() === 3)
    for (let round = 0; round < 5; round++) {
      const wires = await Promise.all(
        Array.from({ length: 100 }, async (_, index) => {
          const wire = new Wire({ engine })
          const [left, right] = await join(wire, 'left', 'right')
          left.send(frame({ tag: index }))
          return { wire, right, index }
        }),
      )
      for (const { right, index } of wires) {
        await until(() => right.stats().transmitted.frames === 1n)
        await until(() => tags(right).includes(index))
      }
      await Promise.all(wires.map(({ wire }) => wire.close()))
    }
    await engine.close()
    await until(() => workerThreads() === 0)
    expect(descriptors()).to.equal(before)
  })

  it('each with an engine of its own end with it', async () => {
    const before = descriptors()
    for (let index = 0; index < 50; index++) {
      const hub = new Hub()
      await join(hub, 'a', 'b')
      await hub.close()
    }
    await until(() => workerThreads() === 0)
    expect(descriptors()).to.equal(before)
  })
})
