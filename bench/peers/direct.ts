// No forwarder: the two interfaces are the ends of one veth pair, and the sender's frames are at the receiver at once.

import type { Peer } from '../case.js'
import { probe } from '../children.js'
import { portName } from '../network.js'

export const direct: Peer = {
  name: 'veth',

  unavailable: () => probe('ip', 'link', 'add', 'name', portName, 'type', 'veth'),

  async start({ sender, receiver }) {
    await sender.ip(
      'link',
      'add',
      'name',
      portName,
      'type',
      'veth',
      'peer',
      'name',
      portName,
      'netns',
      receiver.path,
    )
    return { stop: () => Promise.resolve(undefined) }
  },
}
