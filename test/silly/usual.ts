/** Values as a declaration asks for them, made up by its type: what a call is given beside the one thing that is wrong. */
import { PassThrough } from 'node:stream'
import type { Draw } from '../helpers/draw.js'
import { frame } from '../helpers/frames.js'
import type { Api, Type } from './api.js'
import type { Stage } from './stage.js'

/** Words that mean something somewhere: names, units, files of the folder it runs in. */
const words = [
  'a',
  'b',
  'c',
  'hub',
  'lan',
  '1ms',
  '10Mbit',
  '1MiB',
  '5%',
  'icmp',
  'lo',
  'net.yaml',
  './out',
  'true',
]
const numbers = [0, 1, 2, 3, 10, 64, 100, 0.5]
/** How deep objects are filled. */
const deepest = 4

export class Usual {
  readonly #types: readonly Type[]
  readonly #draw: Draw

  constructor({ types }: Api, draw: Draw) {
    this.#types = types
    this.#draw = draw
  }

  /** Arguments for these parameters; the last ones may be left out where undefined will do. */
  all(parameters: readonly number[], stage: Stage): unknown[] {
    return parameters.map((type) => this.make(type, stage))
  }

  make(place: number, stage: Stage, depth = 0): unknown {
    const draw = this.#draw
    const type = this.#types[place] ?? { kind: 'any' }
    switch (type.kind) {
      case 'any':
        return draw.of<() => unknown>([() => ({}), () => 'a', () => 1, () => '1ms', () => passing()])()
      case 'string':
        return draw.of(words)
      case 'number':
        return draw.of(numbers)
      case 'bigint':
        return BigInt(draw.below(1000))
      case 'boolean':
        return draw.once(2)
      case 'null':
        return null
      case 'undefined':
        return undefined
      case 'literal':
        return type.value
      case 'template':
        return type.texts.join(String(draw.of([1, 5, 50])))
      case 'bytes':
        return frame()
      case 'signal':
        return draw.once(4) ? stage.abortedSignal : new AbortController().signal
      case 'union':
        return this.make(draw.of(type.of), stage, depth)
      case 'list':
        if (depth >= deepest) return []
        return Array.from({ length: draw.below(3) }, () => this.make(type.of, stage, depth + 1))
      case 'tuple':
        return type.of.map((each) => this.make(each, stage, depth + 1))
      case 'function': {
        const result = depth >= deepest ? undefined : this.make(type.returns, stage, depth + 1)
        return () => result
      }
      case 'instance':
        return stage.instance(type.of, draw) ?? {}
      case 'object':
        return this.#object(type, stage, depth)
    }
  }

  /** All keys that it needs, and some of the others. */
  #object({ keys }: Extract<Type, { kind: 'object' }>, stage: Stage, depth: number): unknown {
    if (depth > 2 * deepest) return {}
    const chosen = keys.filter(({ optional }) => !optional || (depth < deepest && this.#draw.once(4)))
    return Object.fromEntries(chosen.map(({ name, type }) => [name, this.make(type, stage, depth + 1)]))
  }

  /** The keys that an argument of this type can have, with their types. */
  keysOf(place: number): readonly { name: string; type: number }[] {
    const type = this.#types[place]
    if (type?.kind === 'object') return type.keys
    return type?.kind === 'union' ? type.of.flatMap((each) => this.keysOf(each)) : []
  }
}

/** A stream whose bytes go nowhere. */
const passing = (): PassThrough => new PassThrough().resume()
