/** What tests on real devices borrow from the machine: its permission, its programs, and patience with an end. */
import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { knowsEveryUser } from '../../lib/values/programs.js'

const tunDevice = '/dev/net/tun'

/** A file of the tests, by its path below test/. */
export const testFile = (name: string): string => fileURLToPath(new URL(`../${name}`, import.meta.url))

/** Why this process can make no network namespaces with TAPs in them; undefined when it can. */
export function lacksNetwork(): string | undefined {
  const capabilities = BigInt(`0x${/^CapEff:\s*(\w+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]}`)
  const [netAdmin, sysAdmin] = [12n, 21n]
  const needed = (1n << netAdmin) | (1n << sysAdmin)
  if ((capabilities & needed) !== needed) return 'no CAP_NET_ADMIN and CAP_SYS_ADMIN'
  return lacksTun()
}

/** What is said of a capability that we lack; root of a user namespace is not told to be root, or in another one. */
export function lackOf(capability: string): RegExp {
  return knowsEveryUser() || process.getuid?.() !== 0
    ? new RegExp(`${capability}: run as root.*setcap.*--rootless`)
    : new RegExp(`${capability}, which this user namespace does not give.*AppArmor`)
}

/** Why this process cannot open the TUN/TAP driver; undefined when it can. */
export function lacksTun(): string | undefined {
  try {
    accessSync(tunDevice, constants.R_OK | constants.W_OK)
    return undefined
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return `no ${tunDevice}`
    return `${tunDevice} has the mode 0${(statSync(tunDevice).mode & 0o777).toString(8)}, and we are not its owner`
  }
}

/** Which of these programs is not installed, as a reason to skip; undefined when all are. */
export function lacksProgram(...names: string[]): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin']
  const missing = names.find((name) => !folders.some((folder) => existsSync(join(folder, name))))
  return missing === undefined ? undefined : `no ${missing}`
}

/** Why a test says nothing where Node runs with the address sanitizer (scripts/test.mjs), if it does. */
export const lacksWithSanitizer = (reason: string): string | undefined =>
  process.env.ETHERLOOM_SANITIZED_NODE === undefined ? undefined : reason

/** A describe block that is skipped, with the reason in its title, where something is lacking. */
export function describeUnless(
  lacking: string | undefined,
  title: string,
  body: (this: Mocha.Suite) => void,
): void {
  if (lacking === undefined) describe(title, body)
  else describe.skip(`${title} (skipped: ${lacking})`, body)
}

/** Tests on real devices: skipped where no namespaces and TAPs can be made. */
export const describeOnDevices = (title: string, body: (this: Mocha.Suite) => void): void =>
  describeUnless(lacksNetwork(), title, body)

/**
 * Resolves with the first value that is neither false nor undefined. For what has no event to wait for; the end of the
 * patience, 20 s, only guards against hangs.
 */
export async function eventually<Value>(
  what: string,
  look: () => Value | Promise<Value>,
): Promise<Exclude<Value, false | undefined>> {
  const end = Date.now() + 20_000
  for (;;) {
    const found = await look()
    if (found !== false && found !== undefined) return found as Exclude<Value, false | undefined>
    if (Date.now() > end) throw new Error(`still not: ${what}`)
    await pause(2)
  }
}

/** Returns when somebody listens at a Unix socket. */
export async function served(socket: string): Promise<void> {
  await eventually(`somebody listens at ${socket}`, async () => {
    const peer = createConnection(socket)
    try {
      await once(peer, 'connect')
      return true
    } catch {
      return false
    } finally {
      peer.destroy()
    }
  })
}

/** A program under test's orders, in a network namespace or here. The kernel ends it when this process ends. */
export class Child {
  readonly #process: ChildProcessByStdio<Writable, Readable, Readable>
  readonly #lines: AsyncIterator<string>
  readonly #closed: Promise<unknown>
  #complaints = ''

  constructor(command: readonly string[], namespace?: string) {
    const place = namespace === undefined ? [] : ['nsenter', `--net=${namespace}`]
    const [program, ...rest] = [...place, 'setpriv', '--pdeathsig', 'KILL', ...command] as [
      string,
      ...string[],
    ]
    this.#process = spawn(program, rest, { stdio: 'pipe' })
    this.#closed = once(this.#process, 'close')
    this.#lines = createInterface(this.#process.stdout)[Symbol.asyncIterator]()
    this.#process.stderr.on('data', (text: Buffer) => (this.#complaints += text.toString()))
    this.#process.stdin.on('error', () => undefined) // it ended first, which its reader will notice
  }

  get pid(): number {
    return this.#process.pid!
  }

  /** The next line that it prints; fails with its complaints when it ends without one. */
  async line(): Promise<string> {
    const next = (await this.#lines.next()) as IteratorResult<string, undefined>
    if (next.done !== true) return next.value
    throw new Error(`${this.#process.spawnargs.join(' ')} ended: ${this.#complaints.trim()}`)
  }

  /** Everything that it still prints, once it has ended by itself. Fails when it did not exit with 0 or these codes. */
  async rest(...exitCodes: number[]): Promise<string> {
    const lines: string[] = []
    for (let next = await this.#lines.next(); next.done !== true; next = await this.#lines.next())
      lines.push(next.value)
    await this.#closed
    const { exitCode, signalCode, spawnargs } = this.#process
    if ([0, ...exitCodes].includes(exitCode ?? NaN)) return lines.join('\n')
    throw new Error(
      `${spawnargs.join(' ')}: ${exitCode ?? signalCode}: ${this.#complaints.trim() || lines.join('\n')}`,
    )
  }

  /** Writes a line to its standard input. */
  tell(line: string): void {
    this.#process.stdin.write(`${line}\n`)
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal)
  }

  /** Ends it at once, if it still runs, and waits until it is gone. What it started may still hold its output. */
  async close(): Promise<void> {
    this.#process.kill('SIGKILL')
    for (const stream of [this.#process.stdout, this.#process.stderr]) stream.destroy()
    await this.#closed
  }
}

/** Runs a program to its end and returns what it printed. */
export const run = (command: readonly string[], namespace?: string): Promise<string> =>
  new Child(command, namespace).rest()
