/** Ethernet frames for tests: built from a few words, and told apart by a number they carry. */

export const broadcast = 'ff:ff:ff:ff:ff:ff'

/** The address of test station `number`, 0 to 65535. */
export const station = (number: number): string => `02:01:00:00:${hex(number >> 8)}:${hex(number & 0xff)}`

export interface FrameWords {
  /** Destination, default broadcast. */
  to?: string
  /** Source, default station 0. */
  from?: string
  /** The number by which the receiver knows the frame; default 0. */
  tag?: number
  /** Bytes, at least 18 (22 with a VLAN); default 60. */
  length?: number
  /** Adds an 802.1Q tag with this identifier. */
  vlan?: number
}

/** For local experiments (IEEE 802). */
const experimental = 0x88b5

/** A frame of that ethertype, zero but for its tag. */
export function frame({
  to = broadcast,
  from = station(0),
  tag = 0,
  length = 60,
  vlan,
}: FrameWords = {}): Uint8Array {
  const bytes = new Uint8Array(length)
  const view = new DataView(bytes.buffer)
  bytes.set(bytesOf(to), 0)
  bytes.set(bytesOf(from), 6)
  let at = 12
  if (vlan !== undefined) {
    view.setUint32(at, (0x8100 << 16) | vlan)
    at += 4
  }
  view.setUint16(at, experimental)
  view.setUint32(at + 2, tag)
  return bytes
}

/** Frames with the tags 0 to `count - 1`. */
export const numbered = (count: number, words: FrameWords = {}): Uint8Array[] =>
  Array.from({ length: count }, (_, tag) => frame({ ...words, tag }))

/** The number that `frame` put into these bytes. */
export function tagOf(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return view.getUint32(view.getUint16(12) === 0x8100 ? 18 : 14)
}

/** Whether `frame` made these bytes. Kernels send frames by themselves, ARP and IPv6 neighbour discovery among them. */
export function isTestFrame(bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 12
  while (at + 6 <= bytes.length && [0x8100, 0x88a8].includes(view.getUint16(at))) at += 4
  return at + 2 <= bytes.length && view.getUint16(at) === experimental
}

const hex = (byte: number): string => byte.toString(16).padStart(2, '0')
export const bytesOf = (mac: string): number[] => mac.split(':').map((byte) => Number.parseInt(byte, 16))
