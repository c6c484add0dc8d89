/**
 * Worlds: nodes that move, and the links that come and go with their distances. Made by users, and by Network for the
 * worlds of a topology file; what it sets up are paths of a fabric, or wires.
 *
 * Theory of operation. A step is distances in, links out. The movement, or the caller, lists pairs of nodes with their
 * distances; `Pairs` says which links are others by that, and these go to the fabric as one transaction.
 */
import { EventEmitter } from 'node:events'
import type { BackgroundEvents, Engine } from '../engine/engine.js'
import type { Wire } from '../fabrics/wire.js'
import type { Policy } from '../policy/policy.js'
import { EtherloomError, locate } from '../values/errors.js'
import { limits } from '../values/limits.js'
import { refuse } from '../values/options.js'
import { Distances, readDistances, type GivenDistances } from './distances.js'
import { Hook } from './hook.js'
import { HubLinks } from './links/hub-links.js'
import type { LinkChange, LinkPlace, Links } from './links/links.js'
import { WireLinks } from './links/wire-links.js'
import type { LinkQualityModel } from './models/model.js'
import type { Movement } from './movements/movement.js'
import { readWorldOptions, type WorldOptions } from './options.js'
import { Pairs } from './pairs.js'
import { Qualities } from './qualities.js'

/** What a step did. Counts are of links. */
export interface WorldStep {
  /** Its number, from 1. */
  step: number
  /** Links that went up. */
  up: number
  /** Links that went down. */
  down: number
  /** Links that stayed up and got another policy. */
  changed: number
  /** From its beginning until no frame could meet what was before. */
  milliseconds: number
  /** It took longer than the time between two automatic steps. */
  overrun: boolean
  /** Each of those links. */
  links: readonly LinkChange[]
}

/** A link that is up. */
export interface WorldLink {
  /** The node that comes first in their order. */
  a: string
  /** The other node. */
  b: string
  /** Whole metres. */
  distance: number
  /** Of both directions. */
  policy: Policy
  /** The fabric it runs on, and the ports of its two ends. */
  fabric: string
  /** The port of `a`, then that of `b`. */
  ports: [a: string, b: string]
}

/** An automatic step, or its hook, that fails is a `failure`; the next is taken all the same. */
export interface WorldEvents extends BackgroundEvents {
  /** A step was taken. */
  step: [step: WorldStep]
  /** A link went up or down, or changed. */
  link: [change: LinkChange]
  /** A wire was made for a link. */
  wire: [wire: Wire]
  /** A wire is about to be closed. */
  'wire:gone': [wire: Wire]
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
  /** For messages, names of wires and seeds. */
  readonly name: string
  /** Names of its nodes, in the order of matrices. */
  readonly nodes: readonly string[]
  /** What a link of a length does. */
  readonly model: LinkQualityModel
  readonly #links: Links
  readonly #pairs: Pairs
  readonly #numbers: ReadonlyMap<string, number>
  readonly #movement: Movement | undefined
  readonly #every: bigint
  readonly #missing: 'unchanged' | 'down'
  readonly #hook: Hook | undefined
  readonly #distances = new Distances()
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
    const { engine } = 'fabric' in given ? given.fabric : given
    this.name = given.name ?? engine.nextName('world')
    this.model = given.model
    this.#movement = given.movement
    this.#every = given.every
    this.#missing = given.missing
    this.#links = this.#makeLinks(given)
    const { nodes } = this.#links
    this.nodes = nodes
    this.#numbers = new Map(nodes.map((node, index) => [node, index]))
    if (this.#numbers.size < nodes.length)
      refuse("option 'nodes' of World", 'a list without repetitions', nodes)
    if (nodes.length > limits.worldNodes)
      refuse("option 'nodes' of World", `a list of at most ${limits.worldNodes}`, `${nodes.length} of them`)
    if (given.hook !== undefined && engine.clock === 'virtual')
      refuse("option 'hook' of World", 'left out on a virtual clock, which commands do not keep', given.hook)
    if (given.hook !== undefined) this.#hook = new Hook(given.hook)
    const qualities = new Qualities(given.model)
    this.#pairs = new Pairs(nodes, (metres) => qualities.at(metres))
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
    return (
      positions &&
      new Map(
        this.nodes.map((node, at) => [node, [positions[2 * at], positions[2 * at + 1]] as [number, number]]),
      )
    )
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
    if (!this.#movement)
      throw new EtherloomError(
        'ERR_ETHERLOOM_STATE',
        `world '${this.name}' has no movement; give it one, or distances to each step`,
      )
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

  /** `close`, for `await using`. */
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
    return this.#pairs.linked().map(({ first, second, policy, ...link }) => ({
      ...link,
      policy: { ...policy },
      ...(this.#links.place(first, second) as LinkPlace),
    }))
  }

  /**
   * How far nodes are from each other, in whole metres, -1 out of reach; pairs of which nothing was said are left out.
   */
  distances(): { a: string; b: string; distance: number }[] {
    return this.#pairs.distances(this.#steps === 0 ? undefined : this.#movement?.positions)
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

  #makeLinks(given: ReturnType<typeof readWorldOptions>): Links {
    if ('fabric' in given) return new HubLinks(given.fabric, given.nodes)
    const wireName = given.wireName ?? ((a, b) => `${this.name}-${a}-${b}`.slice(0, 64))
    return new WireLinks({ ...given, wireName }, (wire, exists) =>
      this.emit(exists ? 'wire' : 'wire:gone', wire),
    )
  }

  async #end(): Promise<void> {
    this.stop()
    this.#hook?.end()
    await this.#busy?.catch(() => undefined)
    const linked = this.#pairs.clear()
    if (!this.engine.closed) await this.#links.close(linked)
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
      const complete = this.#distances.complete || this.#missing === 'down'
      const changes = this.#pairs.changes(this.#distances, complete, this.#links.renewed())
      const done = this.#links.change(changes)
      const { ticket, failures } = done instanceof Promise ? await done : done
      const failed = new Set(failures.map(({ change }) => change))
      this.#pairs.remember(this.#distances, changes, failed)
      if (!this.engine.native.settled(ticket)) await this.engine.settled(ticket)

      const milliseconds = performance.now() - began
      const made = changes.filter((each) => !failed.has(each))
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

  #report(changes: readonly LinkChange[], milliseconds: number): WorldStep {
    const counts = { up: 0, down: 0, changed: 0 }
    for (const { state } of changes) counts[state]++
    const overrun = this.running && milliseconds * 1e6 > Number(this.#every)
    return { step: ++this.#steps, ...counts, milliseconds, overrun, links: changes }
  }
}

function failureOf(errors: unknown[]): unknown {
  const [first] = errors
  return errors.length === 1 ? first : locate(first, `the first of ${errors.length} links that failed`)
}
