/** The contract of an impairment in this half: how its option is checked, and which numbers cross to the other half. */
import type { Rule } from '../options.js'

export interface ImpairmentKind<Option> {
  /** Checks the option as users write it; undefined when it is absent. */
  rule: Rule<Option | undefined>
  /** The settings of native/impairments, or undefined when the option asks for nothing. */
  settings: (option: Option) => number[] | undefined
}

/** An impairment whose option is one probability; 0 is off. */
export const byProbability = (rule: Rule<number | undefined>): ImpairmentKind<number> => ({
  rule,
  settings: (probability) => (probability === 0 ? undefined : [probability]),
})
