/**
 * The packet filters of ubridge's bridges, as policies of paths. Called by Hypervisor.
 *
 * A bridge has its filters for both directions. Here each direction has a policy of its own, so what ubridge counts or draws
 * for both together, each does by itself: the counter of frequency_drop is one per direction.
 */
import { compileFilter } from '../policy/filters/index.js'
import type { TopologyPolicy } from '../topology/schema.js'
import { EtherloomError } from '../values/errors.js'
import { quote } from '../values/quote.js'
import { codes, Refusal } from './replies.js'

/** A filter of a bridge, by the name that the client gave it. */
export interface PacketFilter {
  name: string
  type: keyof typeof filterTypes
  on: boolean
  effect: Effect
}

/** What a filter does: options of a policy; or frames that it drops, by a pcap-filter expression. */
type Effect = { policy: TopologyPolicy } | { drops: string }

const noEffect: Effect = { policy: {} }

/** Reads the words behind the type. */
type Read = (words: readonly string[], subject: string) => Effect

/** Each type that ubridge has and that is offered here. GNS3's servers send whole numbers, and leave out what is 0. */
export const filterTypes = {
  /** Every so manieth frame is lost; -1: each. */
  frequency_drop: (words, subject) => {
    const [every = 0] = numbers(words, subject, [{ from: -1, to: 1_000_000_000 }])
    if (every === 0) return noEffect
    return { policy: every < 0 ? { allowed: false } : { dropEvery: every } }
  },
  packet_loss: (words, subject) => {
    const [percent = 0] = numbers(words, subject, [percentage])
    return percent === 0 ? noEffect : { policy: { loss: percent / 100 } }
  },
  /** In milliseconds; the second is half the width of a uniform distribution. */
  delay: (words, subject) => {
    const [delay = 0, jitter = 0] = numbers(words, subject, [{ from: 1, to: longest }, milliseconds], 1)
    return { policy: { delay: `${delay}ms`, ...(jitter > 0 && { jitter: `${jitter}ms` }) } }
  },
  corrupt: (words, subject) => {
    const [percent = 0] = numbers(words, subject, [percentage])
    return percent === 0 ? noEffect : { policy: { corrupt: percent / 100 } }
  },
  /** Frames that match are dropped. Without an expression, which GNS3 sends for a blank line, none do. */
  bpf: ([expression = '', linkType = 'EN10MB', ...more], subject) => {
    if (more.length > 0)
      throw new Refusal(
        codes.create,
        `${subject}: a bpf has an expression, in quotation marks, and a link type`,
      )
    if (linkType.replace(/^DLT_/, '') !== 'EN10MB')
      throw new Refusal(codes.create, `${subject}: the frames of bridges are EN10MB, not ${quote(linkType)}`)
    if (expression.trim() === '') return noEffect
    compileIn(subject, expression)
    return { drops: expression }
  },
} as const satisfies Record<string, Read>

interface Range {
  from: number
  to: number
}

const longest = 3_600_000
const milliseconds: Range = { from: 0, to: longest }
const percentage: Range = { from: 0, to: 100 }

/** Whole numbers, each in its range; `fewest` may be fewer than there are ranges. */
function numbers(
  words: readonly string[],
  subject: string,
  ranges: readonly Range[],
  fewest = ranges.length,
): number[] {
  if (words.length < fewest || words.length > ranges.length)
    throw new Refusal(
      codes.create,
      `${subject}: it takes ${ranges.length === 1 ? 'a number' : `${fewest} or ${ranges.length} numbers`}`,
    )
  return words.map((word, index) => {
    const { from, to } = ranges[index] as Range
    if (/^[+-]?\d{1,10}$/.test(word) && Number(word) >= from && Number(word) <= to) return Number(word)
    throw new Refusal(codes.create, `${subject}: ${quote(word)} is no whole number from ${from} to ${to}`)
  })
}

/**
 * Refuses what is no expression. GNS3's servers take it for a mistake of its author's, and not for a failure of the link, by
 * these words.
 */
export function compileIn(subject: string, expression: string): void {
  try {
    compileFilter(expression)
  } catch (error) {
    if (!(error instanceof EtherloomError)) throw error
    const { message } = error
    const isSyntax = error.code === 'ERR_ETHERLOOM_FILTER' && message.includes('syntax error')
    const known = isSyntax ? `Cannot compile filter '${expression}': syntax error; ` : ''
    throw new Refusal(codes.create, `${subject}: ${known}${message}`)
  }
}

/** @throws Refusal for what is no filter, with what to do */
export function readFilter(name: string, type: string, words: readonly string[]): PacketFilter {
  const subject = `failed to add filter ${quote(name)}`
  if (type === 'mark') throw new Refusal(codes.create, `${subject}: frames are not marked here`)
  if (!isType(type))
    throw new Refusal(
      codes.create,
      `${subject}: no type ${quote(type)} here; there are ${Object.keys(filterTypes).join(', ')}`,
    )
  return { name, type, on: true, effect: filterTypes[type](words, subject) }
}

const isType = (type: string): type is keyof typeof filterTypes => Object.hasOwn(filterTypes, type)

/** What the filters come to, for either direction. Of each type there is one at most, but for bpf. */
export function policyOf(filters: readonly PacketFilter[]): TopologyPolicy {
  const effects = filters.flatMap(({ on, effect }) => (on ? [effect] : []))
  const drop = effects.flatMap((effect) => ('drops' in effect ? [effect.drops] : []))
  const policies = effects.map((effect) => ('policy' in effect ? effect.policy : {}))
  return {
    ...(Object.assign({}, ...policies) as TopologyPolicy),
    ...(drop.length > 0 && { drop }),
  }
}
