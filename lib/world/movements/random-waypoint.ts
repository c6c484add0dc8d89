/** RandomWaypoint: nodes go straight to a place drawn at random, rest, and go on to another. */
import { about, mapping, readOptions, required, type RulesOf } from '../../values/options.js'
import { duration, type Duration } from '../../values/units.js'
import type { MovementKind } from './movement.js'
import { PlaneMovement, planeRules, type PlaneOptions } from './plane.js'

/** Where and how fast nodes go, and how long they rest. */
export interface RandomWaypointOptions extends PlaneOptions {
  /** How long a node rests at each place. Default 0s. */
  pause?: Duration
}

const randomWaypointRules = {
  ...planeRules,
  pause: about('How long a node rests at each place.', duration({ default: '0s' })),
} satisfies RulesOf<RandomWaypointOptions>

/**
 * The random waypoint model (Johnson, Maltz 1996): a place of the area and a speed, both uniform, a straight way there,
 * a rest, the next place. A least speed of 0 slows the whole down without end (Yoon, Liu, Noble 2003): nodes that drew
 * next to nothing never arrive.
 */
export class RandomWaypoint extends PlaneMovement {
  /** In seconds. */
  readonly #pause: number
  /** Where each node goes, x and y. */
  #goals = new Float64Array(0)
  #speeds = new Float64Array(0)
  /** Seconds that it still rests. */
  #rests = new Float64Array(0)

  /** @throws EtherloomError ERR_ETHERLOOM_OPTION, ERR_ETHERLOOM_UNKNOWN_OPTION */
  constructor(options: RandomWaypointOptions) {
    const given = readOptions('RandomWaypoint', options, randomWaypointRules)
    super('RandomWaypoint', given)
    this.#pause = Number(given.pause) / 1e9
  }

  protected settle(nodes: number): void {
    this.#goals = new Float64Array(2 * nodes)
    this.#speeds = new Float64Array(nodes)
    this.#rests = new Float64Array(nodes)
    for (let node = 0; node < nodes; node++) this.#depart(node)
  }

  protected move(node: number, seconds: number): void {
    const { positions } = this
    // A bound, since a small area can be crossed any number of times within a step.
    for (let left = seconds, legs = 0; left > 0 && legs < 1000; legs++) {
      const rest = Math.min(this.#rests[node] as number, left)
      this.#rests[node] = (this.#rests[node] as number) - rest
      left -= rest
      if (left <= 0) return
      const [x, y] = [positions[2 * node] as number, positions[2 * node + 1] as number]
      const [goalX, goalY] = [this.#goals[2 * node] as number, this.#goals[2 * node + 1] as number]
      const way = Math.hypot(goalX - x, goalY - y)
      const reached = (this.#speeds[node] as number) * left
      if (reached < way) {
        positions[2 * node] = x + ((goalX - x) * reached) / way
        positions[2 * node + 1] = y + ((goalY - y) * reached) / way
        return
      }
      positions[2 * node] = goalX
      positions[2 * node + 1] = goalY
      left -= reached > 0 ? (left * way) / reached : left
      this.#rests[node] = this.#pause
      this.#depart(node)
    }
  }

  #depart(node: number): void {
    this.#goals.set(this.place(), 2 * node)
    this.#speeds[node] = this.drawSpeed()
  }
}

/** @internal */
export const randomWaypointKind: MovementKind<{ randomWaypoint: RandomWaypointOptions }> = {
  key: 'randomWaypoint',
  options: {
    randomWaypoint: required(
      about('Straight to a place drawn at random, a rest, the next place.', mapping(randomWaypointRules)),
    ),
  },
  make: ({ randomWaypoint }) => new RandomWaypoint(randomWaypoint),
}
