/**
 * A server of node:net at a path of our own: what one that has ended left there is taken over, and nobody comes in before the
 * path has its rights. Called by the consoles that others' programs connect to.
 */
import { once } from 'node:events'
import { chmodSync, existsSync, lchownSync, lstatSync } from 'node:fs'
import { unlink } from 'node:fs/promises'
import { connect, type Server } from 'node:net'
import { dirname } from 'node:path'
import { isMainThread } from 'node:worker_threads'
import { EtherloomError } from '../values/errors.js'
import { quote } from '../values/quote.js'

/**
 * Listens at a path, which goes when the server is closed. `advice` is the hint where something else is there.
 *
 * @throws EtherloomError ERR_ETHERLOOM_DEVICE where somebody else listens there, or nobody can
 */
export async function listenAtPath(
  server: Server,
  path: string,
  { mode, group, advice }: { mode: number; group?: number | undefined; advice: string },
): Promise<void> {
  await takeOver(path, advice)
  const before = isMainThread ? process.umask(0o177) : undefined // of the path, which is made within listen()
  try {
    server.listen(path)
  } finally {
    if (before !== undefined) process.umask(before)
  }
  try {
    await once(server, 'listening')
    if (group !== undefined) lchownSync(path, -1, group)
    chmodSync(path, mode)
  } catch (cause) {
    server.close()
    const isMissing = !existsSync(dirname(path)) // which node:net calls EACCES
    const { code = 'unknown error' } = cause as NodeJS.ErrnoException
    throw new EtherloomError(
      'ERR_ETHERLOOM_DEVICE',
      `cannot listen at ${path} (${isMissing ? 'ENOENT' : code})`,
      { cause, hint: isMissing ? 'make its folder first, or choose another path' : undefined },
    )
  }
}

/** Removes what a server that has ended left at its path. @throws EtherloomError where somebody listens, or something else is there */
async function takeOver(path: string, hint: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (!found) return
  const refuse = (what: string): never => {
    throw new EtherloomError('ERR_ETHERLOOM_DEVICE', `${quote(path)} ${what}`, { hint })
  }
  if (!found.isSocket()) refuse('is there already, and is no socket')
  const socket = connect(path)
  const answer = await once(socket, 'connect').then(
    () => 'connected',
    (error: unknown) => (error as NodeJS.ErrnoException).code,
  )
  socket.destroy()
  if (answer === 'ENOENT') return // it has gone meanwhile
  if (answer === 'connected') refuse('is a socket at which somebody listens')
  // Whatever else is said comes from a socket that somebody has: of another type, of another user, or with too many waiting.
  if (answer !== 'ECONNREFUSED') refuse('is a socket that somebody uses')
  await unlink(path)
}
