// The least that user space can do: read() on one TAP and write() on the other, in one blocking thread.
// It is spared what etherloom does on top: the other direction, decisions, counters, a clock, and more than two ports.

import { built } from '../build.js'
import type { Peer } from '../case.js'
import { probe } from '../children.js'
import { portName } from '../network.js'

export const cLoop: Peer = {
  name: 'C loop',

  unavailable: () => probe('ip', 'tuntap', 'add', 'dev', portName, 'mode', 'tap'),

  async start(network, { machine }) {
    const command = [built('tap_forward'), portName, network.sender.path, network.receiver.path]
    const child = await network.start(command, { core: machine.forwarderCore })
    return { pid: child.pid, stop: () => child.stop().then(() => undefined) }
  },
}
