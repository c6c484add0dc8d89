// Two TAPs joined by etherloom, or by a loop in C, while something else happens in the same process. Who attacks from
// outside has the generator's core.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { built } from '../build.js'
import type { Peer, Setup } from '../case.js'
import { portName, type Namespace, type Network } from '../network.js'
import type { Attack, InnocentConfig } from '../programs/innocent.js'
import { placesOf, tapProbe } from './c-loops.js'
import { libraryIsMissing, startProgram } from './programs.js'

/** What is needed around the process: where it listens, whom it joins, and who attacks. */
export interface Hostile {
  attack: Attack
  /** Begins when the process is ready. */
  begin?: (network: Network, setup: Setup) => Promise<unknown>
}
export interface Place {
  /** A path for a socket, by number. */
  socket: (number: number) => string
  /** A namespace for what is neither host's. */
  between: Namespace
}
export type Plan = (place: Place) => Hostile

export function etherloomBeside(name: string, plan: Plan, workers?: InnocentConfig['workers']): Peer {
  return {
    name,
    unavailable: async () => (await libraryIsMissing()) ?? tapProbe(),
    async start(network, setup) {
      const { machine } = setup
      const directory = await mkdtemp(join(tmpdir(), 'etherloom-bench-'))
      try {
        const between = await network.between()
        const { attack, begin } = plan({ socket: (number) => join(directory, String(number)), between })
        const config: InnocentConfig = {
          left: { interface: portName, namespace: network.sender.path },
          right: { interface: portName, namespace: network.receiver.path },
          attack,
          ...(workers === undefined ? {} : { workers }),
        }
        const core =
          workers === undefined ? machine.forwarderCore : [machine.forwarderCore, machine.generatorCore]
        const session = await startProgram(network, 'innocent', config, { core })
        await begin?.(network, setup)
        return session
      } finally {
        await rm(directory, { recursive: true, force: true }) // who is connected stays so
      }
    },
  }
}

/** A loop that reads each of its TAPs in turn, 64 frames at most, beside a flood from one of two others. */
export const loopBesideFlood: Peer = {
  name: 'C loop, flood from a TAP',
  unavailable: tapProbe,
  async start(network, setup) {
    const between = await network.between()
    const places = [...placesOf(network), ...otherTaps.map((name) => `${name}@${between.path}`)]
    const child = await network.start([built('tap_join'), 'block', ...places], {
      core: setup.machine.forwarderCore,
    })
    await floodTap(between)(network, setup)
    return { pid: child.pid, stop: () => child.stop().then(() => undefined) }
  },
}

export const otherTaps = ['flood0', 'flood1']

/** Sends from the first of the other TAPs as fast as a core can. */
export const floodTap =
  (between: Namespace) =>
  async (network: Network, { machine }: Setup) => {
    await between.ipBatch(otherTaps.map((name) => `link set dev ${name} up`))
    await network.start([built('generator'), '60', otherTaps[0] ?? '', 'to', 'ff:ff:ff:ff:ff:ff'], {
      core: machine.generatorCore,
      namespace: between.path,
    })
  }

/** Starts bench/native/hostile.c at these sockets. */
export const hostile =
  (what: 'records' | 'sources' | 'silent' | 'storm', number: number, ...sockets: string[]) =>
  async (network: Network, { machine }: Setup) => {
    for (const socket of sockets)
      await network.start([built('hostile'), what, String(number), socket], { core: machine.generatorCore })
  }
