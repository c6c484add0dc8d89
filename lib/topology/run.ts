/**
 * A program that a topology runs in a host: started when all else is there, started again as it is to be, and ended in order.
 * Called by site.ts, on the JavaScript thread.
 *
 * Theory of operation. The program leads a process group of its own, so that a terminal's Ctrl-C, which ends the instance, does
 * not reach it before its turn. When it has ended, or we have, what is left of its group is killed (engine/inside.ts). Its output
 * is read in pieces, and all programs together have a pace, of lines and of bytes: those that say more wait, and keep nobody
 * from work. What one has left when it has ended is read at once.
 */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import { setTimeout as pause } from 'node:timers/promises'
import { startInside, type Inside } from '../engine/inside.js'
import type { RunRestart } from './host-rules.js'
import type { RunPlan } from './plan.js'

/** Lines of a piece of output. */
const linesTogether = 500
/** Milliseconds that a line, and a byte, of output take: 10,000 lines and 1 MiB in a second. */
const [perLine, perByte] = [0.1, 1000 / 1024 ** 2]
/** Milliseconds between two pieces of one program, at the least. */
const readInterval = 50
/** Characters of a line of output; what is longer is several. */
const longestLine = 16_384
/** Milliseconds that a program has to end in after SIGTERM. */
const grace = 10_000
/** Milliseconds between two looks whether all of a group has ended. */
const endInterval = 50
/** Milliseconds before a program is started again: doubled each time, from the first on when it has run for `steady`. */
const [firstWait, longestWait, steady] = [100, 10_000, 10_000]
/** Milliseconds that output of a program which has ended may still take: others may hold its end open. */
const lastWords = 1000

/** How a run ended: one of `code` and `signal`. */
export interface RunEnd {
  code?: number
  signal?: string
  /** Whether it will be started again. */
  again: boolean
  /** True where it was ended: by `Network.apply`, which replaces or removes it, or with the network. */
  stopped?: boolean
}

/** Who is told what a program says, and that it has ended. */
export interface RunListener {
  output(stream: 'stdout' | 'stderr', line: string): void
  end(end: RunEnd): void
}

/** Process groups that run now. */
const groups = new Set<number>()
const killGroups = (): void => groups.forEach((group) => signalGroup(group, 'SIGKILL'))

export class Run {
  /** May be replaced by one with another name. */
  plan: RunPlan
  readonly #inside: () => Inside
  readonly #listener: RunListener
  readonly #stopping = new AbortController()
  #program: ChildProcess | undefined
  #over: Promise<void> = Promise.resolve()
  #state: 'running' | 'waiting' | 'ended' = 'ended'
  #starts = 0
  #wait = firstWait
  #last: Pick<RunEnd, 'code' | 'signal'> | undefined

  /** `inside`: the host as it is when the program starts. */
  constructor(plan: RunPlan, inside: () => Inside, listener: RunListener) {
    this.plan = plan
    this.#inside = inside
    this.#listener = listener
  }

  /** `waiting`: it will be started again. */
  get state(): 'running' | 'waiting' | 'ended' {
    return this.#state
  }

  get pid(): number | undefined {
    return this.#state === 'running' ? this.#program?.pid : undefined
  }

  /** How often it was started. */
  get starts(): number {
    return this.#starts
  }

  /** How it ended last. */
  get last(): Pick<RunEnd, 'code' | 'signal'> | undefined {
    return this.#last
  }

  /** @throws EtherloomError where nothing can be started in hosts; a command that there is not ends with 127 */
  async start(): Promise<void> {
    const program = await this.#launch()
    this.#over = this.#keep(program)
  }

  /** Ends it: SIGTERM for its group, then, after 10 s, SIGKILL. Resolves when it has ended. Idempotent. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    const signal = (which: NodeJS.Signals): void => {
      if (this.pid !== undefined) signalGroup(this.pid, which)
    }
    signal('SIGTERM')
    const kill = setTimeout(signal, grace, 'SIGKILL')
    await this.#over
    clearTimeout(kill)
  }

  async #launch(): Promise<ChildProcess> {
    const { command } = this.plan
    const words = typeof command === 'string' ? ['sh', '-c', command] : command
    const program = await startInside(this.#inside(), words, { stdio: 'output', group: true })
    if (groups.size === 0) process.on('exit', killGroups)
    groups.add(program.pid as number)
    this.#program = program
    this.#state = 'running'
    this.#starts++
    return program
  }

  /** Until it has ended for good. */
  async #keep(first: ChildProcess): Promise<void> {
    let program: ChildProcess | undefined = first
    let again = true
    while (again) {
      const began = performance.now()
      const end = program ? await this.#endOf(program) : notStarted
      this.#last = end
      again = !this.#stopping.signal.aborted && isAgain(this.plan.restart, end)
      this.#state = again ? 'waiting' : 'ended'
      const stopped = this.#stopping.signal.aborted && { stopped: true }
      this.#listener.end({ ...end, again, ...stopped })
      again &&= await this.#waited(performance.now() - began)
      if (again) program = await this.#launchAgain()
    }
    this.#state = 'ended'
  }

  /** Lets the time pass until it is to be started again; false where somebody stops it before that. */
  async #waited(ran: number): Promise<boolean> {
    if (ran >= steady) this.#wait = firstWait
    const { signal } = this.#stopping
    const waited = await pause(this.#wait, true, { signal, ref: false }).catch(() => false)
    this.#wait = Math.min(this.#wait * 2, longestWait)
    return waited
  }

  /** Undefined where it cannot be started now. */
  async #launchAgain(): Promise<ChildProcess | undefined> {
    try {
      const program = await this.#launch()
      // Stopped while it was being started.
      if (this.#stopping.signal.aborted) signalGroup(program.pid as number, 'SIGTERM')
      return program
    } catch (error) {
      this.#listener.output('stderr', (error as Error).message)
      return undefined
    }
  }

  async #endOf(program: ChildProcess): Promise<Pick<RunEnd, 'code' | 'signal'>> {
    const hasEnded = (): boolean => program.exitCode !== null || program.signalCode !== null
    const brake = async (text: readonly string[]): Promise<void> => {
      if (!hasEnded()) await keepPace(text)
    }
    const said = Promise.all([
      readLines(program.stdout as Readable, (line) => this.#listener.output('stdout', line), brake),
      readLines(program.stderr as Readable, (line) => this.#listener.output('stderr', line), brake),
    ])
    if (!hasEnded()) await once(program, 'exit')
    const group = program.pid as number
    if (this.#stopping.signal.aborted) await membersEnd(group)
    signalGroup(group, 'SIGKILL') // what it has left
    groups.delete(group)
    if (groups.size === 0) process.off('exit', killGroups)
    await Promise.race([said, pause(lastWords, undefined, { ref: false })])
    for (const stream of program.stdio) stream?.destroy()
    const { exitCode, signalCode } = program
    return signalCode === null ? { code: exitCode ?? 0 } : { signal: signalCode }
  }
}

/** The end of what could not be started, as shells have it. */
const notStarted = { code: 126 }

const isAgain = (restart: RunRestart, { code }: Pick<RunEnd, 'code'>): boolean =>
  restart === 'always' || (restart === 'on-failure' && code !== 0)

/** Signals a group, if there is still something of it. */
function signalGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal)
  } catch {
    // It has ended, or is another user's by now.
  }
}

/** Waits until only the shell that watches us is left of a group, or until it has been killed for its `grace`. */
async function membersEnd(group: number): Promise<void> {
  const until = performance.now() + grace
  while (performance.now() < until && ((await groupSizes()).get(group) ?? 0) > 1)
    await pause(endInterval, undefined, { ref: false })
}

let counting: Promise<Map<number, number>> | undefined

/** How many processes that have not ended each process group has, by what /proc says: for all who ask meanwhile once. */
function groupSizes(): Promise<Map<number, number>> {
  counting ??= countGroups().finally(() => (counting = undefined))
  return counting
}

async function countGroups(): Promise<Map<number, number>> {
  const processes = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const counts = new Map<number, number>()
  for (const process of processes) {
    const text = await readFile(`/proc/${process}/stat`, 'utf8').catch(() => '') // it has ended
    const [state, , group] = text.slice(text.lastIndexOf(')') + 2).split(' ')
    if (group === undefined || state === 'Z' || state === 'X') continue
    counts.set(Number(group), (counts.get(Number(group)) ?? 0) + 1)
  }
  return counts
}

/** When the output that programs have handed on by now is paid for, in milliseconds as of `performance.now`. */
let paid = 0

/** Waits as long as these lines take, behind those that others have handed on. */
async function keepPace(lines: readonly string[]): Promise<void> {
  const now = performance.now()
  const bytes = lines.reduce((sum, { length }) => sum + length + 1, 0)
  paid = Math.max(paid, now) + Math.max(lines.length * perLine, bytes * perByte)
  await pause(Math.max(readInterval, paid - now), undefined, { ref: false })
}

/** Hands on every line of a stream, without its end, and waits for `brake` after some; resolves at the end of the stream. */
async function readLines(
  stream: Readable,
  take: (line: string) => void,
  brake: (lines: readonly string[]) => Promise<void>,
): Promise<void> {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  const cut = (text: string): void => {
    for (let at = 0; at === 0 || at < text.length; at += longestLine) take(text.slice(at, at + longestLine))
  }
  try {
    for await (const piece of stream as AsyncIterable<Buffer>) {
      const lines = (rest + decoder.write(piece)).split(/\r?\n/)
      rest = lines.pop() ?? ''
      if (rest.length > longestLine) {
        lines.push(rest)
        rest = ''
      }
      for (let at = 0; at === 0 || at < lines.length; at += linesTogether) {
        const some = lines.slice(at, at + linesTogether)
        some.forEach(cut)
        await brake(some)
      }
    }
  } catch {
    // The end of a stream that was given up.
  }
  if (rest !== '') cut(rest)
}
