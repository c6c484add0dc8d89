/**
 * The socket on which a running instance takes orders. Called by Instance.
 */
import { chmod, unlink } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { once } from 'node:events'
import { createJSONRPCErrorResponse, JSONRPCServer, type JSONRPCID } from 'json-rpc-2.0'
import { EtherloomError } from '../values/errors.js'
import { ControlClient } from './client.js'
import { controlSocket, makeControlDirectory } from './directory.js'
import { errorData, failureCode, readLines, writeLine, type ControlMethods } from './protocol.js'

/** Answers each method; what it throws goes back to the caller. */
export type Handlers = {
  [Method in keyof ControlMethods]: (
    params: Parameters<ControlMethods[Method]>[0],
  ) => ReturnType<ControlMethods[Method]> | Promise<ReturnType<ControlMethods[Method]>>
}

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
   * Takes the name and listens. A socket file that a killed instance left behind is replaced.
   *
   * @throws EtherloomError ERR_ETHERLOOM_CONTROL when an instance of that name runs
   */
  static async listen(name: string, handlers: Handlers): Promise<ControlServer> {
    await makeControlDirectory()
    const path = controlSocket(name)
    const running = await ControlClient.connect(name)
    running?.close()
    if (running)
      throw new EtherloomError('ERR_ETHERLOOM_CONTROL', `an instance named '${name}' is already running`, {
        hint: `end it with 'etherloom down --name ${name}', or choose another --name`,
      })
    await unlink(path).catch(() => undefined)
    const server = createServer()
    server.listen(path)
    await once(server, 'listening')
    await chmod(path, 0o600)
    const control = new ControlServer(path, server)
    server.on('connection', (socket) => control.#serve(socket, handlers))
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

  #serve(socket: Socket, handlers: Handlers): void {
    const rpc = new JSONRPCServer({ errorListener: () => undefined })
    rpc.mapErrorToJSONRPCErrorResponse = (id: JSONRPCID, error: unknown) =>
      createJSONRPCErrorResponse(id, failureCode, (error as Error).message, errorData(error))
    for (const [method, handler] of Object.entries(handlers)) rpc.addMethod(method, handler as never)
    this.#sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.#sockets.delete(socket))
    readLines(socket, (line) => {
      void rpc.receiveJSON(line).then((response) => {
        if (response !== null && socket.writable) writeLine(socket, response)
      })
    })
  }
}
