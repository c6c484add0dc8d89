/** The captures that were asked for over the socket, by number. Made by Instance; the methods of captures call it. */
import type { Capture } from '../capture/capture.js'

/** How many are remembered: a client asks for the numbers of one after it has ended. */
const kept = 64

export class Captures {
  readonly #captures = new Map<number, Capture>()
  #next = 1

  /** Takes a capture in; the oldest is forgotten where there are too many. */
  add(capture: Capture): number {
    const number = this.#next++
    this.#captures.set(number, capture)
    const [oldest] = this.#captures.keys()
    if (this.#captures.size > kept && oldest !== undefined) this.#captures.delete(oldest)
    return number
  }

  get(number: number): Capture | undefined {
    return this.#captures.get(number)
  }
}
