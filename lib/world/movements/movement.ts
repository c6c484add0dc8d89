/** What a movement is. One file per movement; a world calls it once for each step. */
import type { Rules } from '../../values/options.js'
import type { Keyed } from '../../values/registry.js'
import type { Distances } from '../distances.js'

/** What a movement is told before its first step. */
export interface Surroundings {
  /** How many nodes there are; they are numbered from 0. */
  nodes: number
  /** What is further apart than this, in metres, need not be listed: no model connects it. May be Infinity. */
  reach: number
  /** Where random draws start. */
  seed: bigint
}

/** Says how far nodes are from each other, step by step. The same seed gives the same movement. Used by one world. */
export interface Movement {
  /** Called once. @throws EtherloomError where it does not fit the nodes */
  begin(surroundings: Surroundings): void
  /** Lets so many seconds pass and fills `distances`, which is empty; it belongs to the world. */
  step(seconds: number, distances: Distances): void
  /** What of the files it was made from is not in it, in sentences; complete once it has begun. */
  readonly notes?: readonly string[]
  /** Where nodes are, in metres: x and y of node 0, of node 1, and so on. Undefined where only distances are known. */
  readonly positions: Float64Array | undefined
}

/** A movement under its key in topology files. index.ts lists them; `Given` is the whole mapping that has the key. */
export interface MovementKind<Given extends object = object> extends Keyed {
  /** The keys of the mapping, the kind's own among them as a required one. */
  readonly options: Rules
  /** Makes one of a mapping that was checked. */
  make(given: Given): Movement
}
