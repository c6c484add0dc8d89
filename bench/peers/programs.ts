// Programs of bench/programs/ as peers: processes with the library in them, which state at their end what they did.

import { built, libraryIsBuilt } from '../build.js'
import type { Session } from '../case.js'
import type { Placement } from '../children.js'
import type { Network } from '../network.js'

/** Why no program can run; undefined if they can. */
export async function libraryIsMissing(): Promise<string | undefined> {
  return (await libraryIsBuilt()) ? undefined : 'the library is not built; run: npm run build'
}

/** Starts a program, named without extension, with `config` as its only argument. */
export async function startProgram(
  network: Network,
  program: string,
  config: object,
  placement: Placement,
): Promise<Session> {
  const command = [process.execPath, built(`${program}.js`), JSON.stringify(config)]
  const child = await network.start(command, placement)
  return { pid: child.pid, stop: async () => JSON.parse(await child.stop()) as unknown }
}
