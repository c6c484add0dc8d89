/**
 * What a supervisor such as systemd is told of an instance: that it is up, what it does, that it ends (sd_notify(3)).
 * Called by `etherloom up`, and by the instance when it goes over to another topology. Privilege: none.
 */
import { native } from '../binding.js'
import { sockets } from '../ports/sockets.js'
import { EtherloomError } from '../values/errors.js'

/** One line of what the supervisor shows; it takes no more. */
const longest = 500

export class Supervisor {
  readonly #socket: unknown
  #alive: NodeJS.Timeout | undefined

  private constructor(socket: unknown) {
    this.#socket = socket
  }

  /**
   * The supervisor that $NOTIFY_SOCKET names, a path or `@` and a name; undefined where nobody asks to be told. The variable is
   * gone afterwards: programs that are started here speak for themselves.
   *
   * @throws EtherloomError ERR_ETHERLOOM_DEVICE when nobody is there
   */
  static find(environment: NodeJS.ProcessEnv = process.env): Supervisor | undefined {
    const { NOTIFY_SOCKET: place, WATCHDOG_USEC: microseconds, WATCHDOG_PID: watched } = environment
    for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID'])
      Reflect.deleteProperty(environment, name)
    if (place === undefined || place === '') return undefined
    if (!/^[@/]./.test(place))
      throw new EtherloomError('ERR_ETHERLOOM_OPTION', '$NOTIFY_SOCKET must be a path, or @ and a name')
    const path = place.replace(/^@/, '\0')
    const { socket } = native(() => sockets.connectSocket({ path, framing: 'datagram' }))
    const supervisor = new Supervisor(socket)
    const limit = Number(microseconds)
    if (limit > 0 && (watched === undefined || Number(watched) === process.pid))
      supervisor.#beat(limit / 1000)
    return supervisor
  }

  /** The instance comes up; nothing is ready yet. */
  starting(file: string): void {
    this.#tell({ STATUS: `bringing up ${file}` })
  }

  /** The instance is up, or is what it shall be again. */
  ready(status: string): void {
    this.#tell({ READY: '1', STATUS: status })
  }

  /** It goes over to another topology; `ready` follows in any case. */
  reloading(): void {
    const now = process.hrtime.bigint() / 1000n // CLOCK_MONOTONIC, as systemd wants it
    this.#tell({ RELOADING: '1', MONOTONIC_USEC: String(now), STATUS: 'going over to another topology' })
  }

  stopping(): void {
    clearInterval(this.#alive)
    this.#tell({ STOPPING: '1', STATUS: 'ending' })
  }

  /** It could not come up, or has failed. */
  failed(error: unknown): void {
    this.#tell({ STATUS: (error as Error).message })
  }

  /** Says twice in the time within which it must be said that JavaScript still runs. */
  #beat(limit: number): void {
    this.#alive = setInterval(() => this.#tell({ WATCHDOG: '1' }), limit / 2).unref()
  }

  /** A supervisor that does not take it misses it: nothing here fails or waits for that. */
  #tell(values: Record<string, string>): void {
    const lines = Object.entries(values).map(([name, value]) => `${name}=${oneLine(value)}`)
    try {
      sockets.sendBytes(this.#socket, Buffer.from(lines.join('\n')))
    } catch {
      // It has gone, or has much to read.
    }
  }
}

function oneLine(text: string): string {
  const line = text.replace(/\s*\n\s*/g, '; ')
  return line.length > longest ? `${line.slice(0, longest - 1)}…` : line
}
