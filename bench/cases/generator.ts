// What the generator of the forwarding cases can do: their figures are bounded by it, and mean nothing where they come
// near.

import type { Case } from '../case.js'
import { sending } from '../measures/forwarding.js'
import { uringDiscard } from '../peers/c-loops.js'
import { direct } from '../peers/direct.js'

export const generator: Case = {
  name: 'generator',
  what: '60-byte frames from the generator, with nothing behind the interface but a reader that drops them',
  measure: sending({ length: 60 }),
  peers: [direct, uringDiscard],
  goals: [],
}

export const generatorLong: Case = {
  ...generator,
  name: 'generator-1514',
  what: '1514-byte frames from the generator, likewise',
  measure: sending({ length: 1514 }),
}
