/**
 * The greeting of hyperkit and of the programs that it connects to (vpnkit, gvproxy): who connects opens, has an opening back, and
 * asks for a network card by the UUID of its machine; the answer has the card's MAC address. Called by way of framings.ts.
 */
import { createHash } from 'node:crypto'
import { hostname } from 'node:os'
import { quote } from '../values/quote.js'
import type { Conversation, Greeting } from './conversation.js'

/** Bytes of the opening, the request and the answer. */
export const hyperkitSizes = { opening: 49, request: 41, answer: 258 }

/** What the opening begins with. */
const magic = 'VMN3T'
/** What follows there: the version that hyperkit has, and 40 characters of whose build it is, which nobody looks at. */
const version = 22
/** The command of a request for a card, and the first byte of the answer that has one. */
const card = 1
/** Bytes of the longest frame of a card with the usual MTU, and of what stands before the IP packet. */
const [usualFrame, header] = [1514, 14]

const uuidForm = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** @internal */
export const hyperkitGreeting: Greeting = {
  *answer(frameLimit): Conversation {
    const opening = yield hyperkitSizes.opening
    const start = Buffer.from(opening).toString('latin1', 0, magic.length)
    if (start !== magic) throw new Error(`it begins with ${quote(start)}, not with '${magic}'`)
    yield opening
    const request = Buffer.from(yield hyperkitSizes.request)
    if (request[0] !== card) throw new Error(`it asks for something else (${request[0]}) than a network card`)
    const uuid = request.toString('latin1', 1, 37)
    if (!uuidForm.test(uuid)) throw new Error(`it says ${quote(uuid)} where the UUID of its machine belongs`)
    yield writeAnswer(Math.min(frameLimit, usualFrame) - header, stationOf(uuid))
  },
  *ask(who): Conversation {
    const opening = Buffer.alloc(hyperkitSizes.opening, '0')
    opening.write(magic, 'latin1')
    opening.writeUInt32LE(version, magic.length)
    yield opening
    yield hyperkitSizes.opening // whatever it says: programs have their own words there
    const request = Buffer.alloc(hyperkitSizes.request)
    request[0] = card
    request.write(uuidOf(who), 1, 'latin1')
    yield request
    const answer = yield hyperkitSizes.answer
    if (answer[0] !== card) throw new Error('it gives no network card')
  },
}

function writeAnswer(mtu: number, station: Uint8Array): Uint8Array {
  const answer = Buffer.alloc(hyperkitSizes.answer)
  answer[0] = card
  answer.writeUInt16LE(mtu, 1)
  answer.writeUInt16LE(mtu + header, 3)
  answer.set(station, 5)
  return answer
}

const digest = (of: string): Buffer => createHash('sha256').update(of).digest()

/** The MAC address of a machine: locally administered, and the same whenever it comes. */
function stationOf(uuid: string): Uint8Array {
  const station = digest(uuid.toLowerCase()).subarray(0, 6)
  station.writeUInt8((station.readUInt8(0) & 0xfc) | 0x02, 0)
  return station
}

/** A UUID of our own, made of what is said (RFC 9562, version 8). */
function uuidOf(who: string): string {
  const bytes = digest(`${hostname()} ${process.pid} ${who}`).subarray(0, 16)
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6)
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8)
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}
