// The hub of QEMU's network layer, joining TAPs in a process without a machine. QEMU takes open TAPs, which a launcher
// makes; the greeting of its control channel says that it is ready.

import { built } from '../build.js'
import { probe } from '../children.js'
import { forwarder, placesOf, tapProbe } from './c-loops.js'

const program = ['qemu-system-x86_64', '-machine', 'none', '-nodefaults', '-display', 'none']
const firstDescriptor = 3

export const qemuHub = forwarder(
  'QEMU hub',
  async () => (await tapProbe()) ?? probe('qemu-system-x86_64', '-version'),
  (network) => [
    built('with_taps'),
    ...placesOf(network),
    '--',
    ...program,
    '-qmp',
    'stdio',
    ...network.ports.flatMap((_, index) => [
      '-netdev',
      `tap,id=tap${index},fd=${firstDescriptor + index}`,
      '-netdev',
      `hubport,id=port${index},hubid=0,netdev=tap${index}`,
    ]),
  ],
)
