/**
 * What ubridge's console answers: lines that begin with a number, the last of them with a '-' behind it. A client waits for that
 * one, however long, and takes what follows for the answer to its next command. Called by everything of the console.
 */
import { visible } from '../values/quote.js'

/** The numbers, each a contract with clients; texts are free but where clients look for words in them. */
export const codes = {
  done: 100,
  detail: 101,
  syntax: 200,
  noModule: 201,
  noCommand: 202,
  wordCount: 203,
  value: 204,
  create: 206,
  remove: 207,
  start: 209,
  stop: 210,
  file: 211,
  rename: 213,
  missing: 214,
  other: 215,
} as const

export type Code = (typeof codes)[keyof typeof codes]

/** A command that is refused, or has failed: nothing of it holds. */
export class Refusal extends Error {
  constructor(
    readonly code: Code,
    message: string,
  ) {
    super(message)
  }
}

/** The lines of an answer, as they are sent. */
export function reply(code: Code, text: string, details: readonly string[] = []): string {
  const lines = [...details.map((each) => `${codes.detail} ${oneLine(each)}`), `${code}-${oneLine(text)}`]
  return lines.map((line) => `${line}\r\n`).join('')
}

/** Whatever it quotes, it ends no line. */
const oneLine = (text: string): string => visible(text.replace(/\s*\n\s*/g, '; '))
