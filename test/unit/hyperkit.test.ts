/** The greeting of hyperkit, as bytes: both sides, step by step. */
import { expect } from 'chai'
import type { Conversation } from '../../lib/ports/conversation.js'
import { hyperkitGreeting } from '../../lib/ports/hyperkit.js'

const uuid = '12345678-9abc-def0-1234-56789abcdef0'
const opening = Buffer.from('VMN3T\x16\0\0\0' + 'a'.repeat(40), 'latin1')
const request = (id = uuid, command = 1) =>
  Buffer.from(`${String.fromCharCode(command)}${id}\0\0\0\0`, 'latin1')

/** Has one side of it, to which this is said; what it sends. */
function run(words: Conversation, ...said: Uint8Array[]): Buffer[] {
  const sent: Buffer[] = []
  let heard: Uint8Array = new Uint8Array()
  for (;;) {
    const { value, done } = words.next(heard)
    if (done) return sent
    if (typeof value === 'number') {
      heard = said.shift()!
      expect(heard.length, 'bytes asked for').to.equal(value)
    } else sent.push(Buffer.from(value))
  }
}
const answers = (...said: Uint8Array[]) => run(hyperkitGreeting.answer(69632), ...said)

describe('the greeting of hyperkit', () => {
  it('answers with the opening as it came, then with MTU, longest frame and MAC, in 258 bytes', () => {
    const [echo, answer] = answers(opening, request())
    expect(echo).to.deep.equal(opening)
    expect(answer!.length).to.equal(258)
    expect([...answer!.subarray(0, 5)]).to.deep.equal([1, 0xdc, 0x05, 0xea, 0x05])
    expect([...answer!.subarray(11)].every((byte) => byte === 0)).to.equal(true)
  })

  it('gives each UUID a MAC of its own, locally administered, in whatever case it is written', () => {
    const macs = [uuid, uuid.toUpperCase(), uuid.replace('1', '2')].map((id) => {
      const mac = answers(opening, request(id))[1]!.subarray(5, 11)
      expect(mac[0]! & 3).to.equal(2)
      return mac.toString('hex')
    })
    expect(macs[0]).to.equal(macs[1])
    expect(macs[0]).not.to.equal(macs[2])
  })

  it('states no longer frames than the port takes', () => {
    const [, answer] = run(hyperkitGreeting.answer(1000), opening, request())
    expect([answer!.readUInt16LE(1), answer!.readUInt16LE(3)]).to.deep.equal([986, 1000])
  })

  it('says in words what it does not take', () => {
    for (const [said, words] of [
      [[Buffer.alloc(49)], "it begins with '"],
      [[Buffer.from('GET / HTTP/1.1\r\n'.padEnd(49))], "it begins with 'GET /', not with 'VMN3T'"],
      [[opening, request(uuid, 7)], 'it asks for something else (7) than a network card'],
      [[opening, request('x'.repeat(36))], 'where the UUID of its machine belongs'],
      [[opening, request(uuid.replaceAll('-', '_'))], 'where the UUID of its machine belongs'],
    ] as const)
      expect(() => answers(...said)).to.throw(words)
  })

  it('asks with an opening of 49 bytes and a request of 41, with a UUID that stays', () => {
    const answer = Buffer.alloc(258)
    answer[0] = 1
    const asks = (who: string) => run(hyperkitGreeting.ask(who), Buffer.from('CFD3V'.padEnd(49)), answer)
    const [first, second] = asks('lab socket0')
    expect([first!.length, first!.toString('latin1', 0, 5)]).to.deep.equal([49, 'VMN3T'])
    expect([second!.length, second![0]]).to.deep.equal([41, 1])
    expect(second!.toString('latin1', 1, 37)).to.match(
      /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    )
    expect(asks('lab socket0')[1]).to.deep.equal(second)
    expect(asks('lab socket1')[1]).not.to.deep.equal(second)
    answer[0] = 2
    expect(() => asks('lab socket0')).to.throw('it gives no network card')
  })

  it('understands itself', () => {
    const [ask, answer] = [hyperkitGreeting.ask('us'), hyperkitGreeting.answer(1514)]
    const opened = ask.next(new Uint8Array()).value as Uint8Array
    answer.next(new Uint8Array())
    const echo = answer.next(opened).value as Uint8Array
    expect(ask.next(new Uint8Array()).value).to.equal(49)
    const asked = ask.next(echo).value as Uint8Array
    expect(answer.next(new Uint8Array()).value).to.equal(41)
    const card = answer.next(asked).value as Uint8Array
    expect(ask.next(new Uint8Array()).value).to.equal(258)
    expect(ask.next(card).done).to.equal(true)
  })
})
