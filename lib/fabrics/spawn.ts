/**
 * Programs that come with a port: a pair of sockets, one end attached to a fabric, the other inherited by the program.
 * Called by `Fabric.spawn`, on the JavaScript thread.
 */
import { spawn as start, type ChildProcess, type StdioOptions } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync } from 'node:fs'
import type { Abortable, AttachOptions } from './attachment.js'
import type { PortFabric } from '../ports/port.js'
import { native } from '../binding.js'
import { EtherloomError } from '../values/errors.js'
import {
  about,
  file,
  members,
  oneOf,
  optional,
  optionsReader,
  required,
  text,
  type Rule,
  type RulesOf,
} from '../values/options.js'
import { nameRule } from '../values/names.js'
import { startFault, tied } from '../values/programs.js'
import { quote } from '../values/quote.js'
import { abortSignal } from '../values/signals.js'
import { framingRule, framings, type Framing } from '../ports/framings.js'
import { SocketPort } from '../ports/socket.js'
import { sockets } from '../ports/sockets.js'

/** The `signal` ends the program (SIGTERM), and with it the port. */
export interface SpawnOptions extends Abortable {
  /** The port's name. Default `socket%d`. */
  name?: string
  /**
   * How frames stand in the socket. `stream`, the default: each behind its length, for QEMU's `-netdev stream`.
   * `datagram`: one in each message, for QEMU's `-netdev dgram`; a kernel keeps few of those (net.unix.max_dgram_qlen,
   * often 10), and what comes beside is dropped as `port-full`.
   */
  framing?: Exclude<Framing, 'seqpacket'>
  /** What the port has in its fabric, as for `attach`. */
  attach?: AttachOptions
  /** The program's standard input, output and errors, as for `child_process.spawn`. Default `inherit`. */
  stdio?: 'inherit' | 'ignore' | 'pipe'
  /** Its folder. Default: ours. */
  cwd?: string
  /** Its environment. Default: ours. */
  env?: NodeJS.ProcessEnv
}

/** The end of the pair that a program inherits, as its arguments may name it. */
export interface InheritedSocket {
  /** The descriptor's number in the program. */
  fd: number
  /** The words that give QEMU (7.2 and later) a network of this id with the socket behind it: `-netdev stream,...`. */
  netdev: (id: string) => [string, string]
}

/** A program that was started with a port of its own. */
export interface Spawned {
  /** The port behind the socket that the program inherited. */
  port: SocketPort
  /**
   * The program. Ending it is up to you; when it has ended, the port is detached. When this process ends, or the worker
   * thread that started it, and by `kill -9` too, the kernel kills it (SIGKILL). That does not hold for what it starts itself,
   * for a program that becomes another user (setuid), and on machines without setpriv (package `util-linux`).
   */
  program: ChildProcess
}

/** The first descriptor after standard input, output and errors. */
const inherited = 3

/** A word of a command line: the kernel takes none with a zero byte in it. */
const argument = required(text({ max: 1 << 17, pattern: /^[^\0]*$/, expects: 'text without zero bytes' }))

/** What others read. */
const anything = <T>(): Rule<T | undefined> => optional<T>((value) => value as T)

const readSpawnOptions = optionsReader('spawn', {
  name: about("The port's name. Default: socket and a number.", nameRule()),
  framing: about(
    'How frames stand in the socket: stream, behind their lengths, for `-netdev stream` of QEMU; datagram, one in each message.',
    framingRule<Exclude<Framing, 'seqpacket'>, 'stream'>(({ netdev }) => netdev !== undefined, 'stream'),
  ),
  attach: about('What the port has in its fabric, as for `attach`.', anything<AttachOptions>()),
  stdio: about(
    "The program's standard input, output and errors.",
    oneOf(['inherit', 'ignore', 'pipe'], 'inherit'),
  ),
  cwd: about("The program's folder. Default: ours.", file('the name of a folder')),
  env: about("The program's environment. Default: ours.", anything<NodeJS.ProcessEnv>()),
  signal: about('Ends the program, and with it the port.', abortSignal),
} satisfies RulesOf<SpawnOptions>)

/** What `Fabric.spawn` says. */
export async function spawn(
  fabric: PortFabric,
  command: string,
  words: readonly string[] | ((socket: InheritedSocket) => readonly string[]),
  options: SpawnOptions,
): Promise<Spawned> {
  const { name, framing, attach, stdio, cwd, env, signal } = readSpawnOptions(options)
  const ready = (given: unknown): string[] =>
    members(given, 'what a program is given', 'a list of words, or a function that returns one').map((word) =>
      argument(word, 'a word that a program is given'),
    )
  argument(command, 'the name of a program')
  const fixed = typeof words === 'function' ? undefined : ready(words)
  const [ours, theirs] = native(() => sockets.socketPair(framing))
  try {
    const port = new SocketPort({ fd: ours, framing, ...(name !== undefined && { name }) })
    await fabric.attach(port, { ...attach, ...(signal && { signal }) })
    try {
      const list = fixed ?? ready((words as (socket: InheritedSocket) => unknown)(socketFor(framing)))
      const program = await started(command, list, {
        stdio: [stdio, stdio, stdio, theirs],
        ...(cwd !== undefined && { cwd }),
        ...(env !== undefined && { env }),
      })
      const end = (): boolean => program.kill()
      signal?.addEventListener('abort', end)
      if (signal?.aborted) end()
      program.once('exit', () => {
        signal?.removeEventListener('abort', end)
        fabric.detach(port).catch((error: unknown) => {
          fabric.engine.failed(undefined, error)
        })
      })
      if (program.exitCode !== null || program.signalCode !== null) await fabric.detach(port)
      return { port, program }
    } catch (error) {
      await fabric.detach(port)
      throw error
    }
  } finally {
    closeSync(ours)
    closeSync(theirs)
  }
}

const socketFor = (framing: Framing): InheritedSocket => ({
  fd: inherited,
  netdev: (id) => ['-netdev', framings.get(framing).netdev?.(id, inherited) ?? ''],
})

/** A program that runs and ends with us, or why it does not. */
async function started(
  command: string,
  words: readonly string[],
  options: { stdio: StdioOptions; cwd?: string; env?: NodeJS.ProcessEnv },
): Promise<ChildProcess> {
  const { cwd = process.cwd(), env = process.env } = options
  const fault = await startFault(command, env, cwd)
  const [program, rest] = await tied(command, words)
  try {
    if (fault !== undefined) throw Object.assign(new Error(`cannot start ${command}`), { code: fault })
    const child = start(program, rest, options) // which throws some of what others say later
    await once(child, 'spawn')
    return child
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? 'unknown error'
    if (options.cwd !== undefined && !existsSync(options.cwd))
      throw new EtherloomError('ERR_ETHERLOOM_OPTION', `option 'cwd' of spawn: no folder '${options.cwd}'`, {
        cause,
      })
    throw new EtherloomError('ERR_ETHERLOOM_UNSUPPORTED', `cannot start ${quote(command)} (${reason})`, {
      cause,
      hint: 'install it, or give its whole path',
    })
  }
}
