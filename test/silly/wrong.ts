/** Values that no call asks for: of the wrong type, out of all ranges, lying, closed, of others, and that do something when looked at. */
import type { Draw } from '../helpers/draw.js'
import { Ours, type Stage } from './stage.js'
import type { Usual } from './usual.js'

export interface Place {
  stage: Stage
  /** On another engine. */
  foreign: Stage
  closed: Stage
  usual: Usual
  draw: Draw
  /** What the declaration asks for. */
  type: number
  /** The class that is asked for, where one is. */
  class?: string
}

const throwing = (target: object): object =>
  new Proxy(
    target,
    new Proxy(
      {},
      {
        get: () => () => {
          throw new Ours('looked at')
        },
      },
    ),
  )

/** The value as it should be, that first disturbs what the call is about to use, whatever of it is looked at. */
const disturbing = ({ stage, usual, draw, type }: Place): unknown => {
  let left = 2
  const value = usual.make(type, stage)
  if (typeof value !== 'object' || value === null)
    return { toString: disturb, valueOf: disturb, [Symbol.toPrimitive]: disturb }
  function disturb(): string {
    if (left-- > 0) stage.disturb(draw)
    return '1ms'
  }
  return new Proxy(value, {
    get(target, key) {
      disturb()
      const found: unknown = Reflect.get(target, key)
      return typeof found === 'function' ? (found.bind(target) as unknown) : found
    },
  })
}

/** Keys that are there and throw. */
const trapped = ({ usual, type }: Place): unknown =>
  Object.defineProperties(
    {},
    Object.fromEntries(
      usual.keysOf(type).map(({ name }) => [
        name,
        {
          enumerable: true,
          get: () => {
            throw new Ours(name)
          },
        },
      ]),
    ),
  )

function detached(): Uint8Array {
  const bytes = new Uint8Array(64)
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] })
  return bytes
}

/** A view of memory that has become shorter meanwhile. */
function shrunk(): Uint8Array {
  const buffer = new (
    ArrayBuffer as unknown as new (
      length: number,
      options: object,
    ) => ArrayBuffer & { resize(to: number): void }
  )(64, { maxByteLength: 64 })
  const bytes = new Uint8Array(buffer, 32, 32)
  buffer.resize(8)
  return bytes
}

/** A list that gets longer, or shorter, while it is looked at. */
const changing = ({ stage, usual, type }: Place): unknown => {
  const list: unknown[] = [usual.make(type, stage), usual.make(type, stage), 3]
  Object.defineProperty(list, 1, {
    enumerable: true,
    get() {
      list.length = 1
      return undefined
    },
  })
  return list
}

function cyclic(): object {
  const value: Record<string, unknown> = {}
  Object.assign(value, {
    a: value,
    fabrics: value,
    from: value,
    to: value,
    policy: value,
    toJSON: () => value,
  })
  return value
}

function cyclicList(): unknown[] {
  const list: unknown[] = []
  list.push(list, list)
  return list
}

const bare = (value: object): object => Object.assign(Object.create(null) as object, value)

export const wrong: Readonly<Record<string, (place: Place) => unknown>> = {
  undefined: () => undefined,
  null: () => null,
  true: () => true,
  NaN: () => NaN,
  '-1': () => -1,
  '-0': () => -0,
  '1.5': () => 1.5,
  '2 ** 53': () => 2 ** 53,
  '2 ** 32': () => 2 ** 32,
  Infinity: () => Infinity,
  '1n': () => 1n,
  '-1n': () => -1n,
  '2n ** 70n': () => 2n ** 70n,
  'empty text': () => '',
  'long text': () => 'x'.repeat(100_000),
  'control characters': () => '\x00\x1b[2J\r\n\u202e\ud800',
  __proto__text: () => '__proto__',
  'huge number as text': () => `${'9'.repeat(400)}ms`,
  'empty object': () => ({}),
  'empty list': () => [],
  'list of undefined': () => [undefined, null, {}, []],
  symbol: () => Symbol('silly'),
  function: () => () => undefined,
  'async function': () => () => Promise.resolve(),
  'throwing function': () => () => {
    throw new Ours('called')
  },
  class: () =>
    class Silly {
      own = 1
    },
  'throwing object': () => throwing({}),
  'throwing list': () => throwing([]),
  'throwing function object': () => throwing(() => undefined),
  'throwing keys': trapped,
  'disturbing object': disturbing,
  'disturbing again': disturbing,
  'disturbing third': disturbing,
  'disturbing function':
    ({ stage, draw }) =>
    () => {
      stage.disturb(draw)
      return []
    },
  'disturbing iterable': ({ stage, draw, usual, type }) => ({
    *[Symbol.iterator]() {
      yield usual.make(type, stage)
      stage.disturb(draw)
      yield undefined
    },
  }),
  'throwing iterable': () => ({
    [Symbol.iterator]() {
      throw new Ours('iterated')
    },
  }),
  'iterable of nothing': () => ({ [Symbol.iterator]: () => ({}) }),
  'detached bytes': () => detached(),
  'shrunk bytes': () => shrunk(),
  'shared bytes': () => new Uint8Array(new SharedArrayBuffer(64)),
  'bytes of no length': () => new Uint8Array(0),
  'many bytes': () => new Uint8Array(1 << 20),
  'other numbers': () => new Float64Array(8),
  'view of bytes': () => new DataView(new ArrayBuffer(64)),
  'huge length': () => ({ length: 2 ** 53 - 1, 0: 1 }),
  'list of nothing': () => new Array<unknown>(1e6),
  'list with holes': () => [, 1, , 2],
  'changing list': changing,
  'cyclic object': () => cyclic(),
  'cyclic list': () => cyclicList(),
  frozen: ({ stage, usual, type }) => {
    const value = usual.make(type, stage)
    return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
      ? Object.freeze(value)
      : Object.freeze({})
  },
  'without prototype': ({ stage, usual, type }) => {
    const value = usual.make(type, stage)
    return typeof value === 'object' && value !== null ? bare(value) : bare({})
  },
  'own __proto__': () =>
    JSON.parse('{"__proto__": {"name": 1}, "constructor": 1, "toString": 2, "hasOwnProperty": 3}') as object,
  date: () => new Date(NaN),
  pattern: () => /x/g,
  map: () => new Map([['a', 1]]),
  weak: () => new WeakMap(),
  promise: () => Promise.resolve('a'),
  error: () => new RangeError('theirs'),
  engine: ({ stage }) => stage.engine,
  hub: ({ stage }) => stage.hub,
  port: ({ stage }) => stage.ports[0],
  'other class': ({ stage, draw }) => draw.of(stage.things),
  foreign: ({ foreign, draw, class: of }) =>
    of === undefined ? draw.of(foreign.things) : foreign.instance(of, draw),
  'closed one': ({ closed, draw, class: of }) =>
    of === undefined ? draw.of(closed.things) : closed.instance(of, draw),
  'half closed': ({ stage, draw, class: of }) => {
    const thing = of === undefined ? draw.of(stage.things) : stage.instance(of, draw)
    stage.beginToClose(thing)
    return thing
  },
  'prototype only': ({ stage, draw, class: of }) =>
    pretender(of === undefined ? draw.of(stage.things) : stage.instance(of, draw)),
  'proxy of it': ({ stage, draw, class: of }) => {
    const thing = of === undefined ? draw.of(stage.things) : stage.instance(of, draw)
    return typeof thing === 'object' && thing !== null ? new Proxy(thing, {}) : {}
  },
}

/** Passes `instanceof`, and has nothing of the class. */
const pretender = (thing: unknown): unknown => Object.create(Object.getPrototypeOf(Object(thing)) as object)
