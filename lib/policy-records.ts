/**
 * Policies as they cross to the native half: records in one buffer, filled by a transaction of a fabric and read by
 * native/binding/policies.cpp, which declares the same layout. Equal policies have equal records, byte for byte, and
 * only they: that is how the native half knows them again.
 *
 * A record is a head of eight words of 64 bits, then the settings of its impairments, one word each, then the
 * instructions of its filter, one word each.
 */
import type { PolicySpec } from './policy.js'

/** 32-bit fields of the head, by their place. */
const instructions = 0
const impairments = 1 // a bit for each in use, by its place in the table of impairments
const overhead = 2
const flags = 3
/** 64-bit fields of the head, by their place. */
const delay = 2
const jitter = 3
const reorder = 4
const rate = 5 // 0: no line
const queueAmount = 6
const seed = 7
const headWords = 8

const allowed = 1
const seeded = 2
const queueUnitShift = 8

const wordBytes = 8

/** Grows as policies are added; what `bytes` gave is stale then. */
export class PolicyRecords {
  #count = 0
  #words = 0
  #buffer = new ArrayBuffer(16 * headWords * wordBytes)
  #u32 = new Uint32Array(this.#buffer)
  #u64 = new BigUint64Array(this.#buffer)
  #f64 = new Float64Array(this.#buffer)

  /** Appends a record and returns its number, from 0. */
  add(policy: PolicySpec): number {
    const filterWords = (policy.filter?.length ?? 0) / wordBytes
    let settings = 0
    let used = 0
    policy.impairments.forEach((each, place) => {
      if (!each) return
      used |= 1 << place
      settings += each.length
    })
    const at = this.#extend(headWords + settings + filterWords)

    this.#u32[2 * at + instructions] = filterWords
    this.#u32[2 * at + impairments] = used
    this.#u32[2 * at + overhead] = policy.overhead
    this.#u32[2 * at + flags] =
      (policy.allowed ? allowed : 0) |
      (policy.seed === undefined ? 0 : seeded) |
      (policy.queueUnit << queueUnitShift)
    this.#u64[at + delay] = policy.delay
    this.#u64[at + jitter] = policy.jitter
    this.#f64[at + reorder] = policy.reorder + 0 // one zero, not two
    this.#u64[at + rate] = policy.rate ?? 0n
    this.#u64[at + queueAmount] = policy.queueAmount
    this.#u64[at + seed] = policy.seed ?? 0n

    let word = at + headWords
    for (const each of policy.impairments) {
      if (!each) continue
      this.#f64.set(each, word)
      word += each.length
    }
    if (policy.filter) new Uint8Array(this.#buffer).set(policy.filter, word * wordBytes)
    return this.#count++
  }

  /** All records so far. */
  get bytes(): Uint8Array {
    return new Uint8Array(this.#buffer, 0, this.#words * wordBytes)
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
