// etherloom: a default-deny hub with two TAPs and one allowed path, in a process of its own on the forwarder's core.

import { built, libraryIsBuilt } from '../build.js'
import type { Peer } from '../case.js'
import { probe } from '../children.js'
import { portName } from '../network.js'
import type { HubProgramConfig } from '../programs/hub.js'

export const etherloomHub: Peer = {
  name: 'etherloom hub',

  async unavailable() {
    if (!(await libraryIsBuilt())) return 'the library is not built; run: npm run build'
    return probe('ip', 'tuntap', 'add', 'dev', portName, 'mode', 'tap')
  },

  async start(network, { machine }) {
    const config: HubProgramConfig = {
      from: { name: portName, namespace: network.sender.path },
      to: { name: portName, namespace: network.receiver.path },
    }
    const child = await network.start([process.execPath, built('hub.js'), JSON.stringify(config)], {
      core: machine.forwarderCore,
    })
    return { pid: child.pid, stop: async () => JSON.parse(await child.stop()) as unknown }
  },
}
