/**
 * Gives orders to a running instance over its control socket, and hears of its events.
 * Called by connect.ts, by the command line, and by the server to see whether a name is taken.
 */
import { EventEmitter, once } from 'node:events'
import { connect as connectSocket, type Socket } from 'node:net'
import { JSONRPCClient, JSONRPCErrorCode, type JSONRPCResponse } from 'json-rpc-2.0'
import { EtherloomError } from '../values/errors.js'
import { limits } from '../values/limits.js'
import { anyText, listed, readOptions, required, suggestion } from '../values/options.js'
import { abortSignal, unlessAborted } from '../values/signals.js'
import { patience } from '../values/patience.js'
import { quote } from '../values/quote.js'
import { controlDirectory, controlSocket, hasControlDirectory, instanceNames } from './directory.js'
import { controlEvents, readEvent, type ControlEventName, type ControlEvents } from './events.js'
import { noSuchMethod, readAnswer, type Methods, type ParamsOf, type ResultOf } from './method.js'
import { controlMethods, type ControlMethods } from './methods/index.js'
import { noVersion, otherVersion, protocolVersion, type HelloAnswer } from './methods/hello.js'
import { errorFrom, eventMethod, readLines, writeOrder, type ErrorData } from './protocol.js'

/** How long an instance may take to answer its first order, and to end its end of a connection, in milliseconds. */
const [answerLimit, endLimit] = [10_000, 1000]

/** The events of a client: those of the instance that were subscribed to, and the end of the connection. */
export type ControlClientEvents = ControlEvents & { ended: [] }

/** A connection to one instance. Close it, or it keeps the process alive. */
export class ControlClient<Known extends Methods = ControlMethods> extends EventEmitter<ControlClientEvents> {
  /** Resolves when the connection has ended, as it does with the instance. */
  readonly ended: Promise<void>
  readonly #name: string
  readonly #methods: Known
  readonly #socket: Socket
  readonly #rpc: JSONRPCClient

  private constructor(name: string, socket: Socket, methods: Known) {
    super()
    this.#name = name
    this.#methods = methods
    this.#socket = socket
    this.#rpc = new JSONRPCClient((request) => writeOrder(socket, request))
    readLines(
      socket,
      limits.answerLine,
      (line) => this.#receive(line),
      () => socket.destroy(),
    )
    socket.on('error', () => socket.destroy())
    const closed = new Promise((resolve) => socket.once('close', resolve)) // whatever ended it
    this.ended = closed.then(() => {
      this.#rpc.rejectAllPendingRequests(`instance ${quote(name)} ended before it answered`)
      this.emit('ended')
    })
  }

  /** @internal A connection to the instance of this name, or undefined when none is running. */
  static async connect<Known extends Methods = ControlMethods>(
    name: string,
    methods: Known = controlMethods as Methods as Known,
  ): Promise<ControlClient<Known> | undefined> {
    const path = controlSocket(name)
    if (!(await hasControlDirectory())) return undefined
    const socket = connectSocket(path)
    try {
      await once(socket, 'connect')
      return new ControlClient(name, socket, methods)
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException
      if (code === 'ENOENT' || code === 'ECONNREFUSED') return undefined
      if (code === 'EAGAIN') throw noAnswer(name, 'so many wait already that it takes no connection')
      throw new EtherloomError('ERR_ETHERLOOM_CONTROL', `cannot reach instance ${quote(name)}: ${message}`, {
        cause,
      })
    }
  }

  /** @internal As `connect`, before the two agree on the protocol. */
  static async find<Known extends Methods = ControlMethods>(
    name: string | undefined,
    methods: Known = controlMethods as Methods as Known,
  ): Promise<ControlClient<Known>> {
    const names = name === undefined ? await instanceNames() : [name]
    const found = await Promise.allSettled(
      names.map(async (each) => ({ name: each, client: await this.connect(each, methods) })),
    )
    const running = found.flatMap((each) =>
      each.status === 'fulfilled' && each.value.client
        ? [{ name: each.value.name, client: each.value.client }]
        : [],
    )
    const failed = found.find((each) => each.status === 'rejected')
    const [first] = running
    if (first && running.length === 1 && !failed) return first.client
    for (const { client } of running) void client.close()
    if (failed) throw failed.reason
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
    const others = await this.#running()
    const near = suggestion(name, others)
    throw new EtherloomError('ERR_ETHERLOOM_CONTROL', `no instance named ${quote(name)} is running${near}`, {
      hint:
        near !== ''
          ? undefined
          : others.length > 0
            ? listed('running', others)
            : "start one with 'etherloom up FILE'",
    })
  }

  /** The names of those that take a connection. */
  static async #running(): Promise<string[]> {
    const found = await Promise.all(
      (await instanceNames()).map(async (name) => {
        const client = await this.connect(name).catch(() => undefined)
        await client?.close()
        return client ? [name] : []
      }),
    )
    return found.flat().sort()
  }

  /**
   * Calls a method; `docs/reference/control/` lists them all. A signal gives up waiting for the answer; what was asked for is
   * done all the same.
   *
   * @throws EtherloomError with the code that the instance gave; ERR_ETHERLOOM_CONTROL when it has ended
   */
  async call<Name extends keyof Known & string>(
    name: Name,
    params: ParamsOf<Known[Name]>,
    options: { signal?: AbortSignal } = {},
  ): Promise<ResultOf<Known[Name]>> {
    const { signal } = readOptions('call', options, { signal: abortSignal })
    required(anyText)(name, 'the name of a method')
    signal?.throwIfAborted()
    const method = Object.hasOwn(this.#methods, name) ? this.#methods[name] : undefined
    if (method === undefined) throw noSuchMethod(name, this.#methods)
    return readAnswer(method, await this.#request(name, params, signal)) as ResultOf<Known[Name]>
  }

  /** Hears of these events from now on, by default of all: listen with `on`. */
  async subscribe(...events: ControlEventName[]): Promise<void> {
    await this.#request('subscribe', { events }, undefined)
  }

  /** Ends the connection; the instance goes on. Idempotent. */
  async close(): Promise<void> {
    this.#socket.end()
    const leave = patience(endLimit, () => this.#socket.destroy()) // it may be stopped
    await this.ended
    leave()
  }

  /** `close`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** @internal Agrees on the protocol. @throws EtherloomError ERR_ETHERLOOM_CONTROL where the instance speaks another, or nothing */
  async greet(signal?: AbortSignal): Promise<void> {
    const silence = new AbortController()
    const leave = patience(answerLimit, () => {
      silence.abort(noAnswer(this.#name, `it has said nothing for ${answerLimit / 1000} s`))
    })
    const asked = this.#request('hello', { protocol: protocolVersion }, signal)
    const { protocol, etherloom } = (await unlessAborted(asked, silence.signal).finally(leave)) as HelloAnswer
    if (protocol !== protocolVersion) throw otherVersion(etherloom, protocol, protocolVersion)
  }

  async #request(name: string, params: object, signal: AbortSignal | undefined): Promise<unknown> {
    if (this.#socket.destroyed || !this.#socket.writable)
      throw new EtherloomError('ERR_ETHERLOOM_CONTROL', `instance ${quote(this.#name)} has ended`)
    const asked = Promise.resolve(this.#rpc.request(name, params)).catch((error: unknown) => {
      const { message, code, data } = error as Error & { code?: number; data?: ErrorData }
      if (code === JSONRPCErrorCode.MethodNotFound && name === 'hello') throw noVersion(this.#name)
      throw errorFrom({ message, ...data })
    })
    return unlessAborted(asked, signal)
  }

  /** An answer, or an event. Whoever sends something else is no instance. */
  #receive(line: string): void {
    const message = parse(line)
    if (message === undefined) this.#socket.destroy()
    else if (message.method === undefined) this.#rpc.receive(message)
    else if (message.method === eventMethod) {
      const { event, ...value } = message.params ?? { event: '' }
      if (!Object.hasOwn(controlEvents, event)) return // of a later version
      const name = event as ControlEventName
      ;(this as EventEmitter).emit(name, readEvent(name, value))
    }
  }
}

const noAnswer = (name: string, why: string): EtherloomError =>
  new EtherloomError('ERR_ETHERLOOM_CONTROL', `instance ${quote(name)} does not answer: ${why}`, {
    hint: "it is busy, or stopped (Ctrl-Z, SIGSTOP): 'fg' or 'kill -CONT' has one that is stopped go on",
  })

type Message = JSONRPCResponse & { method?: string; params?: { event: string } }

function parse(line: string): Message | undefined {
  try {
    return JSON.parse(line) as Message
  } catch {
    return undefined
  }
}
