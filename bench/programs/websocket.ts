// The process that bench/cases/websocket.ts measures, built to plain JavaScript: two WebSockets at a relay in a process of its own. Frames
// go in by the first and come out of the second; so many are under way at once, and the next ones follow those that have come.
//
// Prints at the end `delivered`, frames per second that came out.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { Hub } from 'etherloom'
import { WebSocket, WebSocketServer } from 'ws'
import { configuration, readyUntilStopped, state } from './statement.js'

/** The only argument, as JSON. */
export interface WebSocketConfig {
  /** A hub, or what sends each message to all others with nothing but the package `ws`. */
  relay: 'etherloom' | 'ws'
  length: number
  port: number
  /** This is the relay itself. */
  serves?: boolean
}

/** Frames under way. */
const window = 256

const config = configuration() as WebSocketConfig
const { relay, length, port, serves = false } = config

async function serve(): Promise<void> {
  if (relay === 'etherloom') {
    const hub = new Hub()
    await hub.listen({ protocol: 'websocket', socket: `127.0.0.1:${port}` })
  } else {
    const server = new WebSocketServer({ host: '127.0.0.1', port, perMessageDeflate: false })
    server.on('connection', (peer) =>
      peer.on('message', (data: Buffer) => {
        for (const other of server.clients) if (other !== peer) other.send(data)
      }),
    )
    await once(server, 'listening')
  }
  console.log('ready')
}

async function drive(): Promise<void> {
  const words = [process.argv[1] as string, JSON.stringify({ ...config, serves: true })]
  const server = spawn(process.execPath, words, { stdio: ['pipe', 'pipe', 'inherit'] })
  try {
    await once(createInterface({ input: server.stdout }), 'line')
    const dial = async (): Promise<WebSocket> => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/`, { perMessageDeflate: false })
      await once(socket, 'open')
      return socket
    }
    const [from, to] = [await dial(), await dial()]
    const frame = Buffer.alloc(length)
    frame.set([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5])
    let delivered = 0
    to.on('message', () => {
      if (++delivered % (window / 4) === 0) send(window / 4)
    })
    const send = (count: number): void => {
      for (let sent = 0; sent < count; sent++) from.send(frame)
    }
    await new Promise((resolve) => setTimeout(resolve, 100)) // until the relay has both
    send(window)
    const start = performance.now()
    const before = delivered
    await readyUntilStopped()
    state({ delivered: ((delivered - before) / (performance.now() - start)) * 1000 })
  } finally {
    server.kill('SIGKILL')
    process.exit()
  }
}

await (serves ? serve() : drive())
