/**
 * How messages cross a control socket: JSON-RPC 2.0, one message per line.
 * Called by the control server and its client.
 */
import type { Socket } from 'node:net'
import { inJson } from '../values/counter.js'
import { EtherloomError, isErrorCode } from '../values/errors.js'
import { limits } from '../values/limits.js'
import { formatSize } from '../values/units.js'

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
  place?: readonly (string | number)[]
}

export function errorData(error: unknown): ErrorData {
  const { message } = error as Error
  if (!(error instanceof EtherloomError)) return { message }
  const { code, hint, syscall, errno, place } = error
  return {
    code,
    message,
    ...(hint !== undefined && { hint }),
    ...(syscall !== undefined && { syscall }),
    ...(errno !== undefined && { errno }),
    ...(place !== undefined && { place }),
  }
}

/** The error that has travelled so. */
export function errorFrom(data: Partial<ErrorData>): EtherloomError {
  const { code, message = 'an error without a message', hint, syscall, errno, place } = data
  const text = hint === undefined ? message : message.slice(0, -`; ${hint}`.length)
  return new EtherloomError(isErrorCode(code) ? code : 'ERR_ETHERLOOM_CONTROL', text.split('\n'), {
    hint,
    syscall,
    errno,
    place,
  })
}

/** So many lines of one connection are handled at a time, before others have their turn. */
const together = 100

/**
 * Calls `receive` with every line that arrives and is not blank, or `tooLong` once for one of more than `most` bytes, and with
 * none after it. Who sends many has no more read until they are handled.
 */
export function readLines(
  socket: Socket,
  most: number,
  receive: (line: string) => void,
  tooLong: () => void,
): void {
  let pieces: string[] = []
  let length = 0
  const handle = (lines: string[], next: number): void => {
    const end = Math.min(next + together, lines.length)
    for (const line of lines.slice(next, end)) if (/\S/.test(line)) receive(line)
    if (end < lines.length) {
      socket.pause()
      setImmediate(handle, lines, end)
    } else if (length > most) {
      pieces = []
      tooLong()
    } else {
      socket.resume()
    }
  }
  socket.setEncoding('utf8')
  socket.on('data', (text: string) => {
    if (length > most) return // what comes after a line that was too long is not kept
    const [first = '', ...others] = text.split('\n')
    const rest = others.pop()
    if (rest === undefined) {
      pieces.push(first)
      length += first.length
      if (length > most) handle([], 0)
      return
    }
    const lines = [pieces.join('') + first, ...others]
    pieces = [rest]
    length = rest.length
    handle(lines, 0)
  })
}

export const writeLine = (socket: Socket, message: unknown): void => writeText(socket, asJson(message))

/** Sends an order. @throws EtherloomError ERR_ETHERLOOM_CONTROL where no instance would take it */
export function writeOrder(socket: Socket, order: unknown): void {
  const line = asJson(order)
  if (line.length > limits.orderLine)
    throw new EtherloomError(
      'ERR_ETHERLOOM_CONTROL',
      `an order may have ${formatSize(limits.orderLine)}, and this one has ${formatSize(line.length)}`,
      { hint: 'make it of several, or end the instance and start it with the new topology' },
    )
  writeText(socket, line)
}

function writeText(socket: Socket, line: string): void {
  if (!socket.writable) return
  if (socket.writableLength > limits.answerLine) socket.destroy()
  else socket.write(`${line}\n`)
}

/** JSON in which bigints are numbers up to 2^53 - 1 and decimal text above, and errors what they say. */
export const asJson = (value: unknown): string =>
  JSON.stringify(value, (_, each: unknown) =>
    typeof each === 'bigint' ? inJson(each) : each instanceof Error ? errorData(each) : each,
  )
