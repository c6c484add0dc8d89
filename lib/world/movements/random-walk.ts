/** RandomWalk: nodes go straight for a while, then in any other direction, and turn back at the edge. */
import { about, mapping, readOptions, required, type RulesOf } from '../../values/options.js'
import { duration, type Duration } from '../../values/units.js'
import type { MovementKind } from './movement.js'
import { PlaneMovement, planeRules, type PlaneOptions } from './plane.js'

/** Where and how fast nodes go, and how often they turn. */
export interface RandomWalkOptions extends PlaneOptions {
  /** How long a node keeps its direction and speed. Default 10s. */
  leg?: Duration
}

const randomWalkRules = {
  ...planeRules,
  leg: about(
    'How long a node keeps its direction and speed.',
    duration({ default: '10s', fits: (time) => time >= 1_000_000n, expects: 'a duration of at least 1ms' }),
  ),
} satisfies RulesOf<RandomWalkOptions>

/**
 * The random walk model (Camp, Boleng, Davies 2002): a direction and a speed, both uniform, kept for a fixed time; the
 * edge of the area reflects.
 */
export class RandomWalk extends PlaneMovement {
  /** In seconds. */
  readonly #leg: number
  /** Metres per second of each node, x and y. */
  #velocities = new Float64Array(0)
  /** Seconds until it turns. */
  #left = new Float64Array(0)

  /** @throws EtherloomError ERR_ETHERLOOM_OPTION, ERR_ETHERLOOM_UNKNOWN_OPTION */
  constructor(options: RandomWalkOptions) {
    const given = readOptions('RandomWalk', options, randomWalkRules)
    super('RandomWalk', given)
    this.#leg = Number(given.leg) / 1e9
  }

  protected settle(nodes: number): void {
    this.#velocities = new Float64Array(2 * nodes)
    this.#left = new Float64Array(nodes)
  }

  protected move(node: number, seconds: number): void {
    for (let left = seconds; left > 1e-9;) {
      if ((this.#left[node] as number) <= 0) this.#turn(node)
      const time = Math.min(left, this.#left[node] as number)
      for (const axis of [0, 1] as const) this.#slide(2 * node + axis, this.area[axis], time)
      this.#left[node] = (this.#left[node] as number) - time
      left -= time
    }
  }

  #turn(node: number): void {
    const direction = this.draw(0, 2 * Math.PI)
    const speed = this.drawSpeed()
    this.#velocities.set([speed * Math.cos(direction), speed * Math.sin(direction)], 2 * node)
    this.#left[node] = this.#leg
  }

  /** Moves along one axis, thrown back at both ends of it. */
  #slide(at: number, length: number, time: number): void {
    const velocity = this.#velocities[at] as number
    // Unfolded, the way is straight through mirrored areas; every second one is run through backwards.
    const far = (this.positions[at] as number) + velocity * time
    const folded = ((far % (2 * length)) + 2 * length) % (2 * length)
    const mirrored = folded > length
    this.positions[at] = mirrored ? 2 * length - folded : folded
    if (mirrored) this.#velocities[at] = -velocity
  }
}

/** @internal */
export const randomWalkKind: MovementKind<{ randomWalk: RandomWalkOptions }> = {
  key: 'randomWalk',
  options: {
    randomWalk: required(
      about('Straight for a while, then in any other direction.', mapping(randomWalkRules)),
    ),
  },
  make: ({ randomWalk }) => new RandomWalk(randomWalk),
}
