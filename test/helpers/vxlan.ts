/** VXLAN for tests, written from RFC 7348 apart from the library: the other end of a tunnel in plain UDP sockets. */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'

/** Of a header, the words before and behind the identifier as given. */
export interface HeaderWords {
  vni: number
  /** The first word: the flags, of which 0x08000000 says that there is an identifier. */
  flags?: number
  /** The last byte, which is reserved. */
  reserved?: number
}

/** A datagram: 8 bytes of header, then the frame. */
export function encapsulate(
  frame: Uint8Array,
  { vni, flags = 0x08000000, reserved = 0 }: HeaderWords,
): Buffer {
  const header = Buffer.alloc(8)
  header.writeUInt32BE(flags, 0)
  header.writeUInt32BE(vni * 256 + reserved, 4)
  return Buffer.concat([header, frame])
}

export interface Heard {
  /** All 32 bits of the first word. */
  flags: number
  vni: number
  /** Of the last byte. */
  reserved: number
  frame: Uint8Array
  /** The source port. */
  port: number
}

/** A peer: what it hears stays until it is taken. */
export class TestPeer {
  readonly heard: Heard[] = []
  readonly ip: string
  readonly #socket: Socket
  readonly #udpPort: number

  private constructor(socket: Socket, ip: string, udpPort: number) {
    this.#socket = socket
    this.ip = ip
    this.#udpPort = udpPort
    socket.on('message', (bytes, { port }) => {
      const [flags, rest] = [bytes.readUInt32BE(0), bytes.readUInt32BE(4)]
      const frame = new Uint8Array(bytes.subarray(8))
      this.heard.push({ flags, vni: rest >>> 8, reserved: rest & 0xff, frame, port })
    })
  }

  static async open(ip: string, udpPort: number): Promise<TestPeer> {
    const socket = createSocket({ type: ip.includes(':') ? 'udp6' : 'udp4', recvBufferSize: 1 << 22 })
    socket.bind(udpPort, ip)
    await once(socket, 'listening')
    return new TestPeer(socket, ip, udpPort)
  }

  send(to: string, frame: Uint8Array, words: HeaderWords): void {
    this.sendBytes(to, encapsulate(frame, words))
  }

  sendBytes(to: string, bytes: Uint8Array): void {
    this.#socket.send(bytes, this.#udpPort, to)
  }

  close(): void {
    this.#socket.close()
  }
}

/** IPv4 addresses of loopback that no other process of the tests has: by a number from 1 to 14. */
export const loopback = (number: number): string =>
  `127.${64 + ((process.pid >> 12) & 63)}.${(process.pid >> 4) & 255}.${(process.pid & 15) * 16 + number}`
