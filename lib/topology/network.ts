/**
 * A running topology: hosts, fabrics, ports and paths on one engine.
 * Called by the command line's instance and by programs that build what a topology describes.
 *
 * Theory of operation. Going to a new topology is taking the steps of diff(what is there, new); when one fails, going back
 * is the same towards what was there before.
 */
import { EventEmitter } from 'node:events'
import { isDeepStrictEqual } from 'node:util'
import type { Capture, CaptureOptions } from '../capture/capture.js'
import { Engine, engineRules, type EngineOptions } from '../engine/engine.js'
import type { Namespace } from '../engine/namespace.js'
import type { Fabric } from '../fabrics/fabric.js'
import type { Applied } from '../policy/policy.js'
import type { Path } from '../fabrics/path.js'
import type { Port } from '../ports/port.js'
import type { Timeline } from '../timeline/timeline.js'
import { EtherloomError, textOf } from '../values/errors.js'
import { collectFiles, type FilesRead } from '../values/files.js'
import { anyText, asOptions, integer, readOptions, required, suggestion } from '../values/options.js'
import type { Problem } from '../values/problem.js'
import { quote } from '../values/quote.js'
import type { World, WorldStep } from '../world/world.js'
import { diff, inGroups, inWords, withoutHost, type Change } from './diff.js'
import { findEnds } from './ends.js'
import type { Away } from './plan-ports.js'
import { copyOf, emptyPlan, topologyOf, withoutFiles, type Plan, type PortPlan } from './plan.js'
import type { Topology, TopologyPolicy } from './schema.js'
import type { Run } from './run.js'
import type { NetworkEvents, Site } from './site.js'

export type { NetworkEvents }

/** What applying a topology did: counts of paths, and each step in words. */
export interface NetworkApplied extends Applied {
  /** What was done, in its order. */
  steps: string[]
}

/** @internal What came of a topology that was to be gone over to. */
export type Outcome =
  | { applied: NetworkApplied }
  /**
   * `undone`: the steps that led back, in words; none where nothing had been touched. `between`: going back failed, and what
   * there is now is neither the one nor the other.
   */
  | { refused: unknown; undone: string[]; between: boolean }

/** Made by `Network.up`. Privilege: what its ports need; CAP_SYS_ADMIN for hosts. */
export class Network extends EventEmitter<NetworkEvents> {
  /** What all of it runs on; closes with it. */
  readonly engine: Engine
  readonly #site: Site
  /** What the topology names, as it was when it was read. */
  #files: FilesRead = new Map()
  #last: Promise<unknown> = Promise.resolve()

  private constructor({ engine }: Plan, clock: EngineOptions['clock'], Made: typeof Site) {
    super()
    this.engine = new Engine({ ...engine, ...(clock !== undefined && { clock }) })
    this.#site = new Made(
      this.engine,
      engine,
      this,
      (order) => this.#inTurn(order),
      (host) => this.#renew(host),
    )
  }

  /**
   * Builds what the topology describes. Everything is checked first; when a device cannot be opened, nothing is left.
   *
   * @param options.clock as of `Engine`; a virtual one takes ports of this program and patches only
   * @throws EtherloomError ERR_ETHERLOOM_TOPOLOGY, ERR_ETHERLOOM_OPTION, ERR_ETHERLOOM_UNKNOWN_OPTION, and what opening
   *   ports can throw
   */
  static async up(topology: Topology, options: Pick<EngineOptions, 'clock'> = {}): Promise<Network> {
    const { clock } = readOptions('Network.up', options, { clock: engineRules.clock })
    const files: FilesRead = new Map()
    const plan = await collectFiles(files, () => checkedPlan(topology))
    const { Site } = await import('./site.js')
    const network = new Network(plan, clock, Site)
    network.#files = files
    try {
      await network.#inTurn(() => network.#take(diff(emptyPlan(plan.engine), plan)))
    } catch (error) {
      await network.close()
      throw error
    }
    return network
  }

  /** What exists now, resolved. */
  get plan(): Readonly<Plan> {
    return this.#site.plan
  }

  /** The fabrics by their names. */
  get fabrics(): ReadonlyMap<string, Fabric> {
    return this.#site.fabrics
  }

  /** The timelines by the names of their fabrics. Each started when everything else was there. */
  get timelines(): ReadonlyMap<string, Timeline> {
    return this.#site.timelines
  }

  /** The network namespaces of the hosts, by their names. */
  get hosts(): ReadonlyMap<string, Namespace> {
    return this.#site.hosts
  }

  /** @internal Programs of hosts, as in plans. */
  get runs(): ReadonlyMap<string, Run> {
    return this.#site.runs
  }

  /** The worlds by their names. */
  get worlds(): ReadonlyMap<string, World> {
    return this.#site.worlds
  }

  /** The port that is named as in `setPath`. @throws EtherloomError ERR_ETHERLOOM_NAME */
  port(end: { port: string; fabric?: string | undefined }): Port {
    const { port, fabric } = given<typeof end>(end)
    const found = findEnds(this.fabrics, [port], fabric)
    return found.fabric.port(found.ports[0] ?? port)
  }

  /** The path between ports that are named as in `setPath`. @throws EtherloomError ERR_ETHERLOOM_NAME */
  path(ends: { from: string; to: string; fabric?: string | undefined }): Path {
    const { from, to, fabric } = given<typeof ends>(ends)
    const found = findEnds(this.fabrics, [from, to], fabric)
    return found.fabric.path(found.ports[0] ?? from, found.ports[1] ?? to)
  }

  /** What a port is, those of the wires of worlds and of peers included; undefined for one that somebody else attached. */
  portPlan(port: Port): PortPlan | undefined {
    return this.#site.planOf(port)
  }

  /**
   * Goes over to another topology by the difference only: what is the same in both is not touched, but interfaces that were
   * made here and that somebody has deleted are made again. What names a file, such as a trace, differs when that has changed.
   * When a step fails, what was there before comes back, and the error is thrown.
   *
   * @throws EtherloomError ERR_ETHERLOOM_TOPOLOGY; ERR_ETHERLOOM_STATE for another `name` and for settings of the engine, which
   *   cannot change; a topology without a `name` keeps the one that there is
   */
  async apply(topology: Topology): Promise<NetworkApplied> {
    const outcome = await this.change(topology)
    if ('refused' in outcome) throw outcome.refused
    return outcome.applied
  }

  /**
   * @internal As `apply`, for who says what has become of a change that is refused. A function makes the new topology of that
   * which is there when it is its turn. `look` may refuse the steps before the first
   * is taken, by what it throws.
   */
  async change(
    topology: Topology | ((now: Topology) => Topology),
    look?: (steps: readonly Change[]) => void,
  ): Promise<Outcome> {
    const files: FilesRead = new Map()
    const planOf = (wanted: Topology): Promise<Plan> => collectFiles(files, () => this.#checked(wanted))
    try {
      if (typeof topology !== 'function') {
        const plan = await planOf(topology)
        return await this.#inTurn(() => this.#goTo(plan, files, look))
      }
      return await this.#inTurn(async () => this.#goTo(await planOf(topology(this.export())), files, look))
    } catch (refused) {
      return { refused, undone: [], between: false }
    }
  }

  async #goTo(plan: Plan, files: FilesRead, look?: (steps: readonly Change[]) => void): Promise<Outcome> {
    const before = copyOf(this.#site.plan)
    this.#insistOnSameEngine(plan)
    const steps = diff(withoutFiles(before, this.#changed(files)), plan)
    look?.(steps)
    const total = { up: 0, down: 0, changed: 0, steps: [] as string[] }
    try {
      await this.#take(steps, (change, { up, down, changed }) => {
        total.up += up
        total.down += down
        total.changed += changed
        total.steps.push(inWords(change))
      })
      for (const fabric of this.fabrics.values())
        for (const port of fabric.ports.values())
          if (await this.#site.restore(port)) total.steps.push(`make port ${fabric.name}.${port.name} again`)
    } catch (error) {
      return this.#goBack(before, error)
    }
    this.#files = files
    return { applied: total }
  }

  /**
   * Sets the policy of paths between two ports; null returns to the fabric's default. Where the ports are on several
   * fabrics together, `fabric` says which, or one is named with its fabric, as `core.red`.
   *
   * @throws EtherloomError ERR_ETHERLOOM_NAME, and what `Fabric.apply` throws
   */
  async setPath(
    ends: { from: string; to: string; both?: boolean; fabric?: string | undefined },
    policy: (TopologyPolicy & { allowed: boolean }) | null,
  ): Promise<Applied> {
    return this.#inTurn(() => {
      const { both, ...asked } = given<typeof ends>(ends)
      const { fabric, ports } = findEnds(this.fabrics, [asked.from, asked.to], asked.fabric)
      const [from = '', to = ''] = ports
      const back = both ? [{ from: to, to: from, policy }] : []
      return this.#site.perform({ do: 'set', fabric: fabric.name, paths: [{ from, to, policy }, ...back] })
    })
  }

  /**
   * Takes the carrier of a port away, or gives it back; the port is named as in `setPath`.
   *
   * @throws EtherloomError ERR_ETHERLOOM_NAME, and what `Port.carrier` throws
   */
  async setCarrier(end: { port: string; fabric?: string | undefined }, on: boolean): Promise<void> {
    return this.#inTurn(async () => {
      await this.port(end).carrier(on)
    })
  }

  /**
   * Takes steps of a world, or of all worlds that have a movement, each by one before the next; one after another.
   *
   * @throws EtherloomError ERR_ETHERLOOM_NAME; ERR_ETHERLOOM_STATE where nothing moves; what `World.step` throws
   */
  async step(count = 1, world?: string): Promise<({ world: string } & WorldStep)[]> {
    const times = required(integer(0, 1_000_000))(count, 'the number of steps')
    const moving: (readonly [string, World])[] =
      world === undefined ? this.#movingWorlds() : [[world, this.#world(world)] as const]
    const steps: ({ world: string } & WorldStep)[] = []
    for (let taken = 0; taken < times; taken++)
      for (const [name, each] of moving) steps.push({ world: name, ...(await each.step()) })
    return steps
  }

  /** The running state as a topology; bringing it up makes the same network. */
  export(): Topology {
    return topologyOf(this.#site.plan)
  }

  /** Ends the programs of hosts, closes every port and removes the hosts. Idempotent. */
  async close(): Promise<void> {
    await this.#inTurn(() => this.#site.close())
  }

  /** `close`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** Runs one order after another, whether or not the one before succeeded. */
  #inTurn<T>(order: () => Promise<T>): Promise<T> {
    const done = this.#last.then(order, order)
    this.#last = done.catch(() => undefined)
    return done
  }

  /** Takes steps in order, and ends with the first that fails. */
  async #take(changes: readonly Change[], taken?: (change: Change, applied: Applied) => void): Promise<void> {
    for (const group of inGroups(changes)) {
      const steps = await Promise.allSettled(group.map((change) => this.#site.perform(change)))
      for (const [index, step] of steps.entries()) {
        if (step.status === 'rejected') throw step.reason
        taken?.(group[index] as Change, step.value)
      }
    }
  }

  /** A host has started again somewhere else: what was in it is made anew there. */
  #renew(host: string): Promise<void> {
    return this.#inTurn(async () => {
      const before = copyOf(this.#site.plan)
      const given = before.hosts.get(host)
      if (given === undefined) return
      // Where it has ended again meanwhile, all stays as it is until it starts the next time.
      const { enterForeign } = await import('../containers/places.js')
      const probe = await enterForeign(given, () => undefined, AbortSignal.abort()).catch(() => undefined)
      if (probe === undefined) return
      probe.close()
      const without = withoutHost(before, host)
      await this.#take(diff(before, without))
      await this.#take(diff(without, before))
    })
  }

  async #goBack(before: Plan, reason: unknown): Promise<Outcome> {
    const undone: string[] = []
    try {
      await this.#take(diff(this.#site.plan, before), (change) => undone.push(inWords(change)))
      return { refused: reason, undone, between: false }
    } catch (error) {
      const [first, second] = [reason, error].map((each) => textOf(each as EtherloomError))
      const refused = new EtherloomError(
        'ERR_ETHERLOOM_STATE',
        `${first}; going back failed too: ${second}`,
        {
          cause: reason,
          hint: 'bring the instance down and up again, it is between two topologies',
        },
      )
      return { refused, undone, between: true }
    }
  }

  /**
   * Records a port, or a path when `to` is given, into a socket that somebody listens on.
   *
   * @throws EtherloomError ERR_ETHERLOOM_NAME, and what `Port.capture` throws
   */
  async capture(
    what: { from: string; to?: string; fabric?: string; socket: string; fates: boolean },
    options: CaptureOptions,
  ): Promise<Capture> {
    const { from, to, fabric, socket, fates } = given<typeof what>(what)
    const output = { socket }
    if (to !== undefined) {
      const path = this.path({ from, to, fabric })
      return fates ? path.fateLog(output, options) : path.capture(output, options)
    }
    if (fates) throw new EtherloomError('ERR_ETHERLOOM_OPTION', "only a path has fates, as 'A>B'")
    return this.port({ port: from, fabric }).capture(output, options)
  }

  #world(name: string): World {
    required(anyText)(name, 'the name of a world')
    const world = this.worlds.get(name)
    if (world) return world
    const names = [...this.worlds.keys()]
    throw new EtherloomError('ERR_ETHERLOOM_NAME', `no world ${quote(name)}${suggestion(name, names)}`, {
      hint: names.length > 0 ? `the worlds are ${names.join(', ')}` : "add 'worlds' to the topology's file",
    })
  }

  #movingWorlds(): [name: string, world: World][] {
    const moving = [...this.worlds].filter(([name]) => this.plan.worlds.get(name)?.movement !== undefined)
    if (moving.length > 0) return moving
    const [message, hint] =
      this.worlds.size === 0
        ? ['this topology has no worlds', "add 'worlds' to its file"]
        : ['no world of this topology moves', "give one a 'movement' in its file"]
    throw new EtherloomError('ERR_ETHERLOOM_STATE', message, { hint })
  }

  /** As `checkedPlan`; but an interface that has left for another namespace, as that of a container, leaves its name to others. */
  async #checked(topology: Topology): Promise<Plan> {
    try {
      return await checkedPlan(topology)
    } catch (error) {
      const isAway = await this.#site.findAway()
      if (!isAway) throw error
      return checkedPlan(topology, isAway)
    }
  }

  /** Those of the files that are not what was read before. */
  #changed(files: FilesRead): ReadonlySet<string> {
    const known = [...files].filter(
      ([file, stamp]) => this.#files.has(file) && this.#files.get(file) !== stamp,
    )
    return new Set(known.map(([file]) => file))
  }

  #insistOnSameEngine({ engine }: Plan): void {
    const { name: called, ...old } = this.#site.plan.engine
    const { name = called, ...now } = engine
    if (name !== undefined && name !== called)
      throw new EtherloomError(
        'ERR_ETHERLOOM_STATE',
        called === undefined
          ? `'name' cannot change while running, and there was none; this is ${quote(name)}`
          : `'name' cannot change while running: it is ${quote(called)}, not ${quote(name)}`,
        {
          hint: "leave it as it is, or bring the instance down and up again under its new 'name'",
          place: ['name'],
        },
      )
    if (!isDeepStrictEqual(old, now))
      throw new EtherloomError(
        'ERR_ETHERLOOM_STATE',
        "'seed', 'workers', 'memory', 'io' and 'busyPoll' cannot change while running",
        { hint: 'bring the instance down and up again' },
      )
  }
}

/** What names ends, which must be an object. */
const given = <Ends>(ends: Ends): Ends => asOptions('what names ports', ends ?? null) as Ends

/** @internal What the topology comes to. @throws EtherloomError ERR_ETHERLOOM_TOPOLOGY */
export async function checkedPlan(topology: Topology, isAway?: Away): Promise<Plan> {
  const { checkTopology } = await import('./check.js')
  const checked = checkTopology(topology, undefined, isAway)
  if ('plan' in checked) return checked.plan
  const lines = checked.problems.map(
    ({ place, message }: Problem) => `${place.join('.') || 'topology'}: ${message}`,
  )
  throw new EtherloomError('ERR_ETHERLOOM_TOPOLOGY', lines)
}
