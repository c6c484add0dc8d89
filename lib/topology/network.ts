/**
 * A running topology: hosts, fabrics, ports and paths on one engine.
 * Called by the command line's instance and by programs that build what a topology describes.
 *
 * Theory of operation. `#plan` always says what really exists: every step that is taken changes it. Going to a new
 * topology is taking the steps of diff(#plan, new); when one fails, going back is the same towards the old plan.
 */
import { EventEmitter } from 'node:events'
import { isDeepStrictEqual } from 'node:util'
import type { Capture, CaptureOptions } from '../capture/capture.js'
import { Engine } from '../engine/engine.js'
import { EtherloomError, locate } from '../values/errors.js'
import type { Fabric } from '../fabrics/fabric.js'
import { Hub } from '../fabrics/hub.js'
import { Namespace } from '../engine/namespace.js'
import { suggestion } from '../values/options.js'
import type { Applied } from '../policy/policy.js'
import type { Path } from '../fabrics/path.js'
import type { Port } from '../ports/port.js'
import { PacketPort } from '../ports/packet.js'
import { PasstPort } from '../ports/passt.js'
import { PatchPort } from '../ports/patch.js'
import type { ListenOptions, SocketServer } from '../fabrics/socket-server.js'
import { SocketPort } from '../ports/socket.js'
import { TapPort } from '../ports/tap.js'
import { UdpPort } from '../ports/udp.js'
import { Switch } from '../fabrics/switch.js'
import type { Timeline, TimelineStep } from '../timeline/timeline.js'
import { Wire } from '../fabrics/wire.js'
import { World, type WorldStep } from '../world/world.js'
import type { Problem } from './check.js'
import { findEnds } from './ends.js'
import { diff, type Change, type PatchEnd, type PathChange } from './diff.js'
import { emptyPlan, pathKey, topologyOf } from './plan.js'
import { nicPlan, nodesOf, wireNameOf, worldOptions } from './worlds.js'
import type { FabricPlan, PathPlan, Plan, PortPlan, PortReference, SeatPlan } from './plan.js'
import type { Topology, TopologyPolicy, TopologyWorld } from './schema.js'

/** What its fabrics report, with their names. */
export interface NetworkEvents {
  'port:down': [{ fabric: string; port: string; error: EtherloomError }]
  'port:up': [{ fabric: string; port: string }]
  'address:moved': [
    { fabric: string; address: string; vlan: number; from: string | undefined; to: string | undefined },
  ]
  'gateway:down': [{ fabric: string; port: string; error: EtherloomError }]
  'port:carrier': [{ fabric: string; port: string; on: boolean }]
  /** A timeline has taken a step. */
  timeline: [{ fabric: string } & TimelineStep]
  /** A timeline could not take a step; everything else goes on. */
  'timeline:error': [{ fabric: string; error: EtherloomError }]
  /** A world has taken a step. */
  'world:step': [{ world: string } & WorldStep]
  /** A world could not take an automatic step, or its hook failed; everything else goes on. */
  'world:error': [{ world: string; error: EtherloomError }]
}

/** What applying a topology did: counts of paths, and each step in words. */
export interface NetworkApplied extends Applied {
  steps: string[]
}

const fabricClasses = { hub: Hub, switch: Switch, wire: Wire }

/** Made by `Network.up`. Privilege: what its ports need; CAP_SYS_ADMIN for hosts. */
export class Network extends EventEmitter<NetworkEvents> {
  readonly engine: Engine
  readonly #hosts = new Map<string, Namespace>()
  readonly #fabrics = new Map<string, Fabric>()
  readonly #timelines = new Map<string, Timeline>()
  readonly #worlds = new Map<string, World>()
  /** By the names of their fabrics. */
  readonly #servers = new Map<string, SocketServer>()
  /** Those of ports that worlds made, and of peers. */
  readonly #madePlans = new WeakMap<Port, PortPlan>()
  #plan: Plan
  #last: Promise<unknown> = Promise.resolve()

  private constructor(engine: Engine, plan: Plan) {
    super()
    this.engine = engine
    this.#plan = plan
  }

  /**
   * Builds what the topology describes. Everything is checked first; when a device cannot be opened, nothing is left.
   *
   * @throws EtherloomError ERR_ETHERLOOM_TOPOLOGY, and what opening ports can throw
   */
  static async up(topology: Topology): Promise<Network> {
    const plan = await checkedPlan(topology)
    const network = new Network(new Engine(plan.engine), emptyPlan(plan.engine))
    try {
      for (const change of diff(network.#plan, plan)) await network.#perform(change)
    } catch (error) {
      await network.close()
      throw error
    }
    return network
  }

  /** What exists now, resolved. */
  get plan(): Readonly<Plan> {
    return this.#plan
  }

  get fabrics(): ReadonlyMap<string, Fabric> {
    return this.#fabrics
  }

  /** The timelines by the names of their fabrics. Each started when everything else was there. */
  get timelines(): ReadonlyMap<string, Timeline> {
    return this.#timelines
  }

  get hosts(): ReadonlyMap<string, Namespace> {
    return this.#hosts
  }

  get worlds(): ReadonlyMap<string, World> {
    return this.#worlds
  }

  /** The port that is named as in `setPath`. @throws EtherloomError ERR_ETHERLOOM_NAME */
  port({ port, fabric }: { port: string; fabric?: string | undefined }): Port {
    const found = findEnds(this.#fabrics, [port], fabric)
    return found.fabric.port(found.ports[0] ?? port)
  }

  /** The path between ports that are named as in `setPath`. @throws EtherloomError ERR_ETHERLOOM_NAME */
  path({ from, to, fabric }: { from: string; to: string; fabric?: string | undefined }): Path {
    const found = findEnds(this.#fabrics, [from, to], fabric)
    return found.fabric.path(found.ports[0] ?? from, found.ports[1] ?? to)
  }

  /** What a port of a fabric is, those of the wires of worlds and of peers included. */
  portPlan(fabric: string, port: Port): PortPlan | undefined {
    return this.#plan.fabrics.get(fabric)?.ports.get(port.name) ?? this.#madePlans.get(port)
  }

  /**
   * Goes over to another topology by the difference only: what is the same in both is not touched, but interfaces that were
   * made here and that somebody has deleted are made again. When a step fails, what was there before comes back, and the
   * error is thrown.
   *
   * @throws EtherloomError ERR_ETHERLOOM_TOPOLOGY; ERR_ETHERLOOM_STATE for settings of the engine, which cannot change
   */
  async apply(topology: Topology): Promise<NetworkApplied> {
    const plan = await checkedPlan(topology)
    return this.#inTurn(async () => {
      const before = structuredClone(this.#plan)
      this.#insistOnSameEngine(plan)
      const total = { up: 0, down: 0, changed: 0, steps: [] as string[] }
      try {
        for (const change of diff(before, plan)) {
          const { up, down, changed } = await this.#perform(change)
          total.up += up
          total.down += down
          total.changed += changed
          total.steps.push(inWords(change))
        }
        for (const fabric of this.#fabrics.values())
          for (const port of fabric.ports.values())
            if (await port.restore()) total.steps.push(`make port ${fabric.name}.${port.name} again`)
      } catch (error) {
        await this.#goBack(before, error)
        throw error
      }
      return total
    })
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
      const { fabric, ports } = findEnds(this.#fabrics, [ends.from, ends.to], ends.fabric)
      const [from = '', to = ''] = ports
      const back = ends.both ? [{ from: to, to: from, policy }] : []
      return this.#perform({ do: 'set', fabric: fabric.name, paths: [{ from, to, policy }, ...back] })
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
    const moving: (readonly [string, World])[] =
      world === undefined ? this.#movingWorlds() : [[world, this.#world(world)] as const]
    const steps: ({ world: string } & WorldStep)[] = []
    for (let taken = 0; taken < count; taken++)
      for (const [name, each] of moving) steps.push({ world: name, ...(await each.step()) })
    return steps
  }

  /** The running state as a topology; bringing it up makes the same network. */
  export(): Topology {
    return topologyOf(this.#plan)
  }

  /** Closes every port and removes the hosts. Idempotent. */
  async close(): Promise<void> {
    await this.#inTurn(async () => {
      await Promise.all([...this.#worlds.values()].map((world) => world.close()))
      await this.engine.close()
      for (const host of this.#hosts.values()) host.close()
      this.#fabrics.clear()
      this.#timelines.clear()
      this.#worlds.clear()
      this.#servers.clear()
      this.#hosts.clear()
      this.#plan = emptyPlan(this.#plan.engine)
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** Runs one order after another, whether or not the one before succeeded. */
  #inTurn<T>(order: () => Promise<T>): Promise<T> {
    const done = this.#last.then(order, order)
    this.#last = done.catch(() => undefined)
    return done
  }

  async #goBack(before: Plan, reason: unknown): Promise<void> {
    try {
      for (const change of diff(this.#plan, before)) await this.#perform(change)
    } catch (cause) {
      throw new EtherloomError(
        'ERR_ETHERLOOM_STATE',
        `${(reason as Error).message}; going back failed too (${(cause as Error).message})`,
        { cause, hint: 'bring the instance down and up again, it is between two topologies' },
      )
    }
  }

  async #perform(change: Change): Promise<Applied> {
    const nothing: Applied = { up: 0, down: 0, changed: 0 }
    switch (change.do) {
      case 'create':
        this.#hosts.set(change.host, await Namespace.create())
        this.#plan.hosts.add(change.host)
        return nothing
      case 'remove':
        this.#plan.hosts.delete(change.host)
        this.#hosts.get(change.host)?.close()
        this.#hosts.delete(change.host)
        return nothing
      case 'open':
        this.#open(change.fabric, change.plan)
        return nothing
      case 'close':
        this.#plan.fabrics.delete(change.fabric)
        await this.#fabric(change.fabric).close()
        this.#fabrics.delete(change.fabric)
        return nothing
      case 'attach':
        await this.#attach(change, change.plan, this.#makePort(change.port, change.plan))
        return nothing
      case 'patch':
        await this.#patch(change.ends)
        return nothing
      case 'detach':
        await this.#detach(change)
        return nothing
      case 'unpatch':
        for (const end of change.ends) await this.#detach(end)
        return nothing
      case 'configure':
        await this.#configure(change, change.seat)
        return nothing
      case 'set':
        return this.#set(change.fabric, change.paths)
      case 'stop':
        this.#plan.fabrics.set(change.fabric, { ...this.#planOf(change.fabric), timeline: [] })
        this.#timelines.get(change.fabric)?.stop({ restore: true })
        this.#timelines.delete(change.fabric)
        return nothing
      case 'start':
        this.#start(change.fabric, change.timeline)
        return nothing
      case 'end':
        await this.#endWorld(change.world, change.plan)
        return nothing
      case 'begin':
        return this.#begin(change.world, change.plan)
      case 'listen':
        await this.#listen(change.fabric, change.options)
        return nothing
      case 'unlisten':
        delete this.#planOf(change.fabric).listen
        await this.#servers.get(change.fabric)?.close()
        this.#servers.delete(change.fabric)
        return nothing
    }
  }

  #open(name: string, { kind, options }: FabricPlan): void {
    const fabric: Fabric = new fabricClasses[kind]({ name, engine: this.engine, ...options })
    fabric.on('port:down', ({ port, error }) =>
      this.emit('port:down', { fabric: name, port: port.name, error }),
    )
    fabric.on('port:up', ({ port }) => this.emit('port:up', { fabric: name, port: port.name }))
    fabric.on('gateway:down', ({ port, error }) =>
      this.emit('gateway:down', { fabric: name, port: port.name, error }),
    )
    fabric.on('port:carrier', ({ port, on }) =>
      this.emit('port:carrier', { fabric: name, port: port.name, on }),
    )
    fabric.on('address:moved', ({ from, to, ...address }) =>
      this.emit('address:moved', { fabric: name, ...address, from: from?.name, to: to?.name }),
    )
    this.#fabrics.set(name, fabric)
    this.#plan.fabrics.set(name, { kind, options, ports: new Map(), paths: new Map(), timeline: [] })
  }

  #makePort(name: string, { seat: _seat, ...plan }: Exclude<PortPlan, { kind: 'patch' }>): Port {
    if (plan.kind === 'packet') {
      const { kind: _, ...options } = plan
      return new PacketPort({ name, ...options })
    }
    if (plan.kind === 'socket') {
      const { kind: _, ...options } = plan
      return new SocketPort({ name, ...options })
    }
    if (plan.kind === 'udp') {
      const { kind: _, ...options } = plan
      return new UdpPort({ name, ...options })
    }
    if (plan.kind === 'passt') {
      const { kind: _, ...options } = plan
      return new PasstPort({ name, ...options })
    }
    const { kind: _, host, interface: interfaceName, ...options } = plan
    const namespace = host === undefined ? undefined : this.#hosts.get(host)
    return new TapPort({ ...options, name: interfaceName, as: name, ...(namespace && { namespace }) })
  }

  async #attach({ fabric, port }: PortReference, plan: PortPlan, made: Port): Promise<void> {
    try {
      await this.#fabric(fabric).attach(made, plan.seat)
    } catch (cause) {
      if (!(cause instanceof EtherloomError)) throw cause
      const { code, message, syscall, errno } = cause
      throw new EtherloomError(code, `port ${fabric}.${port}: ${message}`, { cause, syscall, errno })
    }
    this.#plan.fabrics.get(fabric)?.ports.set(port, plan)
  }

  async #listen(fabric: string, options: ListenOptions): Promise<void> {
    let server: SocketServer
    try {
      server = await this.#fabric(fabric).listen(options)
    } catch (error) {
      throw locate(error, `fabric '${fabric}'`)
    }
    const { socket, framing = 'stream' } = options
    server.on('connect', (port) => {
      this.#madePlans.set(port, { kind: 'socket', socket, role: 'listen', framing })
      this.emit('port:up', { fabric, port: port.name })
    })
    this.#servers.set(fabric, server)
    this.#planOf(fabric).listen = options
  }

  async #patch(ends: [PatchEnd, PatchEnd]): Promise<void> {
    const [one, other] = ends
    const made = PatchPort.pair({ names: [one.port, other.port] })
    const plan = ({ seat }: PatchEnd, { fabric, port }: PatchEnd): PortPlan => ({
      kind: 'patch',
      peer: { fabric, port },
      ...(seat && { seat }),
    })
    await this.#attach(one, plan(one, other), made[0])
    await this.#attach(other, plan(other, one), made[1])
  }

  /** Changes what a port has in its fabric; what is not said any more is as if it never had been. */
  async #configure({ fabric, port }: PortReference, seat: SeatPlan['seat']): Promise<void> {
    const { delay = '0s', receive = { promiscuous: true } } = seat ?? {}
    await this.#fabric(fabric).configure(port, { delay, receive })
    const { seat: _, ...plan } = this.#planOf(fabric).ports.get(port) as PortPlan
    this.#plan.fabrics.get(fabric)?.ports.set(port, { ...plan, ...(seat && { seat }) })
  }

  async #detach({ fabric, port }: PortReference): Promise<void> {
    const plan = this.#plan.fabrics.get(fabric)
    await this.#fabric(fabric).detach(port)
    plan?.ports.delete(port)
    for (const [key, { from, to }] of plan?.paths ?? [])
      if (from === port || to === port) plan?.paths.delete(key)
  }

  async #set(fabric: string, changes: PathChange[]): Promise<Applied> {
    const applied = await this.#fabric(fabric).apply(changes)
    const paths = this.#plan.fabrics.get(fabric)?.paths ?? new Map<string, PathPlan>()
    const planned = this.#plan.fabrics.get(fabric)?.ports
    for (const { from, to, policy } of changes) {
      if (!planned?.has(from) || !planned.has(to)) continue // made by a world, or a peer: nothing that a file names
      if (policy === null) paths.delete(pathKey(from, to))
      else paths.set(pathKey(from, to), { from, to, policy })
    }
    return applied
  }

  #start(fabric: string, entries: FabricPlan['timeline']): void {
    const timeline = this.#fabric(fabric).timeline(entries)
    timeline.on('entry', (step) => this.emit('timeline', { fabric, ...step }))
    timeline.on('failure', (error) => this.emit('timeline:error', { fabric, error }))
    this.#timelines.set(fabric, timeline)
    this.#plan.fabrics.set(fabric, { ...this.#planOf(fabric), timeline: entries })
  }

  /** Makes a world and, where steps come by themselves, takes the first. */
  async #begin(name: string, plan: TopologyWorld): Promise<Applied> {
    const world = this.#makeWorld(name, plan)
    world.on('wire', (wire) => this.#fabrics.set(wire.name, wire))
    world.on('wire:gone', (wire) => this.#fabrics.delete(wire.name))
    world.on('step', (step) => this.emit('world:step', { world: name, ...step }))
    world.on('failure', (error) => this.emit('world:error', { world: name, error }))
    this.#worlds.set(name, world)
    this.#plan.worlds.set(name, plan)
    const applied = { up: 0, down: 0, changed: 0 }
    if (plan.movement === undefined || plan.step === 'manual') return applied
    try {
      Object.assign(applied, countsOf(await world.step()))
    } catch (error) {
      this.#worlds.delete(name)
      this.#plan.worlds.delete(name)
      await world.close()
      throw locate(error, `world '${name}'`)
    }
    world.start()
    return applied
  }

  /** Its pairs are as `paths` has them, or denied; a world that was linking them had its own policies there. */
  async #endWorld(name: string, plan: TopologyWorld): Promise<void> {
    const world = this.#worlds.get(name)
    this.#plan.worlds.delete(name)
    await world?.close()
    this.#worlds.delete(name)
    if (!world || !('fabric' in plan)) return
    const nodes = new Set(world.nodes)
    const paths = [...this.#planOf(plan.fabric).paths.values()].filter(
      ({ from, to }) => nodes.has(from) && nodes.has(to),
    )
    await this.#fabric(plan.fabric).apply(paths)
  }

  #makeWorld(name: string, plan: TopologyWorld): World {
    const options = { name, ...worldOptions(plan) }
    const nodes = nodesOf(plan, this.#plan)
    if (!('wires' in plan)) return new World({ ...options, fabric: this.#fabric(plan.fabric), nodes })
    const { wires, wireNames, whenDown = 'no-carrier' } = plan
    const wireName = (a: string, b: string): string => {
      const wire = wireNames === undefined ? `${name}-${a}-${b}`.slice(0, 64) : wireNameOf(wireNames, [a, b])
      if (!this.#fabrics.has(wire)) return wire
      throw new EtherloomError(
        'ERR_ETHERLOOM_NAME',
        `there is a fabric '${wire}' already, which the wire would be called too`,
        {
          hint: "rename the fabric, or give the world 'wireNames'",
        },
      )
    }
    const nic = (node: string, number: number): Port => {
      const given = wires[node]
      if (!given) throw new EtherloomError('ERR_ETHERLOOM_NAME', `no node '${node}'`)
      const { name, plan } = nicPlan(node, given, number)
      const port = this.#makePort(name, plan)
      this.#madePlans.set(port, plan)
      return port
    }
    return new World({ ...options, engine: this.engine, nodes, nic, wireName, whenDown })
  }

  #planOf(fabric: string): FabricPlan {
    return this.#plan.fabrics.get(fabric) as FabricPlan
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
    const { from, to, fabric, socket, fates } = what
    const output = { socket }
    if (to !== undefined) {
      const path = this.path({ from, to, fabric })
      return fates ? path.fateLog(output, options) : path.capture(output, options)
    }
    if (fates) throw new EtherloomError('ERR_ETHERLOOM_OPTION', "only a path has fates, as 'A>B'")
    return this.port({ port: from, fabric }).capture(output, options)
  }

  #world(name: string): World {
    const world = this.#worlds.get(name)
    if (world) return world
    const names = [...this.#worlds.keys()]
    throw new EtherloomError('ERR_ETHERLOOM_NAME', `no world '${name}'${suggestion(name, names)}`, {
      hint: names.length > 0 ? `the worlds are ${names.join(', ')}` : "add 'worlds' to the topology's file",
    })
  }

  #movingWorlds(): [name: string, world: World][] {
    const moving = [...this.#worlds].filter(([name]) => this.#plan.worlds.get(name)?.movement !== undefined)
    if (moving.length > 0) return moving
    const [message, hint] =
      this.#worlds.size === 0
        ? ['this topology has no worlds', "add 'worlds' to its file"]
        : ['no world of this topology moves', "give one a 'movement' in its file"]
    throw new EtherloomError('ERR_ETHERLOOM_STATE', message, { hint })
  }

  #fabric(name: string): Fabric {
    const fabric = this.#fabrics.get(name)
    if (fabric) return fabric
    throw new EtherloomError(
      'ERR_ETHERLOOM_NAME',
      `no fabric '${name}'${suggestion(name, [...this.#fabrics.keys()])}`,
    )
  }

  #insistOnSameEngine({ engine }: Plan): void {
    const { name: _old, ...old } = this.#plan.engine
    const { name: _new, ...now } = engine
    if (!isDeepStrictEqual(old, now))
      throw new EtherloomError(
        'ERR_ETHERLOOM_STATE',
        "'seed', 'workers', 'memory', 'io' and 'busyPoll' cannot change while running",
        { hint: 'bring the instance down and up again' },
      )
  }
}

/** What the topology comes to. @throws EtherloomError ERR_ETHERLOOM_TOPOLOGY */
async function checkedPlan(topology: Topology): Promise<Plan> {
  const { checkTopology } = await import('./check.js')
  const checked = checkTopology(topology)
  if ('plan' in checked) return checked.plan
  const lines = checked.problems.map(
    ({ place, message }: Problem) => `${place.join('.') || 'topology'}: ${message}`,
  )
  throw new EtherloomError('ERR_ETHERLOOM_TOPOLOGY', lines.join('\n'))
}

const countsOf = ({ up, down, changed }: Applied): Applied => ({ up, down, changed })

/** A step as a user reads it. */
function inWords(change: Change): string {
  switch (change.do) {
    case 'create':
    case 'remove':
      return `${change.do} host ${change.host}`
    case 'open':
    case 'close':
      return `${change.do} ${change.plan.kind} ${change.fabric}`
    case 'attach':
    case 'detach':
      return `${change.do} port ${change.fabric}.${change.port}`
    case 'patch':
    case 'unpatch':
      return `${change.do} ${change.ends.map(({ fabric, port }) => `${fabric}.${port}`).join(' and ')}`
    case 'configure':
      return `configure port ${change.fabric}.${change.port}`
    case 'stop':
    case 'start':
      return `${change.do} timeline of ${change.fabric}`
    case 'listen':
      return `listen at ${change.options.socket} for ${change.fabric}`
    case 'unlisten':
      return `listen at ${change.options.socket} for ${change.fabric} no more`
    case 'end':
    case 'begin':
      return `${change.do} world ${change.world}`
    case 'set':
      return `set ${change.paths.length} path${change.paths.length === 1 ? '' : 's'} of ${change.fabric}`
  }
}
