/**
 * How messages cross a control socket: JSON-RPC 2.0, one message per line.
 * Called by the control server and its client.
 */
import type { Socket } from 'node:net'
import { inJson } from '../values/counter.js'
import { EtherloomError, isErrorCode } from '../values/errors.js'

/** The JSON-RPC error code of an EtherloomError; its own code travels as data. */
export const failureCode = -32000

/** The name of the notifications that carry events. */
export const eventMethod = 'event'

/** An error as it travels, as the data of a JSON-RPC error response and in events. */
export interface ErrorData {
  code?: string
  message: string
  hint?: string
  syscall?: string
  errno?: number
}

export function errorData(error: unknown): ErrorData {
  const { message } = error as Error
  if (!(error instanceof EtherloomError)) return { message }
  const { code, hint, syscall, errno } = error
  return {
    code,
    message,
    ...(hint !== undefined && { hint }),
    ...(syscall !== undefined && { syscall }),
    ...(errno !== undefined && { errno }),
  }
}

/** The error that has travelled so. */
export function errorFrom(data: Partial<ErrorData>): EtherloomError {
  const { code, message = 'an error without a message', hint, syscall, errno } = data
  const text = hint === undefined ? message : message.slice(0, -`; ${hint}`.length)
  const lines = code === 'ERR_ETHERLOOM_TOPOLOGY' ? text.split('\n') : text
  return new EtherloomError(isErrorCode(code) ? code : 'ERR_ETHERLOOM_CONTROL', lines, {
    hint,
    syscall,
    errno,
  })
}

/** More than any topology; a peer that sends a longer line, or leaves as much unread, is cut off. */
const longestLine = 64 * 1024 * 1024

/** Calls `receive` with every line that arrives. */
export function readLines(socket: Socket, receive: (line: string) => void): void {
  let pieces: string[] = []
  let length = 0
  socket.setEncoding('utf8')
  socket.on('data', (text: string) => {
    const lines = text.split('\n')
    const rest = lines.pop() ?? ''
    for (const line of lines) {
      receive(pieces.join('') + line)
      pieces = []
      length = 0
    }
    pieces.push(rest)
    length += rest.length
    if (length > longestLine) socket.destroy()
  })
}

export function writeLine(socket: Socket, message: unknown): void {
  if (!socket.writable) return
  if (socket.writableLength > longestLine) socket.destroy()
  else socket.write(`${asJson(message)}\n`)
}

/** JSON in which bigints are numbers up to 2^53 - 1 and decimal text above, and errors what they say. */
export const asJson = (value: unknown): string =>
  JSON.stringify(value, (_, each: unknown) =>
    typeof each === 'bigint' ? inJson(each) : each instanceof Error ? errorData(each) : each,
  )
