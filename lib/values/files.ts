/**
 * Reads the files that users and their files name: regular ones, up to a size. Called by all that read such a file; no other
 * function does. (What the kernel writes under /proc is no such file.)
 *
 * A FIFO would keep the process until somebody writes, a device could do anything when it is opened and never end, and a
 * file without bound would take all memory. So a file is looked at before it is opened, again when it is open, and never
 * read beyond its limit, whatever size it said it has.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { closeSync, constants, createReadStream, fstatSync, openSync, readSync, statSync } from 'node:fs'
import type { Stats } from 'node:fs'
import { EtherloomError, type ErrorCode } from './errors.js'
import { formatSize } from './units.js'

export interface WantedFile {
  /** What messages call the file: its name, or `the trace 'a.csv'`. */
  subject: string
  /** Bytes that it may have: one of `limits`. */
  most: number
  code: ErrorCode
  /** What to do where it cannot be read. */
  hint?: string
  /** What to do where it is too large. */
  smaller: string
}

/** Files as they were when they were read, by name: a stamp, which changes with what is in the file. */
export type FilesRead = Map<string, string | undefined>

const collecting = new AsyncLocalStorage<FilesRead>()

/** Does something, and collects in `files` what that reads, also where it fails. */
export const collectFiles = <Result>(files: FilesRead, work: () => Result): Result =>
  collecting.run(files, work)

/** The stamp of a file that is about to be read; undefined for one that cannot be looked at, as who reads it will say. */
export function stampOf(file: string): string | undefined {
  const stamp = attemptStamp(file)
  collecting.getStore()?.set(file, stamp)
  return stamp
}

function attemptStamp(file: string): string | undefined {
  try {
    const { dev, ino, size, mtimeNs } = statSync(file, { bigint: true })
    return [dev, ino, size, mtimeNs].join()
  } catch {
    return undefined
  }
}

/**
 * The bytes of a regular file.
 *
 * @throws EtherloomError with the code that is wanted, for what cannot be read, is no regular file or is too large
 */
export function readBytes(file: string, wanted: WantedFile): Buffer {
  stampOf(file)
  const descriptor = attempt(wanted, () => {
    checkStatus(statSync(file), wanted)
    return openSync(file, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  })
  try {
    return attempt(wanted, () => {
      const status = fstatSync(descriptor)
      checkStatus(status, wanted)
      return readUpTo(descriptor, status.size, wanted)
    })
  } finally {
    closeSync(descriptor)
  }
}

/** The same as text. */
export const readText = (file: string, wanted: WantedFile): string => readBytes(file, wanted).toString('utf8')

/** What stands for a descriptor of the process itself: what a shell made of `<` or `<(...)`. */
const own = /^\/dev\/stdin$|^\/(?:dev|proc\/self)\/fd\/\d+$/

/** The same for a file that a user names to a command: a shell can give what a program writes, as /dev/stdin or /dev/fd/N. */
export async function readGivenText(file: string, wanted: WantedFile): Promise<string> {
  if (!own.test(file) || attempt(wanted, () => statSync(file)).isFile()) return readText(file, wanted)
  const pieces: Buffer[] = []
  let length = 0
  try {
    for await (const piece of createReadStream(file) as AsyncIterable<Buffer>) {
      pieces.push(piece)
      length += piece.length
      if (length > wanted.most) refuseMore(wanted)
    }
  } catch (cause) {
    throw unreadable(cause, wanted)
  }
  return Buffer.concat(pieces).toString('utf8')
}

/** Reads to the end, which may not be where the size says: of files under /proc it is 0, and a log grows. */
function readUpTo(descriptor: number, size: number, wanted: WantedFile): Buffer {
  let bytes = Buffer.allocUnsafe(Math.min(size, wanted.most) + 1)
  let length = 0
  for (;;) {
    const read = readSync(descriptor, bytes, length, bytes.length - length, null)
    length += read
    if (length > wanted.most) refuseMore(wanted)
    if (read === 0) return bytes.subarray(0, length)
    if (length === bytes.length) bytes = Buffer.concat([bytes], Math.min(2 * length + 4096, wanted.most + 1))
  }
}

function checkStatus(status: Stats, wanted: WantedFile): void {
  if (!status.isFile())
    refuse(wanted, `not ${kindOf(status)}`, 'give the name of a file that has its content')
  if (status.size > wanted.most) refuse(wanted, `not one of ${formatSize(status.size)}`, wanted.smaller)
}

const refuseMore = (wanted: WantedFile): never => refuse(wanted, 'and it has more', wanted.smaller)

function refuse({ subject, most, code }: WantedFile, found: string, hint: string): never {
  throw new EtherloomError(
    code,
    `${subject} must be a regular file of at most ${formatSize(most)}, ${found}`,
    {
      hint,
    },
  )
}

function kindOf(status: Stats): string {
  if (status.isDirectory()) return 'a directory'
  if (status.isFIFO()) return 'a FIFO'
  return status.isSocket() ? 'a socket' : 'a device'
}

function attempt<T>(wanted: WantedFile, work: () => T): T {
  try {
    return work()
  } catch (cause) {
    throw unreadable(cause, wanted)
  }
}

function unreadable(cause: unknown, { subject, code, hint }: WantedFile): EtherloomError {
  if (cause instanceof EtherloomError) return cause
  const reason = (cause as NodeJS.ErrnoException).code ?? 'unknown error'
  return new EtherloomError(code, `cannot read ${subject} (${reason})`, { cause, hint })
}
