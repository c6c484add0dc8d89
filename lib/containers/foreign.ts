/**
 * How a host of a topology says that it is what runs already, and what of that is known without looking. Called by topology/ and
 * control/; the command line loads it at every start, so it imports values only. places.ts enters such hosts.
 */
import { about, integer, text, type RulesOf } from '../values/options.js'

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
