/**
 * `etherloom ubridge`: what GNS3's servers take for ubridge. Its options are ubridge's, and it says nothing, since a server adds
 * what it says to every error that it shows.
 */
import { spokenVersion } from '../../lib/ubridge/version.js'
import { EtherloomError } from '../../lib/values/errors.js'
import { action, command, onEndSignals, type ExitCode, type Flags } from '../command.js'
import { fail, printLine } from '../output.js'
import { seeded } from '../seed.js'

interface UbridgeFlags extends Flags {
  H?: string
  U?: string
  v?: boolean
  name?: string
}

export const ubridge = command(
  'ubridge',
  "speak ubridge's console, for the servers of GNS3, until it is told to stop",
)
  .option('-H <[host:]port>', 'listen at this TCP port, of this machine only where no host is given')
  .option('-U <path>', 'listen at this Unix socket, for our own user and root')
  .option('-d <level>', 'taken for compatibility; nothing is written')
  .option('-v', 'print the version of ubridge that is spoken')
  .option('--name <name>', "name of the instance (default: 'ubridge-' and the number of the process)")
  .action(action(run))

/** How long an orderly end may take after 'hypervisor stop', in milliseconds: GNS3's servers wait for 3 s. */
const patience = 2500

async function run({ H: at, U: path, v: version, name }: UbridgeFlags): Promise<ExitCode> {
  if (version) {
    printLine(`ubridge version ${spokenVersion}-etherloom`)
    return 0
  }
  if ((at === undefined) === (path === undefined))
    throw new EtherloomError(
      'ERR_ETHERLOOM_OPTION',
      "a console needs '-H [HOST:]PORT' or '-U PATH', and only one",
      {
        hint: "give one of them, such as '-H 4000'",
      },
    )
  const [{ Instance }, { Hypervisor, Orders, ConsoleServer, consolePlace }] = await Promise.all([
    import('../../lib/control/instance.js'),
    import('../../lib/ubridge/index.js'),
  ])
  const where = path ?? at ?? ''
  const place = path === undefined ? consolePlace(where) : { path }
  const instance = await Instance.start(name ?? `ubridge-${process.pid}`, where, seeded({ fabrics: {} }))
  const hypervisor = new Hypervisor(instance.network)
  const stop = (): void => {
    setTimeout(() => process.exit(0), patience).unref()
    const ended = hypervisor.close().finally(() => instance.close())
    ended.catch((error: unknown) => (process.exitCode = fail(error, {})))
  }
  onEndSignals(stop)
  try {
    const server = await ConsoleServer.listen(place, new Orders(hypervisor), stop)
    await instance.ended
    await server.close()
  } finally {
    await hypervisor.close()
    await instance.close()
  }
  return 0
}
