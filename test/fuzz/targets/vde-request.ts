/**
 * What peers of a VDE switch say first: a request is read whatever it is, in pieces as at once, and written again it is the same;
 * what is none is refused in a sentence. Replies of switches as well.
 */
import {
  readReply,
  readRequest,
  writeReply,
  writeRequest,
  type VdeRequest,
} from '../../../lib/ports/vde-request.js'
import { insists, sentence, type Target } from '../target.js'

const whole = writeRequest({ port: 7, socket: Buffer.from('/run/vde/.00001-00001'), description: 'QEMU' })
const first = Buffer.concat([whole.subarray(0, 4), Buffer.alloc(10), whole.subarray(12)])

/** What a reader says of bytes: what it has read, undefined for more, or its refusal. */
function said<T>(read: () => T, input: string): { read: T } | { refused: string } {
  try {
    return { read: read() }
  } catch (error) {
    insists(error instanceof Error && error.constructor === Error, `refused with ${String(error)}`)
    const { message } = error as Error
    sentence(message, input)
    return { refused: message }
  }
}

function check({ port, socket, description }: VdeRequest): void {
  insists(port === undefined || (Number.isInteger(port) && port >= 0 && port <= 0xffffff), `port ${port}`)
  insists(socket.length > 0 && socket.length <= 108, `a path of ${socket.length} bytes`)
  insists(socket[0] === 0 || (socket[0] === 47 && !socket.includes(0)), 'a path that is none')
  insists(description.length <= 128 && !/[\p{Cc}]/u.test(description), 'a description that acts')
}

export const target: Target = {
  words: [
    '\xce\xfa\xed\xfe',
    '\x01\x00',
    '\x02\x00\x00\x00',
    '\x03\x00\x00\x00',
    '/run/',
    '\x00',
    '\x01\x00\x00',
  ],
  seeds: [whole, first, writeReply('/run/vde/001.7')],
  read(input) {
    const text = input.toString()
    const request = said(() => readRequest(input), text)
    // As it comes, byte by byte: the first that is said is what is said of all, but for a description that is still on its way.
    for (let length = 0; length < input.length; length++) {
      const part = said(() => readRequest(input.subarray(0, length)), text)
      if ('refused' in part) {
        insists(
          'refused' in request && request.refused === part.refused,
          'a part is refused, and the whole is not',
        )
        break
      }
      if (!part.read) continue
      insists('read' in request && request.read?.port === part.read.port, 'a part is read otherwise')
      break
    }
    if ('read' in request && request.read) {
      check(request.read)
      const again = readRequest(writeRequest(request.read))
      insists(again?.port === request.read.port, 'another port')
      insists(Buffer.from(again?.socket ?? []).equals(Buffer.from(request.read.socket)), 'another socket')
    }
    const reply = said(() => readReply(input), text)
    if ('read' in reply && reply.read)
      insists(reply.read.length > 0 && reply.read.length <= 108, 'a path that is none')
  },
}
