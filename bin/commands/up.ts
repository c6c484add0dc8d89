/** `etherloom up`: runs a topology until it is ended, or takes a running instance over to the changed file. */
import { realpath, stat } from 'node:fs/promises'
import { constants } from 'node:os'
import { basename, extname, resolve } from 'node:path'
import type { ControlClient } from '../../lib/control/client.js'
import type { Instance } from '../../lib/control/instance.js'
import type { FileProblem, TakeNote } from '../../lib/topology/file-problem.js'
import type { Topology } from '../../lib/topology/schema.js'
import { collectFiles, type FilesRead } from '../../lib/values/files.js'
import { EtherloomError } from '../../lib/values/errors.js'
import { suggestion } from '../../lib/values/options.js'
import { quote } from '../../lib/values/quote.js'
import { action, command, onEndSignals, type ExitCode, type Flags } from '../command.js'
import { addConversion, readConversion } from '../conversion.js'
import { fail, printJson, printLine, printNotes } from '../output.js'
import { seeded } from '../seed.js'

interface UpFlags extends Flags {
  name?: string
  rootless?: boolean
  sealed?: boolean
  watch?: boolean
  exitWith?: string
  abortOnFailure?: boolean
}

export const up = addConversion(
  command('up', 'run a topology until Ctrl-C; when it runs already, go over to the changed file')
    .argument('<file>', 'topology file, YAML or JSON, or a file that import takes')
    .option('--name <name>', "name of the instance (default: the file's name key, or its file name)")
    .option('--rootless', 'run in a user and network namespace of its own, without privilege')
    .option('--watch', 'go over to the file whenever it, or a file that it names, changes')
    .option(
      '--sealed',
      'once it is up, give up every right that a topology which stays as it is needs no more',
    )
    .option('--exit-with <run>', 'end when this program of a host has ended, with its exit code')
    .option('--abort-on-failure', 'end when a program of a host fails, with its exit code'),
).action(action(run))

async function run(file: string, options: UpFlags): Promise<ExitCode> {
  const [{ connect }, { ControlClient }, { Instance }, { atItsLine, loadTopology }] = await Promise.all([
    import('../../lib/control/connect.js'),
    import('../../lib/control/client.js'),
    import('../../lib/control/instance.js'),
    import('../../lib/topology/load.js'),
  ])
  const notes: FileProblem[] = []
  const conversion = await readConversion(options)
  const load = (note?: TakeNote): Promise<Topology> => loadTopology(file, note, conversion)
  const files: FilesRead = new Map()
  const loaded = await collectFiles(files, () => load((note) => notes.push(note)))
  const path = await realpath(file).catch(() => resolve(file)) // a pipe has no other name
  if (options.watch && !(await isFile(path)))
    throw new EtherloomError('ERR_ETHERLOOM_OPTION', `'--watch' needs a file, which ${quote(file)} is not`, {
      hint: 'give the name of a file, or leave --watch out',
    })
  const nameIn = (read: Topology): string => options.name ?? read.name ?? nameOf(path)
  const asFile = (read: Topology): Topology =>
    seeded({ ...(options.sealed ? sealable(read) : read), name: nameIn(read) })
  const topology = asFile(loaded)
  const name = nameIn(loaded)
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
  const { Supervisor } = await import('../../lib/control/supervisor.js')
  const supervisor = Supervisor.find()
  supervisor?.starting(path)
  const instance = await Instance.start(name, path, topology).catch(async (error: unknown) => {
    const located = await atItsLine(error, topology)
    supervisor?.failed(located)
    throw located
  })
  instance.supervisor = supervisor
  const reload = async (note: TakeNote): Promise<Topology> => asFile(await load(note))
  let shown = (): void => undefined
  let exitCode: ExitCode = 0
  endOnSignals(instance, new Promise<void>((resolve) => (shown = resolve)))
  const { sayDown, watch } = await import('../watch.js')
  try {
    const client = await connect({ name })
    if (options.sealed) await instance.seal()
    const runs = (await client.call('runs', {})).map((row) => row.run)
    const look = endWithRuns(client, runs, options, (code) => {
      if (instance.isEnding) return
      exitCode = code
      instance.close().catch((error: unknown) => (process.exitCode = fail(error, {})))
    })
    supervisor?.ready(instance.describe())
    await watch(client, options, () => {
      shown()
      look().catch(() => undefined) // the connection has ended, which is seen below
      if (options.watch) void instance.watchFile(files, reload, notes)
    })
    if (!instance.isEnding)
      throw new EtherloomError(
        'ERR_ETHERLOOM_CONTROL',
        `'${name}' ends, for the connection that its events come by is lost`,
        { hint: 'it was busier than it could tell: see what says so much' },
      )
  } catch (error) {
    if (!instance.isEnding) throw error
    sayDown(name, options) // somebody has ended it before it could be shown
  } finally {
    await instance.close()
  }
  return exitCode
}

/**
 * Calls `end` when programs of hosts have ended that are waited for, once. Returns what looks for those that have ended by now,
 * to be called when the client has subscribed.
 */
function endWithRuns(
  client: ControlClient,
  runs: readonly string[],
  { exitWith, abortOnFailure = false }: UpFlags,
  end: (code: ExitCode) => void,
): () => Promise<void> {
  if (exitWith !== undefined && !runs.includes(exitWith))
    throw new EtherloomError(
      'ERR_ETHERLOOM_NAME',
      `no host runs ${quote(exitWith)}${suggestion(exitWith, runs)}`,
      {
        hint: runs.length > 0 ? `these run: ${runs.join(', ')}` : "give a host 'run' in the topology's file",
      },
    )
  let isOver = false
  const ended = (run: string, status: ExitCode): void => {
    if (isOver || !(run === exitWith || (abortOnFailure && status !== 0))) return
    isOver = true
    end(status)
  }
  client.on('run:exit', ({ run, code, signal, again, stopped }) => {
    if (!again && !stopped) ended(run, code ?? statusOf(signal as string))
  })
  // Others may have subscribed first, and had the ends that came before that.
  return async () => {
    for (const { run, state, ended: how } of await client.call('runs', {}))
      if (state === 'ended' && how !== undefined) ended(run, /^\d+$/.test(how) ? Number(how) : statusOf(how))
  }
}

/** The exit code that stands for a signal. */
const statusOf = (signal: string): ExitCode => 128 + constants.signals[signal as NodeJS.Signals]

const isFile = async (path: string): Promise<boolean> => (await stat(path)).isFile()

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
  { json, sealed, watch }: UpFlags,
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
  if (watch)
    throw new EtherloomError(
      'ERR_ETHERLOOM_CONTROL',
      `'${name}' runs already, so nobody here can watch its file`,
      {
        hint: `apply it once, without --watch, or end '${name}' with 'etherloom down --name ${name}' and start it with --watch`,
      },
    )
  if (sealed && !isSealed)
    throw new EtherloomError('ERR_ETHERLOOM_CONTROL', `'${name}' runs already, and is not sealed`, {
      hint: `end it with 'etherloom down --name ${name}', and start it with --sealed`,
    })
  const asked = isSealed ? sealable(topology) : topology
  const { steps, ...counts } = await running
    .call('apply', { topology: asked })
    .catch(async (error: unknown) => {
      throw await (await import('../../lib/topology/load.js')).atItsLine(error, topology)
    })
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
