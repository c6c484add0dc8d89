/**
 * The parts that a policy is made of where it does something, in numbers. Each is made by the file that has its options,
 * and read by native/binding/policies.cpp in the same order.
 */
import type { SharedData } from './shared-data.js'

/** The same numbers as native/binding/policies.cpp. The words of an impairment begin with its name. */
export const partKinds = {
  filter: 0,
  line: 1,
  travel: 2,
  netem: 3,
  trace: 4,
  replay: 5,
  drop: 6,
  impairment: 16,
} as const

export interface PolicyPart {
  kind: number
  /** Numbers cross as doubles, bigints as 64-bit integers, shared data as its number in the engine. */
  words: readonly (number | bigint | SharedData)[] | Uint8Array
}

/** A name as words: its length, and its bytes in whole words. */
export function nameWords(name: string): bigint[] {
  const bytes = Buffer.from(name)
  const padded = Buffer.alloc(Math.ceil(bytes.length / 8) * 8)
  bytes.copy(padded)
  return [BigInt(bytes.length), ...new BigUint64Array(padded.buffer, padded.byteOffset, padded.length / 8)]
}
