/** Ethernet frames for tests, told apart by a number they carry: those of `etherloom/testing`, in the words of our tests. */
import { numberedFrame, numberOf, type NumberedFrameOptions } from '../../lib/testing/frames.js'

export const broadcast = 'ff:ff:ff:ff:ff:ff'

/** The address of test station `number`, 0 to 65535. */
export const station = (number: number): string => `02:01:00:00:${hex(number >> 8)}:${hex(number & 0xff)}`

export interface FrameWords extends NumberedFrameOptions {
  /** The number by which the receiver knows the frame; default 0. */
  tag?: number
}

/** A numbered frame. */
export const frame = ({ tag = 0, ...options }: FrameWords = {}): Uint8Array => numberedFrame(tag, options)

/** Frames with the tags 0 to `count - 1`. */
export const numbered = (count: number, words: FrameWords = {}): Uint8Array[] =>
  Array.from({ length: count }, (_, tag) => frame({ ...words, tag }))

/** The number that `frame` put into these bytes; NaN in those of others. */
export const tagOf = (bytes: Uint8Array): number => numberOf(bytes) ?? NaN

/** Whether `frame` made these bytes. Kernels send frames by themselves, ARP and IPv6 neighbour discovery among them. */
export const isTestFrame = (bytes: Uint8Array): boolean => numberOf(bytes) !== undefined

const hex = (byte: number): string => byte.toString(16).padStart(2, '0')
