/**
 * The capture files of bridges: pcap, for the readers of GNS3 follow them while they grow, and of any link type. Called by
 * Hypervisor.
 *
 * Theory of operation. Captures of paths are pcapng. A recording of a bridge is a file that stays, and one capture after the
 * other that is written into it, each with the link types of paths that exist: NIOs may go and others come meanwhile.
 */
import {
  closeSync,
  constants,
  createWriteStream,
  fstatSync,
  openSync,
  writeSync,
  type WriteStream,
} from 'node:fs'
import { finished } from 'node:stream/promises'
import { Writable } from 'node:stream'
import type { Capture, CaptureOutput } from '../capture/capture.js'
import { quote } from '../values/quote.js'
import { codes, Refusal } from './replies.js'

/** What a frame is, by the names of pcap without 'DLT_', as the numbers of files. */
const linkTypes: Readonly<Record<string, number>> = {
  EN10MB: 1,
  PPP_SERIAL: 50,
  ATM_RFC1483: 100,
  C_HDLC: 104,
  FRELAY: 107,
}

const snapLength = 262_144

/** The beginning of a pcap file of microseconds (draft-ietf-opsawg-pcap). */
export function pcapHeader(linkType: number): Buffer {
  const header = Buffer.alloc(24)
  header.writeUInt32LE(0xa1b2c3d4, 0)
  header.writeUInt16LE(2, 4)
  header.writeUInt16LE(4, 6)
  header.writeUInt32LE(snapLength, 16)
  header.writeUInt32LE(linkType, 20)
  return header
}

const enhancedPacket = 6

/**
 * Makes pcap records of the pcapng that a capture writes (native/capture/pcapng.hpp): little-endian, nanoseconds, and
 * whole blocks but for where its pieces end.
 */
export class PcapRecords {
  #rest: Buffer = Buffer.alloc(0)

  /** The records of all blocks that are whole with this piece. */
  take(piece: Buffer): Buffer {
    const bytes = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece])
    const records: Buffer[] = []
    let at = 0
    while (at + 8 <= bytes.length) {
      const size = bytes.readUInt32LE(at + 4)
      if (at + size > bytes.length) break
      if (bytes.readUInt32LE(at) === enhancedPacket) records.push(...recordOf(bytes, at))
      at += size
    }
    this.#rest = bytes.subarray(at)
    return Buffer.concat(records)
  }
}

function recordOf(bytes: Buffer, at: number): [head: Buffer, frame: Buffer] {
  const time = (BigInt(bytes.readUInt32LE(at + 12)) << 32n) | BigInt(bytes.readUInt32LE(at + 16))
  const captured = bytes.readUInt32LE(at + 20)
  const head = Buffer.alloc(16)
  head.writeUInt32LE(Number(time / 1_000_000_000n) >>> 0, 0)
  head.writeUInt32LE(Number((time % 1_000_000_000n) / 1000n), 4)
  head.writeUInt32LE(captured, 8)
  head.writeUInt32LE(bytes.readUInt32LE(at + 24), 12)
  return [head, bytes.subarray(at + 28, at + 28 + captured)]
}

/** The descriptor of a file that begins so, before the answer: its readers open it then. Waits for nobody, as at a FIFO. */
function begin(file: string, header: Buffer): number {
  const { O_CREAT, O_NONBLOCK, O_TRUNC, O_WRONLY } = constants
  try {
    const fd = openSync(file, O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK, 0o644)
    try {
      if (!fstatSync(fd).isFile()) throw new Error('it is no file')
      writeSync(fd, header)
      return fd
    } catch (error) {
      closeSync(fd)
      throw error
    }
  } catch (error) {
    throw new Refusal(codes.file, `cannot write ${quote(file)}: ${(error as Error).message}`)
  }
}

/** A file that a bridge is recorded into, whatever NIOs it has. */
export class Recording {
  readonly #file: WriteStream
  #failure: Error | undefined
  #capture: { capture: Capture; written: Promise<unknown> } | undefined

  /** Begins the file anew. @throws Refusal where it cannot be written, or is to have a link type that is none */
  constructor(file: string, linkType = 'EN10MB') {
    const number = linkTypes[linkType.replace(/^DLT_/, '')]
    if (number === undefined)
      throw new Refusal(
        codes.file,
        `no link type ${quote(linkType)}; there are ${Object.keys(linkTypes).join(', ')}`,
      )
    this.#file = createWriteStream('', { fd: begin(file, pcapHeader(number)) })
    this.#file.on('error', (error) => (this.#failure = error))
  }

  /** Why it records no more. */
  get failure(): Error | undefined {
    return this.#failure
  }

  /** Records what `start` captures, as far as it starts anything; what was recorded before ends. */
  async follow(start: (output: CaptureOutput) => Promise<Capture>): Promise<void> {
    await this.pause()
    const records = new PcapRecords()
    const sink = new Writable({
      write: (piece: Buffer, _encoding, done) => {
        const taken = records.take(piece)
        if (taken.length === 0) done()
        else this.#file.write(taken, (error) => done(error ?? undefined))
      },
    })
    const written = finished(sink).catch(() => undefined) // the file's failure, which is noted there
    try {
      this.#capture = { capture: await start(sink), written }
    } catch (error) {
      this.#failure = error as Error
    }
  }

  /** Ends what it records; everything of it is in the file then. */
  async pause(): Promise<void> {
    const running = this.#capture
    this.#capture = undefined
    await running?.capture.close()
    await running?.written
  }

  async close(): Promise<void> {
    await this.pause()
    if (this.#file.destroyed) return
    const closed = new Promise<void>((resolve) => this.#file.once('close', resolve)) // after an error, too
    this.#file.end()
    await closed
  }
}
