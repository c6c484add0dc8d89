// What the programs in this folder have in common: they say when they are ready, end on SIGTERM, and say in one last
// line of JSON what they did. Called by them, in their processes.

import { once } from 'node:events'

/** The only argument of the program, as JSON. */
export function configuration(): unknown {
  return JSON.parse(process.argv[2] ?? '{}')
}

/** Says that the program is ready. Resolves when it shall end. */
export async function readyUntilStopped(): Promise<void> {
  const ended = once(process, 'SIGTERM')
  const alive = setInterval(() => undefined, 2 ** 30) // a signal keeps no process running
  console.log('ready')
  await ended
  clearInterval(alive)
}

/** The last line. Counters are bigints, and JSON has none; those of a run are far below 2^53. */
export function state(statement: unknown): void {
  const plain = (_key: string, value: unknown) => (typeof value === 'bigint' ? Number(value) : value)
  console.log(JSON.stringify(statement, plain))
}
