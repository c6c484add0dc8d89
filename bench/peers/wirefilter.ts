// VDE's wirefilter, which delays what passes between two switches of VDE, each with a TAP. A switch makes its TAP where it
// runs, so TAPs are moved to the hosts afterwards.

import type { Peer } from '../case.js'
import { probe } from '../children.js'
import { portName } from '../network.js'
import { tapProbe } from './c-loops.js'

// Switches have consoles, pipes that never end, and sockets in a file system that vanishes with them. They end with the
// filter, which takes the place of the shell.
const script = `
  mount -t tmpfs none /run && mkfifo /run/console || exit 1
  for side in left right; do
    setpriv --pdeathsig KILL vde_switch --sock /run/$side --tap $side 0<>/run/console >/dev/null &
    while ! [ -e /run/$side/ctl ]; do sleep 0.01; done
  done
  echo ready
  exec wirefilter --delay "$1" --vde-plug /run/left:/run/right 0<>/run/console`

export function wirefilter({ milliseconds }: { milliseconds: number }): Peer {
  return {
    name: 'VDE wirefilter',

    unavailable: async () => (await tapProbe()) ?? probe('sh', '-c', 'command -v vde_switch wirefilter'),

    async start(network, { machine }) {
      const between = await network.between()
      const command = ['unshare', '--mount', 'sh', '-c', script, 'sh', String(milliseconds)]
      const child = await network.start(command, { core: machine.forwarderCore, namespace: between.path })
      const { sender, receiver } = network
      await between.ip('link', 'set', 'dev', 'left', 'netns', sender.path, 'name', portName)
      await between.ip('link', 'set', 'dev', 'right', 'netns', receiver.path, 'name', portName)
      return { pid: child.pid, stop: () => child.stop().then(() => undefined) }
    },
  }
}
