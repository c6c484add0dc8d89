/**
 * Worlds: nodes that move, and the links that come and go with their distances. Made by users, and by Network for the
 * worlds of a topology file; what it sets up are paths of a fabric, or wires.
 *
 * Theory of operation. A step is distances in, links out. The movement, or the caller, lists pairs of nodes with their
 * distances; those whose distance, in whole metres, is another than before are looked up in the model, once per distance;
 * links whose policy is another go to the fabric as one transaction. What is the same costs a look at one number. A pair
 * of nodes has a place in one array of distances; only links that are up have more.
 */
import { EventEmitter } from 'node:events'
import { Engine, type BackgroundEvents } from '../engine/engine.js'
import { EtherloomError, locate } from '../values/errors.js'
import { Fabric } from '../fabrics/fabric.js'
import {
  asOptions,
  list,
  oneOf,
  optional,
  readOptions,
  refuse,
  required,
  text,
  type Rule,
} from '../values/options.js'
import { compile, readPolicy, type Policy, type PolicyOptions } from '../policy/policy.js'
import type { Port } from '../ports/port.js'
import { nameRule } from '../values/names.js'
import { parseDuration, type Duration } from '../values/units.js'
import { Wire } from '../fabrics/wire.js'
import { Distances, readDistances, type GivenDistances } from './distances.js'
import { Hook } from './hook.js'
import { HubLinks } from './links/hub-links.js'
import type { LinkChange, LinkPlace, Links } from './links/links.js'
import { WireLinks, type NicMaker, type WhenDown, type WireNamer } from './links/wire-links.js'
import { isWithin, type LinkQualityModel } from './models/model.js'
import { RangeModel } from './models/range.js'
import type { Movement } from './movements/movement.js'

export interface CommonWorldOptions {
  /** For messages, names of wires and seeds. Default `world` and a number. */
  name?: string
  /**
   * What a link of a length does: a model, or a function from whole metres to a policy, null for not connected, which
   * must give the same for the same distance. Default `new RangeModel()`.
   */
  model?: LinkQualityModel | ((distance: number) => PolicyOptions | null)
  /** Where distances come from when `step` is given none. */
  movement?: Movement
  /** The time that a step stands for: by how much nodes move, and how often automatic steps come. From 1ms; default 1s. */
  every?: Duration
  /** What holds for a pair that distances given to `step`, or matrices, leave out. Default `unchanged`. */
  missing?: 'unchanged' | 'down'
  /**
   * A command for `sh -c` that is run after each step, with ETHERLOOM_WORLD and ETHERLOOM_STEP in its environment and the
   * step on its standard input, as one line of JSON. `step` waits for its end. Not on a virtual clock.
   */
  hook?: string
}

/** Links are paths of one fabric: all nodes hear whom they are linked to, as on the air. */
export interface HubWorldOptions extends CommonWorldOptions {
  /** A Hub (or a Switch) with forwarding `deny`. */
  fabric: Fabric
  /** The ports that are nodes, attached already, in the order of matrices. Default: all of the fabric. */
  nodes?: readonly (Port | string)[]
}

/** Links are wires, each between two interfaces that are nobody else's. */
export interface WireWorldOptions extends CommonWorldOptions {
  engine: Engine
  /** Their names, in the order of matrices. */
  nodes: readonly string[]
  /** Makes the port behind a node's interface of a number, from 1 on; called when a link first needs it. */
  nic: NicMaker
  /** Names the wire of a link; the lesser node in their order comes first. Default: the world's name and theirs, as `lan-a-b`. */
  wireName?: WireNamer
  /**
   * What becomes of a wire whose link goes down: it stays with both interfaces, which have no carrier until the link is
   * back, or all is removed and the numbers are free for other links. Default `no-carrier`.
   */
  whenDown?: WhenDown
}

export type WorldOptions = HubWorldOptions | WireWorldOptions

/** What a step did. Counts are of links. */
export interface WorldStep {
  /** Its number, from 1. */
  step: number
  up: number
  down: number
  changed: number
  /** From its beginning until no frame could meet what was before. */
  milliseconds: number
  /** It took longer than the time between two automatic steps. */
  overrun: boolean
  links: readonly LinkChange[]
}

/** A link that is up. */
export interface WorldLink {
  a: string
  b: string
  /** Whole metres. */
  distance: number
  /** Of both directions. */
  policy: Policy
  /** The fabric it runs on, and the ports of its two ends. */
  fabric: string
  ports: [a: string, b: string]
}

/** An automatic step, or its hook, that fails is a `failure`; the next is taken all the same. */
export interface WorldEvents extends BackgroundEvents {
  step: [step: WorldStep]
  link: [change: LinkChange]
  /** A wire was made for a link. */
  wire: [wire: Wire]
  /** A wire is about to be closed. */
  'wire:gone': [wire: Wire]
}

interface Up {
  first: number
  second: number
  policy: Policy
}

/** Distances that are no whole metres: nothing was said of the pair yet, and further than anything. */
const unknown = -2
const apart = -1

/** 200 MB of distances. */
const mostNodes = 10_000

const everyRule: Rule<bigint> = (value, subject) => {
  const every = parseDuration(value, subject)
  return every >= 1_000_000n ? every : refuse(subject, 'a duration of at least 1ms', value)
}
const unchecked = (value: unknown): unknown => value
const commonRules = {
  name: nameRule(),
  model: optional(modelRule, new RangeModel()),
  movement: optional(movementRule),
  every: optional(everyRule, 1_000_000_000n),
  missing: oneOf(['unchanged', 'down'], 'unchanged'),
  hook: text({ max: 65_536 }),
}

/**
 * Nodes at distances from each other, and links as the distances make them.
 *
 * @example
 * const hub = new Hub({ forwarding: 'deny' })
 * for (const name of ['a', 'b', 'c']) await hub.attach(new TapPort({ name }))
 * const world = new World({ fabric: hub, model: new WifiExponentialModel() })
 * await world.step([['a', 'b', 3], ['b', 'c', 9]])
 */
export class World extends EventEmitter<WorldEvents> {
  readonly name: string
  /** Names of its nodes, in the order of matrices. */
  readonly nodes: readonly string[]
  readonly model: LinkQualityModel
  readonly #links: Links
  readonly #numbers: ReadonlyMap<string, number>
  readonly #movement: Movement | undefined
  readonly #every: bigint
  readonly #missing: 'unchanged' | 'down'
  readonly #hook: Hook | undefined
  readonly #distances = new Distances()
  /** Of each pair: the row of the lesser node, then the greater. */
  readonly #metres: Int32Array
  /** Those that this step's list has. */
  readonly #listed: Uint8Array
  readonly #up = new Map<number, Up>()
  readonly #qualities = new Map<number, Policy | null>()
  readonly #policies = new Map<string, Policy>()
  #steps = 0
  #due: bigint | undefined
  #zero = 0n
  #busy: Promise<unknown> | undefined
  /** Ends with the step itself, where `#busy` ends in a later turn of the event loop. */
  #stepping = false
  #closing: Promise<void> | undefined

  /**
   * @throws EtherloomError ERR_ETHERLOOM_OPTION, ERR_ETHERLOOM_UNKNOWN_OPTION; ERR_ETHERLOOM_NAME for ports that the fabric
   *   has not
   */
  constructor(options: WorldOptions) {
    super()
    const given = readWorldOptions(options)
    const { engine: own } = 'fabric' in options ? options.fabric : options
    this.name = given.name ?? own.nextName('world')
    this.model = given.model
    this.#movement = given.movement
    this.#every = given.every
    this.#missing = given.missing
    this.#links = this.#makeLinks(options)
    const { nodes, engine } = this.#links
    this.nodes = nodes
    this.#numbers = new Map(nodes.map((node, index) => [node, index]))
    if (this.#numbers.size < nodes.length)
      refuse("option 'nodes' of World", 'a list without repetitions', nodes)
    if (nodes.length > mostNodes)
      refuse("option 'nodes' of World", `a list of at most ${mostNodes}`, `${nodes.length} of them`)
    if (given.hook !== undefined) {
      if (engine.clock === 'virtual')
        refuse(
          "option 'hook' of World",
          'left out on a virtual clock, which commands do not keep',
          given.hook,
        )
      this.#hook = new Hook(given.hook)
    }
    const pairs = (nodes.length * (nodes.length - 1)) / 2
    this.#metres = new Int32Array(pairs).fill(unknown)
    this.#listed = new Uint8Array(pairs)
    this.#movement?.begin({
      nodes: nodes.length,
      reach: this.model.maxConnectedDistance,
      seed: engine.seed,
    })
  }

  /** The engine whose clock its automatic steps follow. */
  get engine(): Engine {
    return this.#links.engine
  }

  /** How many steps were taken. */
  get steps(): number {
    return this.#steps
  }

  /** Whether steps come by themselves. */
  get running(): boolean {
    return this.#due !== undefined
  }

  /** Where nodes are, by name, in metres; undefined where only distances are known. */
  get positions(): Map<string, [x: number, y: number]> | undefined {
    const positions = this.#movement?.positions
    return positions && new Map(this.nodes.map((node, at) => [node, [positions[2 * at], positions[2 * at + 1]] as [number, number]])) // prettier-ignore
  }

  /**
   * Takes a step: to the given distances, or to those that the movement comes to next. Only what differs from before is
   * changed, in one transaction on a fabric; distances without a difference change nothing. Resolves when no frame can
   * meet what was before, and the hook has ended.
   *
   * Distances are rounded to whole metres, halves to the even one. Below 0 and Infinity connect in no model.
   *
   * @throws EtherloomError ERR_ETHERLOOM_OPTION and ERR_ETHERLOOM_NAME for distances that are none, and nothing was
   *   changed; what opening ports can throw, and then all other links are as they should be and the next step tries
   *   again; ERR_ETHERLOOM_STATE where it has neither distances nor a movement, or is closed
   */
  async step(distances?: GivenDistances): Promise<WorldStep> {
    while (this.#busy) await this.#busy.catch(() => undefined)
    return this.#claim(this.#step(distances))
  }

  /** Takes steps by itself from now on: the first at once, where there was none before, and one after each `every`. */
  start(): void {
    this.#open()
    if (!this.#movement) throw new EtherloomError('ERR_ETHERLOOM_STATE', `world '${this.name}' has no movement; give it one, or distances to each step`) // prettier-ignore
    if (this.running) return
    this.#zero = this.engine.now()
    this.#due = this.#steps === 0 ? this.#zero : this.#zero + this.#every
    this.engine.agenda.add(this)
  }

  /** Takes no more steps by itself. Links stay as they are. Idempotent. */
  stop(): void {
    if (!this.running) return
    this.#due = undefined
    this.engine.agenda.remove(this)
  }

  /** Takes all links down, closes its wires and ends its hook; the fabric stays. Idempotent. */
  async close(): Promise<void> {
    this.#closing ??= this.#end()
    await this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** Who is linked to whom: for each node the later ones, so that each link is here once. */
  connections(): Map<string, string[]> {
    const found = new Map<string, string[]>()
    for (const { a, b } of this.links()) found.set(a, [...(found.get(a) ?? []), b])
    return found
  }

  /** The links that are up, in the order of their nodes. */
  links(): WorldLink[] {
    return [...this.#up]
      .sort(([one], [other]) => one - other)
      .map(([pair, { first, second, policy }]) => ({
        ...this.#names(first, second),
        distance: this.#metres[pair] as number,
        policy: { ...policy },
        ...(this.#links.place(first, second) as LinkPlace),
      }))
  }

  /**
   * How far nodes are from each other, in whole metres, -1 out of reach; pairs of which nothing was said are left out.
   */
  distances(): { a: string; b: string; distance: number }[] {
    const found: { a: string; b: string; distance: number }[] = []
    const positions = this.#steps === 0 ? undefined : this.#movement?.positions
    for (let first = 0, pair = 0; first < this.nodes.length; first++)
      for (let second = first + 1; second < this.nodes.length; second++, pair++) {
        const distance = positions
          ? wholeMetres(separation(positions, first, second))
          : (this.#metres[pair] as number)
        if (distance !== unknown) found.push({ ...this.#names(first, second), distance })
      }
    return found
  }

  /** @internal */
  get due(): bigint | undefined {
    return this.#due
  }

  /** @internal Takes an automatic step. One that comes while another is still under way is left out. */
  run(now: bigint): void {
    this.#due = this.#zero + ((now - this.#zero) / this.#every + 1n) * this.#every
    if (this.#stepping) return
    void this.#claim(this.#step(undefined)).catch((error: unknown) => {
      if (!this.#closing && !this.engine.closed) this.engine.failed(this, error)
    })
  }

  async #claim<T>(work: Promise<T>): Promise<T> {
    this.#busy = work
    try {
      return await work
    } finally {
      if (this.#busy === work) this.#busy = undefined
    }
  }

  #makeLinks(options: WorldOptions): Links {
    if ('fabric' in options) return new HubLinks(options.fabric, options.nodes)
    const { engine, nodes, nic, whenDown = 'no-carrier' } = options
    const wireName = options.wireName ?? ((a, b) => `${this.name}-${a}-${b}`.slice(0, 64))
    return new WireLinks({ engine, wireName, nodes: [...nodes], nic, whenDown }, (wire, exists) =>
      this.emit(exists ? 'wire' : 'wire:gone', wire),
    )
  }

  async #end(): Promise<void> {
    this.stop()
    this.#hook?.end()
    await this.#busy?.catch(() => undefined)
    const up = [...this.#up.values()].map(({ first, second }) => [first, second] as const)
    this.#up.clear()
    if (!this.engine.closed) await this.#links.close(up)
  }

  #open(): void {
    if (this.#closing)
      throw new EtherloomError('ERR_ETHERLOOM_STATE', `world '${this.name}' is closed; make a new one`)
  }

  /** Waits only where it must: on a virtual clock, of a fabric, it is done when it returns. */
  async #step(given: GivenDistances | undefined): Promise<WorldStep> {
    this.#open()
    this.#stepping = true
    try {
      const began = performance.now()
      this.#read(given)
      const changes = this.#changes()
      const done = this.#links.change(changes)
      const { ticket, failures } = done instanceof Promise ? await done : done
      this.#remember(changes, failures.map(({ change }) => change)) // prettier-ignore
      if (!this.engine.native.settled(ticket)) await this.engine.settled(ticket)

      const milliseconds = performance.now() - began
      const made = failures.length === 0 ? changes : changes.filter((each) => failures.every(({ change }) => change !== each)) // prettier-ignore
      const step = this.#report(made, milliseconds)
      if (this.listenerCount('link') > 0) for (const link of step.links) this.emit('link', link)
      this.emit('step', step)
      if (failures.length > 0) throw failureOf(failures.map(({ error }) => error))
      if (this.#hook) await this.#hook.run(this.name, step)
      return step
    } finally {
      this.#stepping = false
    }
  }

  #read(given: GivenDistances | undefined): void {
    if (given !== undefined) readDistances(given, this.#numbers, this.#distances)
    else if (this.#movement) this.#movement.step(Number(this.#every) / 1e9, this.#distances.clear())
    else
      throw new EtherloomError(
        'ERR_ETHERLOOM_STATE',
        `world '${this.name}' has no movement; give 'step' the distances`,
      )
  }

  /** What this step's distances change, in their order; then, where they are complete, what is out of reach now. */
  #changes(): LinkChange[] {
    const changes: LinkChange[] = []
    const distances = this.#distances
    const complete = distances.complete || this.#missing === 'down'
    const again = new Set(this.#links.renewed())
    for (let index = 0; index < distances.length; index++) {
      const [first, second] = [distances.first(index), distances.second(index)]
      const pair = this.#pair(first, second)
      const metres = wholeMetres(distances.metres(index))
      if (metres !== this.#metres[pair]) this.#compare(pair, first, second, metres, changes)
    }
    for (let index = 0; index < distances.length; index++)
      this.#listed[this.#pair(distances.first(index), distances.second(index))] = 1
    for (const [pair, { first, second, policy }] of this.#up) {
      if (this.#listed[pair] === 0 && complete) this.#compare(pair, first, second, apart, changes)
      else if (again.has(first) || again.has(second))
        changes.push(this.#change(first, second, 'changed', this.#metres[pair] as number, policy))
    }
    for (let index = 0; index < distances.length; index++)
      this.#listed[this.#pair(distances.first(index), distances.second(index))] = 0
    return changes
  }

  #compare(pair: number, first: number, second: number, metres: number, changes: LinkChange[]): void {
    const policy = this.#quality(metres)
    const before = this.#up.get(pair)?.policy ?? null
    if (policy === before) return
    const state = before === null ? 'up' : policy === null ? 'down' : 'changed'
    changes.push(this.#change(first, second, state, metres, policy))
  }

  #change(
    first: number,
    second: number,
    state: LinkChange['state'],
    distance: number,
    policy: Policy | null,
  ): LinkChange {
    const { nodes } = this // no spreading: there can be tens of thousands in a step
    const [a, b] = [nodes[first] as string, nodes[second] as string]
    return { a, b, first, second, state, distance, policy }
  }

  /** What holds now. A pair that could not be changed is as if nothing had been said of it, so that it is tried again. */
  #remember(changes: readonly LinkChange[], failed: readonly LinkChange[]): void {
    const distances = this.#distances
    for (let index = 0; index < distances.length; index++)
      this.#metres[this.#pair(distances.first(index), distances.second(index))] = wholeMetres(
        distances.metres(index),
      )
    for (const { first, second, distance, policy } of changes) {
      const pair = this.#pair(first, second)
      this.#metres[pair] = distance
      const up = this.#up.get(pair)
      if (!policy) this.#up.delete(pair)
      else if (up) up.policy = policy
      else this.#up.set(pair, { first, second, policy })
    }
    for (const { first, second } of failed) {
      const pair = this.#pair(first, second)
      this.#metres[pair] = unknown
      this.#up.delete(pair)
    }
  }

  #report(changes: readonly LinkChange[], milliseconds: number): WorldStep {
    const counts = { up: 0, down: 0, changed: 0 }
    for (const { state } of changes) counts[state]++
    const overrun = this.running && milliseconds * 1e6 > Number(this.#every)
    return { step: ++this.#steps, ...counts, milliseconds, overrun, links: changes }
  }

  /** The policy of a distance, the same object for equal policies; null where it is not connected. */
  #quality(metres: number): Policy | null {
    if (!isWithin(this.model, metres)) return null
    let policy = this.#qualities.get(metres)
    if (policy === undefined) this.#qualities.set(metres, (policy = this.#ask(metres)))
    return policy
  }

  #ask(metres: number): Policy | null {
    const options = this.model.quality(metres)
    if (options === null) return null
    let policy: Policy // links share it
    try {
      policy = compile({ allowed: true, ...options })
      readPolicy(policy)
    } catch (error) {
      throw locate(error, `model '${this.model.name}' at ${metres} metres`)
    }
    const text = JSON.stringify(policy, (_key, value: unknown) =>
      typeof value === 'bigint' ? `${value}n` : value,
    )
    const known = this.#policies.get(text)
    if (!known) this.#policies.set(text, policy)
    return known ?? policy
  }

  #pair(first: number, second: number): number {
    return (first * (2 * this.nodes.length - first - 1)) / 2 + second - first - 1
  }

  #names(first: number, second: number): { a: string; b: string } {
    return { a: this.nodes[first] ?? '', b: this.nodes[second] ?? '' }
  }
}

/** Whole metres, halves to the even one as Python's round() does it; `apart` for what is no distance. */
function wholeMetres(metres: number): number {
  if (!(metres >= 0 && metres < 2 ** 31 - 1)) return apart
  const rounded = Math.round(metres)
  return rounded - metres === 0.5 && rounded % 2 === 1 ? rounded - 1 : rounded
}

function separation(positions: Float64Array, first: number, second: number): number {
  const [x, y] = [0, 1].map((axis) => (positions[2 * first + axis] as number) - (positions[2 * second + axis] as number)) as [number, number] // prettier-ignore
  return Math.hypot(x, y)
}

function failureOf(errors: unknown[]): unknown {
  const [first] = errors
  return errors.length === 1 ? first : locate(first, `the first of ${errors.length} links that failed`)
}

function readWorldOptions(options: WorldOptions) {
  if ('fabric' in asOptions('World', options)) {
    return readOptions('World', options, {
      ...commonRules,
      fabric: required((value, subject) =>
        value instanceof Fabric && !(value instanceof Wire)
          ? value
          : refuse(subject, 'a Hub or a Switch', value),
      ),
      nodes: optional(list(unchecked)),
    })
  }
  return readOptions('World', options, {
    ...commonRules,
    engine: required((value, subject) =>
      value instanceof Engine ? value : refuse(subject, "an Engine, or 'fabric' given instead of it", value),
    ),
    nodes: required(optional(list(required(nameRule())))),
    nic: required((value, subject) =>
      typeof value === 'function'
        ? (value as NicMaker)
        : refuse(subject, 'a function (node, number) => port', value),
    ),
    wireName: optional((value, subject) =>
      typeof value === 'function'
        ? (value as WireNamer)
        : refuse(subject, 'a function (a, b) => name', value),
    ),
    whenDown: oneOf(['no-carrier', 'remove']),
  })
}

function modelRule(value: unknown, subject: string): LinkQualityModel {
  if (typeof value === 'function')
    return { name: 'function', maxConnectedDistance: Infinity, quality: value as LinkQualityModel['quality'] }
  if (has(value, 'quality', 'function') && has(value, 'maxConnectedDistance', 'number'))
    return value as LinkQualityModel
  return refuse(subject, 'a model such as new RangeModel(), or a function from metres to a policy', value)
}

function movementRule(value: unknown, subject: string): Movement {
  if (has(value, 'begin', 'function') && has(value, 'step', 'function')) return value as Movement
  return refuse(subject, 'a movement such as new RandomWaypoint({ area: [500, 500] })', value)
}

const has = (value: unknown, key: string, type: string): boolean =>
  typeof value === 'object' && value !== null && typeof (value as Record<string, unknown>)[key] === type
