/** SocketPort: frames in a Unix or TCP socket, as other programs, emulators and other processes of ours have them. */
import { isIP } from 'node:net'
import { constants } from 'node:os'
import { socketPlace, type SocketPlace } from '../values/addresses.js'
import { addon, native } from '../binding.js'
import { EtherloomError } from '../values/errors.js'
import {
  about,
  integer,
  oneOf,
  optional,
  optionsReader,
  refuse,
  required,
  shaped,
  shapeOf,
  text,
  type RulesOf,
} from '../values/options.js'
import { nameRule } from '../values/names.js'
import { patience } from '../values/patience.js'
import { unlessAborted } from '../values/signals.js'
import { framingRule, framings, type Framing, type FramingKind } from './framings.js'
import type { Conversation, Greeting } from './conversation.js'
import { converse } from './greetings.js'
import type { PortKind } from './kind.js'
import { Port, type PortFabric } from './port.js'
import {
  attemptLimit,
  bindPlace,
  bindSocket,
  frameRules,
  modeRule,
  resolvePlace,
  settledAfter,
  sockets,
  unbind,
  waitAfter,
  type FrameOptions,
  type FrameShape,
  type NativeAddress,
} from './sockets.js'

/** Where the peer of a socket port is, and how frames stand in the stream. */
export interface SocketPortOptions extends FrameOptions {
  /**
   * A path such as `/run/lab.sock`, or for streams also an address such as `127.0.0.1:5000` or `[::1]:5000`. With `listen` also
   * `systemd:NAME`: the socket of that name that whoever started this process has made for it (sd_listen_fds(3)).
   */
  socket?: string
  /**
   * `connect`: to whoever listens there, again and again until somebody does, and whenever the connection ends.
   * `listen`: takes one peer at a time, and the next when that has gone. Default `connect`.
   */
  role?: 'connect' | 'listen'
  /** Default `stream`; of a descriptor, what its kind of socket has. */
  framing?: Framing
  /** With `connect` and `datagram`: the path of our own to which the other end sends. Default: none, so it cannot answer. */
  local?: string
  /** The rights of a path that is made here, as 0o660. Default 0o600: of our own user only. */
  mode?: number
  /** Instead of all of the above but `framing`: a connected descriptor, as of a socketpair; it is duplicated, and stays the caller's. */
  fd?: number
  /** Default `socket%d`. */
  name?: string
}

function socketPath(value: unknown, subject: string): string {
  const place = socketPlace(value, subject)
  return 'path' in place ? place.path : refuse(subject, "a path such as '/run/lab.sock'", value)
}

const place = about(
  "A Unix socket by its path, or a TCP one by its address, that leads to a peer; with listen also 'systemd:NAME', one that a socket unit has made.",
  optional(socketPlace),
)
const inFiles = {
  role: about(
    'Whether to connect to who listens there, or to listen and take one peer at a time. Default connect.',
    oneOf(['connect', 'listen']),
  ),
  framing: about(
    'How frames stand in the socket: behind their lengths in a stream, or one in each datagram or message. Default stream.',
    framingRule<Framing>(() => true),
  ),
  local: about(
    'Path of our own to which the other end sends, with connect and datagram.',
    optional(shaped(socketPath, shapeOf(text()))),
  ),
  mode: modeRule,
  ...frameRules,
}

const readSocketOptions = optionsReader('SocketPort', {
  socket: place,
  ...inFiles,
  fd: about('A connected descriptor.', integer(0, 0x7fffffff)),
  name: about("The port's name. Default: socket and a number.", nameRule()),
} satisfies RulesOf<SocketPortOptions>)

const socketKeys = { socket: required(place), ...inFiles }

/** How often a TCP peer that does not read is given more time, in milliseconds. */
const attendEvery = 5000

/** Nobody is there, which can change. */
const absences = new Set<number | undefined>([
  constants.errno.ENOENT,
  constants.errno.ECONNREFUSED,
  constants.errno.ECONNRESET,
  constants.errno.EAGAIN,
  constants.errno.ETIMEDOUT,
  constants.errno.EHOSTUNREACH,
  constants.errno.ENETUNREACH,
])

/**
 * A Unix or TCP socket as a port: an emulator's, or a trunk to a fabric of another process or machine.
 *
 * While it has no peer the port is down, and what is sent to it is dropped as `port-down`; it comes up with each new
 * one. What a peer does not read is dropped as `port-full`, beyond a bounded buffer. TCP is neither encrypted nor
 * asks who comes: keep it on networks that you trust. Privilege: none, but for the rights of the path.
 *
 * @example
 * const trunk = await hub.attach(new SocketPort({ socket: '/run/lab.sock', role: 'listen' }))
 * // qemu-system-x86_64 ... -netdev stream,id=net0,server=off,addr.type=unix,addr.path=/run/lab.sock
 */
export class SocketPort extends Port {
  readonly #place: SocketPlace | undefined
  readonly #own: string | undefined
  readonly #role: 'connect' | 'listen'
  readonly #fd: number | undefined
  readonly #local: string | undefined
  readonly #mode: number
  readonly #frames: FrameShape
  #framing: Framing
  readonly #framingGiven: boolean
  /** A connected socket that a server has handed over, until it is attached; there is no second one. */
  #accepted: unknown
  #served = false
  #bound: unknown
  #stop: (() => void) | undefined
  #attending: NodeJS.Timeout | undefined
  #failures = 0
  #connectedAt = 0
  /** A peer that did not greet was told of, and none has greeted since. */
  #refused = false

  /**
   * `own`: what it is joined to, in a word, of a kind that makes its peers itself, by `nextPeer`.
   *
   * @throws EtherloomError ERR_ETHERLOOM_OPTION, ERR_ETHERLOOM_UNKNOWN_OPTION
   */
  constructor(options: SocketPortOptions, own?: string) {
    const given = readSocketOptions(options)
    super(given.name ?? 'socket%d')
    const { socket, role = 'connect', framing = 'stream', local, mode = 0o600, fd, frameLimit, pad } = given
    this.#place = socket
    this.#role = role
    this.#framing = framing
    this.#framingGiven = given.framing !== undefined
    this.#local = local
    this.#mode = mode
    this.#fd = fd
    this.#frames = { frameLimit, pad }
    this.#own = own
    if (own === undefined) this.#check(options)
  }

  /** @internal A port of a peer that has come by `acceptPeer`; it ends with it. */
  static accepted(
    socket: unknown,
    options: { name: string; framing: Framing; frameLimit: number; pad: boolean; socket: string },
  ): SocketPort {
    const port = new SocketPort({ ...options, role: 'listen' })
    port.#accepted = socket
    port.#served = true
    return port
  }

  /** How frames stand in the socket; of a descriptor, once it was attached. */
  get framing(): Framing {
    return this.#framing
  }

  override get carrierOn(): boolean {
    return super.carrierOn && this.state === 'up'
  }

  get #framingKind(): FramingKind {
    return framings.get(this.#framing)
  }

  /** Where it is: the path, address or descriptor, in words. */
  get address(): string {
    if (this.#fd !== undefined) return `descriptor ${this.#fd}`
    if (this.#own !== undefined) return this.#own
    const place = this.#place as SocketPlace
    if ('path' in place) return place.path
    if ('inherited' in place) return `systemd:${place.inherited}`
    return isIP(place.host) === 6 ? `[${place.host}]:${place.port}` : `${place.host}:${place.port}`
  }

  protected override async open(fabric: PortFabric, signal?: AbortSignal): Promise<number> {
    this.insistOnRealClock(fabric)
    const id = this.seatDevice(fabric, await this.#openDevice(fabric, signal))
    if (this.#place && 'host' in this.#place)
      this.#attending = setInterval(() => {
        if (this.id >= 0)
          sockets.attendPeer(fabric.engine.native, this.id, Math.round(performance.now() / 1000))
      }, attendEvery).unref()
    return id
  }

  protected override closed(_fabric: PortFabric): void {
    this.#stop?.()
    this.#stop = undefined
    clearInterval(this.#attending)
    if (this.#bound !== undefined) unbind(this.#bound)
    this.#bound = undefined
    this.#failures = 0
    this.#refused = false
  }

  override wentDown(error: EtherloomError): void {
    if (performance.now() - this.#connectedAt > settledAfter) this.#failures = 0
    super.wentDown(this.#inWords(error))
    if (this.fabric && this.state === 'down') this.#await(this.fabric)
  }

  #check(options: SocketPortOptions): void {
    const where = "option 'socket' of SocketPort"
    if (this.#fd !== undefined) {
      const beside = Object.keys(options).find(
        (key) => !['fd', 'name', 'framing', 'frameLimit', 'pad'].includes(key),
      )
      if (beside !== undefined)
        refuse("option 'fd' of SocketPort", `given without '${beside}': it is connected as it is`, this.#fd)
      if (this.#framingKind.greeting)
        refuse(
          "option 'fd' of SocketPort",
          `given without the framing '${this.#framing}', which begins where a connection does`,
          this.#fd,
        )
    } else if (this.#place === undefined) {
      throw new EtherloomError('ERR_ETHERLOOM_OPTION', `${where} is required, or 'fd'`)
    } else if ('inherited' in this.#place && this.#role !== 'listen') {
      refuse(where, "a path or an address with the role 'connect'", options.socket)
    } else if ('host' in this.#place && this.#framingKind.socket !== 'stream') {
      refuse(where, `a path with the framing '${this.#framing}'; UdpPort has datagrams of IP`, options.socket)
    }
    if (this.#local !== undefined && (this.#framingKind.socket !== 'datagram' || this.#role !== 'connect'))
      refuse(
        "option 'local' of SocketPort",
        "given only with framing 'datagram' and role 'connect'",
        this.#local,
      )
  }

  async #openDevice(fabric: PortFabric, signal: AbortSignal | undefined): Promise<unknown> {
    if (this.#fd !== undefined) return this.adopt(this.#fd)
    if (this.#framingKind.socket === 'datagram') return this.#openDatagrams(signal)
    if (this.#accepted !== undefined) {
      const accepted = this.#accepted
      this.#accepted = undefined
      return this.#makeDevice(accepted)
    }
    if (this.#role === 'listen') {
      this.#bound = await this.#bindPlace(signal)
      return this.#makeDevice(undefined)
    }
    try {
      return await this.#next(fabric, signal)
    } catch (error) {
      if (signal?.aborted || !absences.has((error as EtherloomError).errno)) throw error
      return this.#makeDevice(undefined)
    }
  }

  async #openDatagrams(signal: AbortSignal | undefined): Promise<unknown> {
    const peer = this.#role === 'connect' ? (this.#place as { path: string }) : undefined
    const options = { framing: this.#framing, mode: this.#mode }
    const bound = peer ? bindSocket({ path: this.#local ?? '', ...options }) : await this.#bindPlace(signal)
    this.#bound = bound
    return native(() => sockets.makeDatagramPort(bound, { ...this.#frames, peer }))
  }

  /** A device whose peer is there from now on. */
  async #next(fabric: PortFabric, signal?: AbortSignal): Promise<unknown> {
    const device = await this.nextPeer(fabric, signal)
    this.#connectedAt = performance.now()
    return device
  }

  /** @internal A device whose peer is there. @throws EtherloomError when there is none */
  protected async nextPeer(fabric: PortFabric, signal?: AbortSignal): Promise<unknown> {
    const socket = await this.#connect(fabric, signal)
    await this.#greet(fabric, socket, (greeting) => greeting.ask(`${fabric.name} ${this.name}`), signal)
    return this.#makeDevice(socket)
  }

  /** What is said before the first frame. @throws EtherloomError when the peer does not speak so; the socket is closed then */
  async #greet(
    fabric: PortFabric,
    socket: unknown,
    words: (greeting: Greeting) => Conversation,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { greeting, speaks } = this.#framingKind
    if (!greeting) return
    try {
      await converse(fabric, socket, words(greeting), signal)
      this.#refused = false
    } catch (cause) {
      sockets.closeSocket(socket)
      signal?.throwIfAborted()
      const why = (cause as Error).message
      throw new EtherloomError('ERR_ETHERLOOM_DEVICE', `the peer at ${this.address} is refused: ${why}`, {
        cause,
        errno: constants.errno.EPROTO,
        hint: `see whether it speaks ${speaks}`,
      })
    }
  }

  /** @internal The device of a connected descriptor, which stays the caller's. */
  protected adopt(fd: number): unknown {
    const asked = this.#framingGiven ? this.#framing : undefined
    const { device, framing } = native(() => sockets.adoptSocket(fd, { framing: asked, ...this.#frames }))
    this.#framing = framing
    this.#connectedAt = performance.now()
    return device
  }

  #makeDevice(socket: unknown): unknown {
    this.#connectedAt = socket === undefined ? -Infinity : performance.now()
    return native(() => sockets.makeSocketPort(socket, { framing: this.#framing, ...this.#frames }))
  }

  async #resolve(signal?: AbortSignal): Promise<NativeAddress> {
    return resolvePlace(this.#place as Exclude<SocketPlace, { inherited: string }>, signal)
  }

  /** What it listens with. */
  async #bindPlace(signal?: AbortSignal): Promise<unknown> {
    return bindPlace(this.#place as SocketPlace, { framing: this.#framing, mode: this.#mode }, signal)
  }

  /** A connected socket. @throws EtherloomError when there is none */
  async #connect(fabric: PortFabric, signal?: AbortSignal): Promise<unknown> {
    const address = await this.#resolve(signal)
    const { socket, pending } = native(() => sockets.connectSocket({ ...address, framing: this.#framing }))
    if (!pending) return socket
    try {
      await this.#writable(fabric, socket, signal)
      native(() => {
        sockets.finishConnecting(socket, address)
      })
      return socket
    } catch (error) {
      sockets.closeSocket(socket)
      throw error
    }
  }

  async #writable(fabric: PortFabric, socket: unknown, signal: AbortSignal | undefined): Promise<void> {
    let leave = (): void => undefined
    const writable = new Promise<void>((resolve, reject) => {
      const unwatch = fabric.engine.watches.socket(socket, 'writable', resolve)
      const details = { errno: constants.errno.ETIMEDOUT }
      const silent = new EtherloomError('ERR_ETHERLOOM_DEVICE', `${this.address} does not answer`, details)
      const answered = patience(attemptLimit, () => {
        reject(silent)
      })
      leave = () => {
        answered()
        unwatch()
      }
    })
    await unlessAborted(writable, signal).finally(leave)
  }

  /** Waits for the next peer, in the way of its role. */
  #await(fabric: PortFabric): void {
    if (this.#fd !== undefined || this.#framingKind.socket === 'datagram' || this.#served) return
    this.#stop?.()
    if (this.#role === 'listen') {
      this.#stop = fabric.engine.watches.socket(this.#bound, 'readable', () => {
        void this.#revive(fabric, (signal) => this.#acceptPeer(fabric, signal))
      })
      return
    }
    const again = () => void this.#revive(fabric, (signal) => this.#next(fabric, signal))
    const timer = setTimeout(again, waitAfter(this.#failures++)).unref()
    this.#stop = () => {
      clearTimeout(timer)
    }
  }

  /** The device of a peer that has come; undefined when it has gone again. */
  async #acceptPeer(fabric: PortFabric, signal: AbortSignal): Promise<unknown> {
    const socket = native(() => sockets.acceptPeer(this.#bound))
    if (socket === undefined) return undefined
    await this.#greet(fabric, socket, (greeting) => greeting.answer(this.#frames.frameLimit), signal)
    return this.#makeDevice(socket)
  }

  async #revive(fabric: PortFabric, next: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
    const isOurs = (): boolean => this.fabric === fabric && this.state === 'down'
    const leaving = new AbortController()
    this.#stop = () => {
      leaving.abort(new Error('the port is detached'))
    }
    try {
      const device = await next(leaving.signal)
      if (!isOurs()) {
        if (device !== undefined) addon.discardDevice(device)
        return
      }
      if (device !== undefined) await this.revive(fabric, device)
    } catch (error) {
      // Nobody there yet is no news. A peer that does not greet is, once, until one does.
      if (isOurs() && !this.#refused && (error as EtherloomError).errno === constants.errno.EPROTO) {
        this.#refused = true
        fabric.engine.failed(undefined, error)
      }
    }
    if (isOurs()) this.#await(fabric)
  }

  /** The end of a connection as users know it. */
  #inWords(error: EtherloomError): EtherloomError {
    const { ECONNREFUSED, ECONNRESET, EHOSTUNREACH, ENOTCONN, EPIPE, EPROTO, ETIMEDOUT } = constants.errno
    const [us, where] = [`port '${this.name}'`, this.address]
    const waiting =
      this.#role === 'listen'
        ? `${us} waits for a peer at ${where}`
        : `${us} finds nobody at ${where} yet, and goes on trying`
    const gone = `the peer of ${us} at ${where} has gone`
    const silent = `the machine of the peer of ${us} at ${where} does not answer any more`
    const words = new Map<number | undefined, string>([
      [ENOTCONN, waiting],
      [ECONNREFUSED, gone],
      [ECONNRESET, gone],
      [EPIPE, gone],
      [ETIMEDOUT, silent],
      [EHOSTUNREACH, silent],
      [EPROTO, `the peer of ${us} at ${where} sends no frames: a length that no frame has`],
    ]).get(error.errno)
    if (words === undefined) return error
    const hint = error.errno === EPROTO ? `see whether it speaks ${this.#framingKind.speaks}` : undefined
    return new EtherloomError('ERR_ETHERLOOM_DEVICE', words, { cause: error, errno: error.errno, hint })
  }
}

/** @internal */
export const socketKind: PortKind<Omit<SocketPortOptions, 'socket' | 'fd' | 'name'> & { socket: string }> = {
  key: 'socket',
  options: socketKeys,
  make: (name, given) => new SocketPort({ ...given, name }),
  leadsTo: ({ socket }) => socket,
  listensAt: ({ socket, role }) => (role === 'listen' ? { key: 'socket', place: socket } : undefined),
}
