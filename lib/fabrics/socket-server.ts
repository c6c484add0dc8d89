/** SocketServer: a socket at which any number of peers become ports of a fabric. Made by `Fabric.listen`. */
import { EventEmitter } from 'node:events'
import { socketPlace } from '../values/addresses.js'
import { native } from '../binding.js'
import { EtherloomError } from '../values/errors.js'
import type { BackgroundEvents } from '../engine/engine.js'
import type { PortMapping } from '../ports/index.js'
import type { PortFabric } from '../ports/port.js'
import { patience } from '../values/patience.js'
import {
  about,
  integer,
  optional,
  optionsReader,
  refuse,
  required,
  text,
  type RulesOf,
} from '../values/options.js'
import { framingRule, framings, type Framing } from '../ports/framings.js'
import { SocketPort } from '../ports/socket.js'
import {
  bindSocket,
  frameRules,
  modeRule,
  resolveOwnPlace,
  sockets,
  type FrameOptions,
} from '../ports/sockets.js'

export interface ListenOptions extends FrameOptions {
  /**
   * A path such as `/run/trunk.sock`, an address such as `127.0.0.1:5000`, or `systemd:NAME`: the socket of that name that
   * whoever started this process has made for it (sd_listen_fds(3)), which stays when this is closed.
   */
  socket: string
  /** Names the ports; `%d` becomes the lowest number that is free. Default `peer%d`. */
  name?: string
  /** How frames stand in the connections. Default `stream`. */
  framing?: Exclude<Framing, 'datagram'>
  /**
   * How many peers there may be at once, 1 to 4096. Further ones wait until one goes, or has sent no frame in the 10 s since
   * it came: then it makes room. Default 1024.
   */
  peers?: number
  /** The rights of the path, as 0o660. Default 0o600: of our own user only. */
  mode?: number
}

/** How long a peer may be silent after it came before it makes room for one that waits, in milliseconds. */
const silence = 10_000

/** A peer that comes and cannot become a port is a `failure`; the server goes on. */
export interface SocketServerEvents extends BackgroundEvents {
  /** A peer has come; its port is attached. */
  connect: [port: SocketPort]
  /** A peer has gone, or was made to go for another, and its port is detached. */
  disconnect: [port: SocketPort, error: EtherloomError]
}

/** Listens until it is closed, or its fabric is. */
export class SocketServer extends EventEmitter<SocketServerEvents> {
  /** What the peers connect to. */
  readonly socket: string
  readonly #fabric: PortFabric
  readonly #stopped: (server: SocketServer) => void
  readonly #options: ReturnType<typeof readListenOptions>
  readonly #ports = new Set<SocketPort>()
  /** Those of them that have had time to send a frame and may not have done so, from the first that came. */
  readonly #silent = new Set<SocketPort>()
  #bound: unknown
  #unwatch: (() => void) | undefined
  #accepting = false
  #failing = false
  #closed = false

  /** @internal */
  private constructor(fabric: PortFabric, options: ListenOptions, stopped: (server: SocketServer) => void) {
    super()
    this.#stopped = stopped
    this.#fabric = fabric
    this.#options = readListenOptions(options)
    this.socket = options.socket
  }

  /** @internal `stopped` is called once, when it listens no more. */
  static async open(
    fabric: PortFabric,
    options: ListenOptions,
    stopped: (server: SocketServer) => void,
  ): Promise<SocketServer> {
    const server = new SocketServer(fabric, options, stopped)
    if (fabric.engine.clock === 'virtual')
      throw new EtherloomError(
        'ERR_ETHERLOOM_STATE',
        `'${fabric.name}' has a virtual clock, which the outside world does not keep`,
      )
    const { socket, framing, mode } = server.#options
    server.#bound = bindSocket({ ...(await resolveOwnPlace(socket)), framing, mode })
    server.#watch()
    return server
  }

  /** @internal The mapping that each of its ports would have in a topology file. */
  get peer(): PortMapping {
    return { socket: this.socket, role: 'listen', framing: this.#options.framing }
  }

  /** The ports of the peers that are there. */
  get ports(): readonly SocketPort[] {
    return [...this.#ports]
  }

  /** Listens no more, removes its path, and detaches its ports. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.stop()
    await Promise.all([...this.#ports].map((port) => this.#detach(port)))
  }

  /** `close`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** @internal Listens no more, and leaves its ports to the fabric. */
  stop(): void {
    this.#closed = true
    this.#unwatch?.()
    this.#unwatch = undefined
    sockets.closeSocket(this.#bound)
    this.#stopped(this)
  }

  #watch(): void {
    if (this.#closed || this.#accepting || this.#unwatch) return
    this.#unwatch = this.#fabric.engine.watches.socket(this.#bound, 'readable', () => {
      this.#unwatch = undefined
      this.#inBackground(this.#accept())
    })
  }

  /** A peer waits, perhaps more of them. */
  async #accept(): Promise<void> {
    this.#accepting = true
    let room = true
    try {
      room = !this.#full || (await this.#makeRoom())
      while (!this.#closed && !this.#full) {
        const socket = native(() => sockets.acceptPeer(this.#bound))
        if (socket === undefined) break
        await this.#attach(socket)
        this.#failing = false
      }
    } catch (error) {
      if (!this.#failing) this.#fabric.engine.failed(this, error)
      this.#failing = true // said once, until a peer is taken again
      await new Promise((resolve) => setTimeout(resolve, 100)) // what was short may be there again
    }
    this.#accepting = false
    if (room || !this.#full) this.#watch() // else when a peer goes, or has been silent for too long
  }

  get #full(): boolean {
    return this.#ports.size >= this.#options.peers
  }

  /** Makes the peer go that has been silent for longest. Whether there is one. */
  async #makeRoom(): Promise<boolean> {
    for (const port of this.#silent) {
      if (port.stats().received.frames === 0n) {
        await this.#detach(port)
        const reason = `port '${port.name}' made room for another peer: it had sent no frame in ${silence / 1000} s`
        this.emit('disconnect', port, new EtherloomError('ERR_ETHERLOOM_RESOURCE', reason))
        return true
      }
      this.#silent.delete(port)
    }
    return false
  }

  async #attach(socket: unknown): Promise<void> {
    const { name, framing, frameLimit, pad } = this.#options
    const port = SocketPort.accepted(socket, { name, framing, frameLimit, pad, socket: this.socket })
    this.#ports.add(port)
    const ended = new Promise<EtherloomError>((resolve) => port.once('down', resolve))
    try {
      await this.#fabric.attach(port)
    } catch (error) {
      this.#ports.delete(port)
      sockets.closeSocket(socket)
      throw error
    }
    const heard = patience(silence, () => {
      this.#silent.add(port)
      this.#watch()
    })
    port.once('detach', () => {
      heard()
      this.#ports.delete(port)
      this.#silent.delete(port)
      this.#watch()
    })
    this.emit('connect', port)
    this.#inBackground(
      ended.then(async (error) => {
        await this.#detach(port)
        this.emit('disconnect', port, error)
      }),
    )
  }

  #inBackground(work: Promise<void>): void {
    work.catch((error: unknown) => {
      this.#fabric.engine.failed(this, error)
    })
  }

  async #detach(port: SocketPort): Promise<void> {
    if (this.#ports.delete(port)) await this.#fabric.detach(port)
  }
}

/** @internal What `Fabric.listen` is given, and fabrics of topology files have. */
export const listenRules = {
  socket: required(
    about(
      "A Unix socket by its path, a TCP one by its address, or 'systemd:NAME', one that a socket unit has made, to which peers connect.",
      optional(socketPlace),
    ),
  ),
  name: about(
    "Names the ports of peers; '%d' becomes the lowest number that is free.",
    text({
      max: 60,
      pattern: /^[A-Za-z0-9_-]*%d[A-Za-z0-9_-]*$/,
      expects: "letters, digits, '-' or '_' with one '%d' among them, such as 'peer%d'",
      default: 'peer%d',
    }),
  ),
  framing: about(
    'How frames stand in the connections: behind their lengths, or one in each message.',
    framingRule<Exclude<Framing, 'datagram'>, 'stream'>(({ socket }) => socket !== 'datagram', 'stream'),
  ),
  peers: about(
    'How many peers there may be at once. Further ones wait until one goes, or has sent no frame in its first 10 s.',
    integer(1, 4096, { default: 1024 }),
  ),
  mode: modeRule,
  ...frameRules,
} satisfies RulesOf<ListenOptions>

const readListen = optionsReader('listen', listenRules)

/** @internal The options of `Fabric.listen`, checked. */
export function readListenOptions(options: ListenOptions) {
  const given = readListen(options)
  if ('host' in given.socket && framings.get(given.framing).socket !== 'stream')
    refuse("option 'socket' of listen", `a path with the framing '${given.framing}'`, options.socket)
  return { ...given, mode: given.mode ?? 0o600 }
}
