/** What carries the links of a world: paths of a hub, or a wire for each. Called by World only. */
import type { Engine } from '../../engine/engine.js'
import type { Policy } from '../../policy/policy.js'

/** A link that goes up, goes down, or changes. */
export interface LinkChange {
  /** The node that comes first in their order. */
  a: string
  /** The other node. */
  b: string
  /** The numbers of the two nodes, from 0, the lesser first: their places in matrices. */
  first: number
  /** The greater number. */
  second: number
  /** What the link did. */
  state: 'up' | 'down' | 'changed'
  /** Whole metres; -1 out of reach. */
  distance: number
  /** Of both paths; null where it is down. */
  policy: Policy | null
}

/** What became of changes. */
export interface Outcome {
  /** When it is settled, all of them hold for every frame. */
  ticket: number
  /** Those that could not be made; everything else is done. */
  failures: { change: LinkChange; error: unknown }[]
}

/** Where a link runs. */
export interface LinkPlace {
  fabric: string
  /** The ports of its two ends, in the order of its nodes. */
  ports: [a: string, b: string]
}

export interface Links {
  readonly engine: Engine
  /** Names of the nodes; the place is the number. */
  readonly nodes: readonly string[]
  /** The nodes whose ports are others than at the last call: what their links had is gone with the old ones. */
  renewed(): number[]
  /**
   * Changes links. Where nothing has to be opened this returns at once, having done it; throws where nothing was done.
   */
  change(changes: readonly LinkChange[]): Outcome | Promise<Outcome>
  place(first: number, second: number): LinkPlace | undefined
  /** Takes all of these links down and gives up what was opened for any. */
  close(up: readonly Pick<LinkChange, 'first' | 'second'>[]): Promise<void>
}
