/**
 * The socket on which a running instance takes orders. Called by Instance.
 */
import { chmod, unlink } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { once, type EventEmitter } from 'node:events'
import {
  createJSONRPCErrorResponse,
  createJSONRPCNotification,
  isJSONRPCID,
  JSONRPCErrorCode,
  JSONRPCServer,
} from 'json-rpc-2.0'
import type { JSONRPCID, JSONRPCRequest, JSONRPCResponse } from 'json-rpc-2.0'
import { EtherloomError, fromNative } from '../values/errors.js'
import { limits } from '../values/limits.js'
import { isMapping } from '../values/options.js'
import { formatCount, formatSize } from '../values/units.js'
import { ControlClient } from './client.js'
import { controlSocket, makeControlDirectory, sweepControlDirectory } from './directory.js'
import { answer, noSuchMethod, type Methods, type Peer, type Running } from './method.js'
import { errorData, eventMethod, failureCode, readLines, writeLine } from './protocol.js'

/** A listening control socket, mode 0600. */
export class ControlServer {
  readonly path: string
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(path: string, server: Server) {
    this.path = path
    this.#server = server
  }

  /**
   * Takes the name and listens; orders wait for `instance`. A socket file that a killed instance left behind is
   * replaced, those of other names are removed. `failed` hears of connections that could not be taken, as where descriptors are used up.
   *
   * @throws EtherloomError ERR_ETHERLOOM_CONTROL when an instance of that name runs
   */
  static async listen(
    name: string,
    methods: Methods,
    instance: Promise<Running>,
    failed: (error: EtherloomError) => void,
  ): Promise<ControlServer> {
    await makeControlDirectory()
    await sweepControlDirectory()
    const path = controlSocket(name)
    const running = await ControlClient.connect(name)
    await running?.close()
    if (running)
      throw new EtherloomError('ERR_ETHERLOOM_CONTROL', `an instance named '${name}' is already running`, {
        hint: `end it with 'etherloom down --name ${name}', or choose another --name`,
      })
    await unlink(path).catch(() => undefined)
    const server = createServer()
    const control = new ControlServer(path, server)
    server.on('connection', (socket) => control.#serve(socket, methods, instance)) // whoever comes at once is heard, too
    server.listen(path)
    await once(server, 'listening')
    await chmod(path, 0o600)
    server.on('error', (error: NodeJS.ErrnoException) => {
      const { errno = 0, syscall = '' } = error
      failed(
        fromNative({ errno: Math.abs(errno), syscall, message: 'the control socket took no connection' }),
      )
    })
    return control
  }

  /** Stops listening, removes the socket file and ends every connection. Idempotent. */
  async close(): Promise<void> {
    if (!this.#server.listening) return
    const closed = once(this.#server, 'close')
    this.#server.close() // also unlinks the path
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #serve(socket: Socket, methods: Methods, instance: Promise<Running>): void {
    const rpc = new JSONRPCServer<Peer>({ errorListener: () => undefined })
    rpc.mapErrorToJSONRPCErrorResponse = (id: JSONRPCID, error: unknown) =>
      createJSONRPCErrorResponse(id, failureCode, (error as Error).message, errorData(error))
    const notFound = (id: JSONRPCID, name: string): JSONRPCResponse => {
      const error = noSuchMethod(name, methods)
      return createJSONRPCErrorResponse(id, JSONRPCErrorCode.MethodNotFound, error.message, errorData(error))
    }
    rpc.handleMethodNotFound = ({ id, method }) =>
      Promise.resolve(id === undefined ? null : notFound(id, method))
    for (const name of Object.keys(methods))
      rpc.addMethod(name, (params, peer) => answer(methods, name, params, instance, peer))
    const peer = peerOf(socket)
    this.#sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.#sockets.delete(socket))
    readLines(
      socket,
      limits.orderLine,
      (line) => {
        const message = readMessage(line)
        if ('refused' in message) writeLine(socket, message.refused)
        else
          void rpc.receive(message.orders as JSONRPCRequest, peer).then((response) => {
            if (response !== null) writeLine(socket, response)
          })
      },
      () => {
        writeLine(socket, refusal(JSONRPCErrorCode.InvalidRequest, tooLong))
        socket.end()
      },
    )
  }
}

const tooLong = `a line may have ${formatSize(limits.orderLine)}, and this one has more; the connection ends here`
const tooManyValues = `an order may have ${formatCount(limits.orderValues)} values, and this one has more; make it of several`
const tooMany = `a batch may have ${formatCount(limits.orderBatch)} orders, and this one has more; send them one by one`

/** An answer to what has no id that could be known. */
const refusal = (code: JSONRPCErrorCode, message: string): JSONRPCResponse =>
  createJSONRPCErrorResponse(null, code, message)

const [comma, bracket, brace] = [0x2c, 0x5b, 0x7b]

/** Whether a line has more values than one may; those of its texts that look so are counted, too. */
function hasTooManyValues(line: string): boolean {
  if (line.length <= limits.orderValues) return false
  let values = 0
  for (let at = 0; at < line.length; at++) {
    const code = line.charCodeAt(at)
    if (code === comma || code === bracket || code === brace) values++
  }
  return values > limits.orderValues
}

/** What a line asks for, one order or a batch of them, or the answer to what is none: what is handed on can be answered. */
function readMessage(line: string): { orders: unknown } | { refused: JSONRPCResponse } {
  if (hasTooManyValues(line)) return { refused: refusal(JSONRPCErrorCode.InvalidRequest, tooManyValues) }
  let orders: unknown
  try {
    orders = JSON.parse(line)
  } catch {
    return { refused: refusal(JSONRPCErrorCode.ParseError, 'Parse error') }
  }
  if (Array.isArray(orders) && orders.length > limits.orderBatch)
    return { refused: refusal(JSONRPCErrorCode.InvalidRequest, tooMany) }
  const right = Array.isArray(orders) ? orders.every(isOrder) : isOrder(orders)
  return right ? { orders } : { refused: refusal(JSONRPCErrorCode.InvalidRequest, 'Invalid Request') }
}

const isOrder = (order: unknown): boolean =>
  isMapping(order) && typeof order.method === 'string' && (order.id === undefined || isJSONRPCID(order.id))

/** Sends each event once, however often it was subscribed to. */
function peerOf(socket: Socket): Peer {
  const known = new Set<string>()
  const leave: (() => void)[] = []
  socket.once('close', () => leave.forEach((each) => each()))
  return {
    subscribe({ network }, events) {
      const source: EventEmitter = network
      for (const event of events) {
        if (known.has(event)) continue
        known.add(event)
        const tell = (value: object): void =>
          writeLine(socket, createJSONRPCNotification(eventMethod, { event, ...value }))
        source.on(event, tell)
        leave.push(() => source.off(event, tell))
      }
    },
  }
}
