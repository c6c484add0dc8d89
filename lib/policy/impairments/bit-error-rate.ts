/**
 * Loses a frame of L bytes with probability 1 - (1 - rate)^(8 L), that of an error in one of its bits, which the check
 * sequence would find. The bytes are those of the frame, without preamble and check sequence.
 */
import { about, probability } from '../../values/options.js'
import type { ImpairmentKind } from './impairment.js'

export const bitErrorRate: ImpairmentKind<number> = {
  certainty: 'is lost',
  rule: about('Probability of an error in each bit; a frame with one is lost.', probability()),
  settings: (rate) => (rate === 0 ? undefined : [rate]),
}
