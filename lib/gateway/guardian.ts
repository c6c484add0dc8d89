/**
 * Guardians: small shells that hold something outside of this process and undo it when this process is gone, by `kill -9`
 * too, for then their standard input ends. Made by gateway.ts and PasstPort, on the main thread.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { searchPath } from './programs.js'

export class Guardian {
  /** What it says on its standard output. */
  readonly output: Voice
  /** What it, or a program that it started, says on descriptor 3. */
  readonly voice: Voice
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown>
  #complaints = ''
  #stands = false
  #closing = false

  /**
   * Starts the script with these words, in a session of its own, so that a terminal's Ctrl-C does not reach it. Until it
   * stands, a word on its standard error is its failure, and it is told to end.
   */
  constructor(script: string, words: readonly string[], namespace?: string) {
    const enter = namespace === undefined ? [] : ['nsenter', `--net=${namespace}`, '--']
    const [program = '', ...rest] = [...enter, 'sh', '-c', script, 'etherloom-guardian', ...words]
    const child = spawn(program, rest, {
      cwd: '/',
      env: { ...process.env, PATH: searchPath(), LC_ALL: 'C' },
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
      detached: true,
    })
    this.#child = child
    this.#ended = new Promise((resolve) => child.once('close', resolve))
    this.output = new Voice(child.stdout)
    this.voice = new Voice(child.stdio[3] as Readable)
    child.once('error', (error) => (this.#complaints += error.message))
    child.stdin.on('error', () => undefined) // it has ended first, which is noticed anyway
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

  /**
   * It is as it should be, and keeps the process alive no longer. Resolves when it has ended, or with `voice` when that
   * has, and everything is undone: with the reason unless it was closed.
   */
  async stands(voice: boolean): Promise<string | undefined> {
    this.#stands = true
    for (const handle of this.#handles()) handle.unref()
    await Promise.race([this.#ended, ...(voice ? [this.voice.ended] : [])])
    if (this.#closing) return undefined
    await this.close()
    return this.said
  }

  /** Has it undo everything; resolves when that is done. Idempotent. */
  async close(): Promise<void> {
    this.#closing = true
    for (const handle of this.#handles()) handle.ref()
    this.#child.stdin?.end()
    await this.#ended
  }

  #handles(): { ref(): void; unref(): void }[] {
    return [this.#child, ...(this.#child.stdio.filter((stream) => stream !== null) as Socket[])]
  }
}

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

  /** Resolves when it has said something like `pattern`. @throws Error when it has ended without */
  async until(pattern: RegExp): Promise<void> {
    const heard = new Promise<void>((resolve) => {
      this.#heard = () => {
        if (pattern.test(this.text)) resolve()
      }
      this.#heard()
    })
    await Promise.race([heard, this.ended])
    if (!pattern.test(this.text)) throw new Error('it has ended')
  }
}
