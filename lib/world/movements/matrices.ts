/** DistanceMatrices: distances that somebody wrote down, a matrix for each step. */
import { locate } from '../../values/errors.js'
import {
  about,
  flag,
  list,
  readOptions,
  refuse,
  required,
  shaped,
  single,
  type RulesOf,
} from '../../values/options.js'
import { Distances, readDistances } from '../distances.js'
import type { Movement, MovementKind, Surroundings } from './movement.js'

/** A row per node, in metres, of which the upper triangle is enough; null says nothing of a pair. */
export type DistanceMatrix = readonly ArrayLike<number | null | undefined>[]

/** The distances of each step. */
export interface DistanceMatricesOptions {
  /** A matrix for each step, at least one. */
  matrices: readonly DistanceMatrix[]
  /** After the last the first again. Default false: the last stays. */
  loop?: boolean
}

const metres = single('a number of metres, or null', { type: ['number', 'null'] }, (value) =>
  value === null || typeof value === 'number' ? [value] : undefined,
)

const aMatrix = about(
  'Metres, a row per node; -1 out of reach, null not said; the upper triangle is enough.',
  list(list(metres)),
)

/** @internal */
export const loopRule = about('Whether the first follows the last again; else the last stays.', flag(false))

const matricesRules = {
  matrices: required(
    shaped(readMatrices, {
      description: 'A matrix for each step.',
      form: { kind: 'list', entry: aMatrix, min: 1 },
    }),
  ),
  loop: loopRule,
} satisfies RulesOf<DistanceMatricesOptions>

function readMatrices(value: unknown, subject: string): DistanceMatrix[] {
  return Array.isArray(value) && value.length > 0 && value.every(isMatrix)
    ? (value as DistanceMatrix[])
    : refuse(subject, 'a list of matrices, at least one', value)
}

/** One matrix after the other. */
export class DistanceMatrices implements Movement {
  readonly positions = undefined
  readonly #matrices: readonly DistanceMatrix[]
  readonly #loop: boolean
  #nodes: ReadonlyMap<string, number> = new Map()
  #next = 0

  /** @throws EtherloomError ERR_ETHERLOOM_OPTION, ERR_ETHERLOOM_UNKNOWN_OPTION */
  constructor(options: DistanceMatricesOptions) {
    const { matrices, loop } = readOptions('DistanceMatrices', options, matricesRules)
    this.#matrices = matrices
    this.#loop = loop
  }

  begin({ nodes }: Surroundings): void {
    this.#nodes = new Map(Array.from({ length: nodes }, (_, node) => [`${node + 1}`, node]))
    const list = new Distances()
    this.#matrices.forEach((matrix, index) => {
      try {
        readDistances(matrix, this.#nodes, list)
      } catch (error) {
        throw locate(error, `matrix ${index + 1}`)
      }
    })
  }

  step(_seconds: number, distances: Distances): void {
    const matrix = this.#matrices[this.#next] as DistanceMatrix
    const last = this.#matrices.length - 1
    this.#next = this.#next < last ? this.#next + 1 : this.#loop ? 0 : last
    readDistances(matrix, this.#nodes, distances)
  }
}

const isMatrix = (value: unknown): boolean =>
  Array.isArray(value) && value.every((row) => typeof row === 'object' && row !== null && 'length' in row)

/** @internal */
export const matrixKind: MovementKind<{ matrix: DistanceMatrix }> = {
  key: 'matrix',
  options: { matrix: required(aMatrix) },
  make: ({ matrix }) => new DistanceMatrices({ matrices: [matrix] }),
}

/** @internal */
export const matricesKind: MovementKind<DistanceMatricesOptions> = {
  key: 'matrices',
  options: matricesRules,
  make: (options) => new DistanceMatrices(options),
}
