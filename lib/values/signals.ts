/** AbortSignals, for all that takes its time and may be ended before. */
import { about, single, type Rule } from './options.js'

/** A rule for `signal`. */
export const abortSignal: Rule<AbortSignal | undefined> = about(
  'Ends it before its time: nothing of it stays.',
  single('an AbortSignal', {}, (value) => (value instanceof AbortSignal ? value : undefined)),
)

/**
 * What the work comes to, or the signal's reason if that is there first. The work itself goes on; what becomes of it is
 * nobody's matter any more.
 */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work
  let stop = (): void => undefined
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason as Error)
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop)
  })
  try {
    return await Promise.race([aborted, work])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
