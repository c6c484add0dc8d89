/**
 * Network namespaces that something else has: a container, a process, or a name. Hosts of a topology can be such. Called by
 * topology/, and by the commands that attach to what runs.
 */
import { Namespace } from '../engine/namespace.js'
import { EtherloomError } from '../values/errors.js'
import type { ForeignPlace } from './foreign.js'

/**
 * Enters it. `returned` is called, until `signal`, whenever what it is has started again, with another namespace. Only containers of
 * Docker do that: a process does not return.
 *
 * @throws EtherloomError what `findContainer` and `Namespace.open` throw
 */
export async function enterForeign(
  { docker, pid, netns }: ForeignPlace,
  returned: () => void,
  signal: AbortSignal,
): Promise<Namespace> {
  if (docker !== undefined) {
    const { findContainer, followStarts } = await import('./docker.js')
    const container = await findContainer(docker)
    const namespace = await ofProcess(container.pid)
    followStarts(container, returned, signal)
    return namespace
  }
  return netns === undefined ? ofProcess(pid as number) : Namespace.open(netns)
}

async function ofProcess(pid: number): Promise<Namespace> {
  try {
    return await Namespace.open(`/proc/${pid}/ns/net`)
  } catch (error) {
    if ((error as EtherloomError).code !== 'ERR_ETHERLOOM_NAMESPACE' || alive(pid)) throw error
    throw new EtherloomError('ERR_ETHERLOOM_NAMESPACE', `no process ${pid}`, { cause: error })
  }
}

function alive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
