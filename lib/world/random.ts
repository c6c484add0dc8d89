/** The random draws of movements: seeded by the engine's seed and a name, the same on every machine. */

/** Small fast counting generator (C. Doty-Humphrey, PractRand), of 128 bits of state. */
export class Random {
  readonly #state = new Uint32Array(4)

  constructor(seed: bigint, name: string) {
    let mixed = 0xcbf29ce484222325n ^ seed // FNV-1a over the name
    for (const byte of Buffer.from(name)) mixed = BigInt.asUintN(64, (mixed ^ BigInt(byte)) * 0x100000001b3n)
    this.#state.set([Number(mixed & 0xffffffffn), Number(mixed >> 32n), Number(seed & 0xffffffffn), 1])
    for (let round = 0; round < 16; round++) this.#next()
  }

  /** A number from `low` up to, not including, `high`. */
  between(low: number, high: number): number {
    return low + ((high - low) * this.#next()) / 2 ** 32
  }

  #next(): number {
    const state = this.#state
    const [a, b, c, count] = state as unknown as [number, number, number, number]
    const result = (a + b + count) >>> 0
    state[3] = count + 1
    state[0] = b ^ (b >>> 9)
    state[1] = c + (c << 3)
    state[2] = ((c << 21) | (c >>> 11)) + result
    return result
  }
}
