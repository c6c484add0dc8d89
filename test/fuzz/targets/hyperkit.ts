/**
 * What the other end of a connection says before frames, where it should be hyperkit's greeting: any bytes. Our side asks for no more
 * bytes than the greeting has, sends no more, and refuses in a sentence. The oracle looks at the bytes that matter itself.
 */
import type { Conversation } from '../../../lib/ports/conversation.js'
import { hyperkitGreeting } from '../../../lib/ports/hyperkit.js'
import { insists, sentence, type Target } from '../target.js'

const uuid = '12345678-9abc-def0-1234-56789abcdef0'
const opening = Buffer.from('VMN3T\x16\0\0\0' + 'a'.repeat(40), 'latin1')
const request = Buffer.from(`\x01${uuid}\0\0\0\0`, 'latin1')
const answer = Buffer.alloc(258)
answer.set([1, 0xdc, 0x05, 0xea, 0x05, 2, 0, 0, 0, 0, 1])

/** What becomes of it when these bytes are said, and the other side goes then. */
function run(words: Conversation, input: Buffer): { outcome: 'done' | 'more' | 'refused'; sent: Buffer[] } {
  const sent: Buffer[] = []
  let heard: Uint8Array = new Uint8Array()
  let at = 0
  try {
    for (let steps = 0; ; steps++) {
      insists(steps < 6, 'it does not end')
      const { value, done } = words.next(heard)
      if (done) return { outcome: 'done', sent }
      if (typeof value !== 'number') sent.push(Buffer.from(value))
      else if (at + value > input.length) return { outcome: 'more', sent }
      else heard = input.subarray(at, (at += value))
    }
  } catch (error) {
    insists(error instanceof Error && error.constructor === Error, `refused with ${String(error)}`)
    sentence((error as Error).message, input.toString())
    return { outcome: 'refused', sent }
  }
}

export const target: Target = {
  words: ['VMN3T', '\x16\0\0\0', '\x01', uuid, '-', '\0'],
  seeds: [Buffer.concat([opening, request]), Buffer.concat([opening, answer]), opening],
  read(input) {
    const answered = run(hyperkitGreeting.answer(1514), input)
    const isUuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
    const begins = input.toString('latin1', 0, 5) === 'VMN3T'
    const right = input[49] === 1 && isUuid.test(input.toString('latin1', 50, 86))
    const expected =
      input.length < 49
        ? 'more'
        : !begins
          ? 'refused'
          : input.length < 90
            ? 'more'
            : right
              ? 'done'
              : 'refused'
    insists(answered.outcome === expected, `${answered.outcome}, not ${expected}`)
    if (answered.sent.length > 0) insists(answered.sent[0]!.equals(input.subarray(0, 49)), 'another echo')
    if (expected === 'done')
      insists(answered.sent[1]?.length === 258 && (answered.sent[1][5]! & 3) === 2, 'no MAC')

    const asked = run(hyperkitGreeting.ask('us'), input)
    const given = input.length < 307 ? 'more' : input[49] === 1 ? 'done' : 'refused'
    insists(asked.outcome === given, `asked: ${asked.outcome}, not ${given}`)
  },
}
