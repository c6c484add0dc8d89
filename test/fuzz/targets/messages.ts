/** What an instance sends: counters, errors, events and answers, written as a line, read as the same. */
import { isDeepStrictEqual } from 'node:util'
import { controlEvents, readEvent, type ControlEventName } from '../../../lib/control/events.js'
import { readAnswer } from '../../../lib/control/method.js'
import { controlMethods } from '../../../lib/control/methods/index.js'
import { asJson, errorData, errorFrom } from '../../../lib/control/protocol.js'
import { check } from '../../../lib/values/check.js'
import { counter } from '../../../lib/values/counter.js'
import { EtherloomError, errorCodes, locate, type ErrorCode } from '../../../lib/values/errors.js'
import { readLateness, readPathStats, readPortStats } from '../../../lib/values/stats.js'
import { insists, type Target } from '../target.js'

const codes = Object.keys(errorCodes) as ErrorCode[]
const eventNames = Object.keys(controlEvents) as ControlEventName[]
const methods = Object.values(controlMethods)

/** Draws from the input, and zeros where it has ended. */
function drawing(input: Buffer) {
  let at = 0
  const byte = (): number => input[at++] ?? 0
  const word = (): bigint => {
    let sum = 0n
    for (let left = byte() % 9; left > 0; left--) sum = (sum << 8n) | BigInt(byte())
    return sum
  }
  const text = (): string => {
    const length = byte() + (byte() % 16) * 256
    return input.subarray(at, (at += length)).toString()
  }
  return { byte, word, text, words: (count: number) => BigUint64Array.from({ length: count }, word) }
}
type Draws = ReturnType<typeof drawing>

/** Holds the counters in what came over the socket to being those that were sent; all else is compared as it is. */
function sameCounters(sent: unknown, come: unknown): void {
  if (typeof sent === 'bigint') {
    const read = counter()(come, 'a counter')
    insists(read === sent, `${sent} reads as ${read}`)
  } else if (typeof sent === 'object' && sent !== null) {
    insists(
      isDeepStrictEqual(Object.keys(sent), Object.keys(come as object)),
      `other keys: ${Object.keys(come as object).join()}`,
    )
    for (const [key, each] of Object.entries(sent)) sameCounters(each, (come as Record<string, unknown>)[key])
  } else insists(Object.is(sent, come), `${String(sent)} reads as ${String(come)}`)
}

function stats({ byte, words }: Draws): void {
  const made = [
    readPathStats(words(40)),
    readPortStats(words(64)),
    readLateness([words(1 + (byte() % 65)), words(1)]),
  ]
  for (const each of made)
    for (const write of [JSON.stringify, asJson]) sameCounters(each, JSON.parse(write(each)))
}

/** An error as it is thrown: of several lines for several mistakes, and with a place before it. */
function madeError({ byte, word, text }: Draws): EtherloomError {
  const kind = byte()
  const error = new EtherloomError(
    codes[byte() % codes.length] as ErrorCode,
    kind & 1 ? text() : Array.from({ length: 1 + (byte() % 3) }, text),
    {
      ...(kind & 2 && { hint: text() }),
      ...(kind & 4 && { syscall: text(), errno: Number(word() & 0xffffn) }),
    },
  )
  return kind & 8 ? (locate(error, text()) as EtherloomError) : error
}

const told = ({ code, message, hint, syscall, errno }: EtherloomError): object => ({
  ...{ code, message, hint, syscall, errno },
})

function errors(draws: Draws): void {
  const error = madeError(draws)
  const come = errorFrom(JSON.parse(asJson(errorData(error))) as object)
  insists(isDeepStrictEqual(told(come), told(error)), `${asJson(told(error))} reads as ${asJson(told(come))}`)
  const event = readEvent('timeline:error', JSON.parse(asJson({ fabric: 'lan', error })))
  insists(isDeepStrictEqual(told(event.error), told(error)), 'an event has another error')
}

/** The same value with other texts and numbers in it, where `change` has them. */
function changed(value: unknown, draws: Draws): unknown {
  if (typeof value === 'bigint') return draws.word()
  if (typeof value === 'string') return draws.byte() & 1 ? draws.text() : value
  if (typeof value === 'number') return draws.byte() & 1 ? Number(draws.word() & 0x1f_ffff_ffff_ffffn) : value
  if (Array.isArray(value)) return value.map((each) => changed(each, draws))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, changed(each, draws)]))
}

/** The example of a method's answer with other texts and counters: what is right by its declaration is read as it was sent. */
function answers(draws: Draws): void {
  const method = methods[draws.byte() % methods.length] as (typeof methods)[number]
  const sent = changed(method.example.result, draws)
  const come = JSON.parse(asJson(sent)) as unknown
  if (check(method.result, come).problems.length > 0) return
  sameCounters(sent, JSON.parse(asJson(readAnswer(method, come))))
}

/** An event of any name with any value is read without an error, and again as the same. */
function events({ byte, text }: Draws): void {
  const name = eventNames[byte() % eventNames.length] as ControlEventName
  let given: unknown
  try {
    given = JSON.parse(text())
  } catch {
    return
  }
  const read: unknown = readEvent(name, given)
  const again: unknown = readEvent(name, JSON.parse(asJson(read ?? null)))
  insists(asJson(again) === asJson(read), `${asJson(read)} reads as ${asJson(again)}`)
}

export const target: Target = {
  words: [
    ...['\0', '\x01', '\x08', '\xff', '\x7f', '\r', '\n', '\u2028', '\u202e', '; ', 'é', '😀'],
    ...['{"fabric":"a","port":"b"', '"error":{', '"code":"ERR_ETHERLOOM_TOPOLOGY"', '"message":"a\\nb"'],
    ...['"hint":"h"', '"traffic":"broadcast"', '"dropped":"9007199254740993"', '"rate":1', '"lasted":"1s"'],
    ...['"links":[{}]', '"on":true', '"vlan":0', '"moves":1', '}', ','],
  ],
  seeds: [
    Uint8Array.from({ length: 400 }, (_, at) => (at * 37) & 0xff),
    '\x01\x02\x03\x00some words of a mistake; and what to do',
    '\x03\x10\x00{"fabric":"a","traffic":"broadcast","dropped":1,"rate":1,"lasted":"1s","port":"b"}',
    '',
  ],
  read(input) {
    for (const kind of [stats, errors, answers, events]) kind(drawing(input))
  },
}
