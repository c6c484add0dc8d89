/** WebSocketServer: an address at which emulators in browsers become WebSocketPorts, a frame in each binary message. */
import { createHash, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { ListenOptions } from 'node:net'
import type { Duplex } from 'node:stream'
import { native } from '../../binding.js'
import type { PortMapping } from '../../ports/index.js'
import type { PortFabric } from '../../ports/port.js'
import { bindPlace, modeRule, padRule, sockets, unbind } from '../../ports/sockets.js'
import { connectionOptions, tokenRule, WebSocketLink } from '../../ports/websocket-link.js'
import { WebSocketPort } from '../../ports/websocket.js'
import { socketPlace } from '../../values/addresses.js'
import { adviseUsedUp, EtherloomError } from '../../values/errors.js'
import {
  about,
  list,
  optional,
  optionsReader,
  refuse,
  required,
  shaped,
  text,
  type RulesOf,
} from '../../values/options.js'
import { patience } from '../../values/patience.js'
import { quote } from '../../values/quote.js'
import { peerRules, PortServer, type PeerOptions, type ServerKind } from './server.js'

/** Where emulators in browsers connect, and who may. */
export interface WebSocketServerOptions extends PeerOptions {
  /**
   * An address such as `127.0.0.1:8080`; a path such as `/run/web.sock`, for a proxy on this machine; or `systemd:NAME`: the socket
   * of that name that whoever started this process has made for it (sd_listen_fds(3)), which stays when this is closed.
   */
  socket: string
  /** The rights of a path of `socket`, as 0o660. Default 0o600: of our own user only. */
  mode?: number
  /** The path of the URL at which peers connect. Default `/`. */
  path?: string
  /**
   * Whose pages may connect, as `https://copy.sh` or `http://localhost:8000`: a page of any web site can reach an address of this
   * machine. `*`, with `token` only: all of them. Programs that are no browsers say nothing of where they come from, and may.
   * Default: no pages.
   */
  origins?: string[]
  /** A secret that peers have to know: 8 to 128 letters, digits and `-._~`, as `?token=` of the URL or `Authorization: Bearer`. */
  token?: string
  /**
   * Fills frames that go out with zeros up to 60 bytes, as a network card does: for emulated cards that refuse shorter ones.
   * Default false.
   */
  pad?: boolean
}

const expectsOrigin = "an origin such as 'https://copy.sh', or '*'"

/** An origin as browsers write it (RFC 6454), so without a path, and with no port where that is the usual one. */
const origin = shaped(
  (value: unknown, subject: string): string => {
    if (value === '*') return value
    const url = typeof value === 'string' && value.length <= 255 && URL.canParse(value) && new URL(value)
    if (!url || !/^https?:$/.test(url.protocol) || url.href !== `${url.origin}/`)
      return refuse(subject, expectsOrigin, value)
    return url.origin
  },
  {
    expects: expectsOrigin,
    examples: ['https://copy.sh'],
    form: { kind: 'value', json: { type: 'string' } },
  },
)

const webSocketServerRules = {
  socket: required(
    about(
      "Where peers connect by WebSocket: an address; a Unix socket by its path; or 'systemd:NAME', one that a socket unit has made.",
      optional(socketPlace),
    ),
  ),
  mode: modeRule,
  path: about(
    'Path of the URL at which peers connect by WebSocket.',
    text({
      max: 128,
      pattern: /^\/[A-Za-z0-9._~/-]*$/,
      expects: "a path such as '/' or '/lab', of letters, digits and '-._~/'",
      default: '/',
    }),
  ),
  origins: about(
    "Whose pages may connect by WebSocket; '*', with a token, is all. Default: no pages, programs only.",
    list(origin),
  ),
  token: tokenRule,
  pad: padRule,
  ...peerRules,
  peers: about(
    'How many peers there may be at once. Further ones are refused, unless one has sent no frame in its first 10 s.',
    peerRules.peers,
  ),
} satisfies RulesOf<WebSocketServerOptions>

const readOptions = optionsReader('listen', webSocketServerRules)

function read(options: WebSocketServerOptions) {
  const given = readOptions(options)
  if ('port' in given.socket && given.socket.port === 0)
    refuse("option 'socket' of listen", 'an address with a port above 0', options.socket)
  if (given.origins.includes('*') && given.token === undefined)
    refuse(
      "option 'origins' of listen",
      "a list without '*', or 'token' given as well: else every web page that somebody here looks at could connect",
      options.origins,
    )
  return given
}

/** How long whoever connects may take until it is a peer, in milliseconds. */
const handshakeLimit = 5000
/** How long it may take to go after it was refused, or is a peer no more, in milliseconds. */
const partingLimit = 1000
/** How many of those there may be; more make the first of them go. */
const looseLimit = 256

/** Why somebody does not become a peer. */
interface Refusal {
  status: string
  reason: string
}

const digest = (secret: string): Buffer => createHash('sha256').update(secret).digest()

/** Compares secrets in a time that tells nothing of them. */
const isSame = (one: string, other: string): boolean => timingSafeEqual(digest(one), digest(other))

/**
 * An address at which any number of emulators in browsers become ports of a fabric, a WebSocketPort each. It speaks what v86, jor1k
 * and their relays do: a binary message is a frame, and nothing else is said.
 */
export class WebSocketServer extends PortServer<WebSocketPort> {
  /** The URL at which peers connect: `ws://...`, `ws+unix:PATH:/`, or `systemd:NAME` as it was given. */
  readonly address: string
  readonly #options: ReturnType<typeof read>
  #http: Server | undefined
  /** What is bound for it at a path, or was handed over. */
  #bound: unknown
  /** Connections that are no peers yet, or not any more, from the first that came; each with what ends its time. */
  readonly #loose = new Map<Duplex, () => void>()

  /** @internal */
  constructor(fabric: PortFabric, options: WebSocketServerOptions, stopped: (server: PortServer) => void) {
    const given = read(options)
    super(fabric, given.peers, stopped)
    this.#options = given
    this.address = urlOf(options)
  }

  /** @internal */
  override get peer(): PortMapping {
    return { websocket: this.address }
  }

  /** @internal */
  override async start(): Promise<void> {
    const { WebSocketServer: Handshakes } = await import('ws')
    const handshakes = new Handshakes({ ...connectionOptions, noServer: true, clientTracking: false })
    const http = createServer(
      { maxHeaderSize: 8192, keepAliveTimeout: partingLimit, headersTimeout: handshakeLimit },
      (_request, response) => {
        response.writeHead(426, { Connection: 'close', Upgrade: 'websocket', 'Content-Type': 'text/plain' })
        response.end(`Here is a WebSocket of Ethernet frames: connect to ${this.address}\n`)
      },
    )
    http.on('connection', (socket: Duplex) => {
      socket.on('error', () => undefined) // it closes then
      socket.on('close', () => {
        this.#settle(socket)
      })
      this.#loosen(socket, handshakeLimit)
    })
    http.on('clientError', (_error, socket) => socket.destroy())
    http.on('upgrade', (request, socket, head) => {
      const open = (): Promise<WebSocketLink> =>
        new Promise((resolve) => {
          handshakes.handleUpgrade(request, socket, head, (peer) => {
            resolve(new WebSocketLink(peer, socket, this.#options.pad))
          })
        })
      this.inBackground(this.#take(request, socket, open))
    })
    await this.#listen(http)
  }

  protected override end(): void {
    this.#http?.close()
    if (this.#bound !== undefined) unbind(this.#bound)
    for (const socket of this.#loose.keys()) socket.destroy()
  }

  async #listen(http: Server): Promise<void> {
    const place = await this.#place()
    await new Promise<void>((resolve, reject) => {
      http.once('error', (cause: NodeJS.ErrnoException) => {
        reject(cannotListen(this.address, cause))
      })
      http.listen(place, resolve)
    })
    http.removeAllListeners('error')
    http.on('error', (error) => {
      this.failed(adviseUsedUp(error))
    })
    this.#http = http
    if (this.closed) this.end()
  }

  /** Where it listens, in the words of node:net: an address, or the descriptor of what is bound already. */
  async #place(): Promise<ListenOptions | { fd: number }> {
    const { socket, mode = 0o600 } = this.#options
    if ('host' in socket) return { ...socket, exclusive: true }
    this.#bound = await bindPlace(socket, { framing: 'stream', mode })
    return { fd: native(() => sockets.duplicateSocket(this.#bound)) }
  }

  /** Somebody wants to be a peer. */
  async #take(request: IncomingMessage, socket: Duplex, open: () => Promise<WebSocketLink>): Promise<void> {
    const refusal = this.#judge(request) ?? (await this.#lackOfRoom())
    if (refusal || this.closed) {
      this.#turnAway(socket, refusal ?? { status: '503 Service Unavailable', reason: 'it has closed' })
      return
    }
    const link = await open() // at once, or never where the handshake is wrong: then it is answered, and gone
    const port = WebSocketPort.accepted(link, this.#options.name, this.address)
    try {
      const attached = this.attach(port)
      this.#settle(socket)
      await attached
    } catch (error) {
      link.close()
      this.#loosen(socket, partingLimit)
      this.failed(error)
      return
    }
    const parted = (): void => {
      this.#loosen(socket, partingLimit)
    }
    if (port.state === 'detached') parted()
    else port.once('detach', parted)
  }

  /** What is wrong with a request, whoever is here. */
  #judge({ url = '', headers }: IncomingMessage): Refusal | undefined {
    const { path, origins, token } = this.#options
    const [asked, query = ''] = url.split('?', 2) as [string, string?]
    if (asked !== path) return { status: '404 Not Found', reason: `the path here is ${path}` }
    const from = headers.origin
    if (from !== undefined && !origins.includes('*') && !origins.includes(from))
      return {
        status: '403 Forbidden',
        reason: `pages of ${quote(from)} may not connect; name it in 'origins' if they shall`,
      }
    const bearer = /^Bearer (.*)$/i.exec(headers.authorization ?? '')?.[1]
    const shown = bearer ?? new URLSearchParams(query).get('token') ?? ''
    if (token !== undefined && !isSame(shown, token))
      return { status: '401 Unauthorized', reason: 'the token is missing or wrong' }
    return undefined
  }

  async #lackOfRoom(): Promise<Refusal | undefined> {
    if (this.full) await this.makeRoom()
    return this.full
      ? { status: '503 Service Unavailable', reason: 'there are as many peers as there may be' }
      : undefined
  }

  #turnAway(socket: Duplex, { status, reason }: Refusal): void {
    this.#loosen(socket, partingLimit)
    const text = `${reason}\n`
    const head = `Connection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(text)}`
    socket.end(`HTTP/1.1 ${status}\r\n${head}\r\n\r\n${text}`)
    const words = `${this.address} has refused somebody: ${reason}`
    this.failed(new EtherloomError('ERR_ETHERLOOM_DEVICE', words))
  }

  /** A connection that is no peer has so long. */
  #loosen(socket: Duplex, milliseconds: number): void {
    if (socket.destroyed) return
    this.#settle(socket)
    const over = patience(milliseconds, () => {
      socket.destroy()
    })
    this.#loose.set(socket, over)
    const [first] = this.#loose.keys()
    if (this.#loose.size > looseLimit) first?.destroy()
  }

  #settle(socket: Duplex): void {
    this.#loose.get(socket)?.()
    this.#loose.delete(socket)
  }
}

/** Where peers connect, in the words of their side; a path as programs write it that know `ws+unix:`. */
function urlOf({ socket, path = '/' }: WebSocketServerOptions): string {
  if (socket.includes('/')) return `ws+unix:${socket}:${path}`
  return socket.startsWith('systemd:') ? socket : `ws://${socket}${path}`
}

function cannotListen(address: string, cause: NodeJS.ErrnoException): Error {
  const known: Partial<Record<string, string>> = {
    EADDRINUSE: 'another running program listens there; end it, or choose another port',
    EADDRNOTAVAIL: 'no interface of this machine has that address',
    EACCES: 'ports below 1024 are for root, or need CAP_NET_BIND_SERVICE; choose a higher one',
    ENOTFOUND: 'the name leads to no address',
  }
  const hint = known[cause.code ?? '']
  if (hint === undefined) return adviseUsedUp(cause) as Error
  const code = cause.code === 'EACCES' ? 'ERR_ETHERLOOM_PRIVILEGE' : 'ERR_ETHERLOOM_DEVICE'
  const errno = cause.errno === undefined ? undefined : Math.abs(cause.errno)
  return new EtherloomError(code, `cannot listen at ${address}`, { cause, errno, hint })
}

/** @internal */
export const webSocketServerKind: ServerKind<WebSocketServerOptions, WebSocketServer> = {
  key: 'websocket',
  description:
    'Emulators in browsers: a frame in each binary message of a WebSocket, as WebSocketPort has them.',
  options: webSocketServerRules,
  make: (fabric, given, stopped) => new WebSocketServer(fabric, given, stopped),
  check: (given) => void read(given),
  listensAt: ({ socket }) => [{ key: 'socket', place: socket }],
}
