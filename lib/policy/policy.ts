/** Policies: the options users write, and the parts that they come to. */
import { replayPart, replayRule, type ReplayOptions } from './replay/fates.js'
import { filterRule, type FilterSource } from './filters/index.js'
import { impairments, type ImpairmentOptions } from './impairments/index.js'
import { ecn } from './impairments/loss.js'
import { linePart, lineRules, type LineOptions } from './lines/line.js'
import { driveByTrace, tracePart, traceRules, type TracedOptions } from './lines/trace.js'
import { travelPart, travelRules, type TravelOptions } from './lines/travel.js'
import { netemPart, netemRules, refuseBesideNetem, type NetemOptions } from './netem/netem.js'
import { about, flag, optionsReader, refuse, seed } from '../values/options.js'
import { partKinds, type PolicyPart } from './parts.js'

/** What a path does to the frames it carries. Whatever is left out does nothing. */
export interface PolicyOptions
  extends ImpairmentOptions, LineOptions, NetemOptions, TravelOptions, TracedOptions, ReplayOptions {
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

/** @internal What each option of a policy must be, by itself. */
export const policyRules = {
  allowed: about('Whether frames may take the path at all.', flag(true)),
  filter: filterRule(),
  ...lineRules,
  ...travelRules,
  ...netemRules,
  ...traceRules,
  ecn,
  replay: replayRule,
  seed: about("Seed of this path's random draws, instead of one derived from the engine's.", seed()),
  ...Object.fromEntries(impairmentKinds.map(([name, kind]) => [name, kind.rule])),
}

const readPolicyOptions = optionsReader('path policy', policyRules)

/** @internal Checks a policy. */
export function readPolicy(policy: Policy): PolicySpec {
  const asked: unknown = policy
  if (typeof asked === 'object' && asked !== null) refuseBesideNetem(asked)
  const given = readPolicyOptions(asked ?? null) // none at all is a mistake
  const options = given as typeof given & Record<string, unknown>
  if (given.ecn && options.loss === undefined)
    refuse("option 'loss' of path policy", "given with 'ecn', which says what to do with the frames it picks")
  const driven = driveByTrace(given, options.loss)
  const parts: (PolicyPart | undefined)[] = [
    given.filter && { kind: partKinds.filter, words: given.filter },
    linePart(driven),
    travelPart(driven),
    netemPart(given.netem),
    tracePart(given.trace),
    replayPart(given.replay),
  ]
  impairmentKinds.forEach(([name, kind], place) => {
    const option = options[name]
    const settings = option === undefined ? undefined : kind.settings(option as never)
    if (settings === undefined) return
    const words = name === 'loss' && given.ecn ? impairments.loss.marking(settings) : settings
    parts.push({ kind: partKinds.impairment + place, words })
  })
  const own: readonly (number | undefined)[] = [partKinds.filter, partKinds.replay]
  if (given.replay && parts.some((part) => part && !own.includes(part.kind)))
    refuse("option 'replay' of path policy", "the only one beside 'filter': the log has all fates")
  return { allowed: given.allowed, seed: given.seed, parts: parts.filter((part) => part !== undefined) }
}
