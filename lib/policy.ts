/** Policies: the options users write, and what they say in numbers. */
import { compileFilter, type FilterSource } from './filters/index.js'
import { impairments } from './impairments/index.js'
import { flag, integer, optional, optionsReader, probability, refuse, seed } from './options.js'
import {
  parseDuration,
  parseQueueLimit,
  parseRate,
  type Duration,
  type QueueBound,
  type QueueLimit,
  type Rate,
} from './units.js'

/** What a path does to the frames it carries. Whatever is left out does nothing. */
export interface PolicyOptions {
  /** Which frames pass: a pcap-filter(7) expression, which needs libpcap, or a match object. */
  filter?: FilterSource
  /** Travel time, added to every frame. 0s to 365 days. */
  delay?: Duration
  /** The delay varies uniformly by up to this much to either side, never below 0. Does not reorder by itself. */
  jitter?: Duration
  /** Probability of losing a frame, 0 to 1. */
  loss?: number
  /** Probability of sending a frame twice, 0 to 1. */
  duplicate?: number
  /** Probability of flipping one random bit of a frame, 0 to 1. */
  corrupt?: number
  /** Probability of skipping the delay, 0 to 1. Above 0, frames of the path may overtake each other. */
  reorder?: number
  /** Serialises: a frame of L bytes occupies the line for 8 · (L + overhead) / rate. 1bit to 1Tbit per second. */
  rate?: Rate
  /** Bytes added to each frame on the line, 0 to 1000. 24 gives Ethernet's time on the wire. Default 0. */
  overhead?: number
  /** What may wait for the line: frames, bytes or time. Default 1000 frames or 100 ms, whichever is more. */
  queue?: QueueLimit
  /** Starts this path's random streams, instead of the engine's seed and the names. 0 to 2^64 - 1. */
  seed?: bigint | number
}

/** A whole policy: may frames pass at all, and what happens to those that do. */
export type Policy = { allowed: boolean } & PolicyOptions

/** What a transaction did: pairs that frames can pass now and could not before, the reverse, other changes. */
export interface Applied {
  up: number
  down: number
  changed: number
}

/** A checked policy in numbers, everything filled in. Times in nanoseconds. */
export interface PolicySpec {
  allowed: boolean
  filter: Uint8Array | undefined
  delay: bigint
  jitter: bigint
  reorder: number
  /** Bits per second; undefined where there is no line. */
  rate: bigint | undefined
  overhead: number
  /** 0 default, 1 frames, 2 bytes, 3 nanoseconds */
  queueUnit: number
  queueAmount: bigint
  seed: bigint | undefined
  /** The settings of each impairment, in the order of their table; undefined for one that does nothing. */
  impairments: (number[] | undefined)[]
}

const impairmentKinds = Object.entries(impairments)

const readPolicyOptions = optionsReader('path policy', {
  allowed: flag(true),
  filter: optional((value) => compileFilter(value as FilterSource)),
  delay: optional(parseDuration, 0n),
  jitter: optional(parseDuration, 0n),
  reorder: probability(0),
  rate: optional(parseRate),
  overhead: integer(0, 1000, { unit: 'bytes', default: 0 }),
  queue: optional(parseQueueLimit),
  seed: seed(),
  ...Object.fromEntries(impairmentKinds.map(([name, kind]) => [name, kind.rule])),
})

/** @internal Checks a policy. */
export function readPolicy(policy: Policy): PolicySpec {
  const asked: unknown = policy
  const given = readPolicyOptions(asked ?? null) // none at all is a mistake
  const options = given as typeof given & Record<string, unknown>
  if (given.rate === undefined && (given.queue !== undefined || policy.overhead !== undefined))
    refuse(
      "option 'rate' of path policy",
      "given with 'queue' or 'overhead', which say how it is kept",
      undefined,
    )
  if (given.delay === 0n && given.reorder > 0)
    refuse("option 'delay' of path policy", "above 0 with 'reorder', which lets frames skip it", policy.delay)

  const { queueUnit, queueAmount } = queueOf(given.queue)
  return {
    allowed: given.allowed,
    filter: given.filter,
    delay: given.delay,
    jitter: given.jitter,
    reorder: given.reorder,
    rate: given.rate,
    overhead: given.overhead,
    queueUnit,
    queueAmount,
    seed: given.seed,
    impairments: impairmentKinds.map(([name, kind]) => {
      const option = options[name]
      return option === undefined ? undefined : kind.settings(option as never)
    }),
  }
}

function queueOf(queue: QueueBound | undefined): Pick<PolicySpec, 'queueUnit' | 'queueAmount'> {
  if (queue === undefined) return { queueUnit: 0, queueAmount: 0n }
  if ('frames' in queue) return { queueUnit: 1, queueAmount: BigInt(queue.frames) }
  if ('bytes' in queue) return { queueUnit: 2, queueAmount: BigInt(queue.bytes) }
  return { queueUnit: 3, queueAmount: queue.nanoseconds }
}
