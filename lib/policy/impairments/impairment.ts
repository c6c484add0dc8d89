/** The contract of an impairment in this half: how its option is checked, and which numbers cross to the other half. */
import { about, type Rule } from '../../values/options.js'
import { chance, type ChanceWords } from './chance.js'

export interface ImpairmentKind<Given> {
  /** Checks the option as users write it; undefined when it is absent. */
  rule: Rule<Given | undefined>
  /** The settings of native/impairments, or undefined when the option asks for nothing. */
  settings: (given: Given) => readonly number[] | undefined
  /** Of those that are given as a probability: what becomes of every frame where it is 1, as in 'is lost'. */
  certainty?: string
}

/** An impairment whose option is a `Chance`; a rate of 0 is off. */
export const byChance = (description: string, certainty: string): ImpairmentKind<ChanceWords> => ({
  certainty,
  rule: about(description, chance),
  settings: (words) => (words[0] === 0 ? undefined : words),
})
