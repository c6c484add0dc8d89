/**
 * Peers that have connected and have to say something before they become ports: so many at once, and so long each. Called by the
 * servers of protocols where peers speak first.
 */

/** How many there may be. */
const visitorLimit = 64

export class Visitors {
  readonly #leave = new Set<(why: Error) => void>()

  /** Whether no other is let in. */
  get full(): boolean {
    return this.#leave.size >= visitorLimit
  }

  /** How long the one that has come last may take, in milliseconds: less where many are there already. */
  get patience(): number {
    return this.#leave.size < visitorLimit / 2 ? 5000 : 500
  }

  /** What becomes of a peer while it is a visitor; the signal ends it when all have to leave. */
  async receive<T>(meet: (leaving: AbortController) => Promise<T>): Promise<T> {
    const leaving = new AbortController()
    const leave = (why: Error): void => {
      leaving.abort(why)
    }
    this.#leave.add(leave)
    try {
      return await meet(leaving)
    } finally {
      this.#leave.delete(leave)
    }
  }

  /** All have to leave. */
  end(): void {
    for (const leave of [...this.#leave]) leave(new Error('it is closed'))
  }
}
