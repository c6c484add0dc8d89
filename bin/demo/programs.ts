/**
 * Programs that run inside a network namespace, through nsenter(1): ping, and the peers of peer.ts.
 * Called by the Lab. They are sessions of their own, so that Ctrl-C on the terminal reaches only us; we end them.
 */
import { fork, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { EtherloomError } from '../../lib/errors.js'
import type { Passed, PeerMessage } from './peer.js'

const peerProgram = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './peer.ts' : './peer.js', import.meta.url),
)

export class Programs {
  readonly #running = new Set<ChildProcess>()
  readonly #end = new AbortController()

  /** Ends all programs; whoever waits for one gets an error. */
  interrupt(reason?: unknown): void {
    this.#end.abort(reason)
    for (const child of this.#running) child.kill('SIGKILL')
  }

  /** Interrupts, and resolves when no program is left. */
  async close(): Promise<void> {
    this.interrupt()
    await Promise.all([...this.#running].map((child) => once(child, 'close')))
  }

  /** Runs ping(8) to its end. Returns the round trips of the answered ones in milliseconds; `progress` counts them. */
  async ping(namespace: string, args: string[], progress?: (answers: number) => void): Promise<number[]> {
    this.#end.signal.throwIfAborted()
    const child = spawn('nsenter', [`--net=${namespace}`, '--', 'ping', ...args], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#track(child)
    const complaint = text(child.stderr)
    const answers: number[] = []
    let finished = false
    for await (const line of createInterface(child.stdout)) {
      const milliseconds = / time=([\d.]+) ms/.exec(line)?.[1]
      if (milliseconds !== undefined) answers.push(Number(milliseconds))
      progress?.(answers.length)
      finished ||= line.includes('packets transmitted')
    }
    this.#end.signal.throwIfAborted()
    if (finished) return answers
    throw new EtherloomError('ERR_ETHERLOOM_UNSUPPORTED', `ping failed: ${(await complaint).trim()}`)
  }

  /** Starts peer.ts with these arguments. */
  startPeer(namespace: string, args: (string | number)[], progress?: (soFar: Passed) => void): Peer {
    this.#end.signal.throwIfAborted()
    const child = fork(peerProgram, args.map(String), {
      execPath: 'nsenter',
      execArgv: [`--net=${namespace}`, '--', process.execPath, ...process.execArgv],
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    this.#track(child)
    return new Peer(child, this.#end.signal, progress)
  }

  #track(child: ChildProcess): void {
    this.#running.add(child)
    child.once('close', () => this.#running.delete(child))
    child.once('error', (error) => this.interrupt(error))
  }
}

/** A running peer.ts. */
export class Peer {
  readonly #child: ChildProcess
  readonly #end: AbortSignal
  readonly #complaint: Promise<string>
  readonly #ready: Promise<PeerMessage | undefined>
  readonly #done: Promise<PeerMessage | undefined>

  constructor(child: ChildProcess, end: AbortSignal, progress?: (soFar: Passed) => void) {
    this.#child = child
    this.#end = end
    this.#complaint = child.stderr ? text(child.stderr) : Promise.resolve('')
    this.#ready = this.#message('ready')
    this.#done = this.#message('done')
    child.on('message', (message: PeerMessage) => {
      if (message.kind === 'progress') progress?.(message)
    })
  }

  /** The port that a sink listens on. */
  async port(): Promise<number> {
    const message = await this.#ready
    this.#end.throwIfAborted()
    if (message?.kind === 'ready') return message.port
    throw new EtherloomError('ERR_ETHERLOOM_UNSUPPORTED', `a peer failed: ${(await this.#complaint).trim()}`)
  }

  /** What passed, when all has; undefined where the peer broke off. The peer then ends. */
  async result(): Promise<Passed | undefined> {
    const message = await this.#done
    this.#end.throwIfAborted()
    if (message?.kind !== 'done') return undefined
    this.#child.disconnect()
    return message
  }

  /** Tells a udp-sink that nothing more will be sent. */
  finish(): void {
    this.#child.send('finish')
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  /** The peer's message of this kind, or undefined when it ends without. */
  #message(kind: PeerMessage['kind']): Promise<PeerMessage | undefined> {
    return new Promise((resolve) => {
      this.#child.on('message', (message: PeerMessage) => {
        if (message.kind === kind) resolve(message)
      })
      this.#child.once('close', () => resolve(undefined))
    })
  }
}
