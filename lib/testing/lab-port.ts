/** Ports of a lab: frames that a test sends, and those that have reached it. Made by lab.ts. */
import type { MemoryPort } from '../ports/memory.js'
import { EtherloomError } from '../values/errors.js'
import { callable, optional, readOptions, refuse } from '../values/options.js'
import { isUint8Array } from 'node:util/types'
import { duration, formatDuration, type Duration } from '../values/units.js'

/** Which frames are meant: this one, byte for byte, or those of which a function says so. */
export type FrameMatch = Uint8Array | ((frame: Uint8Array) => boolean)

/** A frame that was delivered to a port. */
export interface Arrival {
  /** From the destination address on. */
  readonly frame: Uint8Array
  /** When: nanoseconds on the lab's clock. */
  readonly at: bigint
}

/** What a test has sent. `toArriveWithin` asks for it. */
export interface Sent {
  /** Copies of the frames as they were when they were sent. */
  readonly frames: readonly Uint8Array[]
  /** When: nanoseconds on the lab's clock. */
  readonly at: bigint
  /** How many of the frames the port took; the others found it full, and it counted them. */
  readonly taken: number
  /** The port that sent them. */
  readonly from: LabPort
}

/** Which frame `next` waits for, and how long. */
export interface NextOptions {
  /** Which frames are waited for; others are passed over. Default: any. */
  matching?: FrameMatch
  /** How long, on the lab's clock. Default 5s. */
  within?: Duration
}

/** @internal How a lab waits: until `there` says so, or its clock has passed `deadline`. */
export type Wait = (there: () => boolean, deadline: bigint) => Promise<void>

/** Frames to and from a test. Made by a `Lab`. */
export class LabPort {
  /** The port itself, for what is not here. Read it by the `LabPort` only, which notes all that comes. */
  readonly port: MemoryPort
  readonly #now: () => bigint
  readonly #wait: Wait
  #arrivals: Arrival[] = []
  /** How many of them `next` has passed. */
  #passed = 0

  /** @internal */
  constructor(port: MemoryPort, now: () => bigint, wait: Wait) {
    this.port = port
    this.#now = now
    this.#wait = wait
  }

  /** Its name in its fabric. */
  get name(): string {
    return this.port.name
  }

  /** All frames that have been delivered to it, in their order. They are kept until `clear`. */
  get arrivals(): readonly Arrival[] {
    for (let batch = this.port.read(); batch; batch = this.port.read())
      for (let index = 0; index < batch.length; index++)
        this.#arrivals.push({ frame: batch.frame(index), at: batch.at(index) })
    return this.#arrivals
  }

  /**
   * Sends one frame or several now. On a virtual clock they leave with the next `advance`, or when something is awaited.
   *
   * @throws EtherloomError as `MemoryPort.send`
   */
  send(frames: Uint8Array | readonly Uint8Array[]): Sent {
    const list = Array.isArray(frames) ? [...(frames as readonly Uint8Array[])] : [frames as Uint8Array]
    const wrong = list.findIndex((frame) => !isUint8Array(frame))
    if (wrong >= 0)
      refuse(
        Array.isArray(frames) ? `frame ${wrong} of what a port sends` : 'what a port sends',
        Array.isArray(frames) ? 'a Uint8Array' : 'a Uint8Array or a list of them',
        list[wrong],
      )
    const at = this.#now()
    const taken = this.port.send(list)
    return { frames: list.map((frame) => frame.slice()), at, taken, from: this }
  }

  /**
   * The next frame that `next` has not returned or passed over yet. Where none is there it waits: on a virtual clock by
   * advancing it until one is. The time of the arrival is exact; the clock then stands a 5000th part of `within` later at
   * most.
   *
   * @throws EtherloomError ERR_ETHERLOOM_STATE when none comes in time; ERR_ETHERLOOM_OPTION, ERR_ETHERLOOM_UNKNOWN_OPTION
   */
  async next(options: NextOptions = {}): Promise<Arrival> {
    const { matching, within } = readOptions("'next'", options, {
      matching: frameMatch,
      within: duration({ default: '5s' }),
    })
    let found: Arrival | undefined
    const there = (): boolean => {
      const { arrivals } = this
      while (!found && this.#passed < arrivals.length) {
        const arrival = arrivals[this.#passed++] as Arrival
        if (isMeant(arrival.frame, matching)) found = arrival
      }
      return found !== undefined
    }
    await this.#wait(there, this.#now() + within)
    if (found) return found
    const what = matching === undefined ? 'frame' : 'such frame'
    throw new EtherloomError(
      'ERR_ETHERLOOM_STATE',
      `no ${what} reached port '${this.name}' within ${formatDuration(within)}; ${this.arrivals.length} of any kind did since the lab began or was cleared`,
    )
  }

  /** Forgets what has arrived. */
  clear(): void {
    this.#arrivals = this.arrivals.slice(0, 0)
    this.#passed = 0
  }

  /** @internal Nanoseconds on the lab's clock. */
  now(): bigint {
    return this.#now()
  }

  /** @internal For `toArriveWithin`. */
  wait(there: () => boolean, deadline: bigint): Promise<void> {
    return this.#wait(there, deadline)
  }
}

/** @internal */
export const frameMatch = optional<FrameMatch>((value, subject) => {
  if (isUint8Array(value)) return value
  return typeof value === 'function'
    ? (callable(value, subject) as (frame: Uint8Array) => boolean)
    : refuse(
        subject,
        'a frame, as a Uint8Array, or a function that says of a frame whether it is meant',
        value,
      )
})

/** @internal Whether a frame is one that is meant; any is where none is named. */
export function isMeant(frame: Uint8Array, match: FrameMatch | undefined): boolean {
  if (match === undefined) return true
  return isUint8Array(match) ? isSame(frame, match) : match(frame)
}

/** Byte for byte. */
const isSame = (one: Uint8Array, other: Uint8Array): boolean =>
  one.length === other.length && one.every((byte, index) => byte === other[index])
