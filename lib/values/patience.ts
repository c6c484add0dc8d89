/** Waiting for others, but not for ever. Called by whoever expects an answer, or a peer to speak. */

/** A timer that is later than this, in milliseconds, says that this process was stopped: nothing that came meanwhile was heard. */
const tooLate = 1000

/**
 * Calls `over` after so many milliseconds, unless what this returns is called before. Where this process was stopped itself
 * (SIGSTOP) meanwhile, the wait begins anew when it goes on. Keeps no process alive.
 */
export function patience(milliseconds: number, over: () => void): () => void {
  let timer: NodeJS.Timeout
  const wait = (): void => {
    const began = performance.now()
    timer = setTimeout(() => {
      if (performance.now() - began > milliseconds + tooLate) wait()
      else over()
    }, milliseconds).unref()
  }
  wait()
  return () => {
    clearTimeout(timer)
  }
}
