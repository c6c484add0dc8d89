/**
 * What users call of hubs, switches and wires, and their life. Its ports are the matter of seats.ts, the policies of its paths
 * that of policies.ts.
 */
import { EventEmitter } from 'node:events'
import { readAddress } from '../values/addresses.js'
import { readAttachOptions, type Abortable, type AttachOptions, type AttachSettings } from './attachment.js'
import { native } from '../binding.js'
import {
  Capture,
  tapKinds,
  type CaptureOptions,
  type CaptureOutput,
  type CaptureTarget,
} from '../capture/capture.js'
import { Engine, type EngineFabric, type EngineOptions } from '../engine/engine.js'
import { EtherloomError } from '../values/errors.js'
import {
  about,
  flag,
  members,
  oneOf,
  optional,
  readOptions,
  refuse,
  type RulesOf,
  type Values,
} from '../values/options.js'
import { Path, PathPair, type ChangeOptions, type PathChange } from './path.js'
import { Policies, type PolicyChange } from './policies.js'
import { Seats } from './seats.js'
import type { Applied, Policy } from '../policy/policy.js'
import { counted } from '../values/counter.js'
import { nameRule } from '../values/names.js'
import { formatDuration, type Duration } from '../values/units.js'
import { Port, type FabricPortEvents } from '../ports/port.js'
import { spawn, type InheritedSocket, type Spawned, type SpawnOptions } from './spawn.js'
import { openServer, type ListenOptions, type ServerOf } from './servers/index.js'
import type { PortServer } from './servers/server.js'
import { Episodes, forever, quiet } from './episodes.js'
import { stormTraffic, type StormBegin, type StormEnd, type StormTraffic } from './storm.js'
import { noPathStats, readPathStats, type FabricStats, type PathStats } from '../values/stats.js'
import type { TimelineEntry } from '../timeline/entries.js'
import type { TimelineFabric } from '../timeline/pictures.js'
import { Timeline } from '../timeline/timeline.js'

/** What every fabric can have. */
export interface FabricOptions {
  /** For messages, statistics and seeds. Default the kind and a number that counts those of the engine, as `hub0`. */
  name?: string
  /** What paths without a policy do, those within a group excepted. Default `allow`. */
  forwarding?: 'allow' | 'deny'
  /** The engine to run on, or options of one of its own, which closes with the fabric. */
  engine?: Engine | EngineOptions
}

export interface FabricEvents extends FabricPortEvents {
  /**
   * A switch saw a learned address on another port. `vlan` as in `LearnedAddress`. Of one switch at most 100 moves a second
   * are told, and none of an address that flaps.
   */
  'address:moved': [{ address: string; vlan: number; from: Port | undefined; to: Port | undefined }]
  /**
   * An address has moved 5 times within a second, last between these ports: most often the switch is wired into a loop.
   * Until it has settled, nothing else is told of it. At most 64 addresses of a switch are named at a time.
   */
  'address:flapping': [{ address: string; vlan: number; ports: Port[] }]
  /** An address that was flapping has not moved for a second; `moves` in all. */
  'address:settled': [{ address: string; vlan: number; moves: bigint }]
  /** A port sends more of what is flooded than its `storm` allows: the first frame was dropped. */
  'port:storm': [{ port: Port } & StormBegin]
  /** A storm is over. */
  'port:calm': [{ port: Port } & StormEnd]
}

declare module '../ports/port.js' {
  // Ports know little of their fabric; to everybody else it is the whole Fabric.
  // eslint-disable-next-line @typescript-eslint/no-empty-object-type
  interface PortFabric extends Fabric {}
}

/** Joins ports. A `Hub`, a `Switch` or a `Wire`. While it has ports it keeps the process alive, as a server does. */
export abstract class Fabric extends EventEmitter<FabricEvents> implements EngineFabric, TimelineFabric {
  /** For messages, statistics and seeds. */
  readonly name: string
  /** Shared where it was given as an Engine, else the fabric's own. */
  readonly engine: Engine
  /** What paths without a policy do, those within a group excepted. */
  readonly forwarding: 'allow' | 'deny'
  /** @internal */
  readonly kind: 'hub' | 'switch' | 'wire'
  /** @internal */
  readonly id: number
  readonly #ownEngine: boolean
  readonly #seats: Seats
  readonly #policies: Policies = new Policies(this)
  readonly #timelines = new Set<Timeline>()
  readonly #servers = new Set<PortServer>()
  readonly #episodes: Episodes
  /** @internal How long what is learned is known, and how much that may be; where addresses are learned. */
  readonly table: { ageing: bigint; addresses: number } | undefined
  #closing: Promise<void> | undefined
  #closed = false

  protected constructor(
    kind: 'hub' | 'switch' | 'wire',
    { name, forwarding, engine }: Values<typeof fabricRules>,
    settings: object,
    portLimit = Infinity,
  ) {
    super()
    this.#ownEngine = !(engine instanceof Engine)
    this.name = name ?? (engine instanceof Engine ? engine.nextName(kind) : `${kind}0`)
    this.forwarding = forwarding
    this.kind = kind
    this.#seats = new Seats(this, portLimit)
    this.engine = engine instanceof Engine ? engine : new Engine({ name: this.name, ...engine })
    this.#episodes = new Episodes(this.engine)
    this.id = this.engine.addFabric(this, kind, forwarding === 'allow', settings)
  }

  /** Its ports by name. */
  get ports(): ReadonlyMap<string, Port> {
    return this.#seats.ports
  }

  /** Whether it is closed. */
  get closed(): boolean {
    return this.#closed
  }

  /**
   * Opens the port's device and joins it, with what it shall have here from its first frame. Resolves with the port when
   * frames can pass.
   *
   * @throws EtherloomError ERR_ETHERLOOM_OPTION, ERR_ETHERLOOM_UNKNOWN_OPTION; what opening the device can throw;
   *   ERR_ETHERLOOM_NAME for a name that is taken; ERR_ETHERLOOM_STATE for a port that is attached already, or is detached
   *   meanwhile, or a wire that has both ports; the reason of `signal`, when the port is detached again
   */
  async attach<P extends Port>(port: P, options: AttachOptions & Abortable = {}): Promise<P> {
    this.#open()
    const { signal, ...settings } = readAttachOptions(options)
    signal?.throwIfAborted()
    if (!(port instanceof Port)) refuse('what is attached', 'a port, such as a TapPort', port)
    this.#insistOnKind("'vlan' of attach", settings.vlan, ['switch'])
    this.#insistOnKind("'group' of attach", settings.group, ['hub', 'switch'])
    this.#insistOnKind("'unknown' of storm", settings.storm?.unknown, ['switch'])
    await this.#seats.attach(port, settings, signal)
    return port
  }

  /**
   * Changes what a port has here: each option that is given replaces the one from before, the others stay. Resolves when
   * it holds for every frame. A frame that is on its way into the port keeps its departure, and nothing overtakes it.
   *
   * @throws EtherloomError ERR_ETHERLOOM_OPTION, ERR_ETHERLOOM_UNKNOWN_OPTION, and what `port()` throws
   *
   * @example
   * await hub.configure('sun2', { delay: '10ms' })
   */
  async configure(port: Port | string, options: AttachOptions): Promise<void> {
    const { delay, receive, storm, vlan, group } = readAttachOptions(options)
    this.#open()
    this.#insistOnKind("'unknown' of storm", storm?.unknown, ['switch'])
    const asked = this.port(port)
    this.#insistOnKind("'vlan' of attach", vlan, ['switch'])
    if (group !== undefined)
      throw new EtherloomError(
        'ERR_ETHERLOOM_OPTION',
        `option 'group' of attach holds until the port is detached; detach '${asked.name}' and attach it again`,
      )
    const before = this.#seats.settingsOf(asked) as AttachSettings
    const ticket = this.#seats.configure(asked, {
      ...before,
      delay: delay ?? before.delay,
      receive: receive === undefined ? before.receive : receive,
      storm: storm ?? before.storm,
      vlan: vlan ?? before.vlan,
    })
    await this.engine.settled(ticket)
  }

  /**
   * Starts a program, such as an emulator, with a port of its own: makes a pair of sockets, attaches one end, and lets the
   * program inherit the other. `words` are its arguments, or make them from what it inherits. When the program ends, the
   * port is detached; when the port is detached first, the program meets the end of its socket.
   *
   * @example
   * const { program } = await hub.spawn('qemu-system-x86_64', ({ netdev }) => [
   *   ...netdev('net0'), '-device', 'virtio-net-pci,netdev=net0', 'disk.qcow2',
   * ])
   * @throws EtherloomError ERR_ETHERLOOM_UNSUPPORTED for a program that cannot be started; ERR_ETHERLOOM_OPTION,
   *   ERR_ETHERLOOM_UNKNOWN_OPTION, and what `attach` throws
   */
  async spawn(
    command: string,
    words: readonly string[] | ((socket: InheritedSocket) => readonly string[]),
    options: SpawnOptions = {},
  ): Promise<Spawned> {
    return spawn(this, command, words, options)
  }

  /**
   * Takes a port out and closes its device. Its policies are forgotten; what its paths hold is dropped as `flush`.
   * Resolves when the device is closed. Idempotent: a port that is not here needs no more; one that is still being attached
   * is detached as soon as it is.
   *
   * @throws EtherloomError ERR_ETHERLOOM_NAME for a name that no port here has
   */
  async detach(port: Port | string): Promise<void> {
    await this.#seats.detach(port)
  }

  /**
   * Listens for peers of a protocol: each that connects becomes a port, and is detached when it goes. Ends with the fabric at
   * the latest. The usual protocol, `socket`, is for trunks of several processes that meet at one path or address.
   *
   * @throws EtherloomError ERR_ETHERLOOM_OPTION, ERR_ETHERLOOM_UNKNOWN_OPTION; ERR_ETHERLOOM_DEVICE for a path or
   *   address that is in use; ERR_ETHERLOOM_STATE on a virtual clock
   */
  async listen<Given extends ListenOptions>(options: Given): Promise<ServerOf<Given>> {
    this.#open()
    const server = await openServer(this, options, (stopped) => this.#servers.delete(stopped))
    this.#servers.add(server)
    if (this.#closed || this.#closing) server.stop()
    return server
  }

  /** The port of this name (or the given one, checked). @throws EtherloomError ERR_ETHERLOOM_NAME, ERR_ETHERLOOM_STATE */
  port(port: Port | string): Port {
    return this.#seats.port(port)
  }

  /** The directed path between two of its ports. */
  path(from: Port | string, to: Port | string): Path {
    return new Path(this, ...this.#policies.pair(from, to))
  }

  /** Both paths between two of its ports. */
  between(left: Port | string, right: Port | string): PathPair {
    return new PathPair(this, ...this.#policies.pair(left, right))
  }

  /**
   * Changes any number of paths in one transaction: no frame meets a mixture of old and new, and a mistake in one
   * changes nothing. Resolves when no frame can meet an old policy any more. What already holds is no change.
   *
   * @throws EtherloomError what `port()` and `Path.set()` throw; of several changes, the message says which is wrong
   */
  async apply(changes: Iterable<PathChange>, options: ChangeOptions = {}): Promise<Applied> {
    this.#open()
    const { flush } = readOptions('a change', options, { flush: flag(false) })
    const list = members(changes, 'what is applied', 'a list of changes') as PathChange[]
    const { ticket, ...applied } = this.change(list, flush)
    await this.engine.settled(ticket)
    return applied
  }

  /**
   * Changes paths and carriers by itself from now on: at given times, in ramps, and by outages. The timeline's time zero
   * is now; it ends with the fabric at the latest.
   *
   * @throws EtherloomError ERR_ETHERLOOM_OPTION, ERR_ETHERLOOM_UNKNOWN_OPTION, ERR_ETHERLOOM_NAME for ports that the
   *   fabric has not
   */
  timeline(entries: Iterable<TimelineEntry>): Timeline {
    this.#open()
    const timeline = new Timeline(this, entries, (stopped) => this.#timelines.delete(stopped))
    this.#timelines.add(timeline)
    return timeline
  }

  /** @internal The part of `apply` that needs no waiting; the ticket says when it holds for every frame. */
  change(list: readonly PolicyChange[], flush: boolean): Applied & { ticket: number } {
    return this.#policies.change(list, flush)
  }

  /**
   * One snapshot of the counters of all ports, and of all paths that have or had a policy: those count by themselves
   * until one of their ports is detached. Stops nothing.
   */
  stats(): FabricStats {
    const paths = [...this.#policies].map(([from, to]) =>
      counted({
        from: from.name,
        to: to.name,
        allowed: this.policyOf(from, to).allowed,
        ...this.pathStats(from, to),
      }),
    )
    return counted({
      ports: Object.fromEntries([...this.#seats].map((port) => [port.name, port.stats()])),
      paths,
    })
  }

  /**
   * Records what becomes of each frame on every path that has a policy now, as `Path.fateLog` does for one; an
   * interface of the file is a path.
   *
   * @throws EtherloomError as `Port.capture`; ERR_ETHERLOOM_STATE when no path has a policy
   */
  async fateLog(output: CaptureOutput, options: CaptureOptions = {}): Promise<Capture> {
    const paths = [...this.#policies].flatMap(([from, to, policy]) => (policy ? [this.path(from, to)] : []))
    if (paths.length === 0)
      throw new EtherloomError('ERR_ETHERLOOM_STATE', `no path of '${this.name}' has a policy to log`)
    return this.record(paths, output, options, 'fates')
  }

  /** @internal */
  async record(
    paths: Path[],
    output: CaptureOutput,
    options: CaptureOptions,
    kind: keyof typeof tapKinds,
  ): Promise<Capture> {
    this.#open()
    const bare = paths.filter(({ from, to }) => !this.#policies.get(from, to))
    if (bare.length > 0)
      await this.apply(bare.map(({ from, to }) => ({ from, to, policy: this.policyOf(from, to) })))
    const target = ({ from, to }: Path): CaptureTarget => {
      const { filter } = this.policyOf(from, to)
      return {
        from: this.port(from).id,
        to: this.port(to).id,
        kind: tapKinds[kind],
        name: `${from.name}>${to.name}`,
        description: `path of ${this.name}`,
        ...(typeof filter === 'string' && { filter }),
      }
    }
    return Capture.start(this.engine, output, () => paths.map(target), options, kind === 'fates' ? 128 : 0)
  }

  /** Detaches all ports and ends; closes the engine too where it is the fabric's own. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closing ??= this.#ownEngine ? this.engine.close() : this.#end()
    await this.#closing
  }

  /** `close`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** Keeps the process alive while it has ports (the default). */
  ref(): this {
    this.#seats.reference(true)
    return this
  }

  /** Lets the process end although it has ports. */
  unref(): this {
    this.#seats.reference(false)
    return this
  }

  /** @internal */
  policyOf(from: Port, to: Port): Policy {
    const policy = this.#policies.get(from, to)
    return policy ? { ...policy } : { allowed: this.allowsByDefault(from, to) }
  }

  /** @internal What holds for a path without a policy: `forwarding`, but not within a group. */
  allowsByDefault(from: Port, to: Port): boolean {
    const [group, other] = [from, to].map((port) => this.#seats.settingsOf(port)?.group)
    return this.forwarding === 'allow' && (group === undefined || group !== other)
  }

  /** @internal The policy that the path was given last, the same object until it is given another. */
  ownPolicy(from: Port | string, to: Port | string): Policy | undefined {
    return this.#policies.get(this.port(from), this.port(to))
  }

  /** @internal */
  pathStats(from: Port, to: Port): PathStats {
    const words = native(() => this.engine.native.pathStats(this.port(from).id, this.port(to).id))
    return words ? readPathStats(words) : noPathStats()
  }

  /** @internal */
  tell<Event extends keyof FabricPortEvents>(event: Event, ...told: FabricPortEvents[Event]): void {
    this.emit<keyof FabricPortEvents>(event, ...told)
  }

  /** @internal */
  addressMoved(word: bigint, from: number, to: number): void {
    this.emit('address:moved', { ...readAddress(word), from: this.portAt(from), to: this.portAt(to) })
  }

  /** @internal */
  addressFlaps(word: bigint, from: number, to: number, at: bigint): void {
    const address = readAddress(word)
    this.#episodes.begin({
      at,
      end: (until) => native(() => this.engine.native.endFlapping(this.id, word, until)),
      over: ({ hits }) => this.emit('address:settled', { ...address, moves: hits }),
    })
    const ports = [this.portAt(from), this.portAt(to)].filter((port) => port !== undefined)
    this.emit('address:flapping', { ...address, ports })
  }

  /** @internal */
  stormBegins(id: number, kind: number, at: bigint): void {
    const [port, traffic] = [this.portAt(id), stormTraffic[kind] as StormTraffic]
    const end = (until: bigint): BigUint64Array => native(() => this.engine.native.endStorm(id, kind, until))
    if (!port) {
      try {
        end(forever) // the port is still being attached and nobody knows it: the next dropped frame begins another storm
      } catch {
        // the port has left meanwhile
      }
      return
    }
    this.#episodes.begin({
      port,
      at,
      end,
      over: ({ last, hits, seen }) => {
        const rate = Math.round((Number(seen) * 1e9) / Number(last + quiet - at))
        const lasted = formatDuration(last - at) as Duration
        this.emit('port:calm', { port, traffic, dropped: hits, rate, lasted })
      },
    })
    const limit = this.#seats.settingsOf(port)?.storm?.[traffic]
    this.emit('port:storm', { port, traffic, ...(limit !== undefined && { limit }) })
  }

  /** @internal The engine is about to close. */
  async ended(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#episodes.end()
    this.#stop()
    this.#policies.clear()
    await this.#seats.ended()
  }

  /** @internal A port has gone, and its policies with it. */
  forget(port: Port): void {
    this.#policies.forget(port)
    this.#episodes.end((episode) => episode.port === port)
  }

  /** @internal The port with this number. */
  protected portAt(id: number): Port | undefined {
    return this.#seats.at(id)
  }

  /** Stops what the fabric does by itself: timelines and servers. */
  #stop(): void {
    for (const each of [...this.#timelines, ...this.#servers]) each.stop()
  }

  async #end(): Promise<void> {
    this.#stop()
    await this.#seats.detachAll()
    if (this.#closed) return // its engine has closed meanwhile, and this with it
    this.#closed = true
    this.#episodes.end()
    await this.engine.removeFabric(this.id)
  }

  #open(): void {
    if (this.#closed || this.#closing)
      throw new EtherloomError('ERR_ETHERLOOM_STATE', `'${this.name}' is closed; make a new one`)
  }

  #insistOnKind(option: string, value: unknown, kinds: string[]): void {
    if (value === undefined || kinds.includes(this.kind)) return
    throw new EtherloomError(
      'ERR_ETHERLOOM_OPTION',
      `option ${option} is for ports of a ${kinds.join(' or a ')}; '${this.name}' is a ${this.kind}`,
    )
  }
}

function engineRule(value: unknown, subject: string): Engine | EngineOptions | undefined {
  if (value === undefined || (typeof value === 'object' && value !== null && !Array.isArray(value)))
    return value
  return refuse(subject, 'an Engine, or the options of one', value)
}

/** @internal The rules of the options that all fabrics have. */
export const fabricRules = {
  name: about('For messages, statistics and seeds. Default: the kind and a number.', nameRule()),
  forwarding: about('What holds for pairs of ports that no policy names.', oneOf(['allow', 'deny'], 'allow')),
  engine: about('The engine to run on, or options of one of its own.', optional(engineRule)),
} satisfies RulesOf<FabricOptions>
