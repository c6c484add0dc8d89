// VDE's switch (vde_switch of vde2), with the TAPs as its own ports: its fastest way, without a plug in between. It makes
// TAPs only where it runs, so they are moved to the hosts afterwards. Its learning changes nothing: a receiver that
// never sends is unknown, and frames to it are flooded.

import type { Peer } from '../case.js'
import { probe } from '../children.js'
import { tapProbe } from './c-loops.js'

// Its control directory is in a file system that vanishes with it, and its console is a pipe that never ends.
const script = `
  mount -t tmpfs none /run && mkfifo /run/console || exit 1
  echo ready
  exec vde_switch --sock /run/vde.ctl "$@" 0<>/run/console`

export const vde: Peer = {
  name: 'VDE switch',

  unavailable: async () => (await tapProbe()) ?? probe('vde_switch', '--version'),

  async start(network, { machine }) {
    const between = await network.between()
    const taps = network.ports.map((_, index) => `vde${index}`)
    const options = ['--numports', String(taps.length + 1), ...taps.flatMap((tap) => ['--tap', tap])]
    const child = await network.start(['unshare', '--mount', 'sh', '-c', script, 'sh', ...options], {
      core: machine.forwarderCore,
      namespace: between.path,
    })
    for (const tap of taps) await between.has(tap)
    await between.ipBatch(
      network.ports.map(
        ({ host, name }, index) => `link set dev ${taps[index]} netns ${host.path} name ${name}`,
      ),
    )
    return { pid: child.pid, stop: () => child.stop().then(() => undefined) }
  },
}
