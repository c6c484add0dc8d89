/** Commands that run a program on our terminal inside a host of a running instance: `exec` and `shell`. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:os'
import { startInside } from '../lib/engine/inside.js'
import { withInstance, type ExitCode, type InstanceFlags } from './command.js'

/** A program, and what its environment has besides ours. */
export interface Inner {
  command: readonly string[]
  env?: NodeJS.ProcessEnv
}

/** Runs what `choose` says inside a host, and returns its exit code, as a shell counts it. It ends with us. */
export async function runInside(
  host: string,
  options: InstanceFlags,
  choose: (instance: string) => Inner,
): Promise<ExitCode> {
  const { place, name } = await withInstance(options, async (instance) => ({
    place: await instance.call('host', { host }),
    name: (await instance.call('info', {})).name,
  }))
  const { command, env = {} } = choose(name)
  const names = { ETHERLOOM_HOST: host, ETHERLOOM_INSTANCE: name }
  return statusOf(await startInside(place, command, { stdio: 'inherit', env: { ...env, ...names } }))
}

/** Stays while a program has our terminal. */
async function statusOf(child: ChildProcess): Promise<number> {
  // Ctrl-C and Ctrl-\ go to both; the program decides what they mean.
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) process.on(signal, () => undefined)
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal))
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  const { exitCode, signalCode } = child
  return exitCode ?? 128 + (signalCode === null ? 0 : constants.signals[signalCode])
}
