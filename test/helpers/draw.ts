/** Choices of property tests: a small seeded generator, the same on every machine. */

/** SplitMix32 (after G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators", 2014). */
export class Draw {
  #state: number

  constructor(seed: number) {
    this.#state = seed | 0
  }

  /** A whole number from 0 to `bound - 1`. */
  below(bound: number): number {
    this.#state = (this.#state + 0x9e3779b9) | 0
    let mixed = this.#state ^ (this.#state >>> 16)
    mixed = Math.imul(mixed, 0x21f0aaad)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
    return ((mixed ^ (mixed >>> 15)) >>> 0) % bound
  }

  /** True once in `times` on average. */
  once(times: number): boolean {
    return this.below(times) === 0
  }

  /** One of these. */
  of<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T
  }
}
