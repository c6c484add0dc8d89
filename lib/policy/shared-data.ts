/**
 * What policies refer to by number because it is too large to be a part of each: tables of delays, traces, fates. Handed to an
 * engine once, which has it for as long as a policy of one of its paths refers to it. native/binding/policies.hpp is the
 * other half.
 */
import { createHash } from 'node:crypto'

/** The kinds there are, in the order of the native half. */
export const sharedKinds = ['delay-table', 'trace', 'fates'] as const

export class SharedData {
  /** The same for the same kind and bytes. */
  readonly key: string

  constructor(
    readonly kind: (typeof sharedKinds)[number],
    /** As the kind's native half reads them. */
    readonly bytes: Uint8Array,
  ) {
    this.key = `${kind} ${createHash('sha256').update(bytes).digest('base64')}`
  }
}
