/**
 * Guardians: small shells that hold something outside of this process and undo it when this process is gone, by `kill -9`
 * too, for then their standard input ends. Made by gateway/ and by ports/splice.ts, on the main thread.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import type { Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import { promisify } from 'node:util'
import { confined, searchPath } from '../values/programs.js'

/** How long one that shall end may take, in milliseconds; then it is killed, for it may be stopped. */
const patience = 3000

export class Guardian {
  /** What it says on its standard output. */
  readonly output: Voice
  /** What it, or a program that it started, says on descriptor 3. */
  readonly voice: Voice
  readonly #child: ChildProcess
  readonly #exited: Promise<unknown>
  readonly #closed: Promise<unknown>
  #complaints = ''
  #stands = false
  #closing: Promise<boolean> | undefined

  /**
   * Starts the script with these words, in a session of its own, so that a terminal's Ctrl-C does not reach it. Until it
   * stands, a word on its standard error is its failure, and it is told to end.
   */
  static async start(script: string, words: readonly string[], namespace?: string): Promise<Guardian> {
    return new Guardian(await shell(script, words, namespace))
  }

  private constructor([program = '', ...words]: readonly string[]) {
    const child = spawn(program, words, {
      ...surroundings(),
      stdio: ['pipe', 'pipe', 'pipe', 'pipe', 'pipe'],
      detached: true,
    })
    this.#child = child
    this.#exited = new Promise((resolve) => child.once('exit', resolve))
    this.#closed = new Promise((resolve) => child.once('close', resolve))
    this.output = new Voice(child.stdout)
    this.voice = new Voice(child.stdio[3] as Readable)
    child.once('error', (error) => (this.#complaints += error.message))
    // It has ended first, which is noticed anyway.
    for (const stream of [child.stdin, this.#orders]) stream.on('error', () => undefined)
    child.stderr.on('data', (text: Buffer) => {
      this.#complaints = `${this.#complaints}${text.toString()}`.slice(-4096)
      if (!this.#stands) child.stdin.end()
    })
  }

  /** Why it failed, in the words of the programs. */
  get said(): string {
    return this.#complaints || this.voice.text
  }

  /** Says a line to it. */
  tell(line: string): void {
    this.#child.stdin?.write(`${line}\n`)
  }

  /** Says something to the program that reads descriptor 4. */
  order(text: string): void {
    this.#orders.write(text)
  }

  /**
   * It is as it should be, and keeps the process alive no longer. Resolves when it has ended, or a program that it holds:
   * the one that speaks on its standard output, and where `voice` is one as well the one on descriptor 3. Says whether it
   * did so without being closed.
   */
  async stands(voice: boolean): Promise<boolean> {
    this.#stands = true
    for (const handle of this.#handles()) handle.unref()
    await Promise.race([this.#exited, this.output.ended, ...(voice ? [this.voice.ended] : [])])
    return this.#closing === undefined
  }

  /** Has it undo everything; says, when it has ended, whether it has done so. Idempotent. */
  close(): Promise<boolean> {
    return (this.#closing ??= this.#end())
  }

  async #end(): Promise<boolean> {
    for (const handle of this.#handles()) handle.ref()
    for (const stream of [this.#child.stdin, this.#orders]) stream?.end()
    const timer = setTimeout(() => {
      this.#child.kill('SIGKILL')
      for (const stream of this.#child.stdio) stream?.destroy() // whoever may still have the other ends
    }, patience)
    await this.#closed
    clearTimeout(timer)
    return this.#child.exitCode === 0
  }

  get #orders(): Writable {
    return this.#child.stdio[4] as Writable
  }

  #handles(): { ref(): void; unref(): void }[] {
    return [this.#child, ...(this.#child.stdio.filter((stream) => stream !== null) as Socket[])]
  }
}

/** The most that a script may say, in bytes: some thousand interfaces are described so. */
const longest = 64 * 1024 * 1024

/** Runs a script to its end and returns what it said. @throws the error of `execFile`, with `stderr` */
export async function runScript(
  script: string,
  words: readonly string[],
  namespace?: string,
): Promise<string> {
  const [program = '', ...rest] = await shell(script, words, namespace)
  return (await promisify(execFile)(program, rest, { ...surroundings(), maxBuffer: longest })).stdout
}

/** What a shell may need that starts dnsmasq as another user, and ends it. */
const needs = ['kill', 'net_admin', 'net_bind_service', 'net_raw', 'setgid', 'setpcap', 'setuid'] as const

/** The words that run a script in the network namespace. */
async function shell(script: string, words: readonly string[], namespace?: string): Promise<string[]> {
  const enter = namespace === undefined ? [] : ['nsenter', `--net=${namespace}`, '--']
  const prefix = await confined(needs, { mortal: false })
  return [...enter, ...prefix, 'sh', '-c', script, 'etherloom-guardian', ...words]
}

const surroundings = (): { cwd: string; env: NodeJS.ProcessEnv } => ({
  cwd: '/',
  env: { ...process.env, PATH: searchPath(), LC_ALL: 'C' },
})

/** What a stream has said: its last 4096 characters. */
class Voice {
  text = ''
  readonly ended: Promise<unknown>
  #heard: () => void = () => undefined

  constructor(stream: Readable) {
    stream.on('data', (text: Buffer) => {
      this.text = `${this.text}${text.toString()}`.slice(-4096)
      this.#heard()
    })
    this.ended = new Promise((resolve) => stream.once('close', resolve))
  }

  /** Resolves with what it said, once that is something like `pattern`. @throws Error when it has ended without */
  async until(pattern: RegExp): Promise<RegExpExecArray> {
    const heard = new Promise<void>((resolve) => {
      this.#heard = () => {
        if (pattern.test(this.text)) resolve()
      }
      this.#heard()
    })
    await Promise.race([heard, this.ended])
    const found = pattern.exec(this.text)
    if (!found) throw new Error('it has ended')
    return found
  }
}
