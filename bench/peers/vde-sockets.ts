// Switches whose peers are programs of VDE, each with a data socket: bench/native/vde_pair.c is two of them, on the generator's core.
// Beside etherloom stands vde_switch, whose own protocol that is.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { built } from '../build.js'
import type { Peer, Session, Setup } from '../case.js'
import { probe } from '../children.js'
import type { Network } from '../network.js'
import { libraryIsMissing, startProgram } from './programs.js'

/** A switch that serves a folder, with the pair that measures it. */
function switchFor(
  length: number,
  peer: Pick<Peer, 'name' | 'unavailable'>,
  serve: (network: Network, setup: Setup, folder: string) => Promise<Session>,
): Peer {
  return {
    ...peer,
    async start(network, setup) {
      const parent = await mkdtemp(join(tmpdir(), 'etherloom-bench-'))
      const folder = join(parent, 'switch')
      const tidy = () => rm(parent, { recursive: true, force: true })
      try {
        const session = await serve(network, setup, folder)
        const pair = await network.start([built('vde_pair'), folder, String(length)], {
          core: setup.machine.generatorCore,
        })
        let statement: Promise<unknown> | undefined
        const stop = async (): Promise<unknown> => {
          const stated = JSON.parse(await pair.stop()) as unknown
          await session.stop()
          await tidy()
          return stated
        }
        return { ...session, stop: () => (statement ??= stop()) }
      } catch (error) {
        await tidy()
        throw error
      }
    },
  }
}

export const etherloomVde = (length: number): Peer =>
  switchFor(
    length,
    { name: 'etherloom switch', unavailable: libraryIsMissing },
    (network, { machine }, vde) =>
      startProgram(
        network,
        'etherloom',
        { fabric: 'switch', rules: 0, ports: [], vde },
        { core: machine.forwarderCore },
      ),
  )

// Its console is a pipe that never ends. The pair waits until it serves.
const script = `
  mkfifo "$1.console" || exit 1
  echo ready
  exec vde_switch --sock "$1" 0<>"$1.console"`

export const vdeSwitch = (length: number): Peer =>
  switchFor(
    length,
    { name: 'VDE switch', unavailable: () => probe('vde_switch', '--version') },
    async (network, { machine }, folder) => {
      const child = await network.start(['sh', '-c', script, 'sh', folder], { core: machine.forwarderCore })
      return { pid: child.pid, stop: () => child.stop().then(() => undefined) }
    },
  )
