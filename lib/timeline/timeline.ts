/**
 * Timelines: changes of paths and carriers at given times. Made by `fabric.timeline(entries)`; topology files have the same
 * entries.
 *
 * Theory of operation. Each entry is a sequence of steps, each with its offset from time zero, computed from the entry
 * alone: lateness never adds up. The engine's agenda calls run() when the first of them is due. All steps that are due
 * are taken in the order of their times (of one time: of the entries), and change the timeline's picture of paths and
 * ports; then what the picture says is written, in one transaction. So a step that was missed, because the process was
 * stopped meanwhile, counts, but a path is set once, to what holds now.
 *
 * The picture of a path is a base, options laid over it, and the outages that hold it down. The base is the path's policy
 * as somebody else set it: whenever the fabric has another policy than the one written last, that is the new base, and
 * nothing lies over it. The picture of a port is the same with its carrier.
 */
import { EventEmitter } from 'node:events'
import { EtherloomError, locate } from '../values/errors.js'
import type { Fabric } from '../fabrics/fabric.js'
import {
  asOptions,
  flag,
  oneOf,
  optional,
  readOptions,
  refuse,
  required,
  suggestion,
} from '../values/options.js'
import { policyRules, readPolicy, type Policy, type PolicyOptions } from '../policy/policy.js'
import type { Port } from '../ports/port.js'
import {
  formatDuration,
  formatRate,
  formatSize,
  parseDuration,
  parseQueueLimit,
  parseRate,
  parseSize,
  type Duration,
} from '../values/units.js'

type Ports = Port | string | readonly (Port | string)[]

/** The paths of an entry: both ways for each pair, or from each to each. `'*'` is every other port. */
export type TimelinePaths = { between: readonly (Port | string)[] } | { from: Ports; to: Ports }

interface Repeated {
  /** Does it again and again, with this much between the beginnings. */
  repeat?: Duration
  /** Begins nothing at or after this time. */
  until?: Duration
}

/** From a time on, these options lie over the policies of the paths. */
export type TimelineChange = TimelinePaths &
  Repeated &
  PolicyOptions & {
    at: Duration
    allowed?: boolean
    /** First takes away what the timeline has laid over the policy so far. */
    reset?: boolean
  }

/** Options that go from a first to a last value, in equal steps. */
export type TimelineRamp = TimelinePaths &
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
export type TimelineFlap = TimelinePaths & Flaps

/** The carrier of ports, on or off from a time on. `'*'` is every port of the fabric, both ends of a wire. */
export interface TimelineCarrier extends Repeated {
  at: Duration
  port: Ports
  carrier: 'on' | 'off'
}

/** Outages of ports: no carrier. */
export interface TimelineCarrierFlap extends Flaps {
  port: Ports
}

export type TimelineEntry =
  TimelineChange | TimelineRamp | TimelineFlap | TimelineCarrier | TimelineCarrierFlap

/** One step that was taken. */
export interface TimelineStep {
  /** The entry it belongs to, counted from 1. */
  entry: number
  /** Its time, from time zero; that it was taken later does not show here. */
  at: Duration
  /** `begin` of a change, a ramp or an outage; `step` and `end` of a ramp; `end` of an outage. */
  phase: 'begin' | 'step' | 'end'
  /** What it did, as `a > b loss=0.02`. */
  did: string
}

export interface TimelineEvents {
  entry: [step: TimelineStep]
  /** A step could not be taken, as where a port has gone. Everything else goes on. */
  error: [error: EtherloomError]
  /** There is no step left. */
  end: []
}

/** How far an entry is. */
export interface TimelineProgress {
  /** In words. */
  entry: string
  /** The time of its next step, from time zero; absent when there is none. */
  next?: Duration
  /** Steps taken. */
  taken: number
  /** What went wrong last. */
  error?: string
}

type Effect =
  { set: Partial<Policy>; reset?: boolean | undefined } | { carrier: boolean } | { outage: boolean }

interface Step {
  at: bigint
  phase: TimelineStep['phase']
  effect: Effect
}

/** An entry that was checked. */
interface Checked {
  words: string
  /** Names of ports, or '*'. `from` and `to` of paths; only `from` of ports. */
  from: string[]
  to: string[] | undefined
  steps: Generator<Step, undefined>
  /** Values that the paths' policies will have, to be checked with what they have besides. */
  samples: Partial<Policy>[]
}

interface Running extends Checked {
  next: Step | undefined
  taken: number
  error: string | undefined
}

interface PathPicture {
  from: string
  to: string
  base: Policy | undefined
  over: Partial<Policy>
  outages: Set<Running>
  written: Policy | undefined
  /** An entry has given a seed since. */
  reseeded: boolean
}

interface PortPicture {
  base: boolean
  over: boolean | undefined
  outages: Set<Running>
  written: boolean
}

/** Runs from its making on, which is its time zero. Keeps no process alive; its fabric does. */
export class Timeline extends EventEmitter<TimelineEvents> {
  readonly fabric: Fabric
  readonly #zero: bigint
  readonly #entries: Running[]
  readonly #paths = new Map<string, PathPicture>()
  readonly #ports = new Map<string, PortPicture>()
  #stopped = false

  /** @internal */
  constructor(fabric: Fabric, entries: Iterable<TimelineEntry>) {
    super()
    this.fabric = fabric
    this.#entries = [...entries].map((entry, index) => {
      try {
        const checked = checkEntry(entry)
        for (const name of [...checked.from, ...(checked.to ?? [])]) if (name !== '*') fabric.port(name)
        const { value: next } = checked.steps.next()
        return { ...checked, next, taken: 0, error: undefined }
      } catch (error) {
        throw locate(error, `entry ${index + 1} of the timeline`)
      }
    })
    this.#zero = fabric.engine.now()
    fabric.engine.agenda.add(this)
  }

  /** Whether there are steps left to take. */
  get running(): boolean {
    return !this.#stopped && this.#first() !== undefined
  }

  /** How far each entry is. */
  get progress(): TimelineProgress[] {
    return this.#entries.map(({ words, next, taken, error }) => ({
      entry: words,
      ...(next && !this.#stopped && { next: formatDuration(next.at) as Duration }),
      taken,
      ...(error !== undefined && { error }),
    }))
  }

  /**
   * Takes no more steps. What it has set stays, or with `restore` goes: paths have again the policies, and ports the
   * carriers, that they were given by others. Idempotent.
   */
  stop(options: { restore?: boolean } = {}): void {
    const { restore } = readOptions('Timeline.stop', options, { restore: flag(false) })
    if (this.#stopped) return
    this.#stopped = true
    this.fabric.engine.agenda.remove(this)
    this.fabric.forgetTimeline(this)
    if (!restore || this.fabric.closed) return
    const paths = [...this.#paths.values()].filter(
      ({ from, to, written }) => this.#has(from, to) && this.fabric.ownPolicy(from, to) === written,
    )
    this.fabric.change(
      paths.map(({ from, to, base }) => ({ from, to, policy: base ?? null, keepStreams: true })),
      false,
    )
    for (const [name, { base, written }] of this.#ports) {
      const port = this.fabric.ports.get(name)
      if (port?.carrierOn === written) port.setCarrier(base)
    }
  }

  /** @internal */
  get due(): bigint | undefined {
    const first = this.#first()
    return first?.next && this.#zero + first.next.at
  }

  /** @internal Takes all steps that are due. */
  run(now: bigint): void {
    const paths = new Map<PathPicture, Running>()
    const ports = new Map<string, Running>()
    const errors: EtherloomError[] = []
    const taken: TimelineStep[] = []
    const attempt = (entry: Running, work: () => void): void => {
      try {
        work()
      } catch (error) {
        const found = locate(error, `timeline of '${this.fabric.name}', ${entry.words}`) as EtherloomError
        entry.error = found.message
        errors.push(found)
      }
    }

    for (let entry = this.#first(); entry?.next; entry = this.#first()) {
      const { at, phase, effect } = entry.next
      if (this.#zero + at > now) break
      const owner = entry
      attempt(entry, () => {
        if (owner.to) this.#changePaths(owner, effect, paths)
        else this.#changePorts(owner, effect, ports)
      })
      entry.taken++
      entry.next = entry.steps.next().value
      const number = this.#entries.indexOf(entry) + 1
      taken.push({ entry: number, at: formatDuration(at) as Duration, phase, did: inWords(entry, effect) })
    }
    this.#write(paths, attempt)
    for (const [name, entry] of ports) attempt(entry, () => this.#writePort(name))

    for (const step of taken) this.emit('entry', step)
    if (!this.#stopped && !this.#first()) {
      this.fabric.engine.agenda.remove(this)
      this.emit('end')
    }
    // Without a listener Node throws what is emitted; that must not keep the rest from being told.
    if (errors.length > 1 && this.listenerCount('error') === 0)
      throw new AggregateError(errors, errors.map(({ message }) => message).join('\n'))
    for (const error of errors) this.emit('error', error)
  }

  /** The entry whose next step comes first; of several, the one that was given first. */
  #first(): Running | undefined {
    let first: Running | undefined
    if (this.#stopped) return first
    for (const entry of this.#entries)
      if (entry.next && (!first?.next || entry.next.at < first.next.at)) first = entry
    return first
  }

  #has(...names: string[]): boolean {
    return names.every((name) => (this.fabric.ports.get(name)?.id ?? -1) >= 0)
  }

  #changePaths(entry: Running, effect: Effect, touched: Map<PathPicture, Running>): void {
    const everyPort = [...this.fabric.ports.keys()]
    for (const from of expand(entry.from, everyPort))
      for (const to of expand(entry.to ?? [], everyPort)) {
        if (from === to) continue
        const picture = this.#path(from, to)
        if ('set' in effect) {
          picture.over = { ...(!effect.reset && picture.over), ...effect.set }
          picture.reseeded ||= effect.set.seed !== undefined
        }
        if ('outage' in effect) mark(picture.outages, entry, effect.outage)
        touched.set(picture, entry)
      }
  }

  #path(from: string, to: string): PathPicture {
    const key = `${from}>${to}`
    const own = this.#has(from, to) ? this.fabric.ownPolicy(from, to) : undefined
    let picture = this.#paths.get(key)
    if (!picture) {
      picture = { from, to, base: own, over: {}, outages: new Set(), written: own, reseeded: false }
      this.#paths.set(key, picture)
    }
    if (own !== picture.written) Object.assign(picture, { base: own, over: {}, written: own })
    return picture
  }

  #changePorts(entry: Running, effect: Effect, touched: Map<string, Running>): void {
    for (const name of expand(entry.from, [...this.fabric.ports.keys()])) {
      const { carrierOn } = this.fabric.port(name)
      let picture = this.#ports.get(name)
      if (!picture)
        this.#ports.set(
          name,
          (picture = { base: carrierOn, over: undefined, outages: new Set(), written: carrierOn }),
        )
      if (carrierOn !== picture.written) Object.assign(picture, { base: carrierOn, over: undefined })
      if ('carrier' in effect) picture.over = effect.carrier
      else if ('outage' in effect) mark(picture.outages, entry, effect.outage)
      touched.set(name, entry)
    }
  }

  /** Sets the paths to what their pictures say; what cannot be is left out, so that the rest is one transaction. */
  #write(touched: Map<PathPicture, Running>, attempt: (entry: Running, work: () => void) => void): void {
    const changes: { from: string; to: string; policy: Policy | null; keepStreams: boolean }[] = []
    for (const [picture, entry] of touched)
      attempt(entry, () => {
        const { from, to, base, over, outages } = picture
        this.fabric.path(from, to) // throws where a port has gone
        const changed = outages.size > 0 || Object.keys(over).length > 0
        const policy = changed ? this.#laidOver(picture) : (base ?? null)
        if (policy) readPolicy(policy)
        changes.push({ from, to, policy, keepStreams: !picture.reseeded })
      })
    const last = [...touched.values()].at(-1)
    if (!last || changes.length === 0) return
    attempt(last, () => {
      this.fabric.change(changes, false)
      for (const { from, to } of changes) {
        const picture = this.#paths.get(`${from}>${to}`)
        if (picture) Object.assign(picture, { written: this.fabric.ownPolicy(from, to), reseeded: false })
      }
    })
  }

  #laidOver({ from, to, base, over, outages }: PathPicture): Policy {
    const allowed = this.fabric.allowsByDefault(this.fabric.port(from), this.fabric.port(to))
    const policy = { allowed, ...base, ...over }
    return outages.size > 0 ? { ...policy, allowed: false } : policy
  }

  #writePort(name: string): void {
    const picture = this.#ports.get(name) as PortPicture
    picture.written = (picture.over ?? picture.base) && picture.outages.size === 0
    this.fabric.port(name).setCarrier(picture.written)
  }
}

// ---- reading entries ----

const positive = (value: unknown, subject: string): bigint => {
  const duration = parseDuration(value, subject)
  return duration > 0n ? duration : refuse(subject, 'a duration above 0s', value)
}
const anything = (value: unknown): unknown => value
const repeated = { repeat: optional(positive), until: optional(parseDuration) }
const pathEnds = { between: anything, from: anything, to: anything }

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
  const times = readOptions(
    'a timeline entry',
    { at, repeat, until, reset },
    {
      at: required(parseDuration),
      ...repeated,
      reset: flag(false),
    },
  )
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
    at: optional(parseDuration, 0n),
    ramp: readRamp,
    over: required(positive),
    every: optional(positive),
    ...repeated,
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
    at: optional(parseDuration),
    flap: required((value: unknown, subject: string) =>
      readOptions(subject, value, { every: required(positive), for: required(positive) }),
    ),
    until: optional(parseDuration),
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
    at: required(parseDuration),
    carrier: required(oneOf(['on', 'off'])),
    ...repeated,
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
  return options
}

function ruleOf(option: string): (value: unknown, subject: string) => unknown {
  const rules = policyRules as Record<string, (value: unknown, subject: string) => unknown>
  const rule = Object.hasOwn(rules, option) ? rules[option] : undefined
  if (rule) return rule
  throw new EtherloomError(
    'ERR_ETHERLOOM_UNKNOWN_OPTION',
    `unknown option '${option}' of a timeline entry${suggestion(option, [...Object.keys(rules), 'at', 'repeat', 'until', 'reset'])}`,
  )
}

// ---- ramps ----

type Ramp = Record<string, readonly [unknown, unknown]>

function readRamp(value: unknown, subject: string): Ramp {
  const ramp = asOptions(subject, value === undefined ? null : value)
  for (const [option, ends] of Object.entries(ramp)) {
    const rule = ruleOf(option)
    if (!Array.isArray(ends) || ends.length !== 2)
      refuse(`'${option}' of a ramp of a timeline`, 'a list of its first and its last value', ends)
    for (const end of ends) rule(end, `'${option}' of a ramp of a timeline`)
    if (between(ends[0], ends[1], 1n, 3n) === undefined)
      refuse(`'${option}' of a ramp of a timeline`, 'two values of one kind with others between them', ends)
  }
  if (Object.keys(ramp).length === 0)
    refuse(subject, 'given with an option, such as { loss: [0, 0.05] }', value)
  return ramp as Ramp
}

/** The values of a ramp when this much of its time is over. */
function valuesAt(ramp: Ramp, part: bigint, over: bigint): Partial<Policy> {
  return Object.fromEntries(
    Object.entries(ramp).map(([option, [first, last]]) => [
      option,
      fitting(option, between(first, last, part, over)),
    ]),
  )
}

/** Options that are whole numbers go in whole steps. */
function fitting(option: string, value: unknown): unknown {
  if (typeof value !== 'number' || Number.isInteger(value)) return value
  try {
    ruleOf(option)(value, '')
    return value
  } catch {
    return Math.round(value)
  }
}

/** Quantities that are written with a unit. */
const scales = [
  { parse: parseDuration, format: formatDuration },
  { parse: parseRate, format: formatRate },
  { parse: (text: string) => BigInt(parseSize(text)), format: formatSize },
  {
    parse: (text: string) => {
      const limit = parseQueueLimit(text)
      return 'frames' in limit ? BigInt(limit.frames) : refuse('value', 'frames', text)
    },
    format: (frames: bigint) => `${frames}frames`,
  },
]

/** The value `part / whole` of the way from one to the other; undefined where there is none. */
function between(first: unknown, last: unknown, part: bigint, whole: bigint): unknown {
  if (part === 0n) return first
  if (part === whole) return last
  if (typeof first === 'number' && typeof last === 'number') {
    const value = first + ((last - first) * Number(part)) / Number(whole)
    return Number(value.toPrecision(12)) // without the noise of the last binary digits
  }
  if (typeof first === 'string' && typeof last === 'string') return betweenTexts(first, last, part, whole)
  if (!isObject(first) || !isObject(last)) return undefined
  const keys = Object.keys(first)
  if (keys.length !== Object.keys(last).length) return undefined
  const values = keys.map((key) => [key, between(first[key], last[key], part, whole)] as const)
  return values.every(([, value]) => value !== undefined) ? Object.fromEntries(values) : undefined
}

function betweenTexts(first: string, last: string, part: bigint, whole: bigint): string | undefined {
  for (const { parse, format } of scales) {
    try {
      const [from, to] = [parse(first), parse(last)]
      const twice = 2n * (to - from) * part
      const step = (twice + (twice < 0n ? -whole : whole)) / (2n * whole) // to the nearest
      return format(from + step)
    } catch {
      continue // another kind of quantity
    }
  }
  return first === last ? first : undefined
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

// ---- small things ----

const expand = (names: readonly string[], every: readonly string[]): readonly string[] =>
  names.includes('*') ? every : names

function mark(outages: Set<Running>, entry: Running, begins: boolean): void {
  if (begins) outages.add(entry)
  else outages.delete(entry)
}

function inWords({ from, to, words }: Running, effect: Effect): string {
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

const show = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))
