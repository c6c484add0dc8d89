/**
 * A named, running topology that takes orders: a Network behind a control socket.
 * Called by `etherloom up`, and by tests of the protocol.
 */
import type { EventEmitter } from 'node:events'
import { Network } from '../topology/network.js'
import type { Topology } from '../topology/schema.js'
import { EtherloomError } from '../values/errors.js'
import { Captures } from './captures.js'
import type { InstanceInfo, Methods, Running } from './method.js'
import { controlMethods } from './methods/index.js'
import { seal } from './seal.js'
import { ControlServer } from './server.js'

export class Instance implements Running {
  readonly name: string
  /** Absolute path of the topology file. */
  readonly file: string
  readonly network: Network
  /** Resolves when the instance has ended, whoever ended it. */
  readonly ended: Promise<void>
  /** @internal */
  readonly captures = new Captures()
  readonly #server: ControlServer
  readonly #end: () => void
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
    this.#isEnding = true
    try {
      await this.network.close()
    } finally {
      await this.#server.close()
      this.#end()
    }
  }
}
