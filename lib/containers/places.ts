/**
 * Network namespaces that something else has: a container, a process, or a name. Hosts of a topology can be such. Called by
 * topology/, and by the commands that attach to what runs.
 */
import { Namespace } from '../engine/namespace.js'
import { EtherloomError } from '../values/errors.js'
import { about, integer, text, type RulesOf } from '../values/options.js'
import { quote } from '../values/quote.js'

/** Whose network namespace it is; exactly one of them. */
export interface ForeignPlace {
  /** A running container of Docker: its name or id, or the name of a node of a containerlab. */
  docker?: string
  /** A process, by its number. */
  pid?: number
  /** The name that `ip netns` gave a namespace, or its path. */
  netns?: string
}

/** @internal */
export const foreignRules = {
  docker: about(
    'The host is this container of Docker, which runs already: its name or id, or the name of a node of a containerlab.',
    text({
      max: 255,
      pattern: /^[A-Za-z0-9][A-Za-z0-9_.-]*$/,
      expects: "the name or id of a container, such as 'web'",
    }),
  ),
  pid: about('The host is the network namespace of this process.', integer(1, 0x7fff_ffff)),
  netns: about(
    "The host is this network namespace: the name that 'ip netns' gave it, or its path.",
    text({ max: 4095 }),
  ),
} satisfies RulesOf<ForeignPlace>

export const foreignKeys = Object.keys(foreignRules) as (keyof ForeignPlace)[]

/** What is said of them, without anything else. */
export const foreignOf = (given: ForeignPlace): ForeignPlace =>
  Object.fromEntries(foreignKeys.flatMap((key) => (given[key] === undefined ? [] : [[key, given[key]]])))

export const isForeign = (given: ForeignPlace): boolean => Object.keys(foreignOf(given)).length > 0

/** It in words. */
export const foreignInWords = ({ docker, pid, netns }: ForeignPlace): string =>
  docker !== undefined
    ? `container ${quote(docker)}`
    : pid !== undefined
      ? `process ${pid}`
      : `namespace ${quote(netns ?? '')}`

/** @throws EtherloomError what `findContainer` and `Namespace.open` throw */
export async function openForeign({ docker, pid, netns }: ForeignPlace): Promise<Namespace> {
  if (docker !== undefined) {
    const { findContainer } = await import('./docker.js')
    return Namespace.open(`/proc/${(await findContainer(docker)).pid}/ns/net`)
  }
  if (netns !== undefined) return Namespace.open(netns)
  try {
    return await Namespace.open(`/proc/${pid}/ns/net`)
  } catch (error) {
    if ((error as EtherloomError).code !== 'ERR_ETHERLOOM_NAMESPACE' || alive(pid as number)) throw error
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

/**
 * Calls `returned` whenever what it is has started again, with another namespace, until `signal`. Only containers of Docker do
 * that: a process does not return.
 */
export async function followForeign(
  { docker }: ForeignPlace,
  returned: () => void,
  signal: AbortSignal,
): Promise<void> {
  if (docker === undefined) return
  const { findContainer, followStarts } = await import('./docker.js')
  followStarts((await findContainer(docker)).id, returned, signal)
}
