/**
 * `etherloom up --rootless`: the same command in a child with a user and network namespace of its own, where it has
 * every capability it needs. A process with threads cannot enter a new user namespace, so unshare(1) does it first.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:os'
import { controlDirectory, makeControlDirectory } from '../lib/control/directory.js'
import { EtherloomError } from '../lib/values/errors.js'
import { onEndSignals } from './command.js'

/** Runs this command line again without `--rootless` in the child, and returns the child's exit code. */
export async function runRootless(): Promise<number> {
  await makeControlDirectory()
  const again = [
    process.execPath,
    ...process.execArgv,
    ...process.argv.slice(1).filter((word) => word !== '--rootless'),
  ]
  // The child must not outlive us: setpriv asks the kernel for a signal at our death.
  const child = spawn(
    'unshare',
    ['--user', '--map-root-user', '--net', '--', 'setpriv', '--pdeathsig', 'TERM', '--', ...again],
    // Inside, the user id is 0: say where the socket belongs, so that it is found from outside.
    { stdio: 'inherit', env: { ...forChild(process.env), ETHERLOOM_CONTROL_DIRECTORY: controlDirectory() } },
  )
  // What reaches the child by itself, as a terminal's Ctrl-C, it takes for the same as this.
  onEndSignals((signal) => child.kill(signal))
  try {
    const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
    return code ?? 128 + (signal === null ? 0 : constants.signals[signal])
  } catch (cause) {
    throw new EtherloomError('ERR_ETHERLOOM_UNSUPPORTED', 'cannot start unshare', {
      cause,
      hint: 'install the package util-linux',
    })
  }
}

/** The environment in which the child, not we, is who says to a supervisor that it is alive. */
function forChild({ WATCHDOG_PID: watched, ...rest }: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return watched === undefined || watched === `${process.pid}` ? rest : { ...rest, WATCHDOG_PID: watched }
}
