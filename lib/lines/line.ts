/** The line of a path: rate, what a frame occupies it with, and what may wait. native/lines/line.hpp is the other half. */
import { integer, optional, refuse } from '../options.js'
import { partKinds, type PolicyPart } from '../policy-parts.js'
import { parseQueueLimit, parseRate, type QueueBound, type QueueLimit, type Rate } from '../units.js'

export interface LineOptions {
  /** Serialises: a frame of L bytes occupies the line for 8 · (L + overhead) / rate. 1bit to 1Tbit per second. */
  rate?: Rate
  /**
   * Bytes added to each frame on the line, -14 to 1000. 24 gives Ethernet's time on the wire, -14 counts what follows
   * the Ethernet header. Default 0.
   */
  overhead?: number
  /** What may wait for the line: frames, bytes or time. Default 1000 frames or 100 ms, whichever is more. */
  queue?: QueueLimit
}

export const lineRules = {
  rate: optional(parseRate),
  overhead: optional(integer(-14, 1000, { unit: 'bytes' })),
  queue: optional(parseQueueLimit),
}

interface Given {
  rate: bigint | undefined
  overhead: number | undefined
  queue: QueueBound | undefined
}

/** undefined where there is no line. */
export function linePart({ rate, overhead, queue }: Given): PolicyPart | undefined {
  if (rate !== undefined)
    return { kind: partKinds.line, words: [rate, BigInt(overhead ?? 0), ...limitWords(queue)] }
  if (queue === undefined && overhead === undefined) return undefined
  return refuse(
    "option 'rate' of path policy",
    "given with 'queue' or 'overhead', which say how it is kept",
    undefined,
  )
}

/** The unit (0 default, 1 frames, 2 bytes, 3 nanoseconds) and the amount. */
function limitWords(queue: QueueBound | undefined): [bigint, bigint] {
  if (queue === undefined) return [0n, 0n]
  if ('frames' in queue) return [1n, BigInt(queue.frames)]
  if ('bytes' in queue) return [2n, BigInt(queue.bytes)]
  return [3n, queue.nanoseconds]
}
