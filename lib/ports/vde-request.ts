/**
 * What a client and a VDE switch say to each other before frames pass: a request and its reply, as bytes in the byte order of the
 * machine. Called by VdePort, which asks, and VdeServer, which answers.
 */
import { endianness } from 'node:os'
import { quote } from '../values/quote.js'

const little = endianness() === 'LE'
const magic = 0xfeedface
const unixFamily = 1
/** Bytes of a socket's address (unix(7)): its family, and a path with a zero behind it. */
const addressSize = 110
const pathSize = addressSize - 2

/** The two versions that are spoken: bytes in front of the address of the client's socket. */
const prefixes = { v1: 14, v3: 12 }

/** Bytes of a description that a switch has room for. */
export const descriptionSize = 128
/** The most that is read of a request. */
export const requestRoom = prefixes.v1 + addressSize + descriptionSize
/** The highest number of a port that a request has room for. */
export const lastPort = 0xffffff
/** The number of the port that is asked for in words of its own: the one for whoever manages the switch. */
export const managementPort = 0

/** What a client asks for: a port, for the socket that it receives frames with. */
export interface VdeRequest {
  /** The number of the port; undefined for any that is free. */
  port: number | undefined
  /** The path of the client's socket, or its name outside the file system, which begins with a zero. */
  socket: Uint8Array
  /** Who it is, in its own words. */
  description: string
}

/** The bytes of a request, in version 3. */
export function writeRequest({ port, socket, description }: VdeRequest): Uint8Array {
  const words = Buffer.from(description).subarray(0, descriptionSize)
  const bytes = new Uint8Array(prefixes.v3 + addressSize + words.length)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, magic, little)
  view.setUint32(4, 3, little)
  view.setUint32(8, port === managementPort ? 1 : (port ?? 0) * 256, little)
  bytes.set(writeAddress(socket), prefixes.v3)
  bytes.set(words, prefixes.v3 + addressSize)
  return bytes
}

/**
 * The request that begins with these bytes; undefined where more of it has to come.
 *
 * @throws Error in words, for what is none
 */
export function readRequest(bytes: Uint8Array): VdeRequest | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < 4) return undefined
  if (view.getUint32(0, little) !== magic) throw new Error('this is no request for a port of a VDE switch')
  if (bytes.length < 8) return undefined
  const version = view.getUint32(4, little)
  if (version === 2 || version > 3) throw new Error(`a request of version ${version} is not known here`)
  // Version 1 has its type where version 3 has its number.
  const [type, prefix] =
    version === 3 ? [bytes.length < 12 ? 0 : view.getUint32(8, little), prefixes.v3] : [version, prefixes.v1]
  const kind = type & 0xff
  if (kind > 1) throw new Error(`a request for a thing of type ${kind} is not known here`)
  if (bytes.length < prefix + addressSize) return undefined
  const number = type >>> 8
  const socket = readAddress(bytes.subarray(prefix, prefix + addressSize))
  return {
    port: kind === 1 ? managementPort : number === 0 ? undefined : number,
    socket,
    description: Buffer.from(bytes.subarray(prefix + addressSize))
      .subarray(0, descriptionSize)
      .toString()
      .replace(/\p{C}+/gu, ' ')
      .trim(),
  }
}

/** The reply of a switch: where the client shall send its frames. */
export const writeReply = (path: string): Uint8Array => writeAddress(Buffer.from(path))

/** The path in a reply; undefined where more of it has to come. @throws Error in words, for what is none */
export const readReply = (bytes: Uint8Array): Uint8Array | undefined =>
  bytes.length < addressSize ? undefined : readAddress(bytes.subarray(0, addressSize))

function writeAddress(path: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(addressSize)
  new DataView(bytes.buffer).setUint16(0, unixFamily, little)
  bytes.set(path, 2)
  return bytes
}

function readAddress(bytes: Uint8Array): Uint8Array {
  const family = new DataView(bytes.buffer, bytes.byteOffset).getUint16(0, little)
  if (family !== unixFamily) throw new Error(`it names a socket of the family ${family}, not a Unix one`)
  const path = bytes.slice(2)
  const end = path.indexOf(0)
  if (end === 0) {
    // Outside the file system every byte counts, zeros at the end, too.
    if (path.some((byte) => byte !== 0)) return path
    throw new Error('it names no socket of its own')
  }
  if (end < 0) throw new Error(`it names a socket by a path longer than ${pathSize - 1} bytes`)
  if (path[0] !== '/'.charCodeAt(0)) {
    const given = Buffer.from(path.subarray(0, end)).toString()
    throw new Error(`it names a socket by ${quote(given)}, which is not a whole path`)
  }
  return path.subarray(0, end)
}
