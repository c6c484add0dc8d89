/** What movements in a plane share: an area, where nodes start, how fast they are, and their distances. */
import {
  about,
  list,
  number,
  optional,
  refuse,
  required,
  shaped,
  type Rule,
  type RulesOf,
  type Values,
} from '../../values/options.js'
import type { Distances } from '../distances.js'
import { Random } from '../random.js'
import type { Movement, Surroundings } from './movement.js'
import { listNeighbours } from './neighbours.js'

export interface PlaneOptions {
  /** Width and height in metres, each above 0 and up to 1000000. */
  area: readonly [width: number, height: number]
  /** Metres per second, drawn uniformly from the least to the greatest; one number is both. Default 1 to 5. */
  speed?: number | readonly [least: number, greatest: number]
  /** Where nodes start, as [x, y] in metres, in their order. Default: anywhere, uniformly. */
  start?: readonly (readonly [x: number, y: number])[]
}

const longest = 1_000_000
const isPair = (value: unknown, low: number): value is [number, number] =>
  Array.isArray(value) &&
  value.length === 2 &&
  value.every((each) => typeof each === 'number' && each >= low && each <= longest)

const pair = (low: number) => ({
  kind: 'list' as const,
  entry: number(low, longest, { unit: 'metres' }),
  min: 2,
  max: 2,
})

const areaRule: Rule<[number, number]> = shaped(
  (value, subject) =>
    isPair(value, Number.MIN_VALUE)
      ? [...value]
      : refuse(subject, 'a width and a height in metres, such as [1000, 500]', value),
  { expects: 'a width and a height in metres, such as [1000, 500]', form: pair(0) },
)

const expectsSpeed = 'metres per second, or the least and the greatest, such as [1, 5]'
const speedRule: Rule<[number, number]> = shaped(
  (value, subject) => {
    const range: unknown = typeof value === 'number' ? [value, value] : value
    return isPair(range, 0) && range[0] <= range[1] ? [...range] : refuse(subject, expectsSpeed, value)
  },
  {
    expects: expectsSpeed,
    form: {
      kind: 'either',
      branches: [number(0, longest), shaped((value) => value, { expects: expectsSpeed, form: pair(0) })],
    },
  },
)

const placeRule: Rule<[number, number]> = shaped(
  (value, subject) => (isPair(value, 0) ? [...value] : refuse(subject, '[x, y] in metres from 0 on', value)),
  { expects: '[x, y] in metres from 0 on', form: pair(0) },
)

/** @internal */
export const planeRules = {
  area: required(about('Width and height in metres.', areaRule)),
  speed: about(
    'Metres per second, or the least and the greatest.',
    optional(speedRule, [1, 5] as [number, number]),
    { default: [1, 5] },
  ),
  start: about('Where nodes start, x and y of each. Default: anywhere.', optional(list(placeRule))),
} satisfies RulesOf<PlaneOptions>

/** Nodes in a rectangle, each moving in straight legs. */
export abstract class PlaneMovement implements Movement {
  protected readonly area: readonly [number, number]
  readonly #speed: readonly [number, number]
  readonly #start: readonly [number, number][] | undefined
  #positions = new Float64Array(0)
  #reach = 0
  #begun = false
  #random: Random | undefined

  protected constructor(
    /** The movement's name: its draws are its own. */
    protected readonly kind: string,
    { area, speed, start }: Values<typeof planeRules>,
  ) {
    this.area = area
    this.#speed = speed
    this.#start = start
    start?.forEach(([x, y], index) => {
      if (x > area[0] || y > area[1])
        refuse(`entry ${index + 1} of option 'start' of ${kind}`, `inside the area`, `${x}, ${y}`)
    })
  }

  get positions(): Float64Array {
    return this.#positions
  }

  begin({ nodes, reach, seed }: Surroundings): void {
    if (this.#start && this.#start.length !== nodes)
      refuse(
        `option 'start' of ${this.kind}`,
        `a list of ${nodes} places, one per node`,
        `${this.#start.length}`,
      )
    this.#reach = reach
    this.#random = new Random(seed, this.kind)
    this.#positions = new Float64Array(2 * nodes)
    for (let node = 0; node < nodes; node++) {
      const [x, y] = this.#start?.[node] ?? this.place()
      this.#positions.set([x, y], 2 * node)
    }
    this.settle(nodes)
  }

  /** The first step says where nodes start; time begins to pass with the second. */
  step(seconds: number, distances: Distances): void {
    if (this.#begun) for (let node = 0; 2 * node < this.#positions.length; node++) this.move(node, seconds)
    this.#begun = true
    listNeighbours(this.#positions, this.#reach, distances)
  }

  /** Makes what the movement remembers of each node. */
  protected abstract settle(nodes: number): void

  /** Moves a node in `positions` for so many seconds. */
  protected abstract move(node: number, seconds: number): void

  /** A uniform draw. */
  protected draw(low: number, high: number): number {
    return (this.#random as Random).between(low, high)
  }

  /** Metres per second, as far as they are allowed. */
  protected drawSpeed(): number {
    return this.draw(...this.#speed)
  }

  /** A place in the area, anywhere. */
  protected place(): [number, number] {
    return [this.draw(0, this.area[0]), this.draw(0, this.area[1])]
  }
}
