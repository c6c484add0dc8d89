// What plots are made of: frames over one path on the virtual clock.

import { Engine, MemoryPort, Wire, type PathStats, type PolicyOptions } from 'etherloom'

export interface Load {
  frames: number
  /** Bytes, from header to payload. Default 100. */
  length?: number
  /** Nanoseconds between two frames. Default 0: all at once. */
  apart?: bigint
}

export interface Arrival {
  /** Which frame, from 0. */
  number: number
  /** Nanoseconds since it was sent. */
  late: bigint
  /** Nanoseconds since the start. */
  at: bigint
  intact: boolean
}

export interface Run {
  arrivals: Arrival[]
  stats: PathStats
}

const headerLength = 14
const seed = 20_260n
/** Frames that JavaScript sends before it reads: fewer than its ring holds. */
const group = 1000

/** Sends frames over a path with this policy, and waits until nothing is on the way any more. */
export async function run(policy: PolicyOptions, { frames, length = 100, apart = 0n }: Load): Promise<Run> {
  const engine = new Engine({ clock: 'virtual', seed, memory: '1GiB' })
  const wire = new Wire({ engine, name: 'wire' })
  try {
    const from = await wire.attach(new MemoryPort({ name: 'from' }))
    const to = await wire.attach(new MemoryPort({ name: 'to', queueLimit: 1_000_000 }))
    await wire.path(from, to).allow(policy)
    const arrivals: Arrival[] = []
    const sent: bigint[] = []
    const take = () => {
      for (let batch = to.read(); batch; batch = to.read()) {
        for (let index = 0; index < batch.length; index++) {
          const bytes = batch.frame(index)
          const number = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).readUInt32BE(headerLength)
          const at = batch.at(index)
          const intact = bytes.every((byte, place) => byte === expected(number, place))
          arrivals.push({ number, late: at - (sent[number] ?? at), at, intact })
        }
      }
    }
    for (let number = 0; number < frames; ) {
      const end = apart === 0n ? Math.min(frames, number + group) : number + 1
      for (; number < end; number++) {
        sent.push(engine.now())
        from.send(Uint8Array.from({ length }, (_, place) => expected(number, place)))
      }
      engine.advance(`${Number(apart)}ns`)
      take()
    }
    const stats = () => wire.path(from, to).stats()
    for (let waiting = true; waiting; ) {
      engine.advance('1s')
      take()
      const { waiting: queued, inFlight } = stats()
      waiting = queued + inFlight > 0n
    }
    return { arrivals, stats: stats() }
  } finally {
    await engine.close()
  }
}

/** The byte of a frame at a place: addresses, an experimental EtherType, its number, zeros. */
function expected(number: number, place: number): number {
  if (place < 12) return place % 6 === 0 ? 2 : place < 6 ? 2 : 1
  if (place < headerLength) return place === 12 ? 0x88 : 0xb5
  return place < headerLength + 4 ? (number >>> (8 * (headerLength + 3 - place))) & 0xff : 0
}
