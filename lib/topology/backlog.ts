/**
 * Events that come before anybody can listen: a network is only handed out when it is up, and its programs run by then.
 * Called by site.ts.
 */
import type { EventEmitter } from 'node:events'

/** Events that are kept; of more, the first are forgotten. */
const most = 1000

/** Emits events, and keeps those that nobody listens to for the first who does. */
export class Backlog {
  readonly #events: EventEmitter
  #kept: [event: string, value: object][] = []

  constructor(events: EventEmitter) {
    this.#events = events
    events.on('newListener', (event: string) => {
      // It is not there yet; others that come with it are not, either.
      if (this.#kept.some(([kept]) => kept === event)) queueMicrotask(() => this.#flush())
    })
  }

  emit(event: string, value: object): void {
    if (this.#events.emit(event, value)) return
    this.#kept.push([event, value])
    if (this.#kept.length > most) this.#kept.shift()
  }

  #flush(): void {
    this.#kept = this.#kept.filter(([event, value]) => !this.#events.emit(event, value))
  }
}
