/**
 * The socket on which a console of ubridge is spoken. Made by `etherloom ubridge`.
 *
 * Theory of operation. A client's lines are read one after another: who sends many has no more read until they are answered,
 * and until the answers are taken. A line that never ends ends its client alone. A Unix socket is for our own user and root,
 * whatever the rights of its folder; at an address of IP whoever reaches it is heard, as there is no word for who they are.
 */
import { once } from 'node:events'
import { createServer, isIP, type Server, type Socket } from 'node:net'
import { StringDecoder } from 'node:string_decoder'
import { calls, native } from '../binding.js'
import { listenAtPath } from '../ports/path-server.js'
import { EtherloomError } from '../values/errors.js'
import { limits } from '../values/limits.js'
import { quote } from '../values/quote.js'
import { formatSize } from '../values/units.js'
import type { Orders } from './orders.js'
import { codes, reply } from './replies.js'

const { peerUser } = calls<{
  /** The user id of the other end of a Unix socket. */
  peerUser(fd: number): number
}>()

/** Where a console is: a path, or an address of IP. */
export type ConsolePlace = { path: string } | { host: string; port: number }

/** `[host:]port` as ubridge has it; a port alone is for this machine only. @throws EtherloomError ERR_ETHERLOOM_OPTION */
export function consolePlace(text: string): ConsolePlace {
  const [, host = '127.0.0.1', port = ''] = /^(?:(.+):)?(\d{1,5})$/.exec(text) ?? []
  const bare = host.replace(/^\[(.*)\]$/, '$1')
  if (port !== '' && Number(port) <= 65_535 && (isIP(bare) !== 0 || /^[\w.-]+$/.test(bare)))
    return { host: bare, port: Number(port) }
  throw new EtherloomError(
    'ERR_ETHERLOOM_OPTION',
    `'-H' must be a port, or an address with a port, such as '127.0.0.1:4000', not ${quote(text)}`,
  )
}

/** A listening console. */
export class ConsoleServer {
  readonly #server: Server
  readonly #orders: Orders
  readonly #stop: () => void
  readonly #sockets = new Set<Socket>()

  private constructor(server: Server, orders: Orders, stop: () => void) {
    this.#server = server
    this.#orders = orders
    this.#stop = stop
  }

  /**
   * Listens; the path of a console that has ended is taken over. `stop` is called when a client has said so and been answered.
   *
   * @throws EtherloomError ERR_ETHERLOOM_DEVICE where somebody else listens there, or nobody can
   */
  static async listen(place: ConsolePlace, orders: Orders, stop: () => void): Promise<ConsoleServer> {
    const server = createServer({ allowHalfOpen: true }) // whoever has said all may still want the answers
    server.maxConnections = limits.consoleClients
    const console = new ConsoleServer(server, orders, stop)
    server.on('connection', (socket) => void console.#serve(socket, 'path' in place))
    if ('path' in place)
      await listenAtPath(server, place.path, { mode: 0o600, advice: "choose another path for '-U'" })
    else {
      server.listen(place)
      try {
        await once(server, 'listening')
      } catch (cause) {
        const { code = 'unknown error' } = cause as NodeJS.ErrnoException
        const where = `${place.host}:${place.port}`
        throw new EtherloomError('ERR_ETHERLOOM_DEVICE', `cannot listen at ${where} (${code})`, { cause })
      }
    }
    server.on('error', () => undefined) // a client that could not be taken, as where descriptors are used up
    return console
  }

  /** Where it listens, as users write it. */
  get address(): string {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') return address ?? ''
    return address.family === 'IPv6'
      ? `[${address.address}]:${address.port}`
      : `${address.address}:${address.port}`
  }

  /** Listens no more, removes the path, and ends every connection. Idempotent. */
  async close(): Promise<void> {
    if (!this.#server.listening) return
    const closed = once(this.#server, 'close')
    this.#server.close() // also unlinks the path
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  async #serve(socket: Socket, isLocal: boolean): Promise<void> {
    this.#sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.#sockets.delete(socket))
    if (isLocal && !isOurs(socket)) {
      socket.destroy()
      return
    }
    try {
      await this.#answer(socket)
      // What it has sent beyond that is taken, so that it can still read what was said last.
      socket.end()
      socket.resume()
      setTimeout(() => socket.destroy(), parting).unref()
    } catch {
      socket.destroy() // the client has gone
    }
  }

  /** Answers line by line, until the client ends, or is ended. */
  async #answer(socket: Socket): Promise<void> {
    const decoder = new StringDecoder('utf8')
    let rest = ''
    for await (const piece of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      const lines = decoder.write(piece).split('\n')
      lines[0] = rest + (lines[0] as string)
      rest = lines.pop() as string
      if (Math.max(rest.length, ...lines.map(({ length }) => length)) > limits.consoleLine) {
        await send(socket, reply(codes.syntax, tooLong))
        return
      }
      for (const line of lines) {
        const { said, then } = await this.#orders.perform(line)
        if (said !== '') await send(socket, said)
        if (then === 'stop') this.#stop()
        if (then !== undefined) return
      }
    }
  }
}

/** How long a client that is ended has for reading what was said last, in milliseconds. */
const parting = 1000

const tooLong = `a line may have ${formatSize(limits.consoleLine)}, and this one has more; the connection ends here`

/** Resolves when the client has taken so much that more can be sent. */
async function send(socket: Socket, text: string): Promise<void> {
  if (socket.destroyed) throw new Error('the client has gone')
  await new Promise<void>((resolve, reject) =>
    socket.write(text, (error) => (error ? reject(error) : resolve())),
  )
}

/** Whether the other end of a Unix socket is of our user or root. */
function isOurs(socket: Socket): boolean {
  const { _handle: handle } = socket as unknown as { _handle?: { fd: number } }
  if (handle === undefined) return false
  return [0, process.getuid?.()].includes(native(() => peerUser(handle.fd)))
}
