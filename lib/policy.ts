/** Policies: the options users write, and the parts that they come to. */
import { compileFilter, type FilterSource } from './filters/index.js'
import { impairments, type ImpairmentOptions } from './impairments/index.js'
import { linePart, lineRules, type LineOptions } from './lines/line.js'
import { travelPart, travelRules, type TravelOptions } from './lines/travel.js'
import { netemPart, netemRules, refuseBesideNetem, type NetemOptions } from './netem/netem.js'
import { flag, optional, optionsReader, seed } from './options.js'
import { partKinds, type PolicyPart } from './policy-parts.js'

/** What a path does to the frames it carries. Whatever is left out does nothing. */
export interface PolicyOptions extends ImpairmentOptions, LineOptions, NetemOptions, TravelOptions {
  /** Which frames pass: a pcap-filter(7) expression, which needs libpcap, or a match object. */
  filter?: FilterSource
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

/** A checked policy. */
export interface PolicySpec {
  allowed: boolean
  seed: bigint | undefined
  /** In the order of their kinds; a part that would do nothing is left out. */
  parts: PolicyPart[]
}

export type { PolicyPart }

const impairmentKinds = Object.entries(impairments)

const readPolicyOptions = optionsReader('path policy', {
  allowed: flag(true),
  filter: optional((value) => compileFilter(value as FilterSource)),
  seed: seed(),
  ...lineRules,
  ...travelRules,
  ...netemRules,
  ...Object.fromEntries(impairmentKinds.map(([name, kind]) => [name, kind.rule])),
})

/** @internal Checks a policy. */
export function readPolicy(policy: Policy): PolicySpec {
  const asked: unknown = policy
  if (typeof asked === 'object' && asked !== null) refuseBesideNetem(asked)
  const given = readPolicyOptions(asked ?? null) // none at all is a mistake
  const options = given as typeof given & Record<string, unknown>
  const parts = [
    given.filter && { kind: partKinds.filter, words: given.filter },
    linePart(given),
    travelPart(given),
    netemPart(given.netem),
    ...impairmentKinds.map(([name, kind], place) => {
      const option = options[name]
      const words = option === undefined ? undefined : kind.settings(option as never)
      return words && { kind: partKinds.impairment + place, words }
    }),
  ]
  return { allowed: given.allowed, seed: given.seed, parts: parts.filter((part) => part !== undefined) }
}
