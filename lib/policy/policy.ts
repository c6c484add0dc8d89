/** Policies: the options users write, and the parts that they come to. */
import { replayPart, replayRule, type ReplayOptions } from './replay/fates.js'
import { filterRule, type FilterSource } from './filters/index.js'
import { impairments, type ImpairmentOptions } from './impairments/index.js'
import { ecn } from './impairments/loss.js'
import { linePart, lineRules, type LineOptions } from './lines/line.js'
import { driveByTrace, tracePart, traceRules, type TracedOptions } from './lines/trace.js'
import { travelPart, travelRules, type TravelOptions } from './lines/travel.js'
import { netemPart, netemRules, refuseBesideNetem, type NetemOptions } from './netem/netem.js'
import { about, flag, isMapping, optionsReader, refuse, seed } from '../values/options.js'
import { nameWords, partKinds, type PolicyPart } from './parts.js'

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

type Read = ReturnType<typeof readPolicyOptions>

/**
 * Options of a policy, frozen, and what they were read as, which no listing or copy sees. A WeakMap or a hidden property
 * would cost ten thousand policies as much as reading them.
 */
class CompiledOptions {
  readonly #read: Read

  constructor(options: object, read: Read) {
    this.#read = read
    Object.assign(this, options)
    Object.freeze(this)
  }

  static readAs(options: object): Read | undefined {
    return #read in options ? options.#read : undefined
  }
}

const readAs = (options: object): Read | undefined => CompiledOptions.readAs(options)

const compiled = <Options extends object>(options: Options, read: Read): Options =>
  new CompiledOptions(options, read) as Options

/**
 * @internal The same options, deeply frozen and read: whoever is given them reads nothing again, no file either. Whether
 * they go together shows in `readPolicy`.
 */
export function compile<Options extends Partial<Policy>>(options: Options): Options {
  if (isMapping(options) && readAs(options)) return options
  const own = copyOf(options)
  const asked: unknown = own
  const values = readPolicyOptions(asked ?? null) // none at all is a mistake
  return compiled(own, values)
}

/** @internal One over the other: an option is that of the last who has it, as it was read there. */
export function layers(...given: readonly Partial<Policy>[]): Partial<Policy> {
  const whole: Record<string, unknown> = {}
  const values: Record<string, unknown> = { ...readPolicyOptions({}) }
  for (const each of given) {
    const layer = compile(each)
    const read = readAs(layer) as Record<string, unknown>
    for (const option of Object.keys(layer)) {
      whole[option] = layer[option as keyof Policy]
      values[option] = read[option]
    }
  }
  return compiled(whole, values as Read)
}

/** @internal Checks a policy; what a compiled one was read as is not read again. */
export function readPolicy(policy: Policy): PolicySpec {
  if (isMapping(policy)) refuseBesideNetem(policy)
  return specOf(readAs(compile(policy)) as Read)
}

/** A copy of which all but the outermost is frozen. */
function copyOf<Value>(value: Value): Value {
  if (Array.isArray(value)) return value.map(frozen) as Value
  if (!isMapping(value) || ArrayBuffer.isView(value)) return value
  const copy: Record<string, unknown> = {}
  for (const key of Object.keys(value)) copy[key] = frozen(value[key])
  return copy as Value
}

const frozen = (value: unknown): unknown =>
  typeof value === 'object' && value !== null && !ArrayBuffer.isView(value)
    ? Object.freeze(copyOf(value))
    : value

function specOf(given: Read): PolicySpec {
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
  for (const [name, kind] of impairmentKinds) {
    const option = options[name]
    const settings = option === undefined ? undefined : kind.settings(option as never)
    if (settings === undefined) continue
    const words = name === 'loss' && given.ecn ? impairments.loss.marking(settings) : settings
    parts.push({ kind: partKinds.impairment, words: [...nameWords(name), ...words] })
  }
  const own: readonly (number | undefined)[] = [partKinds.filter, partKinds.replay]
  if (given.replay && parts.some((part) => part && !own.includes(part.kind)))
    refuse("option 'replay' of path policy", "the only one beside 'filter': the log has all fates")
  return { allowed: given.allowed, seed: given.seed, parts: parts.filter((part) => part !== undefined) }
}
