/**
 * What an engine looks out for while it runs: news of interfaces in a namespace, and sockets that something happens on. Called
 * by ports and socket servers through their engine, on the JavaScript thread.
 */
import { calls, native, type LinkNews, type NativeEngine } from '../binding.js'

const { watchSocket } = calls<{
  /** Reports the socket once, by a happening with the number that this returns. */
  watchSocket(engine: NativeEngine, socket: unknown, what: 'readable' | 'writable'): number
}>()

export class Watches {
  readonly #engine: { native: NativeEngine; closed: boolean }
  /** By namespace: one watch for all its listeners. */
  readonly #links = new Map<unknown, { watch: number; listeners: Set<(news: LinkNews) => void> }>()
  readonly #sockets = new Map<number, () => void>()

  constructor(engine: { native: NativeEngine; closed: boolean }) {
    this.#engine = engine
  }

  /** Calls back with all news of interfaces in the namespace, until what this returns is called. */
  links(namespace: unknown, listener: (news: LinkNews) => void): () => void {
    let entry = this.#links.get(namespace)
    if (!entry) {
      entry = { watch: native(() => this.#engine.native.watchLinks(namespace)), listeners: new Set() }
      this.#links.set(namespace, entry)
    }
    const { watch, listeners } = entry
    listeners.add(listener)
    return () => {
      listeners.delete(listener)
      if (listeners.size > 0) return
      this.#links.delete(namespace)
      this.#unwatch(watch)
    }
  }

  /** Calls back once, when the socket is readable or writable, or has failed; not if what this returns is called before. */
  socket(socket: unknown, what: 'readable' | 'writable', ready: () => void): () => void {
    const watch = native(() => watchSocket(this.#engine.native, socket, what))
    this.#sockets.set(watch, ready)
    return () => {
      if (this.#sockets.delete(watch)) this.#unwatch(watch)
    }
  }

  /** The native half has news of interfaces, or of a socket by its number. */
  happened(happening: LinkNews | { socket: number }): void {
    if ('socket' in happening) {
      const ready = this.#sockets.get(happening.socket)
      this.#sockets.delete(happening.socket)
      ready?.()
    } else {
      const found = [...this.#links.values()].find(({ watch }) => watch === happening.watch)
      for (const listener of [...(found?.listeners ?? [])]) listener(happening)
    }
  }

  #unwatch(watch: number): void {
    if (!this.#engine.closed) this.#engine.native.unwatch(watch)
  }
}
