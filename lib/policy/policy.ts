/** Policies: the options users write, and the parts that they come to. */
import { replayPart, replayRule, type ReplayOptions } from './replay/fates.js'
import { filterRule, filtersRule, type FilterSource } from './filters/index.js'
import { impairments, type ImpairmentOptions } from './impairments/index.js'
import { ecn } from './impairments/loss.js'
import { linePart, lineRules, type LineOptions } from './lines/line.js'
import { driveByTrace, tracePart, traceRules, type TracedOptions } from './lines/trace.js'
import { travelPart, travelRules, type TravelOptions } from './lines/travel.js'
import { netemPart, netemRules, refuseBesideNetem, type NetemOptions } from './netem/netem.js'
import { about, flag, isMapping, optionsReader, refuse, seed, type Rules } from '../values/options.js'
import { nameWords, partKinds, type PolicyPart } from './parts.js'

/** What a path does to the frames it carries. Whatever is left out does nothing. */
export interface PolicyOptions
  extends ImpairmentOptions, LineOptions, NetemOptions, TravelOptions, TracedOptions, ReplayOptions {
  /** Which frames pass: a pcap-filter(7) expression, which needs libpcap, or a match object. */
  filter?: FilterSource
  /**
   * Which frames are dropped, of those that `filter` lets pass: one filter, or a list of up to 64, each compiled by itself. An
   * expression that would read beyond the end of a frame does not match it, so the frame passes.
   */
  drop?: FilterSource | readonly FilterSource[]
  /** Starts this path's random streams, instead of the engine's seed and the names. 0 to 2^64 - 1. */
  seed?: bigint | number
}

/** A whole policy: may frames pass at all, and what happens to those that do. */
export type Policy = { allowed: boolean } & PolicyOptions

/** What a transaction did: pairs that frames can pass now and could not before, the reverse, other changes. */
export interface Applied {
  /** Pairs that frames can pass now and could not before. */
  up: number
  /** Pairs that frames could pass and cannot any more. */
  down: number
  /** Other pairs whose policy is another one now. */
  changed: number
}

/** A checked policy. */
export interface PolicySpec {
  /** As it was given, deeply frozen: whoever is given this one reads no file again. */
  policy: Policy
  allowed: boolean
  seed: bigint | undefined
  /** In the order of their kinds; a part that would do nothing is left out. */
  parts: PolicyPart[]
}

export type { PolicyPart }

const impairmentKinds = Object.entries(impairments)

const passing = {
  allowed: about('Whether frames may take the path at all.', flag(true)),
  filter: filterRule(),
  drop: about(
    "Which frames are dropped: a filter ('arp'), or a list of filters. What would read beyond the end of a frame does not match it.",
    filtersRule(),
  ),
}
const whole = { ...netemRules, ...traceRules, replay: replayRule }
const harm = { ecn, ...Object.fromEntries(impairmentKinds.map(([name, kind]) => [name, kind.rule])) }
const draws = {
  seed: about("Seed of this path's random draws, instead of one derived from the engine's.", seed()),
}

/** @internal What each option of a policy must be, by itself. */
export const policyRules = { ...passing, ...lineRules, ...travelRules, ...harm, ...whole, ...draws }

/** @internal The same by what they are about. */
export const policyGroups: Readonly<Record<string, Rules>> = {
  'Which frames pass': passing,
  'Rate and queue': lineRules,
  'Delay and order': travelRules,
  'Losses and errors': harm,
  'From a tc command, a trace or a log': whole,
  'Random draws': draws,
}

const readPolicyOptions = optionsReader('path policy', policyRules)

type Read = ReturnType<typeof readPolicyOptions>

/**
 * Options of a policy, deeply frozen, and what they were read as, which no listing or copy sees. A WeakMap or a hidden
 * property would cost ten thousand policies as much as reading them.
 */
class CompiledOptions {
  /** Kept only if something in it is more than a number: numbers are read again as quickly, with the same result. */
  #read: Read | undefined

  private constructor(options: object) {
    const own = this as Record<string, unknown>
    for (const key in options) own[key] = frozen(options[key as keyof typeof options])
  }

  /** The frozen options, and what they were read as. `read` saves reading them, where the caller has it. */
  static of<Options extends object>(options: Options, read?: Read): { own: Options; read: Read } {
    if (#read in options) return { own: options, read: options.#read ?? readPolicyOptions(options) }
    const own = new CompiledOptions(options)
    read ??= readPolicyOptions(own)
    for (const key in read) if (typeof read[key as keyof Read] === 'object') own.#read = read
    Object.freeze(own)
    return { own: own as Options, read }
  }
}

function compiled<Options extends object>(options: Options): { own: Options; read: Read } {
  const asked: unknown = options
  if (!isMapping(asked)) readPolicyOptions(asked ?? null) // refuses it: none at all is a mistake
  return CompiledOptions.of(options)
}

/**
 * @internal The same options, deeply frozen and read: whoever is given them reads no file again. Whether they go together
 * shows in `readPolicy`.
 */
export const compile = <Options extends Partial<Policy>>(options: Options): Options => compiled(options).own

/** @internal Several policies laid over each other: each option is that of the last one that has it. */
export function layers(...given: readonly Partial<Policy>[]): Partial<Policy> {
  const whole: Record<string, unknown> = {}
  const values: Record<string, unknown> = { ...readPolicyOptions({}) }
  for (const each of given) {
    const { own, read } = compiled(each)
    for (const option of Object.keys(own)) {
      whole[option] = own[option as keyof Policy]
      values[option] = read[option as keyof Read]
    }
  }
  return CompiledOptions.of(whole, values as Read).own
}

/** @internal Checks a policy. */
export function readPolicy(policy: Policy): PolicySpec {
  const { own, read } = compiled(policy)
  refuseBesideNetem(own)
  return specOf(own, read)
}

/** Levels of lists and mappings within each other. No policy has so many; an object that has them contains itself. */
const deepest = 100

/** The same value; a mapping or list as a copy that is deeply frozen. */
function frozen(value: unknown, depth = 0): unknown {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value
  if (depth === deepest)
    refuse('what a path policy is made of', `at most ${deepest} deep, and not within itself`)
  if (Array.isArray(value)) return Object.freeze(Array.from(value, (each) => frozen(each, depth + 1)))
  const copy: Record<string, unknown> = {}
  for (const key in value) copy[key] = frozen(value[key as keyof typeof value], depth + 1)
  return Object.freeze(copy)
}

function specOf(policy: Policy, given: Read): PolicySpec {
  const options = given as typeof given & Record<string, unknown>
  if (given.ecn && options.loss === undefined)
    refuse("option 'loss' of path policy", "given with 'ecn', which says what to do with the frames it picks")
  const driven = driveByTrace(given, options.loss)
  const parts: (PolicyPart | undefined)[] = [
    given.filter && { kind: partKinds.filter, words: given.filter },
    ...(given.drop ?? []).map((words) => ({ kind: partKinds.drop, words })),
    linePart(driven),
    travelPart(driven),
    netemPart(given.netem),
    tracePart(given.trace),
    replayPart(given.replay),
  ]
  for (const [name, kind] of impairmentKinds) {
    const option = options[name]
    const settings = option === undefined ? undefined : kind.settings(option as never)
    if (settings === undefined) continue
    const words = name === 'loss' && given.ecn ? impairments.loss.marking(settings) : settings
    parts.push({ kind: partKinds.impairment, words: [...nameWords(name), ...words] })
  }
  const own: readonly (number | undefined)[] = [partKinds.filter, partKinds.drop, partKinds.replay]
  if (given.replay && parts.some((part) => part && !own.includes(part.kind)))
    refuse("option 'replay' of path policy", "the only one beside 'filter' and 'drop': the log has all fates")
  return {
    policy,
    allowed: given.allowed,
    seed: given.seed,
    parts: parts.filter((part) => part !== undefined),
  }
}
