// Two processes, each with one of the hosts' TAPs, joined by a trunk over a Unix socket: of etherloom, of VDE, of QEMU.
// Both run on the forwarder's core, and the figure `busy` is that of the first alone.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { built } from '../build.js'
import type { Peer, Session } from '../case.js'
import { probe } from '../children.js'
import type { EtherloomConfig } from '../programs/etherloom.js'
import { placesOf, tapProbe } from './c-loops.js'
import { libraryIsMissing, startProgram } from './programs.js'

/** Has the path of a socket for as long as the session lasts. */
async function withSocket(start: (path: string) => Promise<Session>): Promise<Session> {
  const directory = await mkdtemp(join(tmpdir(), 'etherloom-bench-'))
  const tidy = () => rm(directory, { recursive: true, force: true })
  try {
    const session = await start(join(directory, 'trunk.sock'))
    return { ...session, stop: () => session.stop().finally(tidy) }
  } catch (error) {
    await tidy()
    throw error
  }
}

const both = (sessions: readonly [Session, Session]): Session => ({
  ...(sessions[0].pid !== undefined && { pid: sessions[0].pid }),
  stop: () => Promise.all(sessions.map((session) => session.stop())),
})

/** Two hubs, each of a TAP and a SocketPort. */
export const etherloomTrunk: Peer = {
  name: 'etherloom trunk',
  unavailable: async () => (await libraryIsMissing()) ?? tapProbe(),
  start: (network, { machine }) =>
    withSocket(async (socket) => {
      const [sender, receiver] = network.ports.map(({ host, name }) => ({
        kind: 'tap' as const,
        interface: name,
        namespace: host.path,
      }))
      if (sender === undefined || receiver === undefined) throw new TypeError('a trunk has two ends')
      const start = (ports: EtherloomConfig['ports']) =>
        startProgram(
          network,
          'etherloom',
          { fabric: 'hub', rules: 0, ports },
          { core: machine.forwarderCore },
        )
      const first = await start([sender, { kind: 'socket', socket, role: 'listen' }])
      return both([first, await start([{ kind: 'socket', socket, role: 'connect' }, receiver])])
    }),
}

// As in vde.ts; the switches end with the shell, which becomes the pair of plugs.
const vdeScript = `
  mount -t tmpfs none /run && mkfifo /run/console || exit 1
  for side in a b; do
    setpriv --pdeathsig KILL vde_switch --sock /run/$side --numports 4 --tap vde$side 0<>/run/console >/dev/null &
  done
  until [ -S /run/a/ctl ] && [ -S /run/b/ctl ]; do sleep 0.01; done
  echo ready
  exec dpipe vde_plug /run/a = vde_plug /run/b`

/** Two switches of a TAP each, and the pair of plugs between them that VDE has for this. */
export const vdeTrunk: Peer = {
  name: 'VDE trunk',
  unavailable: async () => (await tapProbe()) ?? probe('sh', '-c', 'command -v vde_switch vde_plug dpipe'),
  async start(network, { machine }) {
    const between = await network.between()
    const child = await network.start(['unshare', '--mount', 'sh', '-c', vdeScript], {
      core: machine.forwarderCore,
      namespace: between.path,
    })
    for (const [index, { host, name }] of network.ports.entries()) {
      const tap = index === 0 ? 'vdea' : 'vdeb'
      await between.has(tap)
      await between.ip('link', 'set', 'dev', tap, 'netns', host.path, 'name', name)
    }
    return { pid: child.pid, stop: () => child.stop().then(() => undefined) }
  },
}

const qemu = ['qemu-system-x86_64', '-machine', 'none', '-nodefaults', '-display', 'none', '-qmp', 'stdio']

/** Two hubs of QEMU's, each of a TAP and one end of `-netdev stream`. */
export const qemuTrunk: Peer = {
  name: 'QEMU stream',
  unavailable: async () => (await tapProbe()) ?? probe('qemu-system-x86_64', '-version'),
  start: (network, { machine }) =>
    withSocket(async (socket) => {
      const start = async (end: number): Promise<Session> => {
        const child = await network.start(
          [
            built('with_taps'),
            ...placesOf(network).slice(end, end + 1),
            '--',
            ...qemu,
            ...['-netdev', 'tap,id=tap,fd=3'],
            ...['-netdev', 'hubport,id=tapport,hubid=0,netdev=tap'],
            ...[
              '-netdev',
              `stream,id=trunk,server=${end === 0 ? 'on' : 'off'},addr.type=unix,addr.path=${socket}`,
            ],
            ...['-netdev', 'hubport,id=trunkport,hubid=0,netdev=trunk'],
          ],
          { core: machine.forwarderCore },
        )
        return { pid: child.pid, stop: () => child.stop().then(() => undefined) }
      }
      const first = await start(0)
      return both([first, await start(1)])
    }),
}
