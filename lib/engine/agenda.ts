/**
 * What an engine does at given instants of its clock. Called by timelines, which put themselves in, and by Engine, which
 * runs what is due: on a virtual clock between two pieces of `advance`, in real time from one timer for the next instant.
 */

/** Something that is due again and again. */
export interface Scheduled {
  /** When next, in nanoseconds of the engine's clock; undefined: never again. */
  readonly due: bigint | undefined
  /** Does what is due by `now`, or a part of it; then `due` says when the rest is. */
  run(now: bigint): void
}

/** In milliseconds. setTimeout() takes 2^31 - 1 at most: for what is further away the timer is set again. */
const longestWait = 2 ** 30

export class Agenda {
  readonly #scheduled = new Set<Scheduled>()
  readonly #clock: (() => bigint) | undefined
  #timer: NodeJS.Timeout | undefined

  /** With a `clock` (in real time) a timer calls run(). Without one, on a virtual clock, the engine does. */
  constructor(clock?: () => bigint) {
    this.#clock = clock
  }

  add(scheduled: Scheduled): void {
    this.#scheduled.add(scheduled)
    this.#arm()
  }

  remove(scheduled: Scheduled): void {
    if (this.#scheduled.delete(scheduled)) this.#arm()
  }

  /** The next instant at which something is due. */
  get next(): bigint | undefined {
    let next: bigint | undefined
    for (const { due } of this.#scheduled)
      if (due !== undefined && (next === undefined || due < next)) next = due
    return next
  }

  /** Runs what is due. When one of them throws, this throws, and those behind it run with the next call. */
  run(now: bigint): void {
    try {
      for (const scheduled of [...this.#scheduled])
        if (scheduled.due !== undefined && scheduled.due <= now) scheduled.run(now)
    } finally {
      this.#arm()
    }
  }

  close(): void {
    this.#scheduled.clear()
    clearTimeout(this.#timer)
  }

  /** The timer keeps no process alive: what is scheduled lives with its fabric. */
  #arm(): void {
    const clock = this.#clock
    if (!clock) return
    clearTimeout(this.#timer)
    const { next } = this
    if (next === undefined) return
    const wait = Math.min(Math.max(Math.ceil(Number(next - clock()) / 1e6), 0), longestWait)
    this.#timer = setTimeout(() => {
      this.run(clock())
    }, wait).unref()
  }
}
