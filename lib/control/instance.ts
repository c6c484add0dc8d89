/**
 * A named, running topology that takes orders: a Network behind a control socket.
 * Called by `etherloom up`, `etherloom ubridge`, and by tests of the protocol.
 */
import type { EventEmitter } from 'node:events'
import { Network, type NetworkApplied, type Outcome } from '../topology/network.js'
import { atItsLine } from '../topology/load.js'
import type { FileProblem, TakeNote } from '../topology/file-problem.js'
import type { Topology } from '../topology/schema.js'
import { EtherloomError } from '../values/errors.js'
import type { FilesRead } from '../values/files.js'
import { Captures } from './captures.js'
import type { ControlEvent } from './events.js'
import { FileWatch } from './file-watch.js'
import type { InstanceInfo, Methods, Running } from './method.js'
import { controlMethods } from './methods/index.js'
import { explainSeal, refuseUnderSeal } from './sealed.js'
import { seal } from './seal.js'
import { ControlServer } from './server.js'
import type { Supervisor } from './supervisor.js'

export class Instance implements Running {
  readonly name: string
  /** Absolute path of the topology file; of `etherloom ubridge`, where its console is. */
  readonly file: string
  readonly network: Network
  /** Resolves when the instance has ended, whoever ended it. */
  readonly ended: Promise<void>
  /** Who is told what it does; nobody by default. */
  supervisor: Supervisor | undefined
  /** @internal */
  readonly captures = new Captures()
  readonly #server: ControlServer
  readonly #end: () => void
  #watch: FileWatch | undefined
  #sealed = false
  #isEnding = false

  private constructor(name: string, file: string, network: Network, server: ControlServer) {
    this.name = name
    this.file = file
    this.network = network
    this.#server = server
    let end = (): void => undefined
    this.ended = new Promise((resolve) => (end = resolve))
    this.#end = end
  }

  /**
   * Takes the name first, then brings the topology up; orders that come in between wait. `methods` are those that it
   * answers.
   *
   * @throws EtherloomError ERR_ETHERLOOM_CONTROL when the name is taken, and what `Network.up` throws
   */
  static async start(
    name: string,
    file: string,
    topology: Topology,
    methods: Methods = controlMethods,
  ): Promise<Instance> {
    let announce: (starting: Promise<Instance>) => void = () => undefined
    const awaited = new Promise<Instance>((resolve) => (announce = resolve))
    awaited.catch(() => undefined) // thrown below; orders that wait for the instance hear of it too
    let network: EventEmitter | undefined
    const server = await ControlServer.listen(name, methods, awaited, (error) =>
      network?.emit('control:error', { error }),
    )
    const starting = Network.up(topology).then((up) => {
      network = up.setMaxListeners(0) // one for each connection that has subscribed
      return new Instance(name, file, up, server)
    })
    announce(starting)
    try {
      return await starting
    } catch (error) {
      await server.close()
      throw error
    }
  }

  /** Whether its process has given up what it could do besides. */
  get sealed(): boolean {
    return this.#sealed
  }

  /** Whether it has been closed, or is being so: what its socket does not answer any more is no failure. */
  get isEnding(): boolean {
    return this.#isEnding
  }

  /**
   * Has its process, which serves nothing else, give up every right that it needs no longer (seal.ts), for good.
   *
   * @throws EtherloomError ERR_ETHERLOOM_STATE with programs; ERR_ETHERLOOM_PRIVILEGE, ERR_ETHERLOOM_UNSUPPORTED; the instance is to be closed then
   */
  async seal(): Promise<void> {
    if (this.network.runs.size > 0)
      throw new EtherloomError(
        'ERR_ETHERLOOM_STATE',
        "an instance that runs programs ('run') cannot be sealed",
        {
          hint: 'it has to signal them; start it without --sealed, or its programs by other means',
        },
      )
    await seal()
    this.#sealed = true
  }

  /** Goes over to another topology, as `Network.apply`, and tells the supervisor. */
  async apply(topology: Topology | ((now: Topology) => Topology)): Promise<NetworkApplied> {
    const outcome = await this.#change(topology)
    if ('refused' in outcome) throw outcome.refused
    return outcome.applied
  }

  async #change(topology: Topology | ((now: Topology) => Topology)): Promise<Outcome> {
    this.supervisor?.reloading()
    const outcome = await this.network.change(topology, this.#sealed ? refuseUnderSeal : undefined)
    if ('refused' in outcome) {
      if (this.#sealed) outcome.refused = explainSeal(outcome.refused)
      if (typeof topology !== 'function') outcome.refused = await atItsLine(outcome.refused, topology)
    }
    this.#tellSupervisor('refused' in outcome ? outcome.refused : undefined)
    return outcome
  }

  /** What runs, and why a change was refused, if it was. */
  #tellSupervisor(refused?: unknown): void {
    const refusal = refused === undefined ? '' : `; a change was refused: ${(refused as Error).message}`
    if (!this.#isEnding) this.supervisor?.ready(`${this.describe()}${refusal}`)
  }

  /** What runs, in words. */
  describe(): string {
    const ports = [...this.network.fabrics.values()].reduce((sum, { ports }) => sum + ports.size, 0)
    return `up with ${ports} port${ports === 1 ? '' : 's'}`
  }

  /**
   * Goes over to what its file says, by `load`, whenever one of the `files` that its topology was read from changes; what comes
   * of that are the events `file:applied`, where there was a difference or a mistake was mended, `file:error`, and `file:note` for
   * notes that are not among those before, at first `noted`. Resolves when it looks.
   */
  async watchFile(
    files: FilesRead,
    load: (note: TakeNote) => Promise<Topology>,
    noted: readonly FileProblem[],
  ): Promise<void> {
    const { file } = this
    const events: EventEmitter = this.network
    let wasRefused = false
    let known = noted
    this.#watch = new FileWatch(files, async () => {
      const notes: FileProblem[] = []
      const outcome = await load((note) => notes.push(note)).then(
        (topology) => {
          for (const note of newAmong(notes, known)) events.emit('file:note', note)
          known = notes
          return this.#change(topology)
        },
        (refused: unknown) => {
          this.#tellSupervisor(refused)
          return { refused, undone: [], between: false }
        },
      )
      if ('applied' in outcome) {
        const event: ControlEvent<'file:applied'> = { file, ...outcome.applied }
        // Also where a mistake was mended and nothing else has changed.
        if (event.steps.length > 0 || wasRefused) events.emit('file:applied', event)
      } else if (!this.#isEnding) {
        const { refused, ...rest } = outcome
        const event: ControlEvent<'file:error'> = { file, error: refused as EtherloomError, ...rest }
        events.emit('file:error', event)
      }
      wasRefused = 'refused' in outcome
    })
    await this.#watch.start()
  }

  info(): InstanceInfo {
    const { name, file, network, sealed } = this
    const { engine, plan } = network
    return {
      name,
      file,
      pid: process.pid,
      seed: String(engine.seed),
      workers: plan.engine.workers ?? 1,
      io: engine.io,
      sealed,
    }
  }

  /** Closes the network, then the socket, which goes whatever comes of the network. Idempotent. */
  async close(): Promise<void> {
    if (!this.#isEnding) this.supervisor?.stopping()
    this.#isEnding = true
    try {
      await this.#watch?.close()
      await this.network.close()
    } finally {
      await this.#server.close()
      this.#end()
    }
  }
}

/** Those that were not said before, wherever they stand by now. */
function newAmong(notes: readonly FileProblem[], before: readonly FileProblem[]): FileProblem[] {
  const left = before.map(({ message }) => message)
  return notes.filter(({ message }) => {
    const index = left.indexOf(message)
    if (index >= 0) left.splice(index, 1)
    return index < 0
  })
}
