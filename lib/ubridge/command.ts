/** What a command of the console is, and what its words may be. A module of them per file stands in modules/. */
import { isIP } from 'node:net'
import { interfaceRule } from '../values/names.js'
import { takes } from '../values/options.js'
import { quote } from '../values/quote.js'
import type { Hypervisor } from './hypervisor.js'
import { codes, Refusal, type Code } from './replies.js'

/** What a command answers beside its number: the last line, and lines before it. */
export interface Answer {
  text: string
  details?: readonly string[]
  /** What happens to the connection, or to all of it, when the answer is sent. */
  then?: 'close' | 'stop'
}

export interface Command {
  /** How many words may stand behind it. */
  words: readonly [fewest: number, most: number]
  /** The number of its failures that have none of their own. */
  fault: Code
  /** @throws Refusal, EtherloomError; nothing has changed then */
  run(hypervisor: Hypervisor, ...words: string[]): Promise<Answer | string> | Answer | string
}

/** Commands by their names. */
export type Module = Readonly<Record<string, Command>>

const wrong = (word: string, expects: string): never => {
  throw new Refusal(codes.value, `${quote(word)} is not ${expects}`)
}

/** A whole number in a range. */
export function numberIn(word: string, from: number, to: number, what: string): number {
  const value = /^\d{1,10}$/.test(word) ? Number(word) : Number.NaN
  return value >= from && value <= to ? value : wrong(word, `${what}, from ${from} to ${to}`)
}

export const udpPort = (word: string): number => numberIn(word, 1, 65_535, 'a UDP port')

/** The name of an interface that a program may be given: none of its options. */
export const interfaceName = (word: string): string =>
  takes(interfaceRule(), word) && !word.startsWith('-') ? word : wrong(word, 'the name of an interface')

export const onOff = (word: string): boolean =>
  word === 'on' ? true : word === 'off' ? false : wrong(word, "'on' or 'off'")

export const macAddress = (word: string): string =>
  /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(word) ? word : wrong(word, 'a MAC address')

/** A host as part of an address with a port. */
export const hostOf = (word: string): string => {
  if (isIP(word) === 6) return `[${word}]`
  return /^[^:/[\]\s]+$/.test(word) ? word : wrong(word, 'an address or a name of a host')
}
