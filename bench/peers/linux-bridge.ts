// The Linux bridge, without spanning tree, in a namespace of its own, joining two veth pairs. The receiver never sends,
// so its address stays unknown and the bridge floods to the only other port, as a hub does.

import type { Peer } from '../case.js'
import { probe } from '../children.js'
import { portName } from '../network.js'

export const linuxBridge: Peer = {
  name: 'Linux bridge',

  unavailable: () => probe('ip', 'link', 'add', 'name', 'bridge0', 'type', 'bridge'),

  async start(network) {
    const middle = await network.between()
    await middle.ip('link', 'add', 'name', 'bridge0', 'type', 'bridge', 'stp_state', '0')
    await middle.ip('link', 'set', 'dev', 'bridge0', 'up')
    for (const [leg, host] of [
      ['leg0', network.sender],
      ['leg1', network.receiver],
    ] as const) {
      await middle.ip(
        'link',
        'add',
        'name',
        leg,
        'type',
        'veth',
        'peer',
        'name',
        portName,
        'netns',
        host.path,
      )
      await middle.ip('link', 'set', 'dev', leg, 'master', 'bridge0', 'up')
    }
    return { stop: () => Promise.resolve(undefined) }
  },
}
