// Frames from one WebSocket to another through a hub, beside a relay of nothing but the package that both are made with.

import type { Case } from '../case.js'
import { stated } from '../measures/stated.js'
import { etherloomProgram } from '../peers/in-process.js'
import type { WebSocketConfig } from '../programs/websocket.js'

const beside = 'ws alone'
const relay = (name: string, config: WebSocketConfig) =>
  etherloomProgram({ name, program: 'websocket', config, cores: 2 })

const through = (name: string, length: number): Case => ({
  name,
  what: `${length}-byte frames from one WebSocket to another through a hub in a process of its own, 256 of them under way`,
  measure: stated({ name: 'delivered', unit: 'frames/s', digits: 0, better: 'more' }),
  peers: [
    relay('etherloom', { relay: 'etherloom', length, port: 18_573 }),
    relay(beside, { relay: 'ws', length, port: 18_574 }),
  ],
  goals: [{ ratioTo: beside, atLeast: 0.8 }],
})

export const webSocketShort = through('websocket', 60)
export const webSocketLong = through('websocket-1514', 1514)
