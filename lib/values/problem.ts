/** Complaints of mistakes in parsed documents, as resolving them finds one after the other. */
import type { Place, Problem } from './check.js'

export type { Place, Problem }

/** Takes a mistake: where it is, what it is, and whether the key or (by default) the value there is wrong. */
export type Complain = (place: Place, message: string, at?: Problem['at']) => void

/** Complains of what a constructor or `apply` would refuse later. */
export function attempt(read: () => unknown, place: Place, complain: Complain): void {
  try {
    read()
  } catch (error) {
    complain(place, (error as Error).message)
  }
}
