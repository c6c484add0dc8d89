/**
 * The pairs of a world's nodes: how far apart they are, and which are linked. Called by World, which asks what distances
 * change, makes these changes, and says what came of them.
 *
 * Theory of operation. A pair has a place in one array of distances; only pairs that are linked have more. Those whose
 * distance, in whole metres, is another than before are looked up in the model; what is the same costs a look at one
 * number.
 */
import type { Policy } from '../policy/policy.js'
import type { Distances } from './distances.js'
import type { LinkChange } from './links/links.js'

/** Two nodes that are linked, by their numbers. */
export interface Linked {
  first: number
  second: number
  /** Of both directions. */
  policy: Policy
}

/** Distances that are no whole metres: nothing was said of the pair yet, and further than anything. */
const unknown = -2
const apart = -1

export class Pairs {
  readonly #nodes: readonly string[]
  readonly #policyAt: (metres: number) => Policy | null
  /** Of each pair: the row of the lesser node, then the greater. */
  readonly #metres: Int32Array
  /** By which list a pair was named last: 0 for none, else the list's number modulo 255, from 1 on. */
  readonly #listed: Uint8Array
  #list = 0
  readonly #up = new Map<number, Linked>()

  /** `policyAt` gives the same object for equal policies; null: not connected. */
  constructor(nodes: readonly string[], policyAt: (metres: number) => Policy | null) {
    const count = (nodes.length * (nodes.length - 1)) / 2
    this.#nodes = nodes
    this.#policyAt = policyAt
    this.#metres = new Int32Array(count).fill(unknown)
    this.#listed = new Uint8Array(count)
  }

  /**
   * What these distances change, in their order; then, where they are `complete`, what is out of reach now. Links of nodes
   * that are `renewed` are made again.
   */
  changes(distances: Distances, complete: boolean, renewed: readonly number[]): LinkChange[] {
    const changes: LinkChange[] = []
    const again = new Set(renewed)
    const list = (this.#list = (this.#list % 255) + 1)
    if (list === 1) this.#listed.fill(0)
    this.#each(distances, (pair, first, second, metres) => {
      this.#listed[pair] = list
      if (metres !== this.#metres[pair]) this.#compare(pair, first, second, metres, changes)
    })
    for (const [pair, { first, second, policy }] of this.#up) {
      if (this.#listed[pair] !== list && complete) this.#compare(pair, first, second, apart, changes)
      else if (again.has(first) || again.has(second))
        changes.push(this.#change(first, second, 'changed', this.#metres[pair] as number, policy))
    }
    return changes
  }

  /** What holds now. A pair that could not be changed is as if nothing had been said of it, so that it is tried again. */
  remember(distances: Distances, changes: readonly LinkChange[], failed: Iterable<LinkChange>): void {
    this.#each(distances, (pair, _first, _second, metres) => {
      this.#metres[pair] = metres
    })
    for (const { first, second, distance, policy } of changes) {
      const pair = this.#place(first, second)
      this.#metres[pair] = distance
      const up = this.#up.get(pair)
      if (!policy) this.#up.delete(pair)
      else if (up) up.policy = policy
      else this.#up.set(pair, { first, second, policy })
    }
    for (const { first, second } of failed) {
      const pair = this.#place(first, second)
      this.#metres[pair] = unknown
      this.#up.delete(pair)
    }
  }

  /** Those that are linked, in the order of their nodes. */
  linked(): (Linked & { a: string; b: string; distance: number })[] {
    return [...this.#up]
      .sort(([one], [other]) => one - other)
      .map(([pair, link]) => ({
        ...this.#names(link.first, link.second),
        distance: this.#metres[pair] as number,
        ...link,
      }))
  }

  /**
   * How far nodes are from each other, in whole metres, -1 out of reach: by their positions, x and y of each, or as it was
   * said; pairs of which nothing was said are left out.
   */
  distances(positions: Float64Array | undefined): { a: string; b: string; distance: number }[] {
    const found: { a: string; b: string; distance: number }[] = []
    for (let first = 0, pair = 0; first < this.#nodes.length; first++)
      for (let second = first + 1; second < this.#nodes.length; second++, pair++) {
        const distance = positions ? between(positions, first, second) : (this.#metres[pair] as number)
        if (distance !== unknown) found.push({ ...this.#names(first, second), distance })
      }
    return found
  }

  /** None is linked any more; returns those that were. */
  clear(): Linked[] {
    const up = [...this.#up.values()]
    this.#up.clear()
    return up
  }

  #each(
    distances: Distances,
    visit: (pair: number, first: number, second: number, metres: number) => void,
  ): void {
    for (let index = 0; index < distances.length; index++) {
      const [first, second] = [distances.first(index), distances.second(index)]
      visit(this.#place(first, second), first, second, wholeMetres(distances.metres(index)))
    }
  }

  #compare(pair: number, first: number, second: number, metres: number, changes: LinkChange[]): void {
    const policy = this.#policyAt(metres)
    const before = this.#up.get(pair)?.policy ?? null
    if (policy === before) return
    const state = before === null ? 'up' : policy === null ? 'down' : 'changed'
    changes.push(this.#change(first, second, state, metres, policy))
  }

  #change(
    first: number,
    second: number,
    state: LinkChange['state'],
    distance: number,
    policy: Policy | null,
  ): LinkChange {
    const { a, b } = this.#names(first, second)
    return { a, b, first, second, state, distance, policy } // no spreading: there can be tens of thousands in a step
  }

  #place(first: number, second: number): number {
    return (first * (2 * this.#nodes.length - first - 1)) / 2 + second - first - 1
  }

  #names(first: number, second: number): { a: string; b: string } {
    return { a: this.#nodes[first] ?? '', b: this.#nodes[second] ?? '' }
  }
}

/** Whole metres, halves to the even one as Python's round() does it; `apart` for what is no distance. */
function wholeMetres(metres: number): number {
  if (!(metres >= 0 && metres < 2 ** 31 - 1)) return apart
  const rounded = Math.round(metres)
  return rounded - metres === 0.5 && rounded % 2 === 1 ? rounded - 1 : rounded
}

function between(positions: Float64Array, first: number, second: number): number {
  const along = (axis: number): number =>
    (positions[2 * first + axis] as number) - (positions[2 * second + axis] as number)
  return wholeMetres(Math.hypot(along(0), along(1)))
}
