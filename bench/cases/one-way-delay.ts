// How exactly a delay is kept, from hardly any frames to many.

import type { PolicyOptions } from 'etherloom'
import type { Case } from '../case.js'
import { delayError } from '../measures/arrivals.js'
import { etherloomTwoWay } from '../peers/etherloom-two-way.js'
import { wirefilter } from '../peers/wirefilter.js'

const milliseconds = 10
const policy: PolicyOptions = { delay: '10ms' }
const etherloom = etherloomTwoWay('etherloom', { policy })
const spinning = etherloomTwoWay('etherloom, spinLast 100us', {
  policy,
  engine: { busyPoll: { spinLast: '100us' } },
})
const polling = etherloomTwoWay('etherloom, busy poll', { policy, engine: { busyPoll: true } })

/** Never early at any pace; how late is judged at one. */
function delayAt(framesPerSecond: number, latest?: number): Case {
  return {
    name: `one-way-delay-${framesPerSecond / 1000}k`,
    what: `a path of ${milliseconds} ms at ${framesPerSecond.toLocaleString('en-US')} frames a second: what is left without the 10 ms`,
    measure: delayError({ milliseconds, framesPerSecond }),
    peers: [etherloom, spinning, polling, wirefilter({ milliseconds })],
    goals: [
      { figure: 'earliest', atLeast: 0, everyRound: true },
      ...(latest === undefined ? [] : [{ figure: 'p99', atMost: latest }]),
    ],
  }
}

export const oneWayDelay = [delayAt(1000), delayAt(20_000, 100), delayAt(100_000)]
