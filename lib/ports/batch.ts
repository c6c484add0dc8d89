/** Batch: frames that were delivered together, in order. */
import { refuse } from '../values/options.js'

const headSize = 16

/** Frames as they were delivered to a MemoryPort. Iterate over it, or ask for one frame and its time. */
export class Batch implements Iterable<Uint8Array> {
  /** Frames in it. */
  readonly length: number
  readonly #block: Uint8Array
  readonly #heads: Uint32Array
  readonly #offsets: number[] = []

  /** @internal `block` holds `length` records of the ring's form. */
  constructor(block: Uint8Array, length: number) {
    if (!(length * headSize <= block.length)) refuse('a batch', 'made by a MemoryPort')
    this.#block = block
    this.length = length
    this.#heads = new Uint32Array(block.buffer, block.byteOffset)
    for (let index = 0, at = 0; index < length; index++) {
      this.#offsets.push(at)
      at += (headSize + this.#lengthAt(at) + 15) & ~15
    }
  }

  /**
   * The bytes of one frame, from the destination address on. A view: copy what you keep and change.
   *
   * @throws EtherloomError ERR_ETHERLOOM_OPTION for a number that no frame of it has
   */
  frame(index: number): Uint8Array {
    const at = this.#at(index)
    return this.#block.subarray(at + headSize, at + headSize + this.#lengthAt(at))
  }

  /** When it was delivered: nanoseconds on the engine's clock (`engine.now()`). @throws as `frame` */
  at(index: number): bigint {
    return new DataView(this.#block.buffer, this.#block.byteOffset).getBigInt64(this.#at(index) + 8, true)
  }

  /** The frames, in the order in which they arrived. */
  *[Symbol.iterator](): Iterator<Uint8Array> {
    for (let index = 0; index < this.length; index++) yield this.frame(index)
  }

  #lengthAt(at: number): number {
    return this.#heads[at / 4 + 1] as number
  }

  #at(index: number): number {
    const at = typeof index === 'number' ? this.#offsets[index] : undefined
    return at ?? refuse('the number of a frame', `from 0 to ${this.length - 1}`, index)
  }
}
