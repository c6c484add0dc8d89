// What TCP between two real stacks gets through: the price of user space where super-frames matter, not frames.

import type { Case } from '../case.js'
import { tcp } from '../measures/tcp.js'
import { cJoin } from '../peers/c-join.js'
import { etherloomTwoWay } from '../peers/etherloom-two-way.js'
import { linuxBridge } from '../peers/linux-bridge.js'
import { qemuHub } from '../peers/qemu-hub.js'
import { vde } from '../peers/vde.js'

const etherloom = etherloomTwoWay('etherloom')
const delayed = etherloomTwoWay('etherloom, 1 ms', { policy: { delay: '1ms' } })
const withNapi = etherloomTwoWay('etherloom, napi', { tap: { napi: true } })

export const tcpOne: Case = {
  name: 'tcp',
  what: 'one TCP stream between two stacks',
  measure: tcp({ streams: 1 }),
  peers: [etherloom, withNapi, cJoin('offload'), linuxBridge, vde, qemuHub],
  goals: [
    { ratioTo: linuxBridge.name, atLeast: 0.95 },
    { ratioTo: vde.name, atLeast: 8 },
    { ratioTo: qemuHub.name, atLeast: 8 },
  ],
}

export const tcpFour: Case = {
  name: 'tcp-four',
  what: 'four TCP streams between two stacks',
  measure: tcp({ streams: 4 }),
  peers: [etherloom, withNapi, cJoin('offload'), linuxBridge],
  goals: [{ ratioTo: linuxBridge.name, atLeast: 0.8 }],
}

export const tcpDelayed: Case = {
  name: 'tcp-delayed',
  what: 'one TCP stream between two stacks, over paths that delay by 1 ms each way',
  measure: tcp({ streams: 1 }),
  peers: [delayed, etherloom],
  goals: [
    { ratioTo: etherloom.name, atLeast: 0.5 },
    { figure: 'lost', atMost: 0, everyRound: true },
  ],
}
