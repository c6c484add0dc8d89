/**
 * A program that a topology runs in a host: started when all else is there, started again as it is to be, and ended in order.
 * Called by site.ts, on the JavaScript thread.
 *
 * Theory of operation. The program leads a process group of its own, so that a terminal's Ctrl-C, which ends the instance, does
 * not reach it before its turn. When it has ended, or we have, what is left of its group is killed (engine/inside.ts). Its output is read in pieces, one per `readInterval`, so a program that
 * says more waits, and keeps nobody from work.
 */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import { setTimeout as pause } from 'node:timers/promises'
import { startInside, type Inside } from '../engine/inside.js'
import type { RunRestart } from './host-rules.js'
import type { RunPlan } from './plan.js'

/** Milliseconds between two pieces of output, each of at most 64 KiB. */
const readInterval = 50
/** Characters of a line of output; what is longer is several. */
const longestLine = 16_384
/** Milliseconds that a program has to end in after SIGTERM. */
const grace = 10_000
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
  readonly plan: RunPlan
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
    while (program) {
      const began = performance.now()
      const end = await this.#endOf(program)
      this.#last = end
      const again = !this.#stopping.signal.aborted && isAgain(this.plan.restart, end)
      this.#state = again ? 'waiting' : 'ended'
      this.#listener.end({ ...end, again })
      program = again ? await this.#again(performance.now() - began) : undefined
    }
    this.#state = 'ended'
  }

  /** Starts it again after a while, if nobody stops it before that; where it cannot be started, that is one more failure. */
  async #again(ran: number): Promise<ChildProcess | undefined> {
    if (ran >= steady) this.#wait = firstWait
    const { signal } = this.#stopping
    while (await pause(this.#wait, true, { signal, ref: false }).catch(() => false)) {
      this.#wait = Math.min(this.#wait * 2, longestWait)
      try {
        const program = await this.#launch()
        if (signal.aborted) signalGroup(program.pid as number, 'SIGTERM') // stopped while it was being started
        return program
      } catch (error) {
        this.#last = { code: 126 }
        this.#listener.output('stderr', (error as Error).message)
        this.#listener.end({ ...this.#last, again: !signal.aborted })
      }
    }
    return undefined
  }

  async #endOf(program: ChildProcess): Promise<Pick<RunEnd, 'code' | 'signal'>> {
    const said = Promise.all([
      readLines(program.stdout as Readable, (line) => this.#listener.output('stdout', line)),
      readLines(program.stderr as Readable, (line) => this.#listener.output('stderr', line)),
    ])
    if (program.exitCode === null && program.signalCode === null) await once(program, 'exit')
    const group = program.pid as number
    signalGroup(group, 'SIGKILL') // what it has left
    groups.delete(group)
    if (groups.size === 0) process.off('exit', killGroups)
    await Promise.race([said, pause(lastWords, undefined, { ref: false })])
    for (const stream of [program.stdout, program.stderr]) stream?.destroy()
    const { exitCode, signalCode } = program
    return signalCode === null ? { code: exitCode ?? 0 } : { signal: signalCode }
  }
}

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

/** Hands on every line of a stream, without its end; resolves at the end of the stream. */
async function readLines(stream: Readable, take: (line: string) => void): Promise<void> {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  const cut = (text: string): void => {
    for (let at = 0; at === 0 || at < text.length; at += longestLine) take(text.slice(at, at + longestLine))
  }
  try {
    for await (const piece of stream as AsyncIterable<Buffer>) {
      const lines = (rest + decoder.write(piece)).split(/\r?\n/)
      rest = lines.pop() ?? ''
      lines.forEach(cut)
      if (rest.length > longestLine) {
        cut(rest)
        rest = ''
      }
      await pause(readInterval, undefined, { ref: false })
    }
  } catch {
    // The end of a stream that was given up.
  }
  if (rest !== '') cut(rest)
}
