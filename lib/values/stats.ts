/**
 * Counters as users read them, and the table of drop reasons that both halves share.
 * native/frame/drop.hpp holds the same names in the same order; a test compares the two.
 */
import { counted, type Counted } from './counter.js'

/** Why frames ended, in words. */
export const dropReasons = {
  runt: 'shorter than an Ethernet header',
  oversize: "longer than the port's limit or the line's burst",
  'no-buffer': "the engine's memory was used up",
  'port-full': 'the receiving device or reader took no more',
  'port-down': 'the port has no working device',
  'not-for-us': 'addressed to the port it came from, or refused by writeback',
  'bad-offload': 'an offload header that contradicts its frame',
  storm: "over the port's limit on broadcast, multicast or unknown traffic",
  unreachable: 'no path would carry it',
  reserved: "a bridge's link-local group address (01:80:C2:00:00:0x)",
  filter: "refused by the path's filter",
  loss: "the path's loss",
  queue: "the line's queue was full",
  aqm: "dropped by the line's queue discipline",
  flush: 'was waiting when its path was flushed or went away',
  'hop-limit': 'crossed too many patch ports: the fabrics form a loop',
  vlan: 'in a VLAN that its port is not in, or without one where the port has none for it',
  'wrong-peer': "sent to a socket by another than the port's peer",
  'no-frame': 'bytes on a socket that are no frame, such as a keep-alive',
  'worker-full': "more copies at once than the to-port's worker takes from another",
} as const

/** Why a frame ended. */
export type DropReason = keyof typeof dropReasons

/** Frames by the reason they were dropped for. Every reason is there. */
export type Drops = Record<DropReason, bigint>

/**
 * Counters of a path, one consistent snapshot:
 * `offered + duplicated = delivered + all of dropped + waiting + inFlight`, always.
 */
export interface PathStats extends Counted {
  /** Frames that the fabric gave to this path. */
  offered: bigint
  /** Extra copies that its duplicate impairment made. */
  duplicated: bigint
  /** Frames that the to-port's device took. */
  delivered: bigint
  /** Their bytes. */
  deliveredBytes: bigint
  /** Frames that ended on it, by reason. */
  dropped: Drops
  /** Frames that the line or travel held back. */
  delayed: bigint
  /** Frames that left after one that came later (RFC 4737). */
  reordered: bigint
  /** Frames of which a bit was flipped. */
  corrupted: bigint
  /** Frames that wait for the line. */
  waiting: bigint
  /** Frames on the line, travelling, between workers or being written. */
  inFlight: bigint
  /** Frames in which congestion was marked (ECN) instead of dropping them; they count as whatever became of them. */
  marked: bigint
}

/** Counters of a port, one consistent snapshot. */
export interface PortStats extends Counted {
  /** What came in through its device. */
  received: { frames: bigint; bytes: bigint }
  /** What went out through its device. */
  transmitted: { frames: bigint; bytes: bigint }
  /** At receive and at transmit; what a path dropped is counted on the path. */
  dropped: Drops
  /** All paths from this port that have no policy of their own. */
  defaults: PathStats
}

/** Counters of a fabric: its ports and paths, one consistent snapshot each. */
export interface FabricStats extends Counted {
  /** By the names of the ports. */
  ports: Record<string, PortStats>
  /** The paths that have, or had, a policy of their own: those count by themselves. */
  paths: ({ from: string; to: string; allowed: boolean } & PathStats)[]
}

const reasons = Object.keys(dropReasons) as DropReason[]
const wordsBefore = { path: 10, port: 4 }

function readDrops(words: BigUint64Array, at: number): Drops {
  return counted(
    Object.fromEntries(reasons.map((reason, index) => [reason, words[at + index] ?? 0n])) as Drops,
  )
}

/** @internal The words of NativeEngine.pathStats. */
export function readPathStats(words: BigUint64Array, at = 0): PathStats {
  const word = (index: number): bigint => words[at + index] ?? 0n
  return counted({
    offered: word(0),
    duplicated: word(1),
    delivered: word(2),
    deliveredBytes: word(3),
    dropped: readDrops(words, at + wordsBefore.path),
    waiting: word(4),
    inFlight: word(5),
    marked: word(6),
    delayed: word(7),
    reordered: word(8),
    corrupted: word(9),
  })
}

/** @internal The words of NativeEngine.portStats. */
export function readPortStats(words: BigUint64Array): PortStats {
  const word = (index: number): bigint => words[index] ?? 0n
  return counted({
    received: counted({ frames: word(0), bytes: word(1) }),
    transmitted: counted({ frames: word(2), bytes: word(3) }),
    dropped: readDrops(words, wordsBefore.port),
    defaults: readPathStats(words, wordsBefore.port + reasons.length),
  })
}

/** @internal A path that no frame was offered to. */
export const noPathStats = (): PathStats => readPathStats(new BigUint64Array(0))

/** How late departures really were: a histogram of (left - due) of every frame that a path held back. */
export interface Lateness extends Counted {
  /** Departures counted. */
  count: bigint
  /** The longest, in nanoseconds. */
  max: number
  /** Half of the departures were not later than this, in nanoseconds; the end of its bucket, or `max`. */
  p50: number
  /** 99 of 100 departures were not later than this, in nanoseconds; the end of its bucket, or `max`. */
  p99: number
  /** Buckets that have any: departures late by `from` up to, not including, `to` nanoseconds; the last has no `to`. */
  buckets: { from: number; to?: number; count: bigint }[]
}

/** @internal The words of NativeEngine.lateness, of one worker or several. */
export function readLateness(workers: readonly BigUint64Array[]): Lateness {
  const sum = (counts: readonly bigint[]): bigint => counts.reduce((total, each) => total + each, 0n)
  const counts = Array.from({ length: (workers[0]?.length ?? 1) - 1 }, (_, index) =>
    sum(workers.map((words) => words[index + 1] ?? 0n)),
  )
  const max = Math.max(...workers.map((words) => Number(words[0])))
  const count = sum(counts)
  const bounds = (index: number): [number, number] => (index === 0 ? [0, 1] : [2 ** (index - 1), 2 ** index])
  const quantile = (percent: bigint): number => {
    let seen = 0n
    for (const [index, each] of counts.entries()) {
      seen += each
      if (seen > 0n && seen * 100n >= percent * count) return Math.min(bounds(index)[1] - 1, max)
    }
    return 0
  }
  const buckets = counts.flatMap((each, index) => {
    const [from, to] = bounds(index)
    return each === 0n ? [] : [counted({ from, ...(index < counts.length - 1 && { to }), count: each })]
  })
  return counted({ count, max, p50: quantile(50n), p99: quantile(99n), buckets })
}
