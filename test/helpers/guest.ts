/** Emulators without the emulator: programs that attach as emulators do, answer ARP and ping, and ping. */
import type { Child } from './kernel.js'
import { testFile } from './kernel.js'
import type { Pings } from './network.js'

/** The command of programs/guest.py, number 1 to 9, of a network's first 24 bits. `where` is as it says there. */
export const guestCommand = (where: string, number: number, network = '10.0.77'): string[] => [
  'python3',
  testFile('ports/programs/guest.py'),
  where,
  `02:00:00:00:00:0${number}`,
  `${network}.${number}`,
]

/** A guest's pings, one after the other; the answer to each is waited for. */
export async function pingFrom(
  guest: Pick<Child, 'tell' | 'line'>,
  address: string,
  count: number,
  gateway = address,
): Promise<Omit<Pings, 'shortest'>> {
  guest.tell(`ping ${address} ${count} ${gateway}`)
  return JSON.parse(await guest.line()) as Omit<Pings, 'shortest'>
}
