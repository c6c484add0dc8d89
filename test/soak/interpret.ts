/**
 * Executes a program against the library, and looks at the counters after every step. What a step may be refused with is
 * said at `allowed`; anything else, also in the background, is a failure. Called by soak.ts.
 */
import { closeSync, existsSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import {
  Engine,
  EtherloomError,
  GeneratorPort,
  Hub,
  MemoryPort,
  Namespace,
  PacketPort,
  PatchPort,
  RandomWalk,
  RangeModel,
  SinkPort,
  SocketPort,
  Switch,
  TapPort,
  UdpPort,
  WebSocketPort,
  WifiExponentialModel,
  Wire,
  World,
  type AttachOptions,
  type Capture,
  type ErrorCode,
  type Fabric,
  type FabricStats,
  type Framing,
  type Policy,
  type Port,
  type Timeline,
} from '../../lib/index.js'
import { sockets } from '../../lib/ports/sockets.js'
import { broadcast, frame, station } from '../helpers/frames.js'
import { freePort } from '../helpers/sockets.js'
import { faultsWhenQuiet, imbalances, offeredOf, shrunkCounters, underWay } from './checks.js'
import type { End, Program, Step } from './steps.js'

export interface Outcome {
  /** Steps that were executed. */
  steps: number
  /** Frames that were offered to paths. */
  offered: bigint
  /** What went wrong first, if anything. */
  failure?: string
}

/** How long frames may be under way when nothing is sent any more, and nothing is delayed. */
const quietWithin = 20_000

class Fault extends Error {}

/** Which refusals are part of what a step asks for, and why. */
const allowed: Partial<Record<Step['do'], readonly ErrorCode[]>> = {
  // The interface of a packet port goes with the TAP; a socket's path can be that of the port which is about to leave.
  attach: ['ERR_ETHERLOOM_DEVICE'],
  // A packet port's carrier belongs to its interface.
  carrier: ['ERR_ETHERLOOM_UNSUPPORTED'],
  // What an entry lays over a policy need not go with it: a rate with netem.
  timeline: ['ERR_ETHERLOOM_OPTION', 'ERR_ETHERLOOM_UNSUPPORTED'],
}
/** Beside others, a port can leave between any two turns. */
const allowedTogether: readonly ErrorCode[] = ['ERR_ETHERLOOM_STATE', 'ERR_ETHERLOOM_NAME']
/** In the background, ports can have left: their names are unknown, then. */
const allowedInBackground: readonly ErrorCode[] = [
  'ERR_ETHERLOOM_NAME',
  'ERR_ETHERLOOM_STATE',
  'ERR_ETHERLOOM_OPTION',
  'ERR_ETHERLOOM_UNSUPPORTED',
]

interface Room {
  fabric: Fabric
  /** A port has left, and its numbers with it. */
  portsLeft: boolean
  before: FabricStats | undefined
}

export class Interpreter {
  readonly #program: Program
  readonly #folder: string
  readonly #engines: Engine[] = []
  readonly #rooms = new Map<string, Room>()
  readonly #ports = new Map<string, { port: Port; fabric: Fabric }>()
  readonly #timelines = new Map<string, Timeline>()
  readonly #worlds = new Map<string, World>()
  readonly #captures = new Map<string, Capture>()
  readonly #namespaces: Namespace[] = []
  readonly #logs: string[] = []
  #files = 0
  #gone = 0n
  #failure: string | undefined
  #at = 'the beginning'
  #steps = 0

  /** What it needs of files is made in the folder, and is gone afterwards. */
  constructor(program: Program, folder: string) {
    this.#program = program
    this.#folder = folder
  }

  /** What it is doing, for one that hangs. */
  get at(): string {
    return this.#at
  }

  async run(stopped: () => boolean = () => false): Promise<Outcome> {
    let offered = 0n
    try {
      for (const options of this.#program.engines) {
        const { clock, seed } = this.#program
        this.#engines.push(new Engine({ ...options, clock, seed }))
      }
      for (const step of this.#program.steps) {
        if (stopped() || this.#failure !== undefined) break
        await this.#attempt(step, false)
        this.#check(step)
      }
      if (this.#failure === undefined) await this.#quiet()
      offered = this.#offered()
    } catch (error) {
      this.#fail(error instanceof Fault ? error.message : `unexpected: ${inWords(error)}`)
    }
    try {
      await this.#close()
    } catch (error) {
      this.#fail(`closing: ${inWords(error)}`)
    }
    return {
      steps: this.#steps,
      offered,
      ...(this.#failure !== undefined && { failure: this.#failure }),
    }
  }

  #fail(failure: string): void {
    this.#failure ??= failure
  }

  async #attempt(step: Step, together: boolean): Promise<void> {
    this.#steps++
    this.#at = `step ${this.#steps} '${step.do}'`
    try {
      await this.#take(step)
    } catch (error) {
      const codes = [...(allowed[step.do] ?? []), ...(together ? allowedTogether : [])]
      if (error instanceof EtherloomError && codes.includes(error.code)) return
      throw new Fault(`step '${step.do}' failed: ${inWords(error)}`)
    }
  }

  #check(step: Step): void {
    for (const [name, room] of this.#rooms) {
      if (room.fabric.closed) continue
      const stats = room.fabric.stats()
      const faults = [...imbalances(stats), ...(room.before ? shrunkCounters(room.before, stats) : [])]
      room.before = stats
      if (faults.length > 0) throw new Fault(`after '${step.do}': ${name}: ${faults.join('; ')}`)
    }
  }

  #offered(): bigint {
    const stats = [...this.#rooms.values()].filter(({ fabric }) => !fabric.closed)
    return this.#gone + stats.reduce((sum, { fabric }) => sum + offeredOf(fabric.stats()), 0n)
  }

  /** Everything that sends or changes ends; then all that is under way has to arrive, and the numbers to be whole. */
  async #quiet(): Promise<void> {
    this.#at = 'waiting until nothing moves'
    for (const timeline of this.#timelines.values()) timeline.stop()
    for (const world of this.#worlds.values()) world.stop()
    for (const { port } of this.#ports.values())
      if (port instanceof GeneratorPort && port.fabric) await port.stop()
    for (const { fabric } of this.#rooms.values()) {
      if (fabric.closed) continue
      const names = [...fabric.ports.keys()]
      const changes = names.flatMap((from) =>
        names.filter((to) => to !== from).map((to) => ({ from, to, policy: null })),
      )
      await fabric.apply(changes, { flush: true })
    }
    const rooms = [...this.#rooms.values()].filter(({ fabric }) => !fabric.closed)
    const moving = () => rooms.some(({ fabric }) => underWay(fabric.stats()) > 0n)
    const end = performance.now() + quietWithin
    for (let still = 0; still < 3 && performance.now() < end; still = moving() ? 0 : still + 1)
      await this.#pass(this.#program.clock === 'real' ? 2000 : 3_600_000_000)
    for (const { fabric, portsLeft } of rooms) {
      // A kernel behind a TAP says something of its own at times, just between two ports that are read: what is wrong stays.
      let faults = faultsWhenQuiet(fabric.stats(), portsLeft)
      for (let look = 0; look < 10 && faults.length > 0; look++) {
        await this.#pass(20_000)
        faults = faultsWhenQuiet(fabric.stats(), portsLeft)
      }
      if (faults.length > 0) throw new Fault(`at the end: ${fabric.name}: ${faults.join('; ')}`)
    }
  }

  async #close(): Promise<void> {
    this.#at = 'closing worlds'
    for (const world of this.#worlds.values()) await world.close()
    this.#at = 'closing engines'
    for (const engine of this.#engines.splice(0)) await engine.close()
    for (const [name, capture] of this.#captures) {
      this.#at = `waiting for the end of ${name}, its engine being closed`
      await capture.ended
    }
    for (const namespace of this.#namespaces.splice(0)) namespace.close()
    for (let file = 0; file <= this.#files; file++) rmSync(this.#path(file), { force: true })
    for (const name of this.#logs) rmSync(this.#log(name), { force: true })
  }

  #path = (number: number): string => join(this.#folder, `${number}.sock`)
  #log = (name: string): string => join(this.#folder, `${name}.pcapng`)

  async #pass(microseconds: number): Promise<void> {
    if (this.#program.clock === 'real') await pause(microseconds / 1000)
    else for (const engine of this.#engines) engine.advance(`${microseconds}us`)
  }

  /** The port, where it is there and attached. */
  #attached(name: string): Port | undefined {
    const port = this.#ports.get(name)?.port
    return port?.fabric !== undefined && (port.state === 'up' || port.state === 'down') ? port : undefined
  }

  #room(fabric: Fabric): void {
    const room: Room = { fabric, portsLeft: false, before: undefined }
    this.#rooms.set(fabric.name, room)
    fabric.on('port:detach', () => {
      room.portsLeft = true
      room.before = undefined
    })
  }

  async #join(end: End, make: (name: string) => Port, options: AttachOptions = {}): Promise<void> {
    const fabric = this.#rooms.get(end.fabric)?.fabric
    if (!fabric || this.#ports.has(end.port)) return
    const port = make(end.port)
    this.#ports.set(end.port, { port, fabric })
    await fabric.attach(port, options)
  }

  /** A failure of something that works in the background. */
  #hear = (error: EtherloomError): void => {
    if (!allowedInBackground.includes(error.code)) this.#fail(`in the background: ${inWords(error)}`)
  }

  async #take(step: Step): Promise<void> {
    switch (step.do) {
      case 'fabric':
        this.#fabric(step)
        return
      case 'memory': {
        const { queueLimit, frameLimit } = step
        return this.#join(step.end, (name) => new MemoryPort({ name, queueLimit, frameLimit }), step.options)
      }
      case 'generator': {
        const { length, count, source } = step
        return this.#join(step.end, (name) => new GeneratorPort({ name, length, count, source }))
      }
      case 'sink':
        return this.#join(step.end, (name) => new SinkPort({ name }), step.options)
      case 'link':
        return this.#link(step)
      case 'start':
      case 'stop': {
        const port = this.#attached(step.port)
        if (port instanceof GeneratorPort) await port[step.do]()
        return
      }
      case 'detach': {
        const port = this.#attached(step.port)
        if (!port?.fabric) return
        const fabric = port.fabric
        const before = offeredOf(fabric.stats())
        await fabric.detach(port)
        const less = before - offeredOf(fabric.stats())
        if (less > 0n) this.#gone += less
        return
      }
      case 'attach': {
        const known = this.#ports.get(step.port)
        if (known?.port.state === 'detached' && !known.fabric.closed) await known.fabric.attach(known.port)
        return
      }
      case 'read': {
        const port = this.#attached(step.port)
        if (port instanceof MemoryPort) while (port.read());
        return
      }
      case 'send': {
        const port = this.#attached(step.port)
        if (port instanceof MemoryPort) port.send(new Array<Uint8Array>(step.count).fill(bytesOf(step)))
        return
      }
      case 'carrier':
        await this.#attached(step.port)?.carrier(step.on)
        return
      case 'configure': {
        const port = this.#attached(step.port)
        await port?.fabric?.configure(port, step.options)
        return
      }
      case 'apply':
        return this.#apply(step)
      case 'timeline': {
        const fabric = this.#rooms.get(step.fabric)?.fabric
        const names = step.entries.flatMap((entry): unknown[] => Object.values(entry).flat())
        const missing = names.some(
          (name) => typeof name === 'string' && this.#ports.has(name) && !fabric?.ports.has(name),
        )
        const unknown = names.some(
          (name) => typeof name === 'string' && /^[a-z]+\d+$/.test(name) && !this.#ports.has(name),
        )
        if (!fabric || missing || unknown) return
        this.#timelines.set(step.name, fabric.timeline(step.entries).on('failure', this.#hear))
        return
      }
      case 'stopTimeline':
        this.#timelines.get(step.name)?.stop({ restore: step.restore })
        return
      case 'world':
      case 'wireWorld':
        this.#world(step)
        return
      case 'stepWorld':
      case 'startWorld':
      case 'closeWorld':
        return this.#moveWorld(step)
      case 'capture':
        return this.#capture(step)
      case 'closeCapture':
        await this.#captures.get(step.name)?.close()
        return
      case 'pass':
        return this.#pass(step.microseconds)
      case 'together':
        await Promise.all(step.steps.map((each) => this.#attempt(each, true)))
    }
  }

  #fabric({ kind, name, engine: number, forwarding, addresses }: Step & { do: 'fabric' }): void {
    const engine = this.#engines[number]
    if (!engine || this.#rooms.has(name)) return
    const given = { engine, name, forwarding }
    if (kind === 'hub') this.#room(new Hub(given))
    else if (kind === 'wire') this.#room(new Wire(given))
    else this.#room(new Switch({ ...given, ...(addresses !== undefined && { addresses }) }))
  }

  async #link({ kind, left, right }: Step & { do: 'link' }): Promise<void> {
    const [here, there] = [left, right].map(({ fabric }) => this.#rooms.get(fabric)?.fabric)
    if (!here || !there || this.#ports.has(left.port) || this.#ports.has(right.port)) return
    const both = async (one: () => Port, other: () => Port): Promise<void> => {
      await this.#join(left, one)
      await this.#join(right, other)
    }
    const [way, framing] = kind.split(' ') as [string, Framing]
    const path = this.#path(this.#files++)
    switch (way) {
      case 'patch': {
        const [one, other] = PatchPort.pair({ names: [left.port, right.port] })
        return both(
          () => one,
          () => other,
        )
      }
      case 'pair': {
        const descriptors = sockets.socketPair(framing)
        try {
          await both(
            () => new SocketPort({ name: left.port, fd: descriptors[0] }),
            () => new SocketPort({ name: right.port, fd: descriptors[1] }),
          )
        } finally {
          for (const descriptor of descriptors) closeSync(descriptor)
        }
        return
      }
      case 'socket': {
        const own = framing === 'datagram' ? { local: this.#path(this.#files++) } : {}
        return both(
          () => new SocketPort({ name: left.port, socket: path, role: 'listen', framing }),
          () => new SocketPort({ name: right.port, socket: path, framing, ...own }),
        )
      }
      case 'server': {
        if (framing === ('websocket' as Framing)) {
          const address = `127.0.0.1:${await freePort()}`
          const ours = { protocol: 'websocket', socket: address, name: `${left.port}-%d` } as const
          const server = (await here.listen(ours)).on('failure', this.#hear)
          return this.#join(right, (name) => new WebSocketPort({ name, websocket: server.address }))
        }
        const server = await here.listen({
          socket: path,
          framing: framing as Exclude<Framing, 'datagram'>,
          name: `${left.port}-%d`,
        })
        server.on('failure', this.#hear)
        return this.#join(right, (name) => new SocketPort({ name, socket: path, framing }))
      }
      case 'udp': {
        const one = new UdpPort({ name: left.port, local: '127.0.0.1:0' })
        return both(
          () => one,
          () => new UdpPort({ name: right.port, local: '127.0.0.1:0', remote: one.local as string }),
        )
      }
      default: {
        const namespace = await Namespace.create()
        this.#namespaces.push(namespace)
        return both(
          () => new TapPort({ name: left.port, interface: 'soak0', namespace, addresses: ['10.9.0.1/24'] }),
          () => new PacketPort({ name: right.port, interface: 'soak0', namespace }),
        )
      }
    }
  }

  async #apply({ fabric: name, changes, flush }: Step & { do: 'apply' }): Promise<void> {
    const fabric = this.#rooms.get(name)?.fabric
    const known = changes.filter(({ from, to }) => fabric?.ports.has(from) && fabric.ports.has(to))
    await fabric?.apply(
      known.map(({ policy, ...pair }) => ({ ...pair, policy: policy && this.#located(policy) })),
      { flush },
    )
  }

  /** With the file of the fate log that it names, where there is one with frames in it. */
  #located(policy: Policy): Policy {
    const { replay, ...rest } = policy
    if (typeof replay !== 'object') return policy
    const name = replay.file.replace(/^log:/, '')
    const file = this.#log(name)
    const capture = this.#captures.get(name)
    const usable =
      capture?.closed && capture.stats().frames > 0n && existsSync(file) && statSync(file).size > 0
    return usable ? { ...rest, replay: { ...replay, file } } : rest
  }

  #world(step: Step & { do: 'world' | 'wireWorld' }): void {
    const { name, walk } = step
    const movement = new RandomWalk(walk)
    let world: World
    if (step.do === 'world') {
      const fabric = this.#rooms.get(step.fabric)?.fabric
      if (!fabric) return
      const model = step.wifi ? new WifiExponentialModel() : new RangeModel()
      world = new World({ fabric, name, model, movement, every: step.every as '5ms' })
    } else {
      const engine = this.#engines[step.engine]
      if (!engine) return
      const nic = (node: string, number: number) => new MemoryPort({ name: `${name}-${node}-${number}` })
      const { nodes, whenDown } = step
      world = new World({ engine, name, nodes, nic, whenDown, movement, every: '5ms' })
      world.on('wire', (wire) => this.#room(wire))
      world.on('wire:gone', (wire) => this.#rooms.delete(wire.name))
    }
    this.#worlds.set(name, world.on('failure', this.#hear))
  }

  async #moveWorld({
    do: what,
    name,
  }: {
    do: 'stepWorld' | 'startWorld' | 'closeWorld'
    name: string
  }): Promise<void> {
    const world = this.#worlds.get(name)
    if (!world) return
    if (what === 'startWorld') {
      world.start()
      return
    }
    if (what === 'closeWorld') {
      this.#worlds.delete(name)
      return world.close()
    }
    try {
      await world.step()
    } catch (error) {
      // Its nodes can have left, and an automatic step be under way.
      if (!(error instanceof EtherloomError && allowedTogether.includes(error.code))) throw error
    }
  }

  async #capture(step: Step & { do: 'capture' }): Promise<void> {
    if (this.#captures.has(step.name)) return
    if (step.of === 'port') {
      const { count } = step
      const capture = await this.#attached(step.port)?.capture(
        nowhere(),
        count === undefined ? {} : { count },
      )
      if (capture) this.#captures.set(step.name, capture)
      return
    }
    const fabric = this.#rooms.get(step.fabric)?.fabric
    if (!fabric?.ports.has(step.from) || !fabric.ports.has(step.to)) return
    const path = fabric.path(step.from, step.to)
    const output = step.of === 'log' ? this.#log(step.name) : nowhere()
    if (step.of === 'log') this.#logs.push(step.name)
    const capture =
      step.of === 'path' ? await path.capture(output, { offered: true }) : await path.fateLog(output)
    this.#captures.set(step.name, capture)
  }
}

const nowhere = (): Writable =>
  new Writable({
    write: (_chunk, _encoding, done) => {
      done()
    },
  })

function bytesOf({ length, to, from, vlan }: Step & { do: 'send' }): Uint8Array {
  if (length < 18) return new Uint8Array(length)
  const words = { to: to === null ? broadcast : station(to), from: station(from), length }
  return frame({ ...words, ...(vlan !== undefined && length >= 60 && { vlan }) })
}

export const inWords = (error: unknown): string =>
  error instanceof Error ? `${error.name}: ${error.message}` : String(error)
