/** The other side of the comparison: frames through a path with the words of tc, on the virtual clock, seeded. */
import { Engine, Hub, MemoryPort } from '../../lib/index.js'
import { take } from '../helpers/fabric.js'
import { frame } from '../helpers/frames.js'

const longest = 65_000

/** A frame that is sent: when, in nanoseconds, not before the one ahead of it; and its bytes, default 60. */
export interface Sent {
  at: number
  length?: number
}

export interface Arrived {
  tag: number
  /** When, in nanoseconds. */
  at: number
}

/** Sends frames with the tags 0, 1, ... at their times; returns everything that arrives within 10 s of the last. */
export async function replay(netem: string, frames: readonly Sent[]): Promise<Arrived[]> {
  const engine = new Engine({ clock: 'virtual', seed: 20_261_121n, memory: '256MiB' })
  try {
    const hub = new Hub({ engine, name: 'hub', forwarding: 'deny' })
    const [left, right] = [port('left'), port('right')]
    for (const each of [left, right]) await hub.attach(each)
    await hub.path(left, right).set({ allowed: true, netem })

    const arrived: Arrived[] = []
    const advanceTo = (time: number) => {
      engine.advance(`${time - Number(engine.now())}ns`)
      arrived.push(...take(right).map(({ tag, at }) => ({ tag, at: Number(at) })))
    }
    frames.forEach(({ at, length }, tag) => {
      if (BigInt(at) > engine.now()) advanceTo(at)
      else if (tag % 1000 === 0) advanceTo(at) // so that no queue on the way to the path fills up
      left.send(frame({ tag, length: length ?? 60 }))
    })
    advanceTo(frames.at(-1)!.at + 10_000_000_000)
    return arrived
  } finally {
    await engine.close()
  }
}

const port = (name: string) => new MemoryPort({ name, queueLimit: 1_000_000, frameLimit: longest })
