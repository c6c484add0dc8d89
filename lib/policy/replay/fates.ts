/**
 * The `replay` option: the fates that a log recorded, met again. Reads logs; native/pipeline/fates.hpp is the other
 * half, and docs/reference/capture.md has the grammar of the comments.
 */
import { EtherloomError } from '../../values/errors.js'
import { readBytes } from '../../values/files.js'
import { limits } from '../../values/limits.js'
import {
  about,
  either,
  file,
  isMapping,
  mapping,
  oneOf,
  optional,
  refuse,
  required,
  shapeOf,
  shaped,
  suggestion,
  text,
  type RulesOf,
} from '../../values/options.js'
import { partKinds, type PolicyPart } from '../parts.js'
import { SharedData } from '../shared-data.js'
import { dropReasons, type DropReason } from '../../values/stats.js'
import { quote } from '../../values/quote.js'
import { formatCount } from '../../values/units.js'
import { readPackets } from './pcapng.js'

/** A recorded run whose losses, delays and copies happen to the frames of a path again. */
export interface Replay {
  /** A fate log. It is read when the policy is set. */
  file: string
  /** Which path of the log, as `'a>b'`; needed when it has several. */
  path?: string
  /** What frames after the log's last meet: nothing (`pass`), or its first fates again (`loop`). Default `pass`. */
  end?: 'pass' | 'loop'
}

export interface ReplayOptions {
  /** Applies the fates of a log again, by the number of the frame: a file, or which path of it, and what then. */
  replay?: string | Replay
}

export interface CheckedReplay {
  fates: SharedData
  loop: boolean
}

const reasons = Object.keys(dropReasons) as DropReason[]

const logFile = about('The fate log.', file())
const replayKeys = mapping(
  {
    file: required(logFile),
    path: about("Which of its paths, as 'from>to'. Default: the only one.", text()),
    end: about(
      'What frames meet behind the end of the log: nothing, or its beginning again.',
      oneOf(['pass', 'loop'], 'pass'),
    ),
  } satisfies RulesOf<Replay>,
  { finish: readLog },
)
const expectsReplay = "the path of a fate log, or { file, path, end: 'loop' }"

const shapes = either<unknown>(expectsReplay, [logFile, replayKeys])

/** @internal */
export const replayRule = about(
  'A fate log whose fates the frames meet again, in their order, instead of impairments.',
  optional(shaped(readReplay, shapeOf(shapes))),
)

function readReplay(value: unknown, subject: string): CheckedReplay | undefined {
  const given = typeof value === 'string' ? { file: value } : value
  return isMapping(given) ? replayKeys(given, subject) : refuse(subject, expectsReplay, value)
}

function readLog({
  file,
  path,
  end,
}: {
  file: string
  path: string | undefined
  end: 'pass' | 'loop'
}): CheckedReplay {
  const subject = `fate log ${quote(file)}`
  const bytes = readBytes(file, {
    subject,
    most: limits.fateLogFile,
    code: 'ERR_ETHERLOOM_OPTION',
    hint: 'give the path of a fate log',
    smaller: 'record a shorter time, or with a smaller snapLength',
  })
  return {
    fates: new SharedData('fates', readFates(bytes, subject, path)),
    loop: end === 'loop',
  }
}

/** @internal */
export function replayPart(replay: CheckedReplay | undefined): PolicyPart | undefined {
  return replay && { kind: partKinds.replay, words: [replay.fates, replay.loop ? 1n : 0n] }
}

/** The end of one copy of a frame, as native/pipeline/fates.hpp has it. */
interface End {
  /** A delay in nanoseconds, or -1 - reason. */
  after: bigint
  /** 1 + the bit that was edited; 0 for none. */
  flipped: number
  /** The place of its delivery in the log: the order of frames that leave at one instant. */
  rank: number
}

const passing: End = { after: 0n, flipped: 0, rank: 0 }

/** @internal The fates of one path of a log, as the native half reads them: from the lowest number on, gaps pass. */
export function readFates(bytes: Uint8Array, subject: string, path: string | undefined): Uint8Array {
  const paths = new Map<string, Map<number, End[]>>()
  const budget = { fates: 0 }
  let rank = 0
  for (const packet of readPackets(bytes, subject)) {
    let fates = paths.get(packet.interface)
    if (!fates) paths.set(packet.interface, (fates = new Map<number, End[]>()))
    for (const comment of packet.comments) addFate(fates, comment, rank++, subject, budget)
  }
  const names = [...paths.keys()]
  if (path !== undefined && !paths.has(path))
    throw new EtherloomError(
      'ERR_ETHERLOOM_OPTION',
      `${subject} has no path ${quote(path)}${suggestion(path, names)}`,
    )
  if (path === undefined && names.length > 1)
    throw new EtherloomError('ERR_ETHERLOOM_OPTION', `${subject} has several paths`, {
      hint: `say which: ${names.join(', ')}`,
    })
  const fates = paths.get(path ?? names[0] ?? '') ?? new Map<number, End[]>()
  const [first, last] = spanOf(fates)
  const gaps = last - first + 1 - fates.size
  if (gaps > limits.fateGaps)
    throw new EtherloomError(
      'ERR_ETHERLOOM_OPTION',
      `${subject} may leave out ${formatCount(limits.fateGaps)} frames between its first and its last, not ${formatCount(gaps)}`,
      { hint: `it has fates of frames ${first} to ${last}; record it anew` },
    )
  let length = 3 * gaps
  for (const ends of fates.values()) length += 1 + 2 * ends.length
  const words = new BigUint64Array(length)
  let at = 0
  for (let number = first; number <= last; number++) {
    const ends = fates.get(number) ?? [passing]
    words[at++] = BigInt(ends.length)
    for (const { after, flipped, rank: place } of ends) {
      words[at++] = BigInt.asUintN(64, after)
      words[at++] = BigInt(flipped) | (BigInt(place) << 32n)
    }
  }
  return new Uint8Array(words.buffer)
}

/** The first and the last number of a path's frames. */
function spanOf(fates: ReadonlyMap<number, unknown>): [first: number, last: number] {
  let [first, last] = fates.size === 0 ? [0, -1] : [Infinity, 0]
  for (const number of fates.keys()) [first, last] = [Math.min(first, number), Math.max(last, number)]
  return [first, last]
}

/** `budget` counts the fates of the whole log. */
function addFate(
  fates: Map<number, End[]>,
  comment: string,
  rank: number,
  subject: string,
  budget: { fates: number },
): void {
  const words = new Map(
    comment.split(' ').map((word): [string, string] => {
      const [key = '', value = ''] = word.split('=')
      return [key, value]
    }),
  )
  const number = words.get('n')
  const fate = words.get('fate')
  if (number === undefined || fate === undefined) return // refused by the filter, or somebody's own comment
  const integer = (key: string, fallback: number): number => {
    const value = words.get(key)
    if (value === undefined) return fallback
    if (/^\d+$/.test(value) && Number(value) <= 0xffff_ffff) return Number(value)
    throw new EtherloomError('ERR_ETHERLOOM_OPTION', `${subject}: ${quote(comment)} has a bad ${quote(key)}`)
  }
  const after = endOf(words, comment, subject)
  const flipped = words.has('corrupted') ? integer('corrupted', 0) + 1 : 0
  const segments = integer('segments', 1)
  const copies = integer('copies', 1)
  const copy = integer('copy', 0)
  if (copies < 1 || copies > 1024 || segments > 65_536 || copy >= copies)
    throw new EtherloomError('ERR_ETHERLOOM_OPTION', `${subject}: ${quote(comment)} is out of range`)
  for (let index = 0; index < segments; index++) {
    const place = integer('n', 0) + index
    let ends = fates.get(place)
    if (!ends) {
      budget.fates += copies
      if (budget.fates > limits.fates)
        throw new EtherloomError(
          'ERR_ETHERLOOM_OPTION',
          `${subject} may have ${formatCount(limits.fates)} fates, and has more at ${quote(comment)}`,
          { hint: 'record a shorter time' },
        )
      fates.set(place, (ends = new Array<End>(copies).fill(passing)))
    }
    if (copy < ends.length) ends[copy] = { after, flipped, rank }
  }
}

function endOf(words: Map<string, string>, comment: string, subject: string): bigint {
  const [, nanoseconds] = /^(\d{1,18})ns$/.exec(words.get('delay') ?? '') ?? []
  if (words.get('fate') === 'delivered' && nanoseconds !== undefined) return BigInt(nanoseconds)
  const reason = reasons.indexOf(words.get('reason') as DropReason)
  if (words.get('fate') === 'dropped' && reason >= 0) return BigInt(-1 - reason)
  throw new EtherloomError('ERR_ETHERLOOM_OPTION', `${subject}: ${quote(comment)} is not a fate`)
}
