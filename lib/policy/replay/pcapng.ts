/**
 * Reads the packets of a pcapng file: as much of draft-ietf-opsawg-pcapng as fate logs need, in either byte order.
 * Called by fates.ts.
 */
import { EtherloomError } from '../../values/errors.js'

export interface LoggedPacket {
  /** if_name of its interface. */
  interface: string
  comments: string[]
}

const sectionHeader = 0x0a0d0d0a
const byteOrderMagic = 0x1a2b3c4d
const interfaceDescription = 1
const enhancedPacket = 6
const commentOption = 1
const nameOption = 2

/** @throws EtherloomError ERR_ETHERLOOM_OPTION for what is no pcapng file, or is cut off within a block */
export function* readPackets(bytes: Uint8Array, subject: string): Generator<LoggedPacket> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const text = new TextDecoder()
  const broken = (): never => {
    throw new EtherloomError('ERR_ETHERLOOM_OPTION', `${subject} is not a whole pcapng file`)
  }
  let little = true
  let names: string[] = []
  const u16 = (at: number): number => view.getUint16(at, little)
  const u32 = (at: number): number => view.getUint32(at, little)
  const option = (from: number, to: number, wanted: number): string[] => {
    const found: string[] = []
    for (let at = from; at + 4 <= to && u16(at) !== 0; at += 4 + ((u16(at + 2) + 3) & ~3)) {
      if (at + 4 + u16(at + 2) > to) broken()
      if (u16(at) === wanted) found.push(text.decode(bytes.subarray(at + 4, at + 4 + u16(at + 2))))
    }
    return found
  }
  if (bytes.length < 12) broken()
  for (let at = 0; at < bytes.length;) {
    if (at + 12 > bytes.length) broken()
    if (u32(at) === sectionHeader) {
      little = view.getUint32(at + 8, true) === byteOrderMagic
      if (u32(at + 8) !== byteOrderMagic) broken()
      names = []
    } else if (at === 0) broken()
    const type = u32(at)
    const length = u32(at + 4)
    const end = at + length - 4
    if (length < 12 || length % 4 !== 0 || end + 4 > bytes.length) broken()
    if (type === interfaceDescription) names.push(option(at + 16, end, nameOption)[0] ?? '')
    if (type === enhancedPacket) {
      if (length < 32) broken()
      // Its captured bytes first; added up, since a sum of 32 bits would begin anew.
      const captured = u32(at + 20)
      const options = at + 28 + captured + (-captured & 3)
      if (options > end) broken()
      yield { interface: names[u32(at + 8)] ?? broken(), comments: option(options, end, commentOption) }
    }
    at += length
  }
}
