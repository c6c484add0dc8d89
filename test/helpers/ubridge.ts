/** A server of GNS3, as far as ubridge knows one: starts the command, and speaks on its console. */
import { createSocket, type Socket as Datagrams } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { Child, eventually, testFile } from './kernel.js'

/** One client of a console. */
export class Client {
  readonly socket: Socket
  #text = ''
  #ended = false

  private constructor(socket: Socket) {
    this.socket = socket
    socket.setEncoding('latin1')
    socket.on('data', (piece: string) => (this.#text += piece))
    socket.on('error', () => undefined)
    socket.on('close', () => (this.#ended = true))
  }

  /** Tries until somebody listens there, as a server does. */
  static async to(place: { path: string } | { port: number; host?: string }): Promise<Client> {
    return eventually('a console listens', async () => {
      const socket = connect(place)
      const isThere = await once(socket, 'connect').then(
        () => true,
        () => false,
      )
      return isThere ? new Client(socket) : undefined
    })
  }

  /** Sends a line, and gives the answer byte for byte, up to the line that ends it; what came when the console has ended. */
  async ask(line: string): Promise<string> {
    this.socket.write(`${line}\n`)
    return this.answer()
  }

  /** The next answer. */
  async answer(): Promise<string> {
    const whole = /^(?:\d{3} [^\r\n]*\r\n)*\d{3}-[^\r\n]*\r\n/
    const found = await eventually('an answer', () => {
      const [answer] = whole.exec(this.#text) ?? []
      return answer ?? (this.#ended ? this.#text : undefined)
    })
    this.#text = this.#text.slice(found.length)
    return found
  }

  /** What came and belongs to no answer yet. */
  get rest(): string {
    return this.#text
  }

  get ended(): boolean {
    return this.#ended
  }

  close(): void {
    this.socket.destroy()
  }
}

/** The command, by itself or in a host; `folder` has its control socket. */
export function startUbridge(folder: string, words: readonly string[], namespace?: string): Child {
  const program = [process.execPath, '--import=tsx', testFile('../bin/etherloom.ts'), 'ubridge', ...words]
  const environment = [`ETHERLOOM_CONTROL_DIRECTORY=${folder}`, 'ETHERLOOM_SEED=7']
  return new Child(['env', ...environment, ...program], namespace)
}

/** An emulator's network card: a UDP socket with one peer, which sends and hears frames. */
export class Card {
  readonly heard: Buffer[] = []

  private constructor(
    readonly port: number,
    readonly socket: Datagrams,
  ) {
    socket.on('message', (frame) => this.heard.push(frame))
    socket.on('error', () => undefined)
  }

  static async at(port: number, peer: number): Promise<Card> {
    const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 })
    socket.bind(port, '127.0.0.1')
    await once(socket, 'listening')
    socket.connect(peer, '127.0.0.1')
    await once(socket, 'connect')
    return new Card(port, socket)
  }

  async send(frame: Uint8Array): Promise<void> {
    await new Promise((resolve) => this.socket.send(frame, resolve))
  }

  close(): void {
    this.socket.close()
  }
}

/** Ports of UDP that nobody has now, different ones with each call. */
export async function freePorts(count: number): Promise<number[]> {
  const sockets = await Promise.all(
    Array.from({ length: count }, async () => {
      const socket = createSocket('udp4')
      socket.bind(0, '127.0.0.1')
      await once(socket, 'listening')
      return socket
    }),
  )
  return sockets.map((socket) => {
    const { port } = socket.address()
    socket.close()
    return port
  })
}

/** A port of TCP that nobody has, below those of clients: one that tries to connect again and again would take it now and then. */
export async function freeTcpPort(): Promise<number> {
  for (let port = 20_000 + (process.pid % 10_000); ; port++) {
    const server = createServer().listen(port, '127.0.0.1')
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    )
    if (!isFree) continue
    server.close()
    await once(server, 'close')
    return port
  }
}
