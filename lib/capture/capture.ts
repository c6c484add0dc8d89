/**
 * Captures: what ports and paths see, as pcapng, into a file, a FIFO or a stream.
 * Made by ports, paths and fabrics. native/capture/ writes.
 */
import { closeSync } from 'node:fs'
import { Socket } from 'node:net'
import type { Writable } from 'node:stream'
import { calls, native } from '../binding.js'
import type { Engine } from '../engine/engine.js'
import type { EtherloomError } from '../values/errors.js'
import { fromNative } from '../values/errors.js'
import { quote } from '../values/quote.js'
import { about, flag, integer, optional, optionsReader, refuse, type RulesOf } from '../values/options.js'
import { counted, type Counted } from '../values/counter.js'
import { parseSize, type Size } from '../values/units.js'

const { socketPair } = calls<{
  /** Two descriptors, which are the caller's to close. */
  socketPair(framing: 'stream'): [number, number]
}>()

/**
 * Where a capture goes: the path of a file or FIFO (which somebody must read already), a stream (`'-'` is stdout), or a
 * Unix socket on which a reader listens.
 */
export type CaptureOutput = string | Writable | { socket: string }

/** How much a capture keeps, and when it ends by itself. */
export interface CaptureOptions {
  /** Bytes kept of each frame, 0 to 262,144; 0 keeps all of it. Default 0; of a fate log 128. */
  snapLength?: number
  /** Ends after so many frames. Default: never by itself. */
  count?: number
  /**
   * What may wait to be written, per worker; what finds it full is not recorded, and counted. 64KiB to 1GiB. Default
   * 16MiB, taken with use.
   */
  buffer?: Size
}

/** What a capture of a path can have beyond that. */
export interface PathCaptureOptions extends CaptureOptions {
  /** Also what is offered to the path, after its filter, as direction `in`. Default false. */
  offered?: boolean
}

const readCaptureOptions = optionsReader('a capture', {
  snapLength: about(
    'Bytes kept of each frame; 0 keeps all of it. Default 0; of a fate log 128.',
    integer(0, 262_144, { unit: 'bytes' }),
  ),
  count: about(
    'Ends after so many frames. Default: never by itself.',
    integer(1, Number.MAX_SAFE_INTEGER, { unit: 'frames' }),
  ),
  buffer: about(
    'What may wait to be written, per worker, 64KiB to 1GiB; what finds it full is not recorded, and counted.',
    optional(bufferRule, 16 << 20, '16MiB'),
  ),
} satisfies RulesOf<CaptureOptions>)

/** @internal The rule for what only captures of paths have. */
export const offeredRule = about(
  'Of paths only: also what is offered to the path, after its filter, as direction in.',
  flag(false),
)

/** How much a capture has recorded, and what it missed. */
export interface CaptureStats extends Counted {
  /** Written to the output, or about to be. */
  frames: bigint
  /** Bytes of pcapng written. */
  bytes: bigint
  /** Not recorded because the buffer was full. */
  lost: bigint
}

/** What is recorded. The numbers are those of native/capture/capture.hpp. */
export const tapKinds = { frames: 0, offeredAndLeaving: 1, fates: 2 } as const

/** @internal One interface of the file. */
export interface CaptureTarget {
  from: number
  /** -1: the port `from` itself. */
  to: number
  kind: (typeof tapKinds)[keyof typeof tapKinds]
  name: string
  description: string
  filter?: string
}

const running = 0
const failed = 2

/** A running capture. Ends with `close()`, with its engine, or when nobody reads its output any more. */
export class Capture {
  /**
   * Resolves when it has ended and everything is written, with the error that ended it: ERR_ETHERLOOM_RESOURCE where
   * the disk is full, ERR_ETHERLOOM_DEVICE for an output that took no more otherwise; undefined where none did.
   */
  readonly ended: Promise<EtherloomError | undefined>
  readonly #engine: Engine
  readonly #id: number
  readonly #afterwards: () => Promise<void>
  /** Which file it goes to, for messages. */
  readonly #into: string
  #resolve: (error: EtherloomError | undefined) => void = () => undefined
  #stats = { frames: 0n, bytes: 0n, lost: 0n }
  #closing = false
  #done = false

  private constructor(engine: Engine, id: number, afterwards: () => Promise<void>, file?: string) {
    this.#engine = engine
    this.#id = id
    this.#afterwards = afterwards
    this.#into = file === undefined ? '' : ` to ${quote(file)}`
    this.ended = new Promise((resolve) => (this.#resolve = resolve))
    engine.residents.add(this)
  }

  /** @internal `targets` is asked last, when nothing can leave any more before it begins. */
  static start(
    engine: Engine,
    output: CaptureOutput,
    targets: () => CaptureTarget[],
    options: CaptureOptions,
    length = 0,
  ): Promise<Capture> {
    return new Promise((resolve) => {
      resolve(this.#start(engine, output, targets, options, length))
    })
  }

  static #start(
    engine: Engine,
    output: CaptureOutput,
    targets: () => CaptureTarget[],
    options: CaptureOptions,
    length: number,
  ): Capture {
    const { snapLength = length, count = 0, buffer } = readCaptureOptions(options)
    const given = { snapLength, count, buffer }
    const sink = output === '-' ? process.stdout : (output as CaptureOutput | null)
    if (typeof sink === 'string' && sink !== '')
      return this.#begin(engine, { file: sink, ...given }, targets, () => Promise.resolve())
    if (typeof sink === 'object' && sink !== null && 'socket' in sink && typeof sink.socket === 'string')
      return this.#begin(engine, { socket: sink.socket, ...given }, targets, () => Promise.resolve())
    if (typeof sink !== 'object' || sink === null || !('write' in sink))
      return refuse('the output of a capture', "a path, '-' or a writable stream", output)
    // A pair of sockets, so that there is no file that could stay.
    const [ours, theirs] = native(() => socketPair('stream'))
    const source = new Socket({ fd: ours, readable: true, writable: false })
    source.on('error', () => source.destroy())
    try {
      const capture = this.#begin(engine, { fd: theirs, ...given }, targets, () => Promise.resolve())
      const keep = sink === process.stdout
      source.pipe(sink, { end: !keep })
      sink.on('error', () => source.destroy())
      sink.on('close', () => source.destroy())
      return capture
    } catch (error) {
      source.destroy()
      throw error
    } finally {
      closeSync(theirs)
    }
  }

  static #begin(
    engine: Engine,
    settings: { file?: string; socket?: string; fd?: number },
    targets: () => CaptureTarget[],
    afterwards: () => Promise<void>,
  ): Capture {
    return new Capture(
      engine,
      native(() => engine.native.startCapture(settings, targets())),
      afterwards,
      settings.file,
    )
  }

  /** Whether it has ended. */
  get closed(): boolean {
    return this.#done
  }

  /** The numbers up to now; of one that has ended, its last. */
  stats(): CaptureStats {
    if (!this.#done) this.#read()
    return counted(this.#stats)
  }

  /** Ends it; resolves when everything is written. A reader that takes nothing is given one second. Idempotent. */
  async close(): Promise<void> {
    if (!this.#closing && !this.#done) {
      this.#closing = true
      this.#engine.hold()
      await this.#engine.settled(native(() => this.#engine.native.endCapture(this.#id)))
      this.news()
    }
    await this.ended
  }

  /** `close`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** @internal Looks whether it has ended. */
  news(): void {
    if (this.#done) return
    const { state, errno } = this.#read()
    if (state === running) return
    this.#done = true
    this.#engine.residents.delete(this)
    if (this.#closing) this.#engine.unhold()
    else
      void this.#engine
        .settled(native(() => this.#engine.native.endCapture(this.#id)))
        .then(() => this.#forget())
    if (this.#closing) this.#forget()
    const error =
      state === failed
        ? fromNative({ errno, syscall: 'write', message: `the capture${this.#into} ended early` })
        : undefined
    void this.#afterwards().then(() => {
      this.#resolve(error)
    })
  }

  #forget(): void {
    if (!this.#engine.closed) this.#engine.native.forgetCapture(this.#id)
  }

  #read(): { state: number; errno: number } {
    const [state, errno, frames = 0n, bytes = 0n, lost = 0n] = this.#engine.native.captureState(this.#id)
    this.#stats = { frames, bytes, lost }
    return { state: Number(state), errno: Number(errno) }
  }
}

function bufferRule(value: unknown, subject: string): number {
  const bytes = parseSize(value, subject)
  if (bytes >= 64 << 10 && bytes <= 1 << 30) return bytes
  return refuse(subject, 'from 64KiB to 1GiB', value)
}
