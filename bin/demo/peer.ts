/**
 * One end of a UDP stream or a TCP transfer: a program of its own, which the Lab starts inside a host.
 *
 *   peer.js udp-sink                                  peer.js tcp-sink
 *   peer.js udp-source ADDRESS PORT MBIT SECONDS      peer.js tcp-source ADDRESS PORT SECONDS
 *
 * It talks with the Lab by messages (`PeerMessage`) and ends when the Lab lets go of the channel, however that
 * happens. A sink says where it is ready; udp-sink reports once the Lab has said 'finish' and all is quiet.
 */
import { createHash, randomFillSync } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

/** What passed at one end: bytes after the first arrival, and the time from it to the last. */
export interface Passed {
  bytes: number
  seconds: number
  /** Of a TCP transfer. */
  sha256?: string
}

export type PeerMessage =
  { kind: 'ready'; port: number } | ({ kind: 'progress' } & Passed) | ({ kind: 'done' } & Passed)

const ethernetHeader = 14
const headers = ethernetHeader + 20 + 8 // and those of IPv4 and UDP
const payload = Buffer.alloc(1514 - headers)
const quietSeconds = 0.3
const progressSeconds = 0.2
const silenceLimit = 10_000 // milliseconds after which a transfer counts as cut off

const tell = (message: PeerMessage): void => void process.send?.(message)
const now = (): number => performance.now() / 1000

/** Adds up what arrives, and tells now and then. The first arrival starts the clock and counts for nothing else. */
class Arrivals {
  #bytes = 0
  #first = 0
  #last = 0
  #toldAt = 0

  /** When something last arrived, in seconds; 0 before. */
  get last(): number {
    return this.#last
  }

  get passed(): Passed {
    return { bytes: this.#bytes, seconds: this.#last - this.#first }
  }

  add(bytes: number): void {
    this.#last = now()
    if (this.#first === 0) this.#first = this.#toldAt = this.#last
    else this.#bytes += bytes
    if (this.#last - this.#toldAt < progressSeconds) return
    this.#toldAt = this.#last
    tell({ kind: 'progress', ...this.passed })
  }
}

async function udpSink(): Promise<void> {
  const arrivals = new Arrivals()
  // The larger the buffer, the longer this process may be kept waiting on a busy machine without a loss.
  const socket = createSocket({ type: 'udp4', recvBufferSize: 4 << 20 })
  socket.on('message', (message) => arrivals.add(message.length + headers))
  socket.bind(0)
  await once(socket, 'listening')
  tell({ kind: 'ready', port: socket.address().port })
  await once(process, 'message')
  const finish = now()
  while (now() - Math.max(finish, arrivals.last) < quietSeconds) await pause(50)
  tell({ kind: 'done', ...arrivals.passed })
}

async function udpSource(address: string, port: number, megabits: number, seconds: number): Promise<void> {
  const socket = createSocket('udp4')
  socket.connect(port, address)
  await once(socket, 'connect')
  const framesPerSecond = (megabits * 1e6) / 8 / (payload.length + headers)
  const started = now()
  let sent = 0
  for (let elapsed = 0; elapsed < seconds; elapsed = now() - started) {
    for (; sent < elapsed * framesPerSecond; sent++) socket.send(payload)
    await pause(1)
  }
  tell({ kind: 'done', bytes: sent * (payload.length + headers), seconds })
}

async function tcpSink(): Promise<void> {
  const server = createServer()
  server.listen(0)
  await once(server, 'listening')
  tell({ kind: 'ready', port: (server.address() as AddressInfo).port })
  const [socket] = (await once(server, 'connection')) as [Socket]
  const arrivals = new Arrivals()
  const hash = createHash('sha256')
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    arrivals.add(chunk.length)
    hash.update(chunk)
  }
  tell({ kind: 'done', ...arrivals.passed, sha256: hash.digest('hex') })
}

async function tcpSource(address: string, port: number, seconds: number): Promise<void> {
  const socket = connect(port, address)
  socket.setTimeout(silenceLimit, () => socket.destroy(new Error('nothing moves')))
  await once(socket, 'connect')
  const hash = createHash('sha256')
  const started = now()
  let bytes = 0
  while (now() - started < seconds) {
    const chunk = randomFillSync(Buffer.allocUnsafe(1 << 16))
    hash.update(chunk)
    bytes += chunk.length
    if (!socket.write(chunk)) await once(socket, 'drain')
  }
  socket.resume().end()
  await once(socket, 'close')
  tell({ kind: 'done', bytes, seconds: now() - started, sha256: hash.digest('hex') })
}

process.once('disconnect', () => process.exit())

const [role, address = '', ...numbers] = process.argv.slice(2)
const [port = 0, first = 0, second = 0] = numbers.map(Number)
if (role === 'udp-sink') await udpSink()
else if (role === 'udp-source') await udpSource(address, port, first, second)
else if (role === 'tcp-sink') await tcpSink()
else if (role === 'tcp-source') await tcpSource(address, port, first)
