/** WebSocketPort: a frame in each binary message of a WebSocket, as emulators in browsers and their relays have them. */
import type { ClientRequest, IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { EtherloomError } from '../values/errors.js'
import { nameRule } from '../values/names.js'
import { about, optionsReader, refuse, required, shaped, type RulesOf } from '../values/options.js'
import { patience } from '../values/patience.js'
import { unlessAborted } from '../values/signals.js'
import type { PortStats } from '../values/stats.js'
import type { PortKind } from './kind.js'
import { MemoryBridge } from './memory-bridge.js'
import { Port, type PortFabric } from './port.js'
import { attemptLimit, padRule, settledAfter, waitAfter } from './sockets.js'
import { connectionOptions, longestMessage, tokenRule, WebSocketLink } from './websocket-link.js'

/** Where a WebSocket relay is, and how frames go to it. */
export interface WebSocketPortOptions {
  /** Where a relay listens: `ws://127.0.0.1:8080/`, or `wss://` where TLS stands before it. */
  websocket: string
  /** The secret that the relay asks for, if it does; sent as `Authorization: Bearer`. Default none. */
  token?: string
  /**
   * Fills frames that go out with zeros up to 60 bytes, as a network card does: for emulated cards that refuse shorter ones.
   * Default false.
   */
  pad?: boolean
  /** Default `websocket%d`. */
  name?: string
}

const expectsUrl = "a URL such as 'ws://127.0.0.1:8080/', without a user or a fragment"

const webSocketUrl = shaped(
  (value: unknown, subject: string): string => {
    const url = typeof value === 'string' && value.length <= 2048 && URL.canParse(value) && new URL(value)
    if (!url || !/^wss?:$/.test(url.protocol) || url.username + url.password + url.hash !== '')
      return refuse(subject, expectsUrl, value)
    return url.href
  },
  {
    expects: expectsUrl,
    examples: ['ws://127.0.0.1:8080/'],
    form: { kind: 'value', json: { type: 'string', pattern: '^wss?://' } },
  },
)

const inFiles = {
  websocket: required(
    about('URL of a WebSocket relay to connect to, a frame in each message.', webSocketUrl),
  ),
  token: tokenRule,
  pad: padRule,
}

const readWebSocketOptions = optionsReader('WebSocketPort', {
  ...inFiles,
  name: about("The port's name. Default: websocket and a number.", nameRule()),
} satisfies RulesOf<WebSocketPortOptions>)

/** A URL as it is shown: what follows a question mark may be a secret. */
const shown = (url: string): string => url.replace(/\?.*$/s, '')

/** Frames that may wait for a peer that has left a MiB unread. */
const queueLimit = 1024
/** How full the way to the worker may be, as a share, before who sends has to wait until it is less. */
const crowded = 0.25
/** Bytes that one peer may bring at once where it is twice as full; what is more is its own loss. */
const shareWhenCrowded = 8192
/** How long the worker may take for the last frames of a peer that has gone, in milliseconds. */
const lastFrames = 100
/** Bytes of addresses and type. What is shorter is no frame. */
const headerLength = 14
/** Who has refused us is asked again after so long, in milliseconds. */
const refusedWait = 5000

/** Nobody is there, which can change. */
const absences = new Set<string | undefined>([
  'EAI_AGAIN',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'ETIMEDOUT',
])

const isItOne = 'see whether a WebSocket relay listens there'

/** Why there is no connection. `answered`: somebody is there. `lasting`: and asking again will not help. */
class NoPeer extends EtherloomError {
  constructor(
    message: string,
    readonly answered: boolean,
    readonly lasting: boolean,
    details: { cause?: unknown; hint?: string } = {},
  ) {
    super('ERR_ETHERLOOM_DEVICE', message, details)
  }
}

/**
 * A WebSocket relay as a port: that of another fabric (`fabric.listen({ protocol: 'websocket' })`), or any of those that
 * emulators in browsers use. One binary message is one frame, without check sequence; text ends the connection.
 *
 * While nobody answers the port is down, what is sent to it is dropped as `port-down`, and it goes on trying. What a peer
 * leaves unread beyond 1 MiB waits, up to 1024 frames; what is more is dropped as `port-full`. Frames up to 65550 bytes.
 * Each frame costs a turn of JavaScript: a trunk of `SocketPort` is many times faster. Privilege: none.
 *
 * @example
 * const relay = await hub.attach(new WebSocketPort({ websocket: 'ws://127.0.0.1:8080/' }))
 */
export class WebSocketPort extends Port {
  readonly #options: ReturnType<typeof readWebSocketOptions>
  /** The connection of a peer that has come, until it is attached; there is no second one. */
  #accepted: WebSocketLink | undefined
  /** Where the server is to which its peer came, if it is a port of such a one. */
  #server: string | undefined
  #link: WebSocketLink | undefined
  #worker = 0
  #bridge: MemoryBridge | undefined
  #number = -1
  #refused = 0n
  /** Frames that were written for the worker, and it did not refuse. */
  #brought = 0n
  /** Bytes that have come since the last commit. */
  #bytes = 0
  #committing = false
  #timer: NodeJS.Timeout | undefined
  #why: EtherloomError | undefined
  #wait = 0
  #failures = 0
  #connectedAt = -Infinity

  /** @throws EtherloomError ERR_ETHERLOOM_OPTION, ERR_ETHERLOOM_UNKNOWN_OPTION */
  constructor(options: WebSocketPortOptions) {
    const given = readWebSocketOptions(options)
    super(given.name ?? 'websocket%d')
    this.#options = given
  }

  /** @internal A port of a peer that has come; it ends with it. */
  static accepted(link: WebSocketLink, name: string, server: string): WebSocketPort {
    const port = new WebSocketPort({ name, websocket: 'ws://localhost/' })
    port.#accepted = link
    port.#server = server
    return port
  }

  /** The URL, without what may be secret in it. */
  get address(): string {
    return this.#server ?? shown(this.#options.websocket)
  }

  override get carrierOn(): boolean {
    return super.carrierOn && this.state === 'up'
  }

  override stats(): PortStats {
    const stats = super.stats()
    stats.dropped['port-full'] += this.#refused
    return stats
  }

  protected override async open(fabric: PortFabric, signal?: AbortSignal): Promise<number> {
    this.insistOnRealClock(fabric)
    const { engine } = fabric
    this.#link = await this.#firstPeer(signal)
    this.#worker = engine.native.leastLoaded()
    this.#refused = 0n
    this.#brought = 0n
    const id = this.seatDevice(fabric, this.#makeDevice(fabric))
    if (this.#link) this.#begin(fabric, this.#link, id)
    else engine.native.endDevice(id)
    return id
  }

  protected override closed(_fabric: PortFabric): void {
    clearTimeout(this.#timer)
    this.#link?.close()
    this.#link = undefined
    this.#bridge?.leave(this.#number)
    this.#bridge = undefined
    this.#failures = 0
  }

  override wentDown(error: EtherloomError): void {
    super.wentDown(this.#why ?? error)
    if (this.fabric && this.state === 'down') this.#await(this.fabric)
  }

  async #firstPeer(signal: AbortSignal | undefined): Promise<WebSocketLink | undefined> {
    if (this.#server !== undefined) {
      const accepted = this.#accepted
      this.#accepted = undefined
      return accepted
    }
    try {
      return await this.#connect(signal)
    } catch (error) {
      if (!(error instanceof NoPeer) || error.lasting) throw error
      this.#why = error
      return undefined
    }
  }

  #makeDevice({ engine }: PortFabric): unknown {
    this.#bridge?.leave(this.#number)
    ;[this.#bridge, this.#number] = MemoryBridge.next(engine, this.#worker, 'peers')
    return this.#bridge.device(this.#number, longestMessage, queueLimit)
  }

  /** Frames pass between the link and the device, which has this number in the engine. */
  #begin(fabric: PortFabric, link: WebSocketLink, id: number): void {
    const [bridge, number] = [this.#bridge as MemoryBridge, this.#number]
    this.#connectedAt = performance.now()
    bridge.join(number, {
      deliver: (batch) => {
        link.send(batch)
      },
    })
    link.start({
      frame: (bytes) => {
        this.#receive(bridge, number, link, bytes)
      },
      taken: (frames) => {
        if (this.id === id) bridge.taken(id, frames)
      },
      ended: (reason) => {
        this.#link = undefined
        if (performance.now() - this.#connectedAt > settledAfter) this.#failures = 0
        this.#wait = waitAfter(this.#failures++)
        this.#why = new EtherloomError(
          'ERR_ETHERLOOM_DEVICE',
          `the peer of port '${this.name}' at ${this.address} ${reason}`,
        )
        this.#end(fabric, bridge, id, performance.now() + lastFrames)
      },
    })
  }

  /** The peer has gone. What it sent before that comes in first. */
  #end(fabric: PortFabric, bridge: MemoryBridge, id: number, until: number): void {
    if (this.id !== id) return
    bridge.commit()
    const { frames } = super.stats().received
    if (frames < this.#brought && performance.now() < until) {
      setTimeout(() => {
        this.#end(fabric, bridge, id, until)
      }, 1).unref()
      return
    }
    this.#brought = frames
    fabric.engine.native.endDevice(id)
  }

  #receive(bridge: MemoryBridge, number: number, link: WebSocketLink, bytes: Uint8Array): void {
    if (this.id < 0) return // it is about to leave
    this.#bytes += bytes.length
    const isTooMuch = this.#bytes > shareWhenCrowded && bridge.backlog > 2 * crowded
    if (isTooMuch || !bridge.write(number, bytes, bytes.length)) this.#refused++
    else if (bytes.length >= headerLength) this.#brought++
    if (this.#committing) return
    this.#committing = true
    queueMicrotask(() => {
      this.#commit(bridge, link)
    })
  }

  /** All that the peer had sent at once is written. Where the worker does not keep up with it, it has to wait. */
  #commit(bridge: MemoryBridge, link: WebSocketLink): void {
    this.#committing = false
    this.#bytes = 0
    if (this.id < 0) return
    bridge.commit()
    if (bridge.backlog <= crowded) return
    link.pause()
    const look = (): void => {
      if (this.#link !== link || this.id < 0) return
      bridge.commit()
      if (bridge.backlog > crowded) setTimeout(look, 1).unref()
      else link.resume()
    }
    setTimeout(look, 1).unref()
  }

  /** Tries again after a while. */
  #await(fabric: PortFabric): void {
    if (this.#server !== undefined) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#return(fabric), this.#wait).unref()
  }

  async #return(fabric: PortFabric): Promise<void> {
    const isOurs = (): boolean => this.fabric === fabric && this.state === 'down'
    let link: WebSocketLink | undefined
    try {
      link = await this.#connect()
      if (isOurs()) {
        this.#link = link
        const device = this.#makeDevice(fabric)
        await this.revive(fabric, device)
        if (this.state === 'up') {
          this.#begin(fabric, link, this.id)
          return
        }
      }
    } catch {
      // Nobody there yet: the next attempt.
    }
    link?.close()
    if (isOurs()) this.#await(fabric)
  }

  /** An open connection. @throws NoPeer when there is none */
  async #connect(signal?: AbortSignal): Promise<WebSocketLink> {
    const { websocket, token, pad } = this.#options
    const { WebSocket } = await import('ws')
    const peer = new WebSocket(websocket, {
      ...connectionOptions,
      ...(token !== undefined && { headers: { Authorization: `Bearer ${token}` } }),
    })
    let socket: Duplex | undefined
    let giveUp = (): void => undefined
    const open = new Promise<WebSocketLink>((resolve, reject) => {
      giveUp = patience(attemptLimit, () => {
        reject(this.#nobody())
      })
      peer.on('upgrade', (response) => {
        socket = response.socket
      })
      peer.on('open', () => {
        resolve(new WebSocketLink(peer, socket as Duplex, pad))
      })
      peer.on(
        'unexpected-response',
        (_request: ClientRequest, { statusCode, statusMessage }: IncomingMessage) => {
          reject(this.#refusal(statusCode ?? 0, statusMessage ?? ''))
        },
      )
      peer.on('error', (error: NodeJS.ErrnoException) => {
        reject(absences.has(error.code) ? this.#nobody(error) : this.#failure(error))
      })
    })
    try {
      const link = await unlessAborted(open, signal)
      this.#why = undefined
      return link
    } catch (error) {
      peer.terminate()
      const answered = error instanceof NoPeer && error.answered
      this.#wait = answered ? refusedWait : waitAfter(this.#failures++)
      throw error
    } finally {
      giveUp()
    }
  }

  #nobody(cause?: unknown): NoPeer {
    const text = `port '${this.name}' finds nobody at ${this.address} yet, and goes on trying`
    return new NoPeer(text, false, false, { cause })
  }

  /** A server answers by this status of HTTP. */
  #refusal(status: number, words: string): NoPeer {
    const text = `${this.address} does not take port '${this.name}': ${status} ${words}`
    const hints: Record<number, string> = {
      401: "give the 'token' that it asks for",
      404: 'see whether the path of the URL is right',
    }
    const hint = hints[status] ?? (status < 500 ? isItOne : undefined)
    return new NoPeer(text, true, status < 500, hint === undefined ? {} : { hint })
  }

  /** Who answers does not keep the protocol, or TLS; or there is something wrong here. */
  #failure(cause: NodeJS.ErrnoException): NoPeer {
    const text = `port '${this.name}' cannot connect to ${this.address}: ${cause.message}`
    return new NoPeer(text, true, true, cause.code === undefined ? { cause, hint: isItOne } : { cause })
  }
}

/** @internal */
export const webSocketKind: PortKind<Omit<WebSocketPortOptions, 'name'>, WebSocketPort> = {
  key: 'websocket',
  options: inFiles,
  make: (name, given) => new WebSocketPort({ ...given, name }),
  leadsTo: ({ websocket }) => shown(websocket),
}
