/** Makes a path dead at times, by the clock; native/impairments/outage.hpp has the arithmetic. */
import { flag, optional, optionsReader, refuse, required } from '../../values/options.js'
import { formatDuration, parseDuration, type Duration } from '../../values/units.js'
import { isMapping, ownerOf } from './chance.js'
import type { ImpairmentKind } from './impairment.js'

export interface Outage {
  /** From the beginning of one outage to the beginning of the next, on average if `random`. 1ns to 90 days. */
  every: Duration
  /** How long each lasts, on average if `random`. At most `every`. */
  for: Duration
  /** When the first one begins, on the engine's clock. Default 0s; not with `random`. */
  offset?: Duration
  /** Both the outages and the times between them are exponentially distributed. Default false. */
  random?: boolean
}

export interface GivenOutage {
  every: bigint
  for: bigint
  offset: bigint | undefined
  random: boolean
}

// Nanoseconds cross as doubles.
const longest = 90n * 24n * 3_600_000_000_000n

const readOutage = (subject: string, value: unknown): GivenOutage =>
  optionsReader(ownerOf(subject), {
    every: required(optional(parseDuration)),
    for: required(optional(parseDuration)),
    offset: optional(parseDuration),
    random: flag(false),
  })(value)

export const outage: ImpairmentKind<GivenOutage> = {
  rule: (value, subject) => {
    if (value === undefined) return undefined
    if (!isMapping(value))
      return refuse(subject, "{ every, for } such as { every: '10s', for: '500ms' }", value)
    const given = readOutage(subject, value)
    const owner = ownerOf(subject)
    if (given.every < 1n || given.every > longest)
      refuse(`option 'every' of ${owner}`, 'a duration from 1ns to 90 days', formatDuration(given.every))
    if (given.for > given.every)
      refuse(
        `option 'for' of ${owner}`,
        `at most 'every', ${formatDuration(given.every)}`,
        formatDuration(given.for),
      )
    if (given.random && given.offset !== undefined)
      refuse(`option 'offset' of ${owner}`, "left out with 'random'", formatDuration(given.offset))
    return given
  },
  settings: (given) =>
    given.for === 0n
      ? undefined
      : [
          Number(given.random),
          Number(given.every),
          Number(given.for),
          Number((given.offset ?? 0n) % given.every),
        ],
}
