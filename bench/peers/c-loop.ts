// The least that user space can do, as limits: read() on one TAP and write() on another, in one thread of a C program.
// It is spared what etherloom does on top: the other direction, decisions, counters, a clock.

import { built } from '../build.js'
import type { Peer } from '../case.js'
import { probe } from '../children.js'
import { portName, type Network } from '../network.js'

/** `flood`: from the first port to all others. `switch`: from every port to that of the destination address. */
export type Pattern = 'flood' | 'switch'

export const tapProbe = () => probe('ip', 'tuntap', 'add', 'dev', portName, 'mode', 'tap')

/** The network's ports as the C programs take them. */
export function placesOf(network: Network): string[] {
  return network.ports.map(({ host, name }) => `${name}@${host.path}`)
}

export function cLoop(pattern: Pattern): Peer {
  return {
    name: 'C loop, read and write',

    unavailable: tapProbe,

    async start(network, { machine }) {
      const command = [built('tap_forward'), pattern, ...placesOf(network)]
      const child = await network.start(command, { core: machine.forwarderCore })
      return { pid: child.pid, stop: () => child.stop().then(() => undefined) }
    },
  }
}
