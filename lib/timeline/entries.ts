/**
 * Entries of timelines: what users write, checked, as a sequence of steps with their times. Called by timeline.ts, and by
 * those who check topology files.
 */
import { about, asOptions, flag, mapping, oneOf, readOptions, refuse, required } from '../values/options.js'
import { compile, type Policy, type PolicyOptions } from '../policy/policy.js'
import type { Port } from '../ports/port.js'
import { limits } from '../values/limits.js'
import { duration, formatDuration, type Duration } from '../values/units.js'
import { readRamp, ruleOf, valuesAt } from './ramp.js'

type Ports<End> = End | readonly End[]

/**
 * The paths of an entry: both ways for each pair, or from each to each. `'*'` is every other port that is attached then.
 * `End` is how a port is given; files have names.
 */
export type TimelinePaths<End = Port | string> =
  { between: readonly End[] } | { from: Ports<End>; to: Ports<End> }

interface Repeated {
  /** Does it again and again, with this much between the beginnings. */
  repeat?: Duration
  /** Begins nothing at or after this time. */
  until?: Duration
}

/** From a time on, these options lie over the policies of the paths. */
export type TimelineChange<End = Port | string> = TimelinePaths<End> &
  Repeated &
  PolicyOptions & {
    at: Duration
    allowed?: boolean
    /** First takes away what the timeline has laid over the policy so far. */
    reset?: boolean
  }

/** Options that go from a first to a last value, in equal steps. */
export type TimelineRamp<End = Port | string> = TimelinePaths<End> &
  Repeated & {
    /** When it begins. Default 0s. */
    at?: Duration
    /** The first and the last value of each option: numbers, durations, rates, sizes, or objects of them. */
    ramp: { [Option in keyof PolicyOptions]?: readonly [PolicyOptions[Option], PolicyOptions[Option]] }
    /** How long it takes. */
    over: Duration
    /** The time between two steps. Default a hundredth of `over`, but from 10ms to 1s. */
    every?: Duration
  }

interface Flaps {
  /** The first outage. Default: after the first `every`. */
  at?: Duration
  /** An outage begins every so often and lasts for so long. */
  flap: { every: Duration; for: Duration }
  /** No outage begins at or after this time. */
  until?: Duration
}

/** Outages of paths: nothing passes. */
export type TimelineFlap<End = Port | string> = TimelinePaths<End> & Flaps

/** The carrier of ports, on or off from a time on. `'*'` is every port that is attached then, both ends of a wire. */
export interface TimelineCarrier<End = Port | string> extends Repeated {
  /** When, from the start of the timeline on. */
  at: Duration
  /** A port, several, or `'*'`. */
  port: Ports<End>
  /** Whether the cable is in, as it were. */
  carrier: 'on' | 'off'
}

/** Outages of ports: no carrier. */
export interface TimelineCarrierFlap<End = Port | string> extends Flaps {
  /** A port, several, or `'*'`. */
  port: Ports<End>
}

/** One line of a timeline: a change, a ramp or outages of paths, or of the carrier of ports. */
export type TimelineEntry<End = Port | string> =
  | TimelineChange<End>
  | TimelineRamp<End>
  | TimelineFlap<End>
  | TimelineCarrier<End>
  | TimelineCarrierFlap<End>

/** @internal What a step does to the picture of its paths or ports. */
export type Effect =
  { set: Partial<Policy>; reset?: boolean | undefined } | { carrier: boolean } | { outage: boolean }

/** @internal */
export interface Step {
  at: bigint
  /** `begin` of a change, a ramp or an outage; `step` and `end` of a ramp; `end` of an outage. */
  phase: 'begin' | 'step' | 'end'
  effect: Effect
}

/** @internal An entry that was checked. */
export interface Checked {
  words: string
  /** Names of ports, or '*'. `from` and `to` of paths; only `from` of ports. */
  from: string[]
  to: string[] | undefined
  steps: Generator<Step, undefined>
  /** Values that the paths' policies will have, to be checked with what they have besides. */
  samples: Partial<Policy>[]
}

const anything = (value: unknown): unknown => value
const pathEnds = { between: anything, from: anything, to: anything }

const positive = duration({ fits: (time) => time > 0n, expects: 'a duration above 0s' })
const apart = duration({
  fits: (time) => time >= limits.timelineStep,
  expects: `a duration of at least ${formatDuration(limits.timelineStep)}`,
})
const at = required(about('When, from the time on at which the timeline began.', duration()))
const until = about('Begins nothing at or after this time.', duration())
const repeated = {
  repeat: about('Does it again and again, with this much between the beginnings.', apart),
  until,
}

/** @internal The keys of each kind of entry, beside those of its paths or ports. */
export const entryKeys = {
  change: {
    at,
    reset: about(
      'Whether to take away first what the timeline has laid over the policy so far.',
      flag(false),
    ),
    ...repeated,
  },
  ramp: {
    at: about('When it begins.', duration({ default: '0s' })),
    over: required(about('How long it takes.', positive)),
    every: about("Time between two steps. Default: a hundredth of 'over', but from 10ms to 1s.", apart),
    ...repeated,
  },
  flap: {
    at: about("When the first outage begins. Default: after the first 'every'.", duration()),
    flap: required(
      about(
        'Outages: nothing passes on the paths, or the ports have no carrier.',
        mapping({
          every: required(about('The time from the beginning of an outage to the next.', apart)),
          for: required(about("How long an outage lasts; less than 'every'.", positive)),
        }),
      ),
    ),
    until,
  },
  carrier: {
    at,
    carrier: required(about('Whether the ports have a carrier from then on.', oneOf(['on', 'off']))),
    ...repeated,
  },
}

/** @internal Checks an entry by itself; which ports there are is not known here. */
export function checkEntry(entry: unknown): Checked {
  const given = asOptions('a timeline entry', entry === undefined ? null : entry)
  if ('flap' in given) return checkFlap(given)
  if ('ramp' in given) return checkRamp(given)
  if ('port' in given || 'carrier' in given) return checkCarrier(given)
  return checkChange(given)
}

function checkChange(given: Record<string, unknown>): Checked {
  const { at, repeat, until, reset, between, from, to, ...options } = given
  const ends = readPaths({ between, from, to })
  const times = readOptions('a timeline entry', { at, repeat, until, reset }, entryKeys.change)
  const set = readPolicyOptions(options)
  if (Object.keys(set).length === 0 && !times.reset)
    refuse('a timeline entry', "given with what it changes, such as loss: 0.02, 'ramp' or 'flap'")
  const steps = repeatedly(times.at, times, (at) => [
    { at, phase: 'begin' as const, effect: { set, reset: times.reset } },
  ])
  return { ...ends, words: `${ends.words} ${wordsOf(set, times.reset)}`, steps, samples: [set] }
}

function checkRamp(given: Record<string, unknown>): Checked {
  const { at, ramp, over, every, repeat, until } = readOptions('a ramp of a timeline', given, {
    ...pathEnds,
    ramp: readRamp,
    ...entryKeys.ramp,
  })
  if (repeat !== undefined && repeat < over)
    refuse("option 'repeat' of a ramp of a timeline", `at least its 'over'`, formatDuration(repeat))
  const ends = readPaths(given)
  const step = every ?? defaultStep(over)
  function* once(start: bigint): Generator<Step> {
    for (let done = 0n; ; done += step) {
      const part = done < over ? done : over
      const phase = part === 0n ? 'begin' : part < over ? 'step' : 'end'
      yield { at: start + part, phase, effect: { set: valuesAt(ramp, part, over) } }
      if (part === over) return
    }
  }
  const shown = Object.entries(ramp).map(
    ([option, [first, last]]) => `${option}=${show(first)}..${show(last)}`,
  )
  return {
    ...ends,
    words: `${ends.words} ${shown.join(' ')} over ${formatDuration(over)}`,
    steps: repeatedly(at, { repeat, until }, once),
    samples: [0n, over / 3n, over].map((part) => valuesAt(ramp, part, over)),
  }
}

function defaultStep(over: bigint): bigint {
  const [shortest, longest, hundredth] = [10_000_000n, 1_000_000_000n, over / 100n]
  return hundredth < shortest ? shortest : hundredth > longest ? longest : hundredth
}

function checkFlap(given: Record<string, unknown>): Checked {
  const { at, flap, until } = readOptions('a flap of a timeline', given, {
    ...('port' in given ? { port: anything } : pathEnds),
    ...entryKeys.flap,
  })
  if (flap.for >= flap.every)
    refuse("'for' of a flap of a timeline", "shorter than its 'every'", formatDuration(flap.for))
  const ends = 'port' in given ? readPorts(given.port) : readPaths(given)
  const steps = repeatedly(at ?? flap.every, { repeat: flap.every, until }, (start) => [
    { at: start, phase: 'begin' as const, effect: { outage: true } },
    { at: start + flap.for, phase: 'end' as const, effect: { outage: false } },
  ])
  const words = `${ends.words} flap every ${formatDuration(flap.every)} for ${formatDuration(flap.for)}`
  return { ...ends, words, steps, samples: [] }
}

function checkCarrier(given: Record<string, unknown>): Checked {
  const { at, carrier, repeat, until } = readOptions('a carrier entry of a timeline', given, {
    port: anything,
    ...entryKeys.carrier,
  })
  const ends = readPorts(given.port)
  const steps = repeatedly(at, { repeat, until }, (at) => [
    { at, phase: 'begin' as const, effect: { carrier: carrier === 'on' } },
  ])
  return { ...ends, words: `${ends.words} carrier=${carrier}`, steps, samples: [] }
}

/** The steps of each beginning, from the first one on. */
function* repeatedly(
  first: bigint,
  { repeat, until }: { repeat: bigint | undefined; until: bigint | undefined },
  once: (at: bigint) => Iterable<Step>,
): Generator<Step, undefined> {
  for (let at = first; until === undefined || at < until; at += repeat) {
    yield* once(at)
    if (repeat === undefined) return
  }
}

function readPaths({ between, from, to }: Record<string, unknown>): Pick<Checked, 'words' | 'from' | 'to'> {
  if (between !== undefined) {
    const names = readNames(between, "'between' of a timeline entry")
    if (from !== undefined || to !== undefined || !Array.isArray(between) || new Set(names).size < 2)
      refuse("'between' of a timeline entry", "two ports or more, without 'from' and 'to'", between)
    return { words: names.join(' <> '), from: names, to: names }
  }
  if (from === undefined || to === undefined)
    refuse('a timeline entry', "given with 'between', with 'from' and 'to', or with 'port'")
  const ends = {
    from: readNames(from, "'from' of a timeline entry"),
    to: readNames(to, "'to' of a timeline entry"),
  }
  return { words: `${ends.from.join(', ')} > ${ends.to.join(', ')}`, ...ends }
}

function readPorts(port: unknown): { words: string; from: string[]; to: undefined } {
  const from = readNames(port, "'port' of a timeline entry")
  return { words: from.join(', '), from, to: undefined }
}

function readNames(value: unknown, subject: string): string[] {
  const list: unknown[] = Array.isArray(value) ? value : [value]
  return list.map((each) => {
    const name = typeof each === 'object' && each !== null && 'name' in each ? each.name : each
    return typeof name === 'string' && name !== '' && list.length > 0
      ? name
      : refuse(subject, "a port, its name, a list of them, or '*'", each)
  })
}

/** Options of policies, each right by itself; whether they go together shows with the policy they lie over. */
function readPolicyOptions(options: Record<string, unknown>): Partial<Policy> {
  for (const [option, value] of Object.entries(options))
    ruleOf(option)(value, `option '${option}' of a timeline entry`)
  return compile(options)
}

/** @internal What a step of an entry did. */
export function inWords({ from, to, words }: Checked, effect: Effect): string {
  if ('set' in effect) {
    const ends = from === to ? from.join(' <> ') : `${from.join(', ')} > ${to?.join(', ')}`
    return `${ends} ${wordsOf(effect.set, effect.reset)}`
  }
  const ends = words.replace(/ (flap every|carrier=).*/, '')
  const up = 'carrier' in effect ? effect.carrier : !effect.outage
  return to ? `${ends} ${up ? 'up' : 'down'}` : `${ends} carrier=${up ? 'on' : 'off'}`
}

function wordsOf(set: Partial<Policy>, reset: boolean | undefined): string {
  const words = Object.entries(set).map(([option, value]) => `${option}=${show(value)}`)
  return [...(reset ? ['reset'] : []), ...words].join(' ')
}

const show = (value: unknown): string =>
  typeof value === 'string' ? value : typeof value === 'bigint' ? `${value}` : JSON.stringify(value)
