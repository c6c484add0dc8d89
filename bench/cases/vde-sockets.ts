// Programs of VDE at a switch, by the sockets that VDE has for them.

import type { Case } from '../case.js'
import { statedFrames } from '../measures/stated.js'
import { etherloomVde, vdeSwitch } from '../peers/vde-sockets.js'

const sockets = (name: string, length: number): Case => {
  const other = vdeSwitch(length)
  return {
    name,
    what: `${length}-byte frames from one program of VDE to another, each at a data socket of the same switch`,
    measure: statedFrames({ name: 'delivered', unit: 'frames/s', digits: 0 }),
    peers: [etherloomVde(length), other],
    goals: [{ ratioTo: other.name, atLeast: 2 }],
  }
}

export const vdeShort = sockets('vde', 60)
export const vdeLong = sockets('vde-1514', 1514)
