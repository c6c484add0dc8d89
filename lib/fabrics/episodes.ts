/**
 * What goes on in a fabric for a while, such as a storm: the native half says that it has begun, and this finds out when it
 * is over. Called by Fabric.
 *
 * Theory of operation. An episode is over when it has not happened for a second. So the native half is asked a second after
 * the last time that is known, and if it has happened since, again a second after that: once a second, however often it
 * happens. On a virtual clock that is exact. In real time those that are due in the same tenth of a second are asked together.
 */
import type { Agenda, Scheduled } from '../engine/agenda.js'

/** What the native half says of an episode: native/frame/episode.hpp has these numbers in this order. */
export interface EpisodeState {
  goesOn: boolean
  /** When it happened last, in nanoseconds of the engine's clock. */
  last: bigint
  /** How often it has happened. */
  hits: bigint
  /** How often it could have happened: of a storm, all frames of its kind, of which `hits` were dropped. */
  seen: bigint
}

export interface Episode {
  /** The port that it is about, if it is about one. */
  readonly port?: unknown
  /** When it began, in nanoseconds of the engine's clock. */
  readonly at: bigint
  /** Ends it if it has not happened after `until`. */
  end(until: bigint): BigUint64Array
  /** Called when it is over. */
  over(state: EpisodeState): void
}

/** After so many nanoseconds without a hit an episode is over. */
export const quiet = 1_000_000_000n
/** The last instant of all: asked whether it has happened since, every episode is over. */
export const forever = 2n ** 63n - 1n
const realTimeStep = 100_000_000n

export class Episodes implements Scheduled {
  readonly #engine: { agenda: Agenda; clock: 'real' | 'virtual' }
  /** The episodes that go on, each with the instant at which to ask next. */
  readonly #running = new Map<Episode, bigint>()
  #due: bigint | undefined

  constructor(engine: { agenda: Agenda; clock: 'real' | 'virtual' }) {
    this.#engine = engine
  }

  get due(): bigint | undefined {
    return this.#due
  }

  begin(episode: Episode): void {
    const due = this.#dueAfter(episode.at)
    this.#running.set(episode, due)
    if (this.#due !== undefined && this.#due <= due) return
    this.#due = due
    this.#engine.agenda.add(this)
  }

  run(now: bigint): void {
    this.#end((episode, due) => (due <= now ? now - quiet : undefined))
  }

  /** Ends the episodes that `which` picks, by default all, although they may still go on. */
  end(which: (episode: Episode) => boolean = () => true): void {
    this.#end((episode) => (which(episode) ? forever : undefined))
  }

  /** Ends each episode that has not happened since the instant that `until` gives for it; undefined: leaves it alone. */
  #end(until: (episode: Episode, due: bigint) => bigint | undefined): void {
    try {
      for (const [episode, due] of [...this.#running]) {
        const instant = this.#running.has(episode) ? until(episode, due) : undefined // a listener may end some
        if (instant === undefined) continue
        const state = readState(episode.end(instant))
        if (state.goesOn) {
          this.#running.set(episode, this.#dueAfter(state.last))
          continue
        }
        this.#running.delete(episode)
        episode.over(state)
      }
    } finally {
      this.#schedule()
    }
  }

  #dueAfter(last: bigint): bigint {
    const step = this.#engine.clock === 'real' ? realTimeStep : 1n
    return ((last + quiet + step - 1n) / step) * step
  }

  #schedule(): void {
    this.#due = undefined
    for (const due of this.#running.values()) if (this.#due === undefined || due < this.#due) this.#due = due
    if (this.#due === undefined) this.#engine.agenda.remove(this)
    else this.#engine.agenda.add(this)
  }
}

function readState([goesOn, last = 0n, hits = 0n, seen = 0n]: BigUint64Array): EpisodeState {
  return { goesOn: goesOn !== 0n, last, hits, seen }
}
