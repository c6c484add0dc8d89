/** Engines: native threads with one clock, shared by any number of fabrics. */
import { randomBytes } from 'node:crypto'
import { Agenda } from './agenda.js'
import { addon, native, type Happening, type NativeEngine } from '../binding.js'
import { EtherloomError, fromNative } from '../values/errors.js'
import {
  about,
  either,
  flag,
  integer,
  mapping,
  oneOf,
  optional,
  optionsReader,
  refuse,
  required,
  seed,
  type RulesOf,
} from '../values/options.js'
import { nameRule } from '../values/names.js'
import { sharedKinds, type SharedData } from '../policy/shared-data.js'
import { readLateness, type Lateness } from '../values/stats.js'
import { duration, parseDuration, size, type Duration, type Size } from '../values/units.js'
import { Watches } from './watches.js'

/** How an engine keeps time, and how many threads and how much memory it has. */
export interface EngineOptions {
  /** For messages. Default `engine`. */
  name?: string
  /** `virtual`: time moves only by `advance`, for tests that are exact; ports of the outside world are refused. Default `real`. */
  clock?: 'real' | 'virtual'
  /** Native threads, 1 to 64. Default 1. */
  workers?: number
  /** Where all random streams start, 0 to 2^64 - 1. Default: random; read it from `engine.seed` to repeat a run. */
  seed?: bigint | number
  /** For frames, waiting ones included. 1MiB per worker to 64GiB, default 64MiB. Pages are taken with use. */
  memory?: Size
  /**
   * How the workers read and write: `io_uring` (Linux 6.4 or later, and no container that forbids it), `epoll`, or the
   * better of the two that works here. Default `auto`; `engine.io` says which it is.
   */
  io?: 'auto' | 'io_uring' | 'epoll'
  /**
   * Looks for frames all the time instead of being woken: shorter delays for a whole core per worker. `spinLast` sleeps,
   * and looks only for so long before a frame is due to leave a path. Default false.
   */
  busyPoll?: boolean | { spinLast: Duration }
}

/** The events that the native half sends: native/runtime/events.hpp holds the same in the same order; a test compares. */
export const engineEvents = ['port:down', 'address:moved', 'address:flapping', 'port:storm'] as const

/**
 * What works in the background (timelines, worlds, servers) fails by this event, and goes on. Where nobody listens to it,
 * the failure is a warning of the process, or is thrown by the `advance` that met it; it ends nothing.
 */
export interface BackgroundEvents {
  /** Something of it failed, and the rest goes on. */
  failure: [error: EtherloomError]
}

/** @internal A port, as its engine knows it. */
export interface EnginePort {
  readonly id: number
  readonly name: string
  /** Its device is gone. */
  wentDown(error: EtherloomError): void
}

/** @internal A fabric, as its engine knows it. */
export interface EngineFabric {
  readonly name: string
  /** A switch saw an address on another port: the numbers are those of the ports. */
  addressMoved(address: bigint, from: number, to: number): void
  /** The same again and again, from `at` on; until it is over there is no more news of it. */
  addressFlaps(address: bigint, from: number, to: number, at: bigint): void
  /** A port sends more of what is flooded than it may, from `at` on; until it is over there is no more news of it. */
  stormBegins(port: number, traffic: number, at: bigint): void
  /** The engine closes; resolves when nothing of its ports is left outside. */
  ended(): Promise<void>
}

/** @internal What else lives on an engine, such as a capture. */
export interface EngineResident {
  /** The native half has news; they may be about this one. */
  news(): void
  /** The engine is about to close. */
  close?(): Promise<void>
}

const busyPoll = either<boolean | bigint | undefined>("true, false or { spinLast: '50us' }", [
  flag(),
  mapping(
    {
      spinLast: required(
        about('How long before a frame is due to leave a path the workers stop sleeping.', duration()),
      ),
    },
    { finish: ({ spinLast }) => spinLast },
  ),
])

/** @internal What an engine is given, and a topology file has. */
export const engineRules = {
  name: about('For messages.', nameRule('engine')),
  clock: about(
    'Whether time is that of the machine, or moves by advance only.',
    oneOf(['real', 'virtual'], 'real'),
  ),
  workers: about('Threads that move frames.', integer(1, 64, { unit: 'workers', default: 1 })),
  seed: about('Seed of all random draws. Default: a new one for each run.', seed()),
  memory: about(
    'Memory for frames that wait or travel, at least 1MiB per worker.',
    size({
      default: '64MiB',
      fits: (bytes) => bytes >= 1n << 20n && bytes <= 1n << 36n,
      expects: 'from 1MiB to 64GiB',
    }),
  ),
  io: about(
    'How the workers read and write; auto is the better of the two that works here.',
    oneOf(['auto', 'io_uring', 'epoll'], 'auto'),
  ),
  busyPoll: about(
    'Shorter delays for processor time: true takes a whole core per worker, spinLast only the end of each wait.',
    optional(busyPoll, undefined, false),
  ),
} satisfies RulesOf<EngineOptions>

const readEngineOptions = optionsReader('Engine', engineRules)

/**
 * Threads and a clock. Fabrics make one of their own unless they are given one; thousands can share one.
 * Privilege: none.
 */
export class Engine {
  /** For messages. */
  readonly name: string
  /** Where all random streams start: the same seed, topology and frames give the same fates. */
  readonly seed: bigint
  /** Native threads. */
  readonly workers: number
  /** @internal What timelines have to do, and when. */
  readonly agenda: Agenda
  /** @internal Its attached ports, by their numbers. */
  readonly ports = new Map<number, EnginePort>()
  /** @internal What else lives on it. */
  readonly residents = new Set<EngineResident>()
  /** @internal What ports and servers have it look out for. */
  readonly watches = new Watches(this)
  readonly #virtual: boolean
  readonly #fabrics = new Map<number, EngineFabric>()
  readonly #named = new Map<string, number>()
  #waiting: { ticket: number; resolve: () => void }[] = []
  #native: NativeEngine | undefined
  /** Failures that nobody listened to, while the clock is being advanced. */
  #unheard: EtherloomError[] | undefined
  #closing: Promise<void> | undefined
  #holds = 0

  /** @throws EtherloomError ERR_ETHERLOOM_OPTION, ERR_ETHERLOOM_UNKNOWN_OPTION, ERR_ETHERLOOM_RESOURCE */
  constructor(options: EngineOptions = {}) {
    const given = readEngineOptions(options)
    if (given.clock === 'real' && given.memory < given.workers << 20)
      refuse(
        "option 'memory' of Engine",
        `at least 1MiB for each of ${given.workers} workers`,
        options.memory,
      )
    this.name = given.name
    this.seed = given.seed ?? randomBytes(8).readBigUInt64LE()
    this.workers = given.workers
    this.#virtual = given.clock === 'virtual'
    this.agenda = new Agenda(this.#virtual ? undefined : () => this.native.now())
    this.#native = native(
      () =>
        new addon.Engine(
          {
            virtual: this.#virtual,
            workers: given.workers,
            seed: this.seed,
            memory: given.memory,
            io: given.io,
            spin: typeof given.busyPoll === 'bigint' ? given.busyPoll : given.busyPoll ? -1n : 0n,
          },
          () => {
            this.#wake()
          },
        ),
    )
    this.#native.unref()
  }

  /** Whether it is closed. */
  get closed(): boolean {
    return this.#native === undefined
  }

  /** Whether time is that of the machine, or moves by `advance` only. */
  get clock(): 'real' | 'virtual' {
    return this.#virtual ? 'virtual' : 'real'
  }

  /** What the workers speak to the kernel with: `io_uring` or `epoll`; `virtual` on a virtual clock. */
  get io(): string {
    return this.native.ioName()
  }

  /** Nanoseconds on the engine's clock: CLOCK_MONOTONIC, or what `advance` has added up. */
  now(): bigint {
    return this.native.now()
  }

  /**
   * Virtual clock: runs everything that is due within this time, each thing at its own instant, and then returns.
   * Frames that were delivered can be read at once. Where a timeline has something to do, frames of that instant go
   * first: what it changes holds for those that come in afterwards.
   *
   * @throws EtherloomError ERR_ETHERLOOM_STATE on a real clock, and within another `advance`; what listeners of a
   *   timeline throw, and its failures where nobody listens to them: the clock then stands at that instant
   */
  advance(duration: Duration): void {
    if (!this.#virtual)
      throw new EtherloomError(
        'ERR_ETHERLOOM_STATE',
        "only a virtual clock can be advanced; use { clock: 'virtual' }",
      )
    if (this.#unheard)
      throw new EtherloomError(
        'ERR_ETHERLOOM_STATE',
        'the clock is being advanced already; do it after that has returned',
      )
    const end = this.now() + parseDuration(duration, 'the duration to advance by')
    this.#unheard = []
    try {
      for (let more = true; more;) {
        more = this.#advanceTo(end)
        if (this.#unheard.length > 0) throw together(this.#unheard)
      }
    } finally {
      this.#unheard = undefined
    }
  }

  /** How late frames left, compared with when they were due; of one worker, numbered from 0, or of all. */
  lateness(worker?: number): Lateness {
    const all = Array.from({ length: this.workers }, (_, index) => index)
    const asked = integer(0, this.workers - 1)(worker, 'the number of a worker')
    return readLateness((asked === undefined ? all : [asked]).map((index) => this.native.lateness(index)))
  }

  /** Closes its captures and fabrics and ends its threads. Idempotent. */
  async close(): Promise<void> {
    this.#closing ??= this.#end()
    await this.#closing
  }

  async #end(): Promise<void> {
    this.agenda.close()
    // Again and again until there are none, since others may be made while these close.
    for (;;) {
      const closing = [...this.residents].flatMap((resident) => resident.close?.() ?? [])
      if (closing.length === 0) break
      await Promise.all(closing)
    }
    const ended = [...this.#fabrics.values()].map((fabric) => fabric.ended())
    const outstanding = this.#native?.close() ?? 0
    this.#native = undefined
    for (const { resolve } of this.#waiting.splice(0)) resolve()
    await Promise.all(ended)
    if (outstanding !== 0)
      throw new EtherloomError(
        'ERR_ETHERLOOM_RESOURCE',
        `${outstanding} frames were still in use when the engine closed`,
      )
  }

  /** `close`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** @internal */
  get native(): NativeEngine {
    if (this.#native) return this.#native
    throw new EtherloomError('ERR_ETHERLOOM_STATE', `${this.name} is closed; make a new one`)
  }

  /** @internal */
  addFabric(
    fabric: EngineFabric,
    kind: 'hub' | 'switch' | 'wire',
    forwarding: boolean,
    settings: object,
  ): number {
    const id = this.native.addFabric(fabric.name, kind, forwarding, settings)
    this.#fabrics.set(id, fabric)
    return id
  }

  /** @internal A name for something that the user gave none. It depends only on what was made on this engine before. */
  nextName(kind: string): string {
    const number = this.#named.get(kind) ?? 0
    this.#named.set(kind, number + 1)
    return `${kind}${number}`
  }

  /** @internal */
  async removeFabric(id: number): Promise<void> {
    this.#fabrics.delete(id)
    await this.settled(this.native.removeFabric(id))
  }

  /** @internal */
  share({ key, kind, bytes }: SharedData): number {
    return this.native.shared(key) ?? native(() => this.native.share(key, sharedKinds.indexOf(kind), bytes))
  }

  /** @internal Resolves when what the ticket stands for holds for every frame. Keeps the process alive until then. */
  async settled(ticket: number): Promise<void> {
    if (this.native.settled(ticket)) return
    this.hold()
    await new Promise<void>((resolve) => this.#waiting.push({ ticket, resolve }))
    this.unhold()
  }

  /** @internal Reports a failure of work in the background: to the owner's listeners, else as a warning or by `advance`. */
  failed(
    owner: { emit(event: 'failure', error: EtherloomError): boolean } | undefined,
    error: unknown,
  ): void {
    const failure = error as EtherloomError
    if (owner?.emit('failure', failure)) return
    if (this.#unheard) this.#unheard.push(failure)
    else process.emitWarning(failure)
  }

  /** @internal Keeps the process alive, as an attached fabric does. */
  hold(): void {
    if (this.#holds++ === 0) this.#native?.ref()
  }

  /** @internal */
  unhold(): void {
    if (--this.#holds === 0) this.#native?.unref()
  }

  /** Runs what is due until the native half has news, the agenda is due, or `end` is reached; returns whether to go on. */
  #advanceTo(end: bigint): boolean {
    const { next = end } = this.agenda
    const until = next < end ? next : end
    this.native.advance(until > this.now() ? until - this.now() : 0n)
    this.#wake()
    if (this.closed) return false // a listener has closed it
    const now = this.now()
    const due = this.agenda.next
    if (due !== undefined && due <= now) this.agenda.run(now)
    else if (now === end) return false
    return !this.closed
  }

  #wake(): void {
    for (const happening of this.#native?.poll() ?? []) this.#happened(happening) // listeners may close it
    const waiting = this.#waiting
    this.#waiting = []
    for (const each of waiting) {
      if (this.#native?.settled(each.ticket) ?? true) each.resolve()
      else this.#waiting.push(each)
    }
    if (this.#native) for (const resident of this.residents) resident.news()
  }

  #happened(happening: Happening): void {
    if ('watch' in happening || 'socket' in happening) {
      this.watches.happened(happening)
    } else if ('errno' in happening) {
      const port = this.ports.get(happening.port)
      const message = `the device of port '${port?.name}' is gone`
      port?.wentDown(fromNative({ errno: happening.errno, syscall: '', message }))
    } else if ('fabric' in happening) {
      const fabric = this.#fabrics.get(happening.fabric)
      if ('traffic' in happening) fabric?.stormBegins(happening.port, happening.traffic, happening.at)
      else if (engineEvents[happening.kind] === 'address:flapping')
        fabric?.addressFlaps(happening.address, happening.from, happening.to, happening.at)
      else fabric?.addressMoved(happening.address, happening.from, happening.to)
    }
  }
}

function together(errors: readonly EtherloomError[]): unknown {
  const [first, ...more] = errors
  return more.length === 0
    ? first
    : new AggregateError(errors, errors.map(({ message }) => message).join('\n'))
}
