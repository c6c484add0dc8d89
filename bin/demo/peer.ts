/**
 * A program that the demo runs inside a host, on that host's own kernel stack:
 * `peer ROLE [ADDRESS] [NUMBER...]`. A receiver prints `ready` when it listens, and its result as JSON at the end.
 */
import { createHash } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { outliveReaders } from '../output.js'

const port = 7000
/** Bytes before the payload of a UDP datagram: Ethernet, IPv4 and UDP headers. */
const headers = 14 + 20 + 8
const payload = 1400

const print = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`)

const roles: Record<string, (...words: string[]) => Promise<void>> = {
  /** Counts what arrives until nothing has for half a second; rate in bits per second from first to last frame. */
  async 'udp-receive'() {
    const socket = createSocket('udp4')
    let frames = 0
    let bytes = 0
    let first = 0n
    let last = 0n
    let quiet: NodeJS.Timeout | undefined
    const ended = new Promise<void>((resolve) => {
      socket.on('message', (message) => {
        last = process.hrtime.bigint()
        // The first frame only starts the clock: its time on the line lies before it.
        if (frames++ === 0) first = last
        else bytes += message.length + headers
        if (quiet) quiet.refresh()
        else quiet = setTimeout(resolve, 500)
      })
    })
    socket.bind(port)
    await once(socket, 'listening')
    socket.setRecvBufferSize(4 << 20)
    print('ready')
    await ended
    socket.close()
    print({ frames, rate: (bytes * 8e9) / Number(last - first) })
  },

  /** Offers frames at a rate in bits per second, headers included, for some seconds. */
  async 'udp-send'(address, rate, seconds) {
    const socket = createSocket('udp4')
    const datagram = Buffer.alloc(payload)
    const perSecond = Number(rate) / 8 / (payload + headers)
    const start = process.hrtime.bigint()
    let sent = 0
    await new Promise<void>((resolve) => {
      const timer = setInterval(() => {
        const elapsed = Number(process.hrtime.bigint() - start) / 1e9
        const due = Math.floor(Math.min(elapsed, Number(seconds)) * perSecond)
        for (; sent < due; sent++) socket.send(datagram, port, address)
        if (elapsed < Number(seconds)) return
        clearInterval(timer)
        resolve()
      }, 1)
    })
    socket.close()
    print({ sent })
  },

  /** Takes one transfer; its checksum, and its rate in bits of payload per second. */
  async 'tcp-receive'() {
    const server = createServer()
    server.listen(port)
    await once(server, 'listening')
    print('ready')
    const [socket] = (await once(server, 'connection')) as [Socket]
    server.close()
    const hash = createHash('sha256')
    const start = process.hrtime.bigint()
    let bytes = 0
    for await (const chunk of socket) {
      hash.update(chunk as Buffer)
      bytes += (chunk as Buffer).length
    }
    print({
      bytes,
      rate: (bytes * 8e9) / Number(process.hrtime.bigint() - start),
      checksum: hash.digest('hex'),
    })
  },

  /** Sends so many bytes and says what their checksum is. */
  async 'tcp-send'(address, bytes) {
    const data = Buffer.alloc(Number(bytes))
    for (let at = 0; at < data.length; at += 4) data.writeUInt32LE((at * 2654435761) >>> 0, at)
    const socket = connect(port, address)
    await once(socket, 'connect')
    socket.end(data)
    await once(socket, 'close')
    print({ checksum: createHash('sha256').update(data).digest('hex') })
  },
}

outliveReaders()
const [role = '', ...words] = process.argv.slice(2)
await roles[role]?.(...words)
