/**
 * Gives orders to a running instance over its control socket.
 * Called by the commands of the command line, and by the server to see whether a name is taken.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { JSONRPCClient, JSONRPCErrorException, type JSONRPCResponse } from 'json-rpc-2.0'
import { EtherloomError } from '../values/errors.js'
import { suggestion } from '../values/options.js'
import type { Reports } from '../topology/report.js'
import { controlDirectory, controlSocket, instanceNames } from './directory.js'
import { errorFrom, readLines, writeLine, type ControlMethods } from './protocol.js'

/** A connection to one instance. Close it, or it keeps the process alive. */
export class ControlClient {
  /** Resolves when the instance has closed the connection, as it does at its end. */
  readonly ended: Promise<void>
  readonly #socket: Socket
  readonly #rpc: JSONRPCClient

  private constructor(socket: Socket) {
    this.#socket = socket
    this.#rpc = new JSONRPCClient((request) => writeLine(socket, request))
    readLines(socket, (line) => this.#rpc.receive(JSON.parse(line) as JSONRPCResponse))
    socket.on('error', () => socket.destroy())
    this.ended = once(socket, 'close').then(() =>
      this.#rpc.rejectAllPendingRequests('the instance ended before it answered'),
    )
  }

  /** A connection to the instance of this name, or undefined when none is running. */
  static async connect(name: string): Promise<ControlClient | undefined> {
    const socket = connect(controlSocket(name))
    try {
      await once(socket, 'connect')
      return new ControlClient(socket)
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException
      if (code === 'ENOENT' || code === 'ECONNREFUSED') return undefined
      throw new EtherloomError('ERR_ETHERLOOM_CONTROL', `cannot reach instance '${name}': ${message}`, {
        cause,
      })
    }
  }

  /**
   * A connection to the instance of this name; without a name, to the only one that runs.
   *
   * @throws EtherloomError ERR_ETHERLOOM_CONTROL when none is running, or several and no name is given
   */
  static async find(name: string | undefined): Promise<ControlClient> {
    const names = name === undefined ? await instanceNames() : [name]
    const found = await Promise.all(
      names.map(async (each) => ({ name: each, client: await this.connect(each) })),
    )
    const running = found.flatMap(({ name, client }) => (client ? [{ name, client }] : []))
    const [first] = running
    if (first && running.length === 1) return first.client
    for (const { client } of running) client.close()
    if (running.length > 1)
      throw new EtherloomError('ERR_ETHERLOOM_CONTROL', 'several instances are running', {
        hint: `choose one with --name: ${running.map(({ name }) => name).join(', ')}`,
      })
    if (name === undefined)
      throw new EtherloomError(
        'ERR_ETHERLOOM_CONTROL',
        `no instance is running (looked in ${controlDirectory()})`,
        {
          hint: "start one with 'etherloom up FILE'",
        },
      )
    throw new EtherloomError(
      'ERR_ETHERLOOM_CONTROL',
      `no instance named '${name}' is running${suggestion(name, await instanceNames())}`,
    )
  }

  /** Calls a method. @throws EtherloomError with the code that the instance gave */
  async call<Method extends keyof ControlMethods>(
    method: Method,
    params: Parameters<ControlMethods[Method]>[0],
  ): Promise<ReturnType<ControlMethods[Method]>> {
    try {
      return (await this.#rpc.request(method, params)) as ReturnType<ControlMethods[Method]>
    } catch (error) {
      throw errorFrom(
        (error as Error).message,
        error instanceof JSONRPCErrorException ? error.data : undefined,
      )
    }
  }

  /** The rows of a report. */
  async show<What extends keyof Reports>(what: What): Promise<Reports[What]> {
    return (await this.call('show', { what })) as Reports[What]
  }

  close(): void {
    this.#socket.end()
  }
}
