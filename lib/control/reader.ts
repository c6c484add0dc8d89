/** Where the capture of an instance comes to a client. Called by `etherloom capture`. */
import { randomUUID } from 'node:crypto'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { controlDirectory, makeControlDirectory } from './directory.js'

/** A socket in the control directory that one capture writes to; what comes out of it is its pcapng. */
export class CaptureReader {
  private constructor(
    readonly path: string,
    /** Listens no more, and removes the path. */
    readonly close: () => void,
    /** The one connection; with it the path is gone. */
    readonly source: Promise<Socket>,
  ) {}

  /** @throws EtherloomError ERR_ETHERLOOM_CONTROL where there is no control directory of ours */
  static async listen(): Promise<CaptureReader> {
    await makeControlDirectory()
    const path = join(controlDirectory(), `${randomUUID().slice(0, 13)}.capture`)
    const server = createServer()
    const close = (): void => void server.close()
    const source = new Promise<Socket>((resolve) =>
      server.once('connection', (socket) => {
        socket.on('error', () => socket.destroy())
        close()
        resolve(socket)
      }),
    )
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(path, resolve))
    return new CaptureReader(path, close, source)
  }
}
