/**
 * The parts that a policy is made of where it does something, in numbers. Each is made by the file that has its options,
 * and read by native/binding/policies.cpp in the same order.
 */
import type { SharedData } from './shared-data.js'

/** The same numbers as native/binding/policies.cpp. An impairment's is `impairment` and its place in the table. */
export const partKinds = {
  filter: 0,
  line: 1,
  travel: 2,
  netem: 3,
  trace: 4,
  replay: 5,
  impairment: 16,
} as const

export interface PolicyPart {
  kind: number
  /** Numbers cross as doubles, bigints as 64-bit integers, shared data as its number in the engine. */
  words: readonly (number | bigint | SharedData)[] | Uint8Array
}
