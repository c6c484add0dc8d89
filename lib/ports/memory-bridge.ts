/**
 * The JavaScript end of the byte rings that all memory ports of one worker share (native/ports/byte_ring.hpp); those of
 * WebSockets have rings of their own.
 *
 * Records follow each other at multiples of 16 bytes: {port, length, instant} in 16 bytes, then the frame. A record
 * never wraps; where it would not fit before the end, a head with port 2^32 - 1 fills the rest. Bytes are copied out
 * at once, one copy per port and wake-up, so that nobody who reads slowly keeps the ring from anybody else.
 */
import type { Engine } from '../engine/engine.js'
import { calls, type NativeEngine } from '../binding.js'
import { EtherloomError } from '../values/errors.js'
import { Batch } from './batch.js'

const { makeBridge, makeMemory, commitMemory, publishedMemory, consumeMemory, rearmMemory, takenMemory } =
  calls<{
    makeBridge(
      engine: NativeEngine,
      worker: number,
      inbound: ArrayBuffer,
      outbound: ArrayBuffer,
      drain: () => void,
    ): unknown
    makeMemory(bridge: unknown, number: number, frameLimit: number, queueLimit: number): unknown
    /** Returns up to where the worker has read. */
    commitMemory(engine: NativeEngine, bridge: unknown, position: number): number
    publishedMemory(bridge: unknown): number
    consumeMemory(bridge: unknown, position: number): void
    /** About to sleep. False if frames came meanwhile. */
    rearmMemory(bridge: unknown): boolean
    takenMemory(engine: NativeEngine, port: number, frames: number): void
  }>()

const size = 1 << 21
const headSize = 16
const skip = 0xffffffff
/** Frames that one wake-up hands out before the event loop gets its turn. */
const framesPerWake = 1024

const recordSize = (length: number): number => (headSize + length + 15) & ~15

/** Who gets the frames of one port. */
export interface Reader {
  deliver(batch: Batch): void
}

/** Whose frames they are: of ports that the program itself uses, or of peers elsewhere, who shall not be in its way. */
type Side = 'program' | 'peers'

/** What the memory ports of an engine share: a bridge for each worker and side, and how many ports there were. */
const shared = new WeakMap<Engine, { bridges: Map<string, MemoryBridge>; ports: number }>()

export class MemoryBridge {
  readonly #engine: Engine
  readonly #bridge: unknown
  readonly #readers = new Map<number, Reader>()
  readonly #inbound = new ArrayBuffer(size)
  readonly #outbound = new ArrayBuffer(size)
  readonly #inboundBytes = new Uint8Array(this.#inbound)
  readonly #inboundHeads = new Uint32Array(this.#inbound)
  readonly #outboundBytes = new Uint8Array(this.#outbound)
  readonly #outboundHeads = new Uint32Array(this.#outbound)
  #written = 0
  #freed = 0
  #read = 0

  private constructor(engine: Engine, worker: number) {
    this.#engine = engine
    const drain = MemoryBridge.#drainOf(new WeakRef(this))
    this.#bridge = makeBridge(engine.native, worker, this.#inbound, this.#outbound, drain)
    engine.residents.add(this)
  }

  /**
   * Weakly, or none would ever be collected: the native half keeps the function for as long as somebody has its handle, and
   * the bridge has that. While the engine runs, it keeps the bridge.
   */
  static #drainOf(bridge: WeakRef<MemoryBridge>): () => void {
    return () => {
      const own = bridge.deref()
      if (own) own.#handOut(publishedMemory(own.#bridge), Infinity)
    }
  }

  /** A number for a new port of the engine, and the bridge of its worker and side. */
  static next(engine: Engine, worker: number, side: Side): [bridge: MemoryBridge, port: number] {
    let own = shared.get(engine)
    if (!own) shared.set(engine, (own = { bridges: new Map(), ports: 0 }))
    const key = `${side} ${worker}`
    let bridge = own.bridges.get(key)
    if (!bridge) own.bridges.set(key, (bridge = MemoryBridge.#make(engine, worker)))
    return [bridge, own.ports++]
  }

  static #make(engine: Engine, worker: number): MemoryBridge {
    try {
      return new MemoryBridge(engine, worker)
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause
      throw new EtherloomError('ERR_ETHERLOOM_RESOURCE', 'no memory is left for the frames of memory ports', {
        cause,
        hint: 'give the process more',
      })
    }
  }

  /** What a memory port with this number attaches. `queueLimit`: frames that may wait for its reader. */
  device(port: number, frameLimit: number, queueLimit: number): unknown {
    return makeMemory(this.#bridge, port, frameLimit, queueLimit)
  }

  /** The reader of the port with this id has read so many frames. */
  taken(id: number, frames: number): void {
    takenMemory(this.#engine.native, id, frames)
  }

  join(port: number, reader: Reader): void {
    this.#readers.set(port, reader)
  }

  leave(port: number): void {
    this.#readers.delete(port)
  }

  /** Writes one frame of this true length for the worker, which sees it after commit(). False when the ring is full. */
  write(port: number, frame: Uint8Array, length: number): boolean {
    const need = recordSize(length)
    const place = this.#written % size
    const gap = size - place < need ? size - place : 0
    if (this.#written + gap + need - this.#freed > size) {
      this.#freed = commitMemory(this.#engine.native, this.#bridge, this.#written)
      if (this.#written + gap + need - this.#freed > size) return false
    }
    if (gap > 0) {
      this.#inboundHeads[place / 4] = skip
      this.#inboundHeads[place / 4 + 1] = gap
    }
    const at = (this.#written + gap) % size
    this.#inboundHeads[at / 4] = port
    this.#inboundHeads[at / 4 + 1] = length
    if (length !== 0) this.#inboundBytes.set(frame, at + headSize) // which a detached one refuses
    this.#written += gap + need
    return true
  }

  commit(): void {
    this.#freed = commitMemory(this.#engine.native, this.#bridge, this.#written)
  }

  /** How much of what was committed the worker has not read, as far as is known since: a share of all that it can hold. */
  get backlog(): number {
    return (this.#written - this.#freed) / size
  }

  /** The native half has news. */
  news(): void {
    this.drain(this.#engine.clock === 'virtual' ? Infinity : undefined)
  }

  /** Hands out what the worker has published; more than one wake-up's worth waits for the event loop's next turn. */
  drain(limit = framesPerWake): void {
    if (this.#engine.closed) return
    do {
      const published = publishedMemory(this.#bridge)
      if (this.#read !== published && this.#handOut(published, limit) >= limit) {
        setImmediate(() => {
          this.drain()
        })
        return
      }
    } while (!rearmMemory(this.#bridge))
  }

  /** @returns how many frames were handed out. */
  #handOut(published: number, limit: number): number {
    const perPort = new Map<number, { offsets: number[]; bytes: number }>()
    let frames = 0
    let position = this.#read
    while (position !== published && frames < limit) {
      const at = position % size
      const port = this.#outboundHeads[at / 4] as number
      const length = this.#outboundHeads[at / 4 + 1] as number
      if (port === skip) {
        position += length
        continue
      }
      let records = perPort.get(port)
      if (!records) perPort.set(port, (records = { offsets: [], bytes: 0 }))
      records.offsets.push(at)
      records.bytes += recordSize(length)
      position += recordSize(length)
      frames++
    }
    for (const [port, { offsets, bytes }] of perPort) {
      const reader = this.#readers.get(port)
      if (reader) reader.deliver(this.#copyOut(offsets, bytes))
    }
    this.#read = position
    consumeMemory(this.#bridge, position)
    return frames
  }

  /** The records at these places, copied into one block. */
  #copyOut(offsets: number[], bytes: number): Batch {
    const block = new Uint8Array(bytes)
    let to = 0
    let index = 0
    while (index < offsets.length) {
      const start = offsets[index] as number
      let end = start
      // Records that stand side by side are copied in one go.
      while (index < offsets.length && offsets[index] === end) {
        end += recordSize(this.#outboundHeads[end / 4 + 1] as number)
        index++
      }
      block.set(this.#outboundBytes.subarray(start, end), to)
      to += end - start
    }
    return new Batch(block, offsets.length)
  }
}
