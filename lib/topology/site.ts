/**
 * What a network consists of, and the steps that change it. Called by Network, which takes them one after another.
 *
 * Theory of operation. `plan` always says what really exists: every step that is taken changes it. Ports that others
 * attached to the same fabrics are not ours: no step takes them away, whatever they are called.
 */
import type { EventEmitter } from 'node:events'
import { constants } from 'node:os'
import { isDeepStrictEqual } from 'node:util'
import { foreignOf, isForeign } from '../containers/foreign.js'
import type { Engine } from '../engine/engine.js'
import { Namespace, type Route } from '../engine/namespace.js'
import type { Fabric } from '../fabrics/fabric.js'
import { fabricKinds } from '../fabrics/index.js'
import type { ListenOptions } from '../fabrics/servers/index.js'
import type { PortServer } from '../fabrics/servers/server.js'
import type { StormBegin, StormEnd } from '../fabrics/storm.js'
import type { Applied } from '../policy/policy.js'
import { portKindOf } from '../ports/index.js'
import type { PortReference } from '../ports/kind.js'
import type { Port } from '../ports/port.js'
import type { Timeline, TimelineStep } from '../timeline/timeline.js'
import { EtherloomError, locate } from '../values/errors.js'
import type { Place } from '../values/problem.js'
import { World, type WorldStep } from '../world/world.js'
import { Backlog } from './backlog.js'
import type { Change, PathChange, PlannedPort } from './diff.js'
import { beforeInterfaces, insideOf, interfacesOf, sysctlsOf, type Sysctl } from './hosts.js'
import { fabricNamed } from './ends.js'
import { ownInterfaceOf, type Away } from './plan-ports.js'
import { apart, emptyPlan, pathKey } from './plan.js'
import type { EnginePlan, FabricPlan, HostPlan, Plan, PortPlan, RunPlan } from './plan.js'
import { Run, type RunEnd } from './run.js'
import type { TopologyWorld } from './schema.js'
import { nicPlan, nodesOf, wireNameOf, worldOptions } from './worlds.js'

/** What the fabrics of a network report, with their names. */
export interface NetworkEvents {
  /** A port was attached. */
  'port:attach': [{ fabric: string; port: string }]
  /** A port was detached; the fabric may be about to close. */
  'port:detach': [{ fabric: string; port: string }]
  /** A port's device failed or vanished, or its peer went. */
  'port:down': [{ fabric: string; port: string; error: EtherloomError }]
  /** A port that was down works again. */
  'port:up': [{ fabric: string; port: string }]
  /** A switch sees an address at another port than before. */
  'address:moved': [
    { fabric: string; address: string; vlan: number; from: string | undefined; to: string | undefined },
  ]
  /** An address moves again and again; until it is settled, its moves are not told. */
  'address:flapping': [{ fabric: string; address: string; vlan: number; ports: string[] }]
  /** It has stayed where it is for a while. */
  'address:settled': [{ fabric: string; address: string; vlan: number; moves: bigint }]
  /** A port sends more of what is flooded than it may; the first frame was dropped. */
  'port:storm': [{ fabric: string; port: string } & StormBegin]
  /** A storm is over. */
  'port:calm': [{ fabric: string; port: string } & StormEnd]
  /** The gateway of a TAP has ended by itself; it is undone, and set up again. */
  'gateway:down': [{ fabric: string; port: string; error: EtherloomError }]
  /** The gateway of a TAP stands again. */
  'gateway:up': [{ fabric: string; port: string }]
  /** A port's carrier was taken away or given back. */
  'port:carrier': [{ fabric: string; port: string; on: boolean }]
  /** An interface of a host has come back, and what belongs to it could not be set again; everything else goes on. */
  'host:error': [{ host: string; error: EtherloomError }]
  /**
   * A program of a host has said a line, at the most 10,000 lines or 1 MiB of all programs in a second. Lines and ends of programs that came before
   * anybody listened, 1000 of each, are for the first who does.
   */
  'run:output': [{ host: string; run: string; stream: 'stdout' | 'stderr'; line: string }]
  /** A program of a host has ended. */
  'run:exit': [{ host: string; run: string } & RunEnd]
  /** A timeline has taken a step. */
  timeline: [{ fabric: string } & TimelineStep]
  /** A timeline could not take a step; everything else goes on. */
  'timeline:error': [{ fabric: string; error: EtherloomError }]
  /** A world has taken a step. */
  'world:step': [{ world: string } & WorldStep]
  /** A world could not take an automatic step, or its hook failed; everything else goes on. */
  'world:error': [{ world: string; error: EtherloomError }]
  /** The network closes, which takes long: of so many ports so many are left. Said each second. */
  ending: [{ ports: number; left: number }]
}

/** The events of fabrics that are about a port. */
const portEvents = [
  'port:attach',
  'port:detach',
  'port:down',
  'port:up',
  'port:carrier',
  'port:storm',
  'port:calm',
  'gateway:down',
  'gateway:up',
] as const

/** How often it is said what is left to be closed, in milliseconds. */
const endingInterval = 1000

/** @internal Hosts, fabrics with their ports, timelines and worlds on one engine. */
export class Site {
  readonly engine: Engine
  readonly hosts = new Map<string, Namespace>()
  readonly fabrics = new Map<string, Fabric>()
  /** By the names of their fabrics. */
  readonly timelines = new Map<string, Timeline>()
  readonly worlds = new Map<string, World>()
  /** As in plans. */
  readonly runs = new Map<string, Run>()
  /** Of each host that can end and return by itself: ends that we hear of it. */
  readonly #away = new Map<string, AbortController>()
  /** Of each host, what settings of its kernel were before we wrote them. */
  readonly #unset = new Map<string, Map<string, string>>()
  /** By what they were opened with, which is also in the plan of their fabric. */
  readonly #servers = new Map<ListenOptions, PortServer>()
  /** Of every port that was made here, those of worlds and of peers included. */
  readonly #made = new WeakMap<Port, PortPlan>()
  readonly #events: EventEmitter<NetworkEvents>
  readonly #inTurn: (order: () => Promise<void>) => Promise<void>
  readonly #returns: (host: string) => Promise<void>
  /** The port that `restore` makes again now. */
  #restored: Port | undefined
  readonly #backlog: Backlog
  #plan: Plan

  /**
   * What happens here is told as events of `events`; what it has to do by itself waits for its turn by `inTurn`. `returns` is called
   * when a host that is not ours, a container, has started again: what is in it must be made anew.
   */
  constructor(
    engine: Engine,
    plan: EnginePlan,
    events: EventEmitter<NetworkEvents>,
    inTurn: (order: () => Promise<void>) => Promise<void>,
    returns: (host: string) => Promise<void>,
  ) {
    this.engine = engine
    this.#plan = emptyPlan(plan)
    this.#events = events
    this.#inTurn = inTurn
    this.#returns = returns
    this.#backlog = new Backlog(events)
  }

  /** What exists now, resolved. */
  get plan(): Readonly<Plan> {
    return this.#plan
  }

  /** What a port is, if it was made here. */
  planOf(port: Port): PortPlan | undefined {
    return this.#made.get(port)
  }

  /** @throws EtherloomError ERR_ETHERLOOM_NAME */
  fabric(name: string): Fabric {
    return fabricNamed(this.fabrics, name)
  }

  /** Ends everything; the devices of ports, of which the kernel takes long to let go, together. */
  async close(): Promise<void> {
    const ports = [...this.fabrics.values()].flatMap((fabric) => [...fabric.ports.values()])
    const saying = setInterval(() => {
      const left = ports.filter(({ state }) => state !== 'detached').length
      this.#events.emit('ending', { ports: ports.length, left })
    }, endingInterval)
    try {
      await Promise.all([...this.runs.values()].map((run) => run.stop()))
      await Promise.all([...this.worlds.values()].map((world) => world.close()))
      await Promise.all([...this.fabrics.values()].map((fabric) => fabric.close()))
    } finally {
      clearInterval(saying)
      await this.engine.close()
    }
    for (const host of [...this.hosts.keys()].reverse()) await this.#remove(host)
    for (const gone of [this.runs, this.fabrics, this.timelines, this.worlds, this.#servers, this.hosts])
      gone.clear()
    this.#plan = emptyPlan(this.#plan.engine)
  }

  /** Takes a step. When it fails, what it was about is as before, but for what `plan` says. */
  async perform(change: Change): Promise<Applied> {
    if (change.do === 'set') return this.#set(change.fabric, change.paths)
    if (change.do === 'begin') return this.#begin(change.world, change.plan)
    await this.#take(change)
    return { up: 0, down: 0, changed: 0 }
  }

  /** A step that changes no paths by itself. */
  async #take(change: Exclude<Change, { do: 'set' | 'begin' }>): Promise<void> {
    switch (change.do) {
      case 'run':
        return this.#run(change.key, change.plan)
      case 'quit':
        this.#plan.runs.delete(change.key)
        await this.runs.get(change.key)?.stop()
        this.runs.delete(change.key)
        return
      case 'label':
        this.#plan.runs.set(change.key, change.plan)
        ;(this.runs.get(change.key) as Run).plan = change.plan
        return
      case 'create':
        return this.#create(change.host, change.plan)
      case 'prepare':
        return this.#prepare(change.host, change.plan)
      case 'equip':
        return this.#equip(change.host, change.plan)
      case 'remove':
        return this.#remove(change.host)
      case 'open':
        this.#open(change.fabric, change.plan)
        return
      case 'close':
        this.#plan.fabrics.delete(change.fabric)
        await this.fabric(change.fabric).close()
        this.fabrics.delete(change.fabric)
        return
      case 'attach':
        return this.#attach(change, this.#makePort(change.port, change.plan))
      case 'patch':
        return this.#patch(change.ends)
      case 'detach':
        return this.#detach(change)
      case 'unpatch':
        for (const end of change.ends) await this.#detach(end)
        return
      case 'configure':
        return this.#configure(change)
      case 'stop':
        this.#planOf(change.fabric).timeline = []
        this.timelines.get(change.fabric)?.stop({ restore: true })
        this.timelines.delete(change.fabric)
        return
      case 'start':
        this.#start(change.fabric, change.timeline)
        return
      case 'end':
        return this.#endWorld(change.world, change.plan)
      case 'listen':
        return this.#listen(change.fabric, change.listen)
      case 'unlisten':
        return this.#unlisten(change.fabric, change.listen)
    }
  }

  /** Makes a host, or enters one that is there; what of its plan belongs to interfaces comes when these are there. */
  async #create(name: string, plan: HostPlan): Promise<void> {
    this.hosts.set(name, await this.#enter(name, plan))
    this.#plan.hosts.set(name, foreignOf(plan))
    this.#unset.set(name, new Map())
    try {
      await this.#setSysctls(name, beforeInterfaces(sysctlsOf(plan, [])))
    } catch (error) {
      await this.#remove(name)
      throw error
    }
  }

  async #enter(host: string, plan: HostPlan): Promise<Namespace> {
    if (!isForeign(plan)) return Namespace.create()
    const away = new AbortController()
    const returned = (): void => {
      this.#returns(host).catch((error: unknown) => {
        this.#events.emit('host:error', { host, error: error as EtherloomError })
      })
    }
    try {
      const { enterForeign } = await import('../containers/places.js')
      const namespace = await enterForeign(plan, returned, away.signal)
      this.#away.set(host, away)
      return namespace
    } catch (error) {
      throw locate(error, `host '${host}'`, ['hosts', host, ...Object.keys(foreignOf(plan))])
    }
  }

  /** Leaves a host. One that is not ours gets back the settings of its kernel that it had. */
  async #remove(host: string): Promise<void> {
    this.#away.get(host)?.abort()
    this.#away.delete(host)
    if (isForeign(this.#plan.hosts.get(host) ?? {}))
      await this.#setSysctls(host, [], { all: [] }).catch((error: unknown) => {
        this.#events.emit('host:error', { host, error: error as EtherloomError })
      })
    this.#plan.hosts.delete(host)
    this.hosts.get(host)?.close()
    this.hosts.delete(host)
    this.#unset.delete(host)
  }

  /** Gives a host that stays what of its settings is there before its interfaces, which may need it. */
  async #prepare(name: string, plan: HostPlan): Promise<void> {
    const { routes } = this.#plan.hosts.get(name) ?? {}
    const { routes: _later, ...settings } = plan
    const begun = (): void => {
      this.#plan.hosts.set(name, { ...settings, ...(routes && { routes }) })
    }
    const sysctls = sysctlsOf(plan, interfacesOf(this.#plan.fabrics, name))
    await this.#setSysctls(name, beforeInterfaces(sysctls), { all: sysctls, begun })
    begun()
  }

  /** Gives a host the settings and routes of its plan, and takes those away that it had besides. */
  async #equip(name: string, plan: HostPlan): Promise<void> {
    const host = this.hosts.get(name) as Namespace
    const old = this.#plan.hosts.get(name)?.routes ?? []
    // Not before something has been done: where nothing was, there is nothing to go back from, nor the right to.
    const begun = (): void => {
      this.#plan.hosts.set(name, plan)
    }
    const { routes = [] } = plan
    const interfaces = interfacesOf(this.#plan.fabrics, name)
    const sysctls = sysctlsOf(plan, interfaces)
    await this.#setSysctls(name, sysctls, { all: sysctls, begun })
    const gone = old.filter((each) => !routes.some((now) => isDeepStrictEqual(now, each)))
    for (const route of gone) await changing(name, route, host.removeRoutes([route]).then(begun))
    for (const [index, route] of routes.entries()) {
      const adding = isForeign(plan) ? addBeside(host, route, old) : host.addRoutes([route])
      await changing(name, route, adding.then(begun), ['routes', index])
    }
    begun()
  }

  /** Which ports have interfaces that have left; undefined where none has. */
  async findAway(): Promise<Away | undefined> {
    const ports = [...this.fabrics.values()].flatMap((fabric) => [...fabric.ports.values()])
    const found = await Promise.all(ports.map(async (port) => ((await port.isAway()) ? [port] : [])))
    const away = new Set(found.flat())
    if (away.size === 0) return undefined
    return ({ fabric, port }) => {
      const running = this.fabrics.get(fabric)?.ports.get(port)
      return running !== undefined && away.has(running)
    }
  }

  /** Makes a port's interface again, with what of its host went with it, where it was made here and is gone; says whether it did. */
  async restore(port: Port): Promise<boolean> {
    this.#restored = port
    try {
      if (!(await port.restore())) return false
      await this.#returned(port)
      return true
    } finally {
      this.#restored = undefined
    }
  }

  /** An interface of a host has come back: its routes and settings went with it. */
  async #returned(port: Port): Promise<void> {
    const plan = this.#made.get(port)
    const host = plan && ownInterfaceOf(plan)?.host
    const own = this.#plan.hosts.get(host ?? '')
    if (host === undefined || own === undefined || Object.keys(own).length === 0) return
    if (port.state !== 'up') return // it has gone again since
    try {
      await this.#equip(host, own)
    } catch (error) {
      this.#events.emit('host:error', { host, error: error as EtherloomError })
    }
  }

  async #run(key: string, plan: RunPlan): Promise<void> {
    const { host } = plan
    const program: Run = new Run(plan, () => insideOf(this.#plan, host, this.hosts.get(host) as Namespace), {
      output: (stream, line) =>
        this.#backlog.emit('run:output', { host, run: program.plan.run, stream, line }),
      end: (end) => this.#backlog.emit('run:exit', { host, run: program.plan.run, ...end }),
    })
    await program.start()
    this.runs.set(key, program)
    this.#plan.runs.set(key, plan)
  }

  /**
   * Writes settings of a host; with `all`, those that it was given before and are not among all are as they were. `begun` is
   * called when one is written.
   */
  async #setSysctls(
    name: string,
    sysctls: readonly Sysctl[],
    { all, begun }: { all?: readonly Sysctl[]; begun?: () => void } = {},
  ): Promise<void> {
    const host = this.hosts.get(name) as Namespace
    const unset = this.#unset.get(name) as Map<string, string>
    const gone = [...unset].filter(([each]) => all && !all.some((sysctl) => sysctl.name === each))
    // The last first: writing one may have changed those that came after it, as `all` does with `default`.
    const undone = gone
      .reverse()
      .map(([each, value]): Sysctl => ({ name: each, value, optional: true, place: [] }))
    for (const { name: each, value, optional, place } of [...undone, ...sysctls])
      try {
        const before = await host.setSysctls({ [each]: value })
        begun?.()
        if (!unset.has(each)) unset.set(each, before[each] ?? '')
      } catch (error) {
        if (!(optional && (error as EtherloomError).code === 'ERR_ETHERLOOM_NAME'))
          throw locate(error, `host '${name}'`, ['hosts', name, ...place])
      }
    for (const [each] of gone) unset.delete(each)
  }

  #open(name: string, { kind, options }: FabricPlan): void {
    const fabric = fabricKinds.get(kind).make({ name, engine: this.engine, ...options })
    const events = this.#events
    for (const event of portEvents)
      fabric.on(event, ({ port, ...more }: { port: Port }) =>
        (events as EventEmitter).emit(event, { fabric: name, port: port.name, ...more }),
      )
    fabric.on('port:up', ({ port }) => {
      if (port !== this.#restored) void this.#inTurn(() => this.#returned(port))
    })
    fabric.on('address:moved', ({ from, to, ...address }) =>
      events.emit('address:moved', { fabric: name, ...address, from: from?.name, to: to?.name }),
    )
    fabric.on('address:flapping', ({ ports, ...address }) =>
      events.emit('address:flapping', { fabric: name, ...address, ports: ports.map((port) => port.name) }),
    )
    fabric.on('address:settled', (settled) => events.emit('address:settled', { fabric: name, ...settled }))
    this.fabrics.set(name, fabric)
    this.#plan.fabrics.set(name, {
      kind,
      options,
      ports: new Map(),
      paths: new Map(),
      listen: [],
      timeline: [],
    })
  }

  #makePort(name: string, plan: PortPlan, peer?: Port): Port {
    const port = portKindOf(plan).make(name, apart(plan).given, {
      namespaceOf: (host) => this.hosts.get(host),
      peer,
    })
    this.#made.set(port, plan)
    return port
  }

  async #attach({ fabric, port, plan }: PlannedPort, made: Port): Promise<void> {
    try {
      await this.fabric(fabric).attach(made, apart(plan).seat)
    } catch (error) {
      throw locate(error, `port ${fabric}.${port}`, ['fabrics', fabric, 'ports', port])
    }
    this.#planOf(fabric).ports.set(port, plan)
  }

  /** Makes both ends, then attaches one after the other. */
  async #patch([one, other]: [PlannedPort, PlannedPort]): Promise<void> {
    const first = this.#makePort(one.port, one.plan)
    const second = this.#makePort(other.port, other.plan, first)
    await this.#attach(one, first)
    await this.#attach(other, second)
  }

  /** Changes what a port has in its fabric; what is not said any more is as if it never had been. */
  async #configure({ fabric, port, plan }: PlannedPort): Promise<void> {
    const { delay = '0s', receive = { promiscuous: true }, storm = {} } = plan
    await this.fabric(fabric).configure(port, { delay, receive, storm })
    this.#made.set(this.fabric(fabric).port(port), plan)
    this.#planOf(fabric).ports.set(port, plan)
  }

  async #detach({ fabric: name, port }: PortReference): Promise<void> {
    const fabric = this.fabric(name)
    const plan = this.#planOf(name)
    const attached = fabric.ports.get(port)
    if (attached && this.#made.has(attached)) await fabric.detach(attached)
    plan.ports.delete(port)
    for (const [key, { from, to }] of plan.paths) if (from === port || to === port) plan.paths.delete(key)
  }

  async #listen(fabric: string, options: ListenOptions): Promise<void> {
    const server = await this.fabric(fabric)
      .listen(options)
      .catch((error: unknown) => {
        throw locate(error, `fabric '${fabric}'`, ['fabrics', fabric, 'listen'])
      })
    server.on('connect', (port) => {
      this.#made.set(port, server.peer)
      this.#events.emit('port:up', { fabric, port: port.name })
    })
    this.#servers.set(options, server)
    const plan = this.#planOf(fabric)
    plan.listen = [...plan.listen, options]
    server.once('close', () => {
      // By itself, as a switch that was told to shut down: the next change may have it listen again.
      if (this.#servers.delete(options)) plan.listen = plan.listen.filter((each) => each !== options)
    })
  }

  async #unlisten(fabric: string, options: ListenOptions): Promise<void> {
    const plan = this.#planOf(fabric)
    const own = plan.listen.find((each) => isDeepStrictEqual(each, options))
    if (own === undefined) return
    plan.listen = plan.listen.filter((each) => each !== own)
    const server = this.#servers.get(own)
    this.#servers.delete(own)
    await server?.close()
  }

  async #set(fabric: string, changes: PathChange[]): Promise<Applied> {
    const applied = await this.fabric(fabric).apply(changes)
    const { paths, ports } = this.#planOf(fabric)
    for (const { from, to, policy } of changes) {
      if (!ports.has(from) || !ports.has(to)) continue // made by a world, or a peer: nothing that a file names
      if (policy === null) paths.delete(pathKey(from, to))
      else paths.set(pathKey(from, to), { from, to, policy })
    }
    return applied
  }

  #start(fabric: string, entries: FabricPlan['timeline']): void {
    const timeline = this.fabric(fabric).timeline(entries)
    timeline.on('entry', (step) => this.#events.emit('timeline', { fabric, ...step }))
    timeline.on('failure', (error) => this.#events.emit('timeline:error', { fabric, error }))
    this.timelines.set(fabric, timeline)
    this.#planOf(fabric).timeline = entries
  }

  /** Makes a world and, where steps come by themselves, takes the first. */
  async #begin(name: string, plan: TopologyWorld): Promise<Applied> {
    const world = this.#makeWorld(name, plan)
    world.on('wire', (wire) => this.fabrics.set(wire.name, wire))
    world.on('wire:gone', (wire) => this.fabrics.delete(wire.name))
    world.on('step', (step) => this.#events.emit('world:step', { world: name, ...step }))
    world.on('failure', (error) => this.#events.emit('world:error', { world: name, error }))
    this.worlds.set(name, world)
    this.#plan.worlds.set(name, plan)
    const applied = { up: 0, down: 0, changed: 0 }
    if (plan.movement === undefined || plan.step === 'manual') return applied
    try {
      Object.assign(applied, countsOf(await world.step()))
    } catch (error) {
      this.worlds.delete(name)
      this.#plan.worlds.delete(name)
      await world.close()
      throw locate(error, `world '${name}'`, ['worlds', name])
    }
    world.start()
    return applied
  }

  /** Its pairs are as `paths` has them, or denied; a world that was linking them had its own policies there. */
  async #endWorld(name: string, plan: TopologyWorld): Promise<void> {
    const world = this.worlds.get(name)
    this.#plan.worlds.delete(name)
    await world?.close()
    this.worlds.delete(name)
    if (!world || !('fabric' in plan)) return
    const nodes = new Set(world.nodes)
    const paths = [...this.#planOf(plan.fabric).paths.values()].filter(
      ({ from, to }) => nodes.has(from) && nodes.has(to),
    )
    await this.fabric(plan.fabric).apply(paths)
  }

  #makeWorld(name: string, plan: TopologyWorld): World {
    const options = { name, ...worldOptions(plan) }
    const nodes = nodesOf(plan, this.#plan)
    if (!('wires' in plan)) return new World({ ...options, fabric: this.fabric(plan.fabric), nodes })
    const { wires, wireNames, whenDown = 'no-carrier' } = plan
    const wireName = (a: string, b: string): string => {
      const wire = wireNames === undefined ? `${name}-${a}-${b}`.slice(0, 64) : wireNameOf(wireNames, [a, b])
      if (!this.fabrics.has(wire)) return wire
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
      return this.#makePort(name, plan)
    }
    return new World({ ...options, engine: this.engine, nodes, nic, wireName, whenDown })
  }

  #planOf(fabric: string): FabricPlan {
    return this.#plan.fabrics.get(fabric) as FabricPlan
  }
}

const countsOf = ({ up, down, changed }: Applied): Applied => ({ up, down, changed })

/** Adds a route to a host that is not ours, in the place of none that it has, but for those that we gave it. */
async function addBeside(host: Namespace, route: Route, old: readonly Route[]): Promise<void> {
  try {
    await host.addFreshRoutes([route])
  } catch (error) {
    if ((error as EtherloomError).errno !== constants.errno.EEXIST) throw error
    if (old.some((each) => isDeepStrictEqual(each, route))) return
    throw new EtherloomError('ERR_ETHERLOOM_DEVICE', 'it has such a route already, which stays as it is', {
      cause: error,
      hint: "give this one a 'metric', or take that one away first",
    })
  }
}

/** Waits for the change of a route, which an error names; `place`: where a file says it of the host. */
async function changing(
  host: string,
  { to, via, dev }: Route,
  change: Promise<void>,
  place: Place = [],
): Promise<void> {
  try {
    await change
  } catch (error) {
    const way = [...(via === undefined ? [] : [`via ${via}`]), ...(dev === undefined ? [] : [`dev ${dev}`])]
    throw locate(error, `host '${host}': the route to ${to} ${way.join(' ')}`, ['hosts', host, ...place])
  }
}
