/**
 * What the two ends of a connection say to each other before its first frame, where a framing has such words. Called by SocketPort
 * and SocketServer, which hand the socket to its port when all is said; the words themselves are a file each, as hyperkit.ts.
 */
import { native } from '../binding.js'
import { patience } from '../values/patience.js'
import { unlessAborted } from '../values/signals.js'
import type { Conversation } from './conversation.js'
import type { PortFabric } from './port.js'
import { sockets } from './sockets.js'

/** How long a whole conversation may take, in milliseconds. */
export const greetingLimit = 5000

/**
 * Has a conversation over a connected socket, of which no byte more is read than belongs to it. The socket stays the caller's.
 *
 * @throws Error in words, when the other side says something else, goes, or is not done within `limit` milliseconds
 */
export async function converse(
  fabric: PortFabric,
  socket: unknown,
  words: Conversation,
  signal?: AbortSignal,
  limit = greetingLimit,
): Promise<void> {
  const leaving = new AbortController()
  const over = patience(limit, () => {
    leaving.abort(new Error(`it has not greeted within ${limit / 1000} s`))
  })
  const until = signal ? AbortSignal.any([signal, leaving.signal]) : leaving.signal
  try {
    let heard: Uint8Array = new Uint8Array()
    for (;;) {
      const { value, done } = words.next(heard)
      if (done) return
      if (typeof value === 'number') heard = await receive(fabric, socket, value, until)
      else
        native(() => {
          sockets.sendBytes(socket, value)
        })
    }
  } finally {
    over()
  }
}

/** So many bytes, in however many pieces they come. */
async function receive(
  fabric: PortFabric,
  socket: unknown,
  count: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(count)
  for (let got = 0; got < count;) {
    let unwatch = (): void => undefined
    const readable = new Promise<void>((resolve) => {
      unwatch = fabric.engine.watches.socket(socket, 'readable', resolve)
    })
    await unlessAborted(readable, signal).finally(() => {
      unwatch()
    })
    const piece = native(() => sockets.receiveBytes(socket, count - got))
    if (piece?.length === 0) throw new Error('it has gone before it had greeted')
    if (piece) bytes.set(piece, got)
    got += piece?.length ?? 0
  }
  return bytes
}
