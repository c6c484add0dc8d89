// The price of user space in time: a datagram there and back, beside a loop that does nothing else and beside the kernel.

import type { Case } from '../case.js'
import { roundTrip } from '../measures/round-trip.js'
import { cJoin } from '../peers/c-join.js'
import { etherloomTwoWay } from '../peers/etherloom-two-way.js'
import { linuxBridge } from '../peers/linux-bridge.js'

const etherloom = etherloomTwoWay('etherloom')
const busyPolling = etherloomTwoWay('etherloom, busy poll', { engine: { busyPoll: true } })

export const roundTripWaiting: Case = {
  name: 'round-trip',
  what: '64 bytes over UDP to an echoing program and back, forwarders that wait for frames',
  measure: roundTrip({ payload: 64 }),
  peers: [etherloom, cJoin('block'), linuxBridge],
  goals: [{ ratioTo: cJoin('block').name, atMost: 1 }],
}

export const roundTripPolling: Case = {
  name: 'round-trip-polling',
  what: '64 bytes over UDP to an echoing program and back, forwarders that look for frames without pause',
  measure: roundTrip({ payload: 64 }),
  peers: [busyPolling, cJoin('spin'), linuxBridge],
  goals: [{ ratioTo: linuxBridge.name, atMost: 1.6 }],
}
