/**
 * One WebSocket as frames: a binary message each, of a browser's emulator or of a hub that has them. What WebSocketPort and
 * WebSocketServer share. They load the package `ws`, whose types are no part of ours, when the first of them is used.
 */
import type { Duplex } from 'node:stream'
import { about, text } from '../values/options.js'
import { patience } from '../values/patience.js'
import type { Batch } from './batch.js'

/** @internal The longest frame, in bytes. A longer message ends the connection. */
export const longestMessage = 65_550

/** @internal What both ends of a connection have. */
export const connectionOptions = {
  perMessageDeflate: false,
  maxPayload: longestMessage,
  autoPong: false, // which would keep any number of answers for who does not read
  closeTimeout: 1000,
} as const

/** @internal The rule for `token`. */
export const tokenRule = about(
  'A secret that whoever connects by WebSocket has to know.',
  text({
    max: 128,
    pattern: /^[A-Za-z0-9._~-]{8,128}$/,
    expects: "8 to 128 letters, digits, '-', '.', '_' or '~'",
  }),
)

/** Bytes that may wait for who does not read; what follows waits in the port, and then is port-full. */
const unreadLimit = 1 << 20

/** How often a peer is asked whether it is there, in milliseconds. It has as long to answer. */
const askEvery = 30_000

/** The shortest frame that a network card sends, in bytes. */
const shortest = 60

/** @internal A WebSocket of the package `ws`, as far as it is used here. */
interface OpenWebSocket {
  readonly readyState: number
  readonly bufferedAmount: number
  on(event: 'message', listener: (data: unknown, isBinary: boolean) => void): unknown
  on(event: 'ping' | 'pong', listener: (data: Uint8Array) => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'close', listener: () => void): unknown
  pause(): void
  resume(): void
  send(data: Uint8Array, options: { binary: boolean }): void
  ping(): void
  pong(data: Uint8Array): void
  close(code: number, reason?: string): void
  terminate(): void
}

/** Its `readyState` while it is open. */
const isOpen = 1

/** @internal Who has the frames of a connection. */
export interface LinkUser {
  /** A frame has come; the bytes are valid during the call. */
  frame(bytes: Uint8Array): void
  /** So many frames were taken over from a batch that was sent. */
  taken(frames: number): void
  /** The connection is over, and nothing more comes. `reason`: what the peer does or has done, in words that follow it. */
  ended(reason: string): void
}

/** @internal Reads nothing before `start`. */
export class WebSocketLink {
  readonly #peer: OpenWebSocket
  readonly #socket: Duplex
  readonly #pad: boolean
  readonly #waiting: Batch[] = []
  /** How many frames of the first of them are sent. */
  #sent = 0
  #user: LinkUser | undefined
  #heard = true
  #unattend = (): void => undefined
  #reason = 'has gone'

  /** `peer` is open, by way of `socket`. */
  constructor(peer: OpenWebSocket, socket: Duplex, pad: boolean) {
    this.#peer = peer
    this.#socket = socket
    this.#pad = pad
    peer.pause()
    peer.on('error', (error) => {
      this.#reason = `sends no frames: ${error.message}`
    })
  }

  /** Called once. */
  start(user: LinkUser): void {
    this.#user = user
    const peer = this.#peer
    peer.on('message', (data, isBinary) => {
      this.#heard = true
      if (isBinary) this.#user?.frame(data as Uint8Array)
      else this.#refuse('sends no frames: a message of text', 1003, 'a frame is a binary message')
    })
    peer.on('pong', () => {
      this.#heard = true
    })
    peer.on('ping', (data) => {
      this.#heard = true
      if (!this.#full) peer.pong(data)
    })
    peer.on('close', () => {
      this.#end(this.#reason)
    })
    this.#socket.on('drain', () => {
      this.#pump()
    })
    this.#attend()
    if (peer.readyState === isOpen) peer.resume()
    else this.#end(this.#reason)
  }

  /** Frames for the peer, in their order; `taken` tells when. */
  send(batch: Batch): void {
    this.#waiting.push(batch)
    this.#pump()
  }

  /** Receives nothing until `resume`. */
  pause(): void {
    this.#peer.pause()
  }

  resume(): void {
    this.#peer.resume()
  }

  /** Ends the connection; its user hears no more of it. */
  close(): void {
    this.#leave()
    this.#peer.close(1001)
  }

  get #full(): boolean {
    return this.#peer.bufferedAmount >= unreadLimit
  }

  #pump(): void {
    this.#socket.cork()
    for (let batch = this.#waiting[0]; batch && this.#user; batch = this.#waiting[0]) {
      for (; this.#sent < batch.length && !this.#full; this.#sent++) this.#put(batch.frame(this.#sent))
      if (this.#sent < batch.length) break // until it has read
      this.#waiting.shift()
      this.#sent = 0
      this.#user.taken(batch.length)
    }
    this.#socket.uncork()
  }

  #put(frame: Uint8Array): void {
    let bytes = frame
    if (this.#pad && frame.length < shortest) {
      bytes = new Uint8Array(shortest)
      bytes.set(frame)
    }
    this.#peer.send(bytes, { binary: true })
  }

  #attend(): void {
    this.#unattend = patience(askEvery, () => {
      if (!this.#heard) {
        this.#end('does not answer any more')
        this.#peer.terminate()
        return
      }
      this.#heard = false
      this.#peer.ping()
      this.#attend()
    })
  }

  #refuse(reason: string, code: number, words: string): void {
    this.#end(reason)
    this.#peer.close(code, words)
  }

  #end(reason: string): void {
    const user = this.#user
    this.#leave()
    user?.ended(reason)
  }

  #leave(): void {
    this.#unattend()
    this.#user = undefined
    this.#waiting.length = 0
  }
}
