/**
 * Policies as they cross to the native half: records in one buffer, filled by a transaction of a fabric and read by
 * native/binding/policies.cpp, which declares the same layout. Equal policies have equal records, byte for byte, and
 * only they: that is how the native half knows them again.
 *
 * Everything is in words of 64 bits, little-endian. A record is a head of two (its length in words and its flags, 32
 * bits each; the seed) and then its parts, in the order of their kinds. A part is a head of one word (its kind, and
 * how many words follow, 32 bits each) and its words.
 */
import type { PolicyPart, PolicySpec } from './policy.js'
import type { SharedData } from './shared-data.js'

const allowed = 1
const seeded = 2

const headWords = 2
const partHeadWords = 1
const wordBytes = 8

/** Grows as policies are added: ask for `bytes` again after each. */
export class PolicyRecords {
  readonly #share: (data: SharedData) => number
  #count = 0
  #words = 0
  #buffer = new ArrayBuffer(256 * wordBytes)
  #u32 = new Uint32Array(this.#buffer)
  #u64 = new BigUint64Array(this.#buffer)
  #f64 = new Float64Array(this.#buffer)

  /** `share` hands data that policies refer to to the engine, and returns its number there. */
  constructor(share: (data: SharedData) => number) {
    this.#share = share
  }

  /** Appends a record and returns its number, from 0. */
  add(policy: PolicySpec): number {
    const length = policy.parts.reduce((sum, part) => sum + partHeadWords + wordsOf(part), headWords)
    let at = this.#extend(length)
    this.#u32[2 * at] = length
    this.#u32[2 * at + 1] = (policy.allowed ? allowed : 0) | (policy.seed === undefined ? 0 : seeded)
    this.#u64[at + 1] = policy.seed ?? 0n
    at += headWords
    for (const part of policy.parts) {
      this.#u32[2 * at] = part.kind
      this.#u32[2 * at + 1] = wordsOf(part)
      at += partHeadWords
      if (part.words instanceof Uint8Array) {
        new Uint8Array(this.#buffer).set(part.words, at * wordBytes)
        at += wordsOf(part)
      } else for (const word of part.words) this.#put(at++, word)
    }
    return this.#count++
  }

  /** All records so far. */
  get bytes(): Uint8Array {
    return new Uint8Array(this.#buffer, 0, this.#words * wordBytes)
  }

  #put(at: number, word: number | bigint | SharedData): void {
    if (typeof word === 'number')
      this.#f64[at] = word + 0 // makes 0 of -0, so that equal policies have equal bytes
    else this.#u64[at] = typeof word === 'bigint' ? word : BigInt(this.#share(word))
  }

  /** Makes room for so many words, all zero, and returns where they begin. */
  #extend(words: number): number {
    const at = this.#words
    this.#words += words
    if (this.#words > this.#u64.length) {
      const before = this.#u64
      this.#buffer = new ArrayBuffer(2 * this.#words * wordBytes)
      this.#u32 = new Uint32Array(this.#buffer)
      this.#u64 = new BigUint64Array(this.#buffer)
      this.#f64 = new Float64Array(this.#buffer)
      this.#u64.set(before)
    }
    return at
  }
}

function wordsOf({ words }: PolicyPart): number {
  return words instanceof Uint8Array ? words.length / wordBytes : words.length
}
