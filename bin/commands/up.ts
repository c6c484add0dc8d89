/** `etherloom up`: runs a topology until it is ended, or takes a running instance over to the changed file. */
import { realpath } from 'node:fs/promises'
import { constants } from 'node:os'
import { basename, extname, resolve } from 'node:path'
import type { ControlClient } from '../../lib/control/client.js'
import type { Instance } from '../../lib/control/instance.js'
import type { FileProblem } from '../../lib/topology/file-problem.js'
import type { Topology } from '../../lib/topology/schema.js'
import { EtherloomError } from '../../lib/values/errors.js'
import { suggestion } from '../../lib/values/options.js'
import { quote } from '../../lib/values/quote.js'
import { action, command, onEndSignals, type ExitCode, type Flags } from '../command.js'
import { addConversion, readConversion } from '../conversion.js'
import { fail, printJson, printLine, printNotes } from '../output.js'

interface UpFlags extends Flags {
  name?: string
  rootless?: boolean
  sealed?: boolean
  exitWith?: string
  abortOnFailure?: boolean
}

export const up = addConversion(
  command('up', 'run a topology until Ctrl-C; when it runs already, go over to the changed file')
    .argument('<file>', 'topology file, YAML or JSON, or a file that import takes')
    .option('--name <name>', "name of the instance (default: the file's name key, or its file name)")
    .option('--rootless', 'run in a user and network namespace of its own, without privilege')
    .option(
      '--sealed',
      'once it is up, give up every right that a topology which stays as it is needs no more',
    )
    .option('--exit-with <run>', 'end when this program of a host has ended, with its exit code')
    .option('--abort-on-failure', 'end when a program of a host fails, with its exit code'),
).action(action(run))

async function run(file: string, options: UpFlags): Promise<ExitCode> {
  const [{ connect, ControlClient }, { Instance }, { loadTopology }] = await Promise.all([
    import('../../lib/control/client.js'),
    import('../../lib/control/instance.js'),
    import('../../lib/topology/load.js'),
  ])
  const notes: FileProblem[] = []
  const loaded = await loadTopology(file, (note) => notes.push(note), await readConversion(options))
  const topology = options.sealed ? sealable(loaded) : loaded
  const path = await realpath(file).catch(() => resolve(file)) // a pipe has no other name
  const name = options.name ?? topology.name ?? nameOf(path)
  const running = await ControlClient.connect(name)
  if (options.rootless && !running) return (await import('../rootless.js')).runRootless()
  if (options.json) for (const note of notes) printJson({ event: 'note', ...note })
  else printNotes(notes)
  if (running && (options.exitWith !== undefined || options.abortOnFailure))
    throw new EtherloomError(
      'ERR_ETHERLOOM_OPTION',
      `'${name}' runs already; it ends as it was started to end`,
    )
  if (running) return applyTo(running, name, path, topology, options).finally(() => running.close())
  const instance = await Instance.start(name, path, topology)
  let shown = (): void => undefined
  let exitCode: ExitCode = 0
  endOnSignals(instance, new Promise<void>((resolve) => (shown = resolve)))
  const { sayDown, watch } = await import('../watch.js')
  try {
    const client = await connect({ name })
    if (options.sealed) await instance.seal()
    const runs = (await client.call('runs', {})).map((row) => row.run)
    endWithRuns(client, runs, options, (code) => {
      exitCode = code
      instance.close().catch((error: unknown) => (process.exitCode = fail(error, {})))
    })
    await watch(client, options, shown)
  } catch (error) {
    if (!instance.isEnding) throw error
    sayDown(name, options) // somebody has ended it before it could be shown
  } finally {
    await instance.close()
  }
  return exitCode
}

/** Calls `end` when programs of hosts have ended that are waited for, once. */
function endWithRuns(
  client: ControlClient,
  runs: readonly string[],
  { exitWith, abortOnFailure = false }: UpFlags,
  end: (code: ExitCode) => void,
): void {
  if (exitWith !== undefined && !runs.includes(exitWith))
    throw new EtherloomError(
      'ERR_ETHERLOOM_NAME',
      `no host runs ${quote(exitWith)}${suggestion(exitWith, runs)}`,
      {
        hint: runs.length > 0 ? `these run: ${runs.join(', ')}` : "give a host 'run' in the topology's file",
      },
    )
  let isOver = false
  client.on('run:exit', ({ run, code, signal, again }) => {
    const status = code ?? 128 + constants.signals[signal as NodeJS.Signals]
    if (isOver || again || !(run === exitWith || (abortOnFailure && status !== 0))) return
    isOver = true
    end(status)
  })
}

/** Without a ring, which a seal does not see into, unless the file asks for one. */
const sealable = (topology: Topology): Topology =>
  topology.io === 'io_uring' ? topology : { ...topology, io: 'epoll' }

/** The file's name without its ending, with nothing in it that an instance's name cannot have. */
function nameOf(path: string): string {
  return basename(path, extname(path))
    .replace(/[^A-Za-z0-9_-]+/g, '-')
    .slice(0, 63)
}

/** Hands the topology to the instance that runs it. */
async function applyTo(
  running: ControlClient,
  name: string,
  path: string,
  topology: Topology,
  { json, sealed }: UpFlags,
): Promise<number> {
  await running.greet()
  const { file, sealed: isSealed } = await running.call('info', {})
  if (file !== path)
    throw new EtherloomError(
      'ERR_ETHERLOOM_CONTROL',
      `an instance named '${name}' is already running ${file}`,
      {
        hint: `choose another --name, or end it with 'etherloom down --name ${name}'`,
      },
    )
  if (sealed && !isSealed)
    throw new EtherloomError('ERR_ETHERLOOM_CONTROL', `'${name}' runs already, and is not sealed`, {
      hint: `end it with 'etherloom down --name ${name}', and start it with --sealed`,
    })
  const asked = isSealed ? sealable(topology) : topology
  const { steps, ...counts } = await running.call('apply', { topology: asked })
  if (json) printJson({ event: 'applied', name, ...counts, steps })
  else {
    steps.forEach(printLine)
    printLine(`${name}: ${counts.up} up, ${counts.down} down, ${counts.changed} changed`)
  }
  return 0
}

/** Signals within this many milliseconds of the first say the same: one for the process, and one for its group. */
const oneWish = 200

/**
 * Ends the instance in order at the first signal, once it is `shown`, and at once at the second: the user will not wait for an
 * orderly end. A terminal that goes may say so twice, and nobody waits there.
 */
function endOnSignals(instance: Instance, shown: Promise<void>): void {
  let first: number | undefined
  onEndSignals((signal) => {
    if (first !== undefined) {
      if (signal !== 'SIGHUP' && performance.now() - first > oneWish)
        process.exit(signal === 'SIGINT' ? 130 : 143)
      return
    }
    first = performance.now()
    shown.then(() => instance.close()).catch((error: unknown) => (process.exitCode = fail(error, {})))
  })
}
