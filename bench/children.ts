// The programs that a benchmark runs: forwarders, generators and the holders of network namespaces.
// All follow one protocol: a line on standard output when ready, SIGTERM to end, a last line (JSON) if there is
// something to state.
//
// Nothing here needs tidying after a crash. The kernel kills every child when this process ends, however it ends
// (PR_SET_PDEATHSIG, by setpriv), and namespaces and interfaces live no longer than the children that hold them.

import { execFile, spawn, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { promisify } from 'node:util'

/** Where a program runs; left out means where this process runs. */
export interface Placement {
  /** The number of the only core that it may use, or of several. */
  core?: number | readonly number[]
  /** The network namespace, as a path. */
  namespace?: string
}

const execute = promisify(execFile)
const deadlineMs = 30_000

/** Runs a short command to its end, with `input` as its standard input, and returns what it printed. */
export async function run(
  command: readonly string[],
  placement: Placement = {},
  input = '',
): Promise<string> {
  const [program, ...rest] = place(command, placement)
  const execution = execute(program, rest)
  execution.child.stdin?.on('error', () => undefined) // whoever does not read its input says so by its exit code
  execution.child.stdin?.end(input)
  return (await execution).stdout
}

/** Why `command` does not work in a new, empty network namespace; undefined if it does. */
export async function probe(...command: string[]): Promise<string | undefined> {
  try {
    await run(['unshare', '--net', ...command])
    return undefined
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string }
    return `${stderr ? stderr.trim() : message} (bench/README.md says what it needs)`
  }
}

/** A program that was started, and is stopped at the latest when this process ends. */
export class Child {
  readonly pid: number
  readonly #name: string
  readonly #process: ChildProcessByStdio<null, Readable, Readable>
  readonly #ended: Promise<unknown>
  #lastLine = ''
  #complaints = ''

  private constructor(command: readonly string[], placement: Placement) {
    const [program, ...rest] = place(['setpriv', '--pdeathsig', 'KILL', ...command], placement)
    this.#name = command[0] ?? ''
    this.#process = spawn(program, rest, { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#ended = once(this.#process, 'close')
    this.#ended.catch(() => undefined) // reported by whoever waits for it
    this.#process.stderr.on('data', (text: Buffer) => (this.#complaints += text.toString()))
    this.pid = this.#process.pid ?? 0
  }

  /** Starts `command` and waits for its first line. */
  static async start(command: readonly string[], placement: Placement = {}): Promise<Child> {
    const child = new Child(command, placement)
    const lines = createInterface(child.#process.stdout)
    lines.on('line', (line) => (child.#lastLine = line))
    const ready = once(lines, 'line').then(() => true)
    if (await child.#within(Promise.race([ready, child.#ended.then(() => false)]))) return child
    throw new Error(`${child.#name} did not start: ${child.#complaints.trim()}`)
  }

  /** Asks the program to end, waits, and returns the last line that it printed. */
  async stop(): Promise<string> {
    this.#process.kill('SIGTERM')
    await this.#within(this.#ended)
    if (this.failure !== undefined) throw this.failure
    return this.#lastLine
  }

  /** How the program ended, if it ended badly. */
  get failure(): Error | undefined {
    const { exitCode, signalCode } = this.#process
    if (!this.#hasEnded || exitCode === 0 || signalCode === 'SIGTERM') return undefined
    return new Error(`${this.#name} ended with ${exitCode ?? signalCode}: ${this.#complaints.trim()}`)
  }

  /** Ends the program at once, if it still runs. */
  async kill(): Promise<void> {
    if (this.#hasEnded) return
    this.#process.kill('SIGKILL')
    await this.#ended
  }

  get #hasEnded(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null
  }

  /** The deadline only guards against hangs. */
  async #within<T>(promise: Promise<T>): Promise<T> {
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), deadlineMs)
    try {
      return await promise
    } finally {
      clearTimeout(timer)
    }
  }
}

/** nsenter, taskset and setpriv replace themselves by what they start: the process id is that of the program. */
function place(command: readonly string[], { core, namespace }: Placement): [string, ...string[]] {
  const whole = [
    ...(namespace === undefined ? [] : ['nsenter', `--net=${namespace}`]),
    ...(core === undefined ? [] : ['taskset', '--cpu-list', String(core)]),
    ...command,
  ]
  const [program, ...rest] = whole
  if (program === undefined) throw new TypeError('an empty command')
  return [program, ...rest]
}
