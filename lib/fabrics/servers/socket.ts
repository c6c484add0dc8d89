/** SocketServer: a Unix or TCP socket at which peers become SocketPorts, as for trunks of several processes. */
import { socketPlace } from '../../values/addresses.js'
import type { PortMapping } from '../../ports/index.js'
import type { PortFabric } from '../../ports/port.js'
import { about, optional, optionsReader, refuse, required, type RulesOf } from '../../values/options.js'
import { framingRule, framings, type Framing } from '../../ports/framings.js'
import { converse } from '../../ports/greetings.js'
import { SocketPort } from '../../ports/socket.js'
import { bindPlace, frameRules, modeRule, sockets, unbind, type FrameOptions } from '../../ports/sockets.js'
import { peerRules, PortServer, type PeerOptions, type ServerKind } from './server.js'

/** Where a fabric listens for sockets, and how frames stand in the connections. */
export interface SocketServerOptions extends FrameOptions, PeerOptions {
  /**
   * A path such as `/run/trunk.sock`, an address such as `127.0.0.1:5000`, or `systemd:NAME`: the socket of that name that
   * whoever started this process has made for it (sd_listen_fds(3)), which stays when this is closed.
   */
  socket: string
  /** How frames stand in the connections. Default `stream`. */
  framing?: Exclude<Framing, 'datagram'>
  /** The rights of the path, as 0o660. Default 0o600: of our own user only. */
  mode?: number
}

const socketServerRules = {
  socket: required(
    about(
      "A Unix socket by its path, a TCP one by its address, or 'systemd:NAME', one that a socket unit has made, to which peers connect.",
      optional(socketPlace),
    ),
  ),
  framing: about(
    'How frames stand in the connections: behind their lengths, or one in each message.',
    framingRule<Exclude<Framing, 'datagram'>, 'stream'>(({ socket }) => socket !== 'datagram', 'stream'),
  ),
  mode: modeRule,
  ...peerRules,
  ...frameRules,
} satisfies RulesOf<SocketServerOptions>

const readOptions = optionsReader('listen', socketServerRules)

function read(options: SocketServerOptions) {
  const given = readOptions(options)
  if ('host' in given.socket && framings.get(given.framing).socket !== 'stream')
    refuse("option 'socket' of listen", `a path with the framing '${given.framing}'`, options.socket)
  return { ...given, mode: given.mode ?? 0o600 }
}

/** A socket at which any number of peers become ports of a fabric, a SocketPort each. */
export class SocketServer extends PortServer<SocketPort> {
  /** What the peers connect to. */
  readonly socket: string
  readonly #options: ReturnType<typeof read>
  #bound: unknown

  /** @internal */
  constructor(fabric: PortFabric, options: SocketServerOptions, stopped: (server: PortServer) => void) {
    const given = read(options)
    super(fabric, given.peers, stopped)
    this.#options = given
    this.socket = options.socket
  }

  override get address(): string {
    return this.socket
  }

  /** @internal */
  override get peer(): PortMapping {
    return { socket: this.socket, role: 'listen', framing: this.#options.framing }
  }

  /** @internal */
  override async start(): Promise<void> {
    const { socket, framing, mode } = this.#options
    this.#bound = await bindPlace(socket, { framing, mode })
    try {
      this.takeFrom(this.#bound, (socket) => this.#meet(socket))
    } catch (error) {
      this.end() // the engine has closed meanwhile
      throw error
    }
  }

  protected override end(): void {
    if (this.#bound !== undefined) unbind(this.#bound)
  }

  protected override get advice(): string {
    return `see whether it speaks ${framings.get(this.#options.framing).speaks}`
  }

  /** Takes a peer, at once where nothing is said before the first frame. */
  async #meet(socket: unknown): Promise<void> {
    const { greeting } = framings.get(this.#options.framing)
    if (!greeting) return this.#take(socket)
    this.visit(async ({ signal }, patience) => {
      const words = greeting.answer(this.#options.frameLimit)
      try {
        await converse(this.fabric, socket, words, signal, patience)
      } catch (error) {
        sockets.closeSocket(socket)
        throw error
      }
      if (!this.closed) await this.#take(socket)
      else sockets.closeSocket(socket)
    })
  }

  async #take(socket: unknown): Promise<void> {
    const { name, framing, frameLimit, pad } = this.#options
    const port = SocketPort.accepted(socket, { name, framing, frameLimit, pad, socket: this.socket })
    try {
      await this.attach(port)
    } catch (error) {
      sockets.closeSocket(socket)
      throw error
    }
  }
}

/** @internal */
export const socketServerKind: ServerKind<SocketServerOptions, SocketServer> = {
  key: 'socket',
  description: 'Frames in the connections of a Unix or TCP socket, as SocketPort has them.',
  options: socketServerRules,
  make: (fabric, given, stopped) => new SocketServer(fabric, given, stopped),
  check: (given) => void read(given),
  listensAt: ({ socket }) => [{ key: 'socket', place: socket }],
}
