/** What a fuzz target is: a reader of text or bytes that outsiders write. One file per target in targets/. */
import { EtherloomError } from '../../lib/index.js'
import { raw } from '../helpers/errors.js'

export interface Target {
  /** Words and signs that mean something there; mutations put them in. */
  words: readonly string[]
  /** How many inputs are asked for their coverage at once, which takes 10 ms: fewer where each takes its time. Default 128. */
  together?: number
  /** Whole inputs to begin with, beside the stored ones. */
  seeds: readonly (string | Uint8Array)[]
  /** Reads one input. Throws `Wrong` where it was not read as it should be; whatever else it throws is a finding as well. */
  read(input: Buffer): void | Promise<void>
  /** Ends what it began. */
  close?(): Promise<void>
}

/** What an oracle says. */
export class Wrong extends Error {}

/** Reads, and holds a refusal to what refusals are: an EtherloomError with one of these codes and in sentences. */
export async function refusedOr<T>(
  input: string,
  read: () => T | Promise<T>,
  code: RegExp,
): Promise<T | undefined> {
  try {
    return await read()
  } catch (error) {
    if (!(error instanceof EtherloomError)) throw error
    if (!code.test(error.code)) throw new Wrong(`refused with ${error.code}: ${error.message}`)
    sentence(error.message, input)
    return undefined
  }
}

/** Holds a message to being a sentence; what it may quote is the input. */
export function sentence(message: string, input: string): void {
  const found = raw.exec(message)
  if (found && !input.includes(found[0])) throw new Wrong(`a raw message: ${message}`)
  if (/[\x00-\x08\x0b-\x1f\x7f]/.test(message))
    throw new Wrong(`a message with control characters: ${JSON.stringify(message)}`)
  if (message.split('\n').some((line) => line.length > 4500))
    throw new Wrong(`a message of ${message.length} characters`)
}

/** Throws where something that must be so is not. */
export function insists(what: boolean, why: string): void {
  if (!what) throw new Wrong(why)
}
