/** Makes a path dead at times, by the clock; native/impairments/outage.hpp has the arithmetic. */
import {
  about,
  flag,
  isMapping,
  mapping,
  refuse,
  required,
  shaped,
  shapeOf,
  type RulesOf,
  type Values,
} from '../../values/options.js'
import { duration, formatDuration, type Duration } from '../../values/units.js'
import type { ImpairmentKind } from './impairment.js'

/** Times during which a path loses every frame, again and again. */
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

// Nanoseconds cross as doubles.
const longest = 90n * 24n * 3_600_000_000_000n

const keys = {
  every: required(
    about(
      'From the beginning of one outage to that of the next.',
      duration({
        fits: (time) => time >= 1n && time <= longest,
        expects: 'a duration from 1ns to 90 days',
      }),
    ),
  ),
  for: required(about('How long each lasts.', duration())),
  offset: about("When the first begins, on the engine's clock. Default 0s.", duration()),
  random: about('Whether both times are exponentially distributed.', flag(false)),
} satisfies RulesOf<Outage>

const readOutage = mapping(keys, {
  finish: (given, owner) => {
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
})

export const outage: ImpairmentKind<Values<typeof keys>> = {
  rule: about(
    'Times during which every frame is lost.',
    shaped(
      (value, subject) =>
        value === undefined || isMapping(value)
          ? readOutage(value, subject)
          : refuse(subject, "{ every, for } such as { every: '10s', for: '500ms' }", value),
      shapeOf(readOutage),
    ),
  ),
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
