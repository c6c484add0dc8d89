/**
 * PortServer: what listens for a fabric, and makes a port of every peer that comes. One class beside this for each protocol;
 * index.ts lists them. Made by `Fabric.listen`.
 */
import { EventEmitter } from 'node:events'
import { native } from '../../binding.js'
import type { BackgroundEvents } from '../../engine/engine.js'
import type { PortMapping } from '../../ports/index.js'
import type { AttachOptions } from '../attachment.js'
import type { Port, PortFabric } from '../../ports/port.js'
import { sockets } from '../../ports/sockets.js'
import { EtherloomError } from '../../values/errors.js'
import { about, integer, text, type Rules, type RulesOf } from '../../values/options.js'
import { patience } from '../../values/patience.js'
import type { Keyed } from '../../values/registry.js'
import { Visitors } from './visitors.js'

/** What listening for peers takes, whatever they speak. */
export interface PeerOptions {
  /** Names the ports; `%d` becomes the lowest number that is free. Default `peer%d`. */
  name?: string
  /**
   * How many peers there may be at once, 1 to 4096. Further ones wait until one goes, or has sent no frame in the 10 s since
   * it came: then it makes room. Default 1024.
   */
  peers?: number
}

/** @internal The rules of `PeerOptions`. */
export const peerRules = {
  name: about(
    "Names the ports of peers; '%d' becomes the lowest number that is free.",
    text({
      max: 60,
      pattern: /^[A-Za-z0-9_-]*%d[A-Za-z0-9_-]*$/,
      expects: "letters, digits, '-' or '_' with one '%d' among them, such as 'peer%d'",
      default: 'peer%d',
    }),
  ),
  peers: about(
    'How many peers there may be at once. Further ones wait until one goes, or has sent no frame in its first 10 s.',
    integer(1, 4096, { default: 1024 }),
  ),
} satisfies RulesOf<PeerOptions>

/** How long a peer may be silent after it came before it makes room for one that waits, in milliseconds. */
const silence = 10_000

/** A peer that comes and cannot become a port is a `failure`; the server goes on. */
export interface PortServerEvents<P extends Port = Port> extends BackgroundEvents {
  /** A peer has come; its port is attached. */
  connect: [port: P]
  /** A peer has gone, or was made to go for another, and its port is detached. */
  disconnect: [port: P, error: EtherloomError]
  /** It listens no more. */
  close: []
}

/** Listens until it is closed, or its fabric is. */
export abstract class PortServer<P extends Port = Port> extends EventEmitter<PortServerEvents<P>> {
  protected readonly fabric: PortFabric
  readonly #peers: number
  readonly #stopped: (server: PortServer) => void
  readonly #ports = new Set<P>()
  /** Those of them that have had time to send a frame and may not have done so, from the first that came. */
  readonly #silent = new Set<P>()
  /** The ends of ports that are being detached. */
  readonly #leaving = new Set<Promise<void>>()
  readonly #events: EventEmitter<PortServerEvents> = this
  /** Peers that have come and are no ports yet, for which a place is kept. */
  #awaited = 0
  readonly #visitors = new Visitors()
  /** Where connections come in, and what becomes of one. */
  #door: { bound: unknown; take: (socket: unknown) => Promise<void> } | undefined
  #unwatch: (() => void) | undefined
  #accepting = false
  #failing = false
  #closed = false
  #closing: Promise<void> | undefined

  /** @internal `stopped` is called once, when it listens no more. */
  constructor(fabric: PortFabric, peers: number, stopped: (server: PortServer) => void) {
    super()
    this.fabric = fabric
    this.#peers = peers
    this.#stopped = stopped
  }

  /** Where peers find it: a path or an address. */
  abstract readonly address: string

  /** @internal The mapping that each of its ports would have in a topology file. */
  abstract readonly peer: PortMapping

  /** @internal Listens from now on. Called once; what throws has left nothing behind. */
  abstract start(): Promise<void>

  /** Listens no more, and removes what it made for that. Called once, also where `start` has failed. */
  protected abstract end(): void

  /** What somebody can do whose peers are refused; a hint. */
  protected get advice(): string | undefined {
    return undefined
  }

  /** The ports of the peers that are there. */
  get ports(): readonly P[] {
    return [...this.#ports]
  }

  /** Whether it listens no more. */
  protected get closed(): boolean {
    return this.#closed
  }

  /** Whether there are as many peers as there may be, those that are awaited among them. */
  protected get full(): boolean {
    return this.#ports.size + this.#awaited >= this.#peers
  }

  /** Listens no more, removes its path, and detaches its ports. Idempotent. */
  async close(): Promise<void> {
    this.#closing ??= this.#close()
    await this.#closing
  }

  /** `close`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** @internal Listens no more, and leaves its ports to the fabric. */
  stop(): void {
    if (this.#closed) return
    this.#closed = true
    this.#unwatch?.()
    this.#unwatch = undefined
    this.#visitors.end()
    this.end()
    this.#stopped(this)
    this.#events.emit('close')
  }

  /** Takes connections that come to a bound socket, one after the other, while there is room. What `take` throws is told. */
  protected takeFrom(bound: unknown, take: (socket: unknown) => Promise<void>): void {
    this.#door = { bound, take }
    this.vacant()
  }

  /** There is room for another peer again, or may be, where one has been silent for too long. */
  protected vacant(): void {
    if (!this.#door || this.#closed || this.#accepting || this.#unwatch || this.#visitors.full) return
    this.#unwatch = this.fabric.engine.watches.socket(this.#door.bound, 'readable', () => {
      this.#unwatch = undefined
      this.inBackground(this.#accept())
    })
  }

  /** A peer has come that says something before it is a port: a place is kept for it meanwhile. What `meet` throws is told. */
  protected visit(meet: (leaving: AbortController, patience: number) => Promise<void>): void {
    this.#awaited++
    const met = this.#visitors.receive((leaving) => meet(leaving, this.#visitors.patience))
    this.inBackground(
      met
        .catch((error: unknown) => {
          if (!this.#closed) this.failed(error)
        })
        .finally(() => {
          this.#awaited--
          this.vacant()
        }),
    )
  }

  /** A peer could not become a port. Said once, until one can. */
  protected failed(cause: unknown): void {
    if (this.#failing) return
    this.#failing = true
    const error =
      cause instanceof EtherloomError
        ? cause
        : new EtherloomError(
            'ERR_ETHERLOOM_DEVICE',
            `a peer at ${this.address} is refused: ${(cause as Error).message}`,
            { cause, hint: this.advice },
          )
    this.fabric.engine.failed(this, error)
  }

  /** Makes the peer go that has been silent for longest. Whether there is one. */
  protected async makeRoom(): Promise<boolean> {
    for (const port of this.#silent) {
      if (port.id < 0) continue // it is leaving
      if (port.stats().received.frames === 0n) {
        const reason = `port '${port.name}' made room for another peer: it had sent no frame in ${silence / 1000} s`
        await this.sendAway(port, new EtherloomError('ERR_ETHERLOOM_RESOURCE', reason))
        return true
      }
      this.#silent.delete(port)
    }
    return false
  }

  /** Makes a peer go, and says why. */
  protected async sendAway(port: P, reason: EtherloomError): Promise<void> {
    await this.#detach(port)
    this.#events.emit('disconnect', port, reason)
  }

  /** A peer has come: attaches its port, which is detached when it goes down. What throws has detached it. */
  protected async attach(port: P, options: AttachOptions = {}): Promise<void> {
    this.#ports.add(port)
    const ended = new Promise<EtherloomError>((resolve) => port.once('down', resolve))
    try {
      await this.fabric.attach(port, options)
      this.#failing = false
    } catch (error) {
      this.#ports.delete(port)
      throw error
    }
    const heard = patience(silence, () => {
      this.#silent.add(port)
      this.vacant()
    })
    port.once('detach', () => {
      heard()
      this.#ports.delete(port)
      this.#silent.delete(port)
      this.vacant()
    })
    this.inBackground(
      ended.then(async (error) => {
        await this.#detach(port)
        this.#events.emit('disconnect', port, error)
      }),
    )
    this.#events.emit('connect', port)
  }

  /** Work that nobody waits for; what it throws is a `failure`. */
  protected inBackground(work: Promise<void>): void {
    work.catch((error: unknown) => {
      this.fabric.engine.failed(this, error)
    })
  }

  /** A peer has connected, perhaps more of them. */
  async #accept(): Promise<void> {
    this.#accepting = true
    let room = true
    try {
      room = !this.full || (await this.makeRoom())
      while (this.#door && !this.#closed && !this.full && !this.#visitors.full) {
        const { bound, take } = this.#door
        const socket = native(() => sockets.acceptPeer(bound))
        if (socket === undefined) break
        await take(socket)
      }
    } catch (error) {
      if (!this.#closed) this.failed(error)
      await new Promise((resolve) => setTimeout(resolve, 100)) // what was short may be there again
    }
    this.#accepting = false
    if (room || !this.full) this.vacant() // else when a peer goes, or has been silent for too long
  }

  async #close(): Promise<void> {
    this.stop()
    await Promise.all([...this.#leaving, ...[...this.#ports].map((port) => this.#detach(port))])
  }

  async #detach(port: P): Promise<void> {
    this.#silent.delete(port)
    if (!this.#ports.delete(port)) return
    const leaving = this.fabric.detach(port)
    this.#leaving.add(leaving)
    try {
      await leaving
    } finally {
      this.#leaving.delete(leaving)
    }
  }
}

/** Where something listens, and the key of its options that says so. */
export interface ListeningPlace {
  /** The key. */
  key: string
  /** A path or an address. */
  place: string
}

/** What a protocol of servers is to `Fabric.listen` and topology files: one stands with each class. */
export interface ServerKind<
  Given extends object = object,
  Server extends PortServer = PortServer,
> extends Keyed {
  /** What it listens for, in a sentence. */
  readonly description: string
  /** The keys beside `protocol`. */
  readonly options: Rules
  /** Makes the server, which does not listen yet. Also how options are checked: it refuses what is wrong. */
  make(fabric: PortFabric, given: Given, stopped: (server: PortServer) => void): Server
  /** Finds what is wrong with options that are each right by themselves. @throws EtherloomError */
  check(given: Given): void
  /** Where it will listen, first where peers find it, each with the key that says so. */
  listensAt(given: Given): [ListeningPlace, ...ListeningPlace[]]
}
