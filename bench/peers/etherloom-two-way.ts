// etherloom: a default-deny hub with two TAPs and both paths between them, in a process of its own on the forwarder's core.

import type { EngineOptions, PolicyOptions, TapPortOptions } from 'etherloom'
import type { Peer } from '../case.js'
import { portName } from '../network.js'
import type { TwoWayConfig } from '../programs/two-way.js'
import { tapProbe } from './c-loops.js'
import { libraryIsMissing, startProgram } from './programs.js'

export interface TwoWayOptions {
  /** What both paths do. Default nothing but to let frames pass. */
  policy?: PolicyOptions
  /** Beside name and namespace, which the case gives. */
  tap?: TapPortOptions
  engine?: EngineOptions
}

export function etherloomTwoWay(
  name: string,
  { policy = {}, tap = {}, engine = {} }: TwoWayOptions = {},
): Peer {
  return {
    name,

    async unavailable() {
      return (await libraryIsMissing()) ?? tapProbe()
    },

    start(network, { machine }) {
      const config: TwoWayConfig = {
        left: { ...tap, interface: portName, namespace: network.sender.path },
        right: { ...tap, interface: portName, namespace: network.receiver.path },
        policy,
        engine,
      }
      return startProgram(network, 'two-way', config, { core: machine.forwarderCore })
    },
  }
}
