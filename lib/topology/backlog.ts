/**
 * Events that come before anybody can listen: a network is only handed out when it is up, and its programs run by then.
 * Called by site.ts.
 */
import type { EventEmitter } from 'node:events'

/** Events of one name that are kept; of more, the first are forgotten. */
const most = 1000

/** Emits events, and keeps those that nobody listens to for the first who does. What a listener throws is nobody's to catch. */
export class Backlog {
  readonly #events: EventEmitter
  readonly #counts = new Map<string, number>()
  #kept: [event: string, value: object][] = []

  constructor(events: EventEmitter) {
    this.#events = events
    events.on('newListener', (event: string) => {
      // It is not there yet; others that come with it are not, either.
      if (this.#counts.has(event)) queueMicrotask(() => this.#flush())
    })
  }

  emit(event: string, value: object): void {
    try {
      if (this.#events.emit(event, value)) return
    } catch (error) {
      queueMicrotask(() => {
        throw error
      })
      return
    }
    this.#kept.push([event, value])
    const count = (this.#counts.get(event) ?? 0) + 1
    this.#counts.set(event, Math.min(count, most))
    if (count > most)
      this.#kept.splice(
        this.#kept.findIndex(([kept]) => kept === event),
        1,
      )
  }

  #flush(): void {
    const kept = this.#kept
    this.#kept = []
    this.#counts.clear()
    for (const [event, value] of kept) this.emit(event, value)
  }
}
