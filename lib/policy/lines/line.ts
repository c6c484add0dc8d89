/** The line of a path: rate, what a frame occupies it with, and what may wait. native/lines/line.hpp is the other half. */
import { about, integer, mapping, refuse, required, type RulesOf, type Values } from '../../values/options.js'
import { partKinds, type PolicyPart } from '../parts.js'
import {
  formatDuration,
  queueLimit,
  rate,
  size,
  type QueueBound,
  type QueueLimit,
  type Rate,
  type Size,
} from '../../values/units.js'
import { discipline, needsRate, tailDropWords, type Discipline } from './discipline.js'
import { noSlotWords, slot, type SlotOptions } from './slot.js'

/** Cells that frames cross the line in. ATM: `{ size: 48, overhead: 5 }`. */
export interface CellOptions {
  /** Bytes of a frame per cell; the last cell is padded. 1 to 65535. */
  size: number
  /** Bytes added to each cell. 0 to 1000, default 0. */
  overhead?: number
}

export interface LineOptions {
  /** Serialises: a frame of L bytes occupies the line for 8 · (L + overhead) / rate. 1bit to 1Tbit per second. */
  rate?: Rate
  /**
   * Bytes added to each frame on the line, -1000 to 1000. 24 gives Ethernet's time on the wire, -14 leaves out the
   * Ethernet header. Default 0.
   */
  overhead?: number
  /** The line carries cells: L + overhead fills ceil((L + overhead) / size) of them, of size + overhead bytes each. */
  cell?: CellOptions
  /**
   * Makes the line a token bucket (tc-tbf(8)) of so many bytes, filled at the rate and full at the start: frames leave
   * at once while there are tokens for them. A frame larger than the bucket is dropped as `oversize`. 1B to 1GiB.
   */
  burst?: Size
  /** What may wait for the line: frames, bytes or time. Default 1000 frames or 100 ms, whichever is more. */
  queue?: QueueLimit
  /** What else drops or marks frames, counted as `aqm`. Default `'tail-drop'`: nothing. */
  discipline?: Discipline
  /** Frames that are through the line leave in slots. Goes without a rate, too. */
  slot?: SlotOptions
}

const maxBucket = 2 ** 30

export const lineRules = {
  rate: about('Bits per second of the line; frames wait for it one after another.', rate()),
  overhead: about(
    'Bytes added to each frame when its line time is computed; 24 gives Ethernet wire time. Default 0.',
    integer(-1000, 1000, { unit: 'bytes' }),
  ),
  cell: about(
    'The line carries frames in cells; ATM has { size: 48, overhead: 5 }.',
    mapping(
      {
        size: required(
          about('Bytes of a frame per cell; the last is padded.', integer(1, 65_535, { unit: 'bytes' })),
        ),
        overhead: about('Bytes added to each cell.', integer(0, 1000, { unit: 'bytes', default: 0 })),
      },
      { owner: 'cell' },
    ),
  ),
  burst: about(
    'Makes the line a token bucket of so many bytes, filled at the rate (tc-tbf).',
    size({ fits: (bytes) => bytes >= 1n && bytes <= maxBucket, expects: 'from 1B to 1GiB' }),
  ),
  queue: about(
    'How much may wait for the line: frames, bytes or time. Default: 1000 frames or 100 ms, the larger.',
    queueLimit(),
  ),
  discipline: about('What else than the limit drops or marks frames that wait.', discipline),
  slot: about('Frames leave the line together, in slots, as from a shared medium.', slot),
} satisfies RulesOf<LineOptions>

type Given = Values<typeof lineRules>

/** undefined where there is no line. */
export function linePart(given: Given): PolicyPart | undefined {
  const { rate, overhead, cell, burst, queue, discipline: drops, slot: slots } = given
  if (rate === undefined) checkWithoutRate(given)
  if (rate === undefined && slots === undefined) return undefined
  if (slots !== undefined && queue !== undefined && 'nanoseconds' in queue)
    refuse(
      "option 'queue' of path policy",
      "in frames or bytes with 'slot', since how long a frame will wait for slots is not known when it comes",
      formatDuration(queue.nanoseconds),
    )
  const words = [
    rate ?? 0n,
    BigInt(overhead ?? 0),
    ...limitWords(queue),
    BigInt(burst ?? 0),
    BigInt(cell?.size ?? 0),
    BigInt(cell?.overhead ?? 0),
    ...(slots ?? noSlotWords),
    ...(drops ?? tailDropWords),
  ]
  return { kind: partKinds.line, words }
}

/** Refuses what makes no sense without a rate: most of it, and without slots, all. */
function checkWithoutRate({ overhead, cell, burst, queue, discipline: drops, slot: slots }: Given): void {
  const insist = (name: string, value: unknown): void => {
    if (value !== undefined)
      refuse("option 'rate' of path policy", `given with '${name}', which says how it is kept`)
  }
  insist('overhead', overhead)
  insist('cell', cell)
  insist('burst', burst)
  if (drops && (slots === undefined || needsRate(drops))) insist('discipline', drops)
  if (slots === undefined) insist('queue', queue)
}

/** The unit (0 default, 1 frames, 2 bytes, 3 nanoseconds) and the amount. */
function limitWords(queue: QueueBound | undefined): [bigint, bigint] {
  if (queue === undefined) return [0n, 0n]
  if ('frames' in queue) return [1n, BigInt(queue.frames)]
  if ('bytes' in queue) return [2n, BigInt(queue.bytes)]
  return [3n, queue.nanoseconds]
}
