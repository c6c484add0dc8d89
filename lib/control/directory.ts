/**
 * Where running instances are found: one Unix socket per instance in a directory that only its user can enter.
 * Called by the control server and client.
 */
import { once } from 'node:events'
import { constants, type Stats } from 'node:fs'
import { lstat, mkdir, readdir, realpath, rm, unlink } from 'node:fs/promises'
import { connect } from 'node:net'
import { dirname, join, resolve } from 'node:path'
import { EtherloomError } from '../values/errors.js'
import { entryName } from '../values/names.js'
import { required, takes } from '../values/options.js'
import { knowsEveryUser, nobody } from '../values/programs.js'
import { shorten } from '../values/quote.js'

const ending = '.sock'

/** sun_path of unix(7) has 108 bytes, the last of them zero. */
const longestPath = 107

/**
 * $ETHERLOOM_CONTROL_DIRECTORY, else $XDG_RUNTIME_DIR/etherloom, else /run/etherloom as root and
 * /tmp/etherloom-UID as anybody else.
 */
export function controlDirectory(): string {
  const { ETHERLOOM_CONTROL_DIRECTORY: own, XDG_RUNTIME_DIR: runtime } = process.env
  if (own !== undefined && own !== '') return own
  if (runtime !== undefined && runtime !== '') return join(runtime, 'etherloom')
  const user = process.getuid?.() ?? 0
  return user === 0 ? '/run/etherloom' : `/tmp/etherloom-${user}`
}

const nameOfInstance = required(entryName())

/**
 * The socket of an instance.
 *
 * @throws EtherloomError ERR_ETHERLOOM_OPTION for what cannot be a name; ERR_ETHERLOOM_CONTROL when the path is too long
 */
export function controlSocket(name: string): string {
  nameOfInstance(name, 'the name of an instance')
  const path = join(controlDirectory(), name + ending)
  if (Buffer.byteLength(path) <= longestPath) return path
  throw new EtherloomError(
    'ERR_ETHERLOOM_CONTROL',
    `the socket path ${shorten(path, 255)} is longer than ${longestPath} bytes`,
    {
      hint: 'use a shorter --name, or set ETHERLOOM_CONTROL_DIRECTORY to a shorter directory',
    },
  )
}

/**
 * The names of all instances that have a socket, whether or not they still run.
 *
 * @throws EtherloomError ERR_ETHERLOOM_CONTROL for a directory of somebody else
 */
export async function instanceNames(): Promise<string[]> {
  if (!(await hasControlDirectory())) return []
  const files = await readdir(controlDirectory()).catch(() => [])
  const names = files.flatMap((file) => (file.endsWith(ending) ? [file.slice(0, -ending.length)] : []))
  return names.filter((name) => takes(nameOfInstance, name))
}

/** Removes the socket of an instance that has ended. */
export const removeControlSocket = (name: string): Promise<void> => rm(controlSocket(name), { force: true })

/** What no process has just made, in milliseconds: between bind() and listen() a socket refuses as one does that nobody has. */
const settledAfter = 10_000

/** Removes the sockets that killed processes have left in the directory: they take no connection. */
export async function sweepControlDirectory(): Promise<void> {
  const directory = controlDirectory()
  const left = (await readdir(directory)).map((file) => join(directory, file))
  await Promise.all(
    left.map(async (path) => {
      const found = await lstat(path).catch(() => undefined)
      if (!found?.isSocket() || Date.now() - found.mtimeMs < settledAfter) return
      const socket = connect(path)
      const code = await once(socket, 'connect').then(
        () => undefined,
        (error: unknown) => (error as NodeJS.ErrnoException).code,
      )
      socket.destroy()
      if (code === 'ECONNREFUSED') await unlink(path).catch(() => undefined)
    }),
  )
}

/** Makes the directory (mode 0700) unless it is there. @throws EtherloomError ERR_ETHERLOOM_CONTROL, also for another's */
export async function makeControlDirectory(): Promise<void> {
  const directory = controlDirectory()
  try {
    await mkdir(directory, { mode: 0o700, recursive: true })
  } catch (cause) {
    throw new EtherloomError('ERR_ETHERLOOM_CONTROL', `cannot make ${directory}`, {
      cause,
      hint: 'set ETHERLOOM_CONTROL_DIRECTORY to a directory of your own',
    })
  }
  await hasControlDirectory()
}

/**
 * Whether the directory is there. It must be ours alone, for in /tmp anybody could have made it first: whoever can put
 * sockets there would hear what we tell an instance, and answer for it. For the same reason nobody else may be able to put
 * another one in its place, so the folders above it are looked at, too.
 *
 * @throws EtherloomError ERR_ETHERLOOM_CONTROL where it is not
 */
export async function hasControlDirectory(): Promise<boolean> {
  const directory = resolve(controlDirectory())
  const hint = 'set ETHERLOOM_CONTROL_DIRECTORY to a directory of your own'
  try {
    const found = await lstat(directory)
    if (!found.isDirectory() || found.uid !== process.getuid?.() || (found.mode & 0o077) !== 0)
      throw new EtherloomError(
        'ERR_ETHERLOOM_CONTROL',
        `${directory} is not a directory of this user with mode 0700, so it is not trusted`,
        { hint: `remove it, or ${hint}` },
      )
    for (const above of new Set([...foldersAbove(directory), ...foldersAbove(await realpath(directory))])) {
      if (isKept(await lstat(above))) continue
      throw new EtherloomError(
        'ERR_ETHERLOOM_CONTROL',
        `${directory} is not trusted, since another user can change what is in ${above}`,
        { hint },
      )
    }
    return true
  } catch (cause) {
    if (cause instanceof EtherloomError) throw cause
    const { code = 'unknown error' } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT') return false
    throw new EtherloomError('ERR_ETHERLOOM_CONTROL', `cannot look into ${directory} (${code})`, {
      cause,
      hint,
    })
  }
}

const foldersAbove = (path: string): string[] =>
  path === '/' ? [] : [...foldersAbove(dirname(path)), dirname(path)]

/** Whether only we and root can rename what is in a folder, or make a link lead elsewhere. */
function isKept({ uid, mode }: Stats): boolean {
  const owners = [0, process.getuid?.(), ...(knowsEveryUser() ? [] : [nobody])]
  const sticky = (mode & 0o1000) !== 0 // each may rename only what is theirs
  return (
    owners.includes(uid) &&
    ((mode & constants.S_IFMT) === constants.S_IFLNK || sticky || (mode & 0o022) === 0)
  )
}
