// What happens within one process, without hosts: programs of bench/programs/ with the library in them, and a C program
// as their limit. Each measures itself, and states figures by their names.

import { built } from '../build.js'
import type { Peer } from '../case.js'
import type { Machine } from '../machine.js'
import { libraryIsMissing, startProgram } from './programs.js'

export interface EtherloomProgram {
  name: string
  /** Of bench/programs/, without extension. */
  program: string
  /** Its only argument, as JSON. */
  config: object
  /** How many of the two cores it has. */
  cores: 1 | 2
}

export function etherloomProgram({ name, program, config, cores }: EtherloomProgram): Peer {
  return {
    name,
    unavailable: libraryIsMissing,
    start: (network, { machine }) =>
      startProgram(network, program, config, { core: coresOf(machine, cores) }),
  }
}

/** Look-up and copy in C, in one thread, or with a ring between two. */
export function memoryRing(cores: 1 | 2): Peer {
  return {
    name: cores === 1 ? 'C limit, one core' : 'C limit, two cores',
    unavailable: () => Promise.resolve(undefined),
    async start(network, { machine }) {
      const child = await network.start([built('memory_ring'), ...coresOf(machine, cores).map(String)])
      return { pid: child.pid, stop: async () => JSON.parse(await child.stop()) as unknown }
    },
  }
}

function coresOf({ forwarderCore, generatorCore }: Machine, cores: 1 | 2): number[] {
  return cores === 1 ? [forwarderCore] : [forwarderCore, generatorCore]
}
