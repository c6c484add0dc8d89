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
  /** Beside name and namespace, which the case gives. What the library does not know makes the peer unavailable. */
  tap?: TapPortOptions & { napi?: boolean }
  engine?: EngineOptions & { busyPoll?: boolean }
}

export function etherloomTwoWay(
  name: string,
  { policy = {}, tap = {}, engine = {} }: TwoWayOptions = {},
): Peer {
  return {
    name,

    async unavailable() {
      return (await libraryIsMissing()) ?? (await refusal({ tap, engine })) ?? tapProbe()
    },

    start(network, { machine }) {
      const config: TwoWayConfig = {
        left: { ...tap, name: portName, namespace: network.sender.path },
        right: { ...tap, name: portName, namespace: network.receiver.path },
        policy,
        engine,
      }
      return startProgram(network, 'two-way', config, { core: machine.forwarderCore })
    },
  }
}

/** Why the library does not take these options: an older one may not know them, nor may every kernel. */
async function refusal({
  tap,
  engine,
}: Required<Omit<TwoWayOptions, 'policy'>>): Promise<string | undefined> {
  const { Engine, TapPort } = await import('etherloom')
  try {
    new TapPort(tap)
    await new Engine(engine).close()
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
