/**
 * A named, running topology that takes orders: a Network behind a control socket.
 * Called by `etherloom up`.
 */
import type { Capture } from '../capture/capture.js'
import { EtherloomError } from '../values/errors.js'
import { suggestion } from '../values/options.js'
import { linkReports } from '../topology/links-report.js'
import { Network } from '../topology/network.js'
import { pathRow, reports } from '../topology/report.js'
import type { Topology } from '../topology/schema.js'
import type { InstanceInfo } from './protocol.js'
import { ControlServer, type Handlers } from './server.js'

export class Instance {
  readonly name: string
  /** Absolute path of the topology file. */
  readonly file: string
  readonly network: Network
  /** Resolves when the instance has ended, whoever ended it. */
  readonly ended: Promise<void>
  /** @internal Those that were asked for over the socket, by number. */
  readonly captures = new Map<number, Capture>()
  readonly #server: ControlServer
  readonly #end: () => void

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
   * Takes the name first, then brings the topology up; orders that come in between wait.
   *
   * @throws EtherloomError ERR_ETHERLOOM_CONTROL when the name is taken, and what `Network.up` throws
   */
  static async start(name: string, file: string, topology: Topology): Promise<Instance> {
    let announce: (starting: Promise<Instance>) => void = () => undefined
    const awaited = new Promise<Instance>((resolve) => (announce = resolve))
    awaited.catch(() => undefined) // thrown below; orders that wait for the instance hear of it too
    const server = await ControlServer.listen(name, handlersOf(awaited))
    const starting = Network.up(topology).then((network) => new Instance(name, file, network, server))
    announce(starting)
    try {
      return await starting
    } catch (error) {
      await server.close()
      throw error
    }
  }

  info(): InstanceInfo {
    const { name, file, network } = this
    const { engine, plan } = network
    return {
      name,
      file,
      pid: process.pid,
      seed: String(engine.seed),
      workers: plan.engine.workers ?? 1,
      io: engine.io,
    }
  }

  /** Closes the network, then the socket. Idempotent. */
  async close(): Promise<void> {
    await this.network.close()
    await this.#server.close()
    this.#end()
  }
}

/** How many captures an instance remembers: a client asks for the numbers of one after it has ended. */
const keptCaptures = 64
let nextCapture = 1

function handlersOf(instance: Promise<Instance>): Handlers {
  return {
    info: async () => (await instance).info(),
    show: async ({ what }) => {
      const { network } = await instance
      if (Object.hasOwn(reports, what)) return reports[what](network)
      throw new EtherloomError(
        'ERR_ETHERLOOM_OPTION',
        `cannot show '${what}'${suggestion(what, Object.keys(reports))}`,
      )
    },
    links: async ({ what }) => {
      const { network } = await instance
      if (Object.hasOwn(linkReports, what)) return linkReports[what](network)
      throw new EtherloomError(
        'ERR_ETHERLOOM_OPTION',
        `cannot report '${what}'${suggestion(what, Object.keys(linkReports))}`,
      )
    },
    export: async () => (await instance).network.export(),
    showPath: async (ends) => pathRow((await instance).network, ends),
    path: async ({ policy, ...ends }) => (await instance).network.setPath(ends, policy),
    carrier: async ({ on, ...end }) => {
      await (await instance).network.setCarrier(end, on)
      return null
    },
    capture: async ({ snapLength, count, ...what }) => {
      const { network, captures } = await instance
      const limits = {
        ...(snapLength !== undefined && { snapLength }),
        ...(count !== undefined && { count }),
      }
      const number = nextCapture++
      captures.set(number, await network.capture(what, limits))
      return { capture: number }
    },
    endCapture: async ({ capture: number }) => {
      const { captures } = await instance
      const capture = captures.get(number)
      if (!capture) throw new EtherloomError('ERR_ETHERLOOM_NAME', `no capture ${number}`)
      await capture.close()
      if (captures.size > keptCaptures) captures.delete(captures.keys().next().value ?? number)
      return capture.stats()
    },
    step: async ({ world, count }) => {
      const steps = await (await instance).network.step(count, world)
      return steps.map(({ links: _, ...step }) => step)
    },
    apply: async ({ topology }) => (await instance).network.apply(topology),
    down: async () => {
      const running = await instance
      await running.network.close()
      setImmediate(() => void running.close()) // after the answer
      return null
    },
  }
}
