/** Distances between nodes as they go from a movement to its world: a list of pairs that is filled anew at each step. */
import { EtherloomError } from '../values/errors.js'
import { refuse, suggestion } from '../values/options.js'
import { quote } from '../values/quote.js'

/** What a user gives as distances, in metres: a row per node, or a list of pairs by name. */
export type GivenDistances =
  readonly ArrayLike<number | null | undefined>[] | Iterable<readonly [a: string, b: string, metres: number]>

/** Pairs of nodes, by their numbers from 0, with how far they are apart. Below 0 and Infinity: out of all reach. */
export class Distances {
  /**
   * Pairs that are not in the list are out of reach, as where positions are known. Else nothing is said of them, and the
   * world's option `missing` decides.
   */
  complete = false
  #length = 0
  #ends = new Uint32Array(128)
  #metres = new Float64Array(64)

  /** How many pairs there are. */
  get length(): number {
    return this.#length
  }

  /** The lesser number of a pair. */
  first(index: number): number {
    return this.#ends[2 * index] as number
  }

  /** The greater number of a pair. */
  second(index: number): number {
    return this.#ends[2 * index + 1] as number
  }

  /** How far they are apart. */
  metres(index: number): number {
    return this.#metres[index] as number
  }

  /** Adds a pair of nodes, in either order. */
  add(a: number, b: number, metres: number): void {
    const at = this.#length++
    if (at === this.#metres.length) this.#grow()
    this.#ends[2 * at] = a < b ? a : b
    this.#ends[2 * at + 1] = a < b ? b : a
    this.#metres[at] = metres
  }

  /** Takes all pairs out, for the next step. */
  clear({ complete = false } = {}): this {
    this.#length = 0
    this.complete = complete
    return this
  }

  #grow(): void {
    const [ends, metres] = [this.#ends, this.#metres]
    this.#ends = new Uint32Array(2 * ends.length)
    this.#ends.set(ends)
    this.#metres = new Float64Array(2 * metres.length)
    this.#metres.set(metres)
  }
}

/** Fills a list with what a user gave. @throws EtherloomError ERR_ETHERLOOM_OPTION, ERR_ETHERLOOM_NAME */
export function readDistances(
  given: unknown,
  nodes: ReadonlyMap<string, number>,
  into: Distances,
): Distances {
  into.clear()
  if (typeof given !== 'object' || given === null || !(Symbol.iterator in given))
    return refuse('distances', 'a matrix or a list of [node, node, metres]', given)
  const rows = Array.isArray(given) ? (given as unknown[]) : [...(given as Iterable<unknown>)]
  if (isPair(rows[0])) readPairs(rows, nodes, into)
  else readMatrix(rows, nodes.size, into)
  return into
}

const isPair = (entry: unknown): boolean => Array.isArray(entry) && typeof entry[0] === 'string'

function readPairs(rows: unknown[], nodes: ReadonlyMap<string, number>, into: Distances): void {
  rows.forEach((row, index) => {
    const subject = `entry ${index + 1} of distances`
    const [a, b, metres] = isPair(row) ? (row as unknown[]) : []
    if (typeof a !== 'string' || typeof b !== 'string' || !isDistance(metres))
      return refuse(subject, "[node, node, metres], such as ['a', 'b', 12]", row)
    const [first, second] = [a, b].map((name) => numberOf(name, nodes, subject)) as [number, number]
    if (first === second) refuse(subject, 'of two different nodes', a)
    into.add(first, second, metres)
  })
}

function numberOf(name: string, nodes: ReadonlyMap<string, number>, subject: string): number {
  const number = nodes.get(name)
  if (number !== undefined) return number
  throw new EtherloomError(
    'ERR_ETHERLOOM_NAME',
    `${subject}: no node ${quote(name)}${suggestion(name, [...nodes.keys()])}`,
  )
}

/** Reads the upper triangle; where the lower one says something too, it must say the same. */
function readMatrix(rows: unknown[], size: number, into: Distances): void {
  if (rows.length !== size)
    refuse('distances', `a matrix of ${size} rows, one per node`, `${rows.length} rows`)
  const matrix = rows.map((row, index) =>
    typeof row === 'object' && row !== null && 'length' in row
      ? (row as ArrayLike<unknown>)
      : refuse(`row ${index + 1} of distances`, 'a list of metres', row),
  )
  for (let a = 0; a < size; a++) {
    const row = matrix[a] as ArrayLike<unknown>
    if (row.length > size) refuse(`row ${a + 1} of distances`, `at most ${size} long`, `${row.length}`)
    for (let b = a + 1; b < size; b++) {
      const back = matrix[b]?.[a] ?? undefined
      const metres = row[b] ?? back
      if (metres === undefined) continue
      if (!isDistance(metres) || (back !== undefined && back !== metres))
        refuse(`distances of nodes ${a + 1} and ${b + 1}`, 'one number of metres, both ways', back ?? metres)
      into.add(a, b, metres)
    }
  }
}

const isDistance = (value: unknown): value is number => typeof value === 'number' && !Number.isNaN(value)
