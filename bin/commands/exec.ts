/** `etherloom exec`: runs a command inside a host, as `ip netns exec` does. It ends with us. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:os'
import { startInside } from '../../lib/engine/inside.js'
import { EtherloomError } from '../../lib/values/errors.js'
import { suggestion } from '../../lib/values/options.js'
import { quote } from '../../lib/values/quote.js'
import { action, instanceCommand, withInstance, type ExitCode, type InstanceFlags } from '../command.js'

export const exec = instanceCommand('exec', 'run a command inside a host')
  .argument('<host>', 'host of a running instance')
  .argument('<command...>', 'command to run inside its network namespace')
  .passThroughOptions()
  .action(action(runInside))

async function runInside(host: string, words: string[], options: InstanceFlags): Promise<ExitCode> {
  const command = words[0] === '--' ? words.slice(1) : words
  const hosts = await withInstance(options, (instance) => instance.call('hosts', {}))
  const found = hosts.find((row) => row.host === host)
  if (found === undefined) {
    const names = hosts.map((row) => row.host)
    throw new EtherloomError('ERR_ETHERLOOM_NAME', `no host ${quote(host)}${suggestion(host, names)}`)
  }
  return runAttached(await startInside(found, command, { stdio: 'inherit' }))
}

/** Stays while a program runs on our terminal, and returns its exit code, as a shell counts it. */
async function runAttached(child: ChildProcess): Promise<number> {
  // Ctrl-C and Ctrl-\ go to both; the command decides what they mean.
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) process.on(signal, () => undefined)
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal))
  const { exitCode, signalCode } = child
  const [code, signal] =
    exitCode !== null || signalCode !== null
      ? [exitCode, signalCode]
      : ((await once(child, 'exit')) as [number | null, NodeJS.Signals | null])
  return code ?? 128 + (signal === null ? 0 : constants.signals[signal])
}
