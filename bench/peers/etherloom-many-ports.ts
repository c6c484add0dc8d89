// etherloom: a default-deny hub with any number of ports and allowed paths, two of which are the TAPs of the hosts.

import type { Peer } from '../case.js'
import { portName } from '../network.js'
import type { ManyPortsConfig } from '../programs/many-ports.js'
import { tapProbe } from './c-loops.js'
import { libraryIsMissing, startProgram } from './programs.js'

export function etherloomManyPorts(size: Pick<ManyPortsConfig, 'taps' | 'ports' | 'paths'>): Peer {
  return {
    name: `etherloom, ${size.ports.toLocaleString('en-US')} ports`,

    unavailable: async () => (await libraryIsMissing()) ?? tapProbe(),

    async start(network, { machine }) {
      const config: ManyPortsConfig = {
        ...size,
        from: { interface: portName, namespace: network.sender.path },
        to: { interface: portName, namespace: network.receiver.path },
        elsewhere: (await network.between()).path,
      }
      return startProgram(network, 'many-ports', config, { core: machine.forwarderCore })
    },
  }
}
