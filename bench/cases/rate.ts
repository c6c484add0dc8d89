// How exactly a rate is kept, when more is offered.

import type { Case } from '../case.js'
import { rateError } from '../measures/arrivals.js'
import { etherloomTwoWay } from '../peers/etherloom-two-way.js'
import { tokenBucket } from '../peers/token-bucket.js'

function rateOf(megabits: number): Case {
  return {
    name: `rate-${megabits}`,
    what: `a path of ${megabits} Mbit/s that is offered a quarter more in frames of 1514 bytes`,
    measure: rateError({ bitsPerSecond: megabits * 1e6 }),
    peers: [etherloomTwoWay('etherloom', { policy: { rate: `${megabits}Mbit` } }), tokenBucket({ megabits })],
    goals: [{ figure: 'error', atMost: 0.5 }],
  }
}

export const rate = [rateOf(10), rateOf(100), rateOf(1000)]
